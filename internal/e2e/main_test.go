// Package e2e tests the built binary from the outside: with a real browser (make e2e), and
// as replicas behind a real load balancer (make replicas). It is a module of its own, so
// that the browser's driver is no dependency of the app.
package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zoom-oauth/internal/fakezoom"
)

// binary is the program under test.
var binary string

// TestMain builds the program as it is released, runs the tests and closes the browser.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "zoom-oauth-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "zoom-oauth")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", binary, ".")
	build.Dir, build.Env = filepath.Join("..", ".."), append(os.Environ(), "CGO_ENABLED=0")
	status := 1
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %v\n%s", build, err, out)
	} else {
		status = m.Run()
		closeBrowser()
	}
	os.RemoveAll(dir)
	os.Exit(status)
}

// app is the program at work.
type app struct {
	address string
	command *exec.Cmd
	output  buffer
}

// newApp returns the program, to be run in an empty directory with nothing but these settings in
// its environment.
func newApp(t *testing.T, address string, args []string, settings ...string) *app {
	t.Helper()
	a := &app{address: address, command: exec.Command(binary, args...)}
	a.command.Dir, a.command.Env = t.TempDir(), append(settings, "address="+address)
	a.command.Stdout, a.command.Stderr = &a.output, &a.output
	return a
}

// start runs the program, and returns it when it serves.
func start(t *testing.T, address string, args []string, settings ...string) *app {
	t.Helper()
	a := newApp(t, address, args, settings...)
	a.starts(t)
	return a
}

// starts runs the program, and waits until it serves.
func (a *app) starts(t *testing.T) {
	t.Helper()
	if err := a.command.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		res, err := http.Get("http://" + a.address + "/healthz")
		if err == nil {
			res.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			a.command.Process.Kill()
			a.command.Wait()
			t.Fatalf("%s does not answer: %v\n%s", a.address, err, &a.output)
		}
	}
}

// stop asks the program to end, and wants it to do so as ends does.
func (a *app) stop(t *testing.T, status int) {
	t.Helper()
	a.command.Process.Signal(syscall.SIGTERM)
	a.ends(t, status)
}

// ends wants the program to end within ten seconds and with an exit status, which is -1 for a
// signal.
func (a *app) ends(t *testing.T, status int) {
	t.Helper()
	late := time.AfterFunc(10*time.Second, func() { a.command.Process.Kill() })
	defer late.Stop()
	a.command.Wait()
	if got := a.command.ProcessState; got.ExitCode() != status {
		t.Errorf("the program's end: got %v, want exit status %d within ten seconds", got, status)
	}
	if t.Failed() {
		t.Logf("the program printed:\n%s", &a.output)
	}
}

// openLine matches where the program says to open it.
var openLine = regexp.MustCompile(`(?m)^  Open +(http://\S+)$`)

// opensAt returns the URL that the program says to open.
func (a *app) opensAt(t *testing.T) string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if found := openLine.FindStringSubmatch(a.output.String()); found != nil {
			return found[1]
		}
		if time.Now().After(deadline) { // it is printed before the first answer, but may still be in the pipe
			t.Fatalf("the program printed:\n%s\nwant a line with the URL to open", &a.output)
		}
	}
}

// demo runs the program as make demo does.
func demo(t *testing.T) *app {
	t.Helper()
	a := start(t, freeAddress(t), []string{"-demo"})
	t.Cleanup(func() { a.stop(t, 0) })
	return a
}

// signIns runs the program for an app at redirectURL, with a Zoom that answers at zoomURL.
// More settings come after its own and win.
func signIns(t *testing.T, address, redirectURL, zoomURL string, more ...string) *app {
	t.Helper()
	a := start(t, address, nil, append(settings(redirectURL, zoomURL), more...)...)
	t.Cleanup(func() { a.stop(t, 0) })
	return a
}

// settings returns the program's environment for an app that standIn knows.
func settings(redirectURL, zoomURL string) []string {
	return []string{"clientID=client", "clientSecret=secret", "redirectURL=" + redirectURL,
		"zoomURL=" + zoomURL, "zoomAPIURL=" + zoomURL}
}

// standIn returns a stand-in for Zoom that knows the app at redirectURL.
func standIn(redirectURL string) *fakezoom.Server {
	return fakezoom.New("client", "secret", redirectURL)
}

// serve answers with handler on a free loopback port, and returns its URL.
func serve(t *testing.T, handler http.Handler) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// loopbacks returns the addresses that localhost stands for on this machine.
var loopbacks = sync.OnceValue(func() []string {
	listener, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return []string{"127.0.0.1"}
	}
	listener.Close()
	return []string{"127.0.0.1", "::1"}
})

// freeAddress returns localhost with a port on which no program listens, on any of its addresses.
func freeAddress(t *testing.T) string {
	t.Helper()
	var err error
	for range 100 {
		number := "0" // a free one, which the others must have, too
		for _, host := range loopbacks() {
			var listener net.Listener
			if listener, err = net.Listen("tcp", net.JoinHostPort(host, number)); err != nil {
				break
			}
			defer listener.Close()
			number = port(listener.Addr().String())
		}
		if err == nil {
			return "localhost:" + number
		}
	}
	t.Fatal(err)
	return ""
}

// port returns what follows the last colon of an address or of a site's URL.
func port(address string) string { return address[strings.LastIndex(address, ":")+1:] }

// buffer holds what a process prints. It may be read while the process runs.
type buffer struct {
	mutex sync.Mutex
	bytes bytes.Buffer
}

// Write adds p.
func (b *buffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.Write(p)
}

// String returns all that was written.
func (b *buffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.String()
}
