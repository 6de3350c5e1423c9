// Package e2e tests the program from the outside: in a browser, against a real OAuth server, behind
// a tunnel and behind nginx, and by following the README. It is a module of its own, so that the app
// doesn't depend on the browser's driver.
package e2e

import (
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"zoom-oauth/internal/fakezoom"
)

// binary is the program, made by "make build".
var binary string

// TestMain builds the program in a copy of the project, runs the tests, and closes the browser.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "zoom-oauth-e2e-")
	if err != nil {
		log.Panic(err)
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "zoom-oauth")
	if output, err := shell(root, copyProject+`&& make -C "$0" build`, dir); err != nil {
		log.Panicf("make build: %v\n%s", err, output)
	}
	m.Run()
	closeBrowser()
}

// root is the project's folder.
const root = "../.."

// copyProject is a shell command that copies what the program is built from into the folder $0.
const copyProject = `cp -r --parents Makefile go.mod go.sum *.go templates internal/fakezoom "$0"`

// shell runs a shell command in a folder, and returns what it prints. The arguments are its $0, $1
// and so on.
func shell(dir, command string, args ...string) (string, error) {
	sh := exec.Command("sh", append([]string{"-c", command}, args...)...)
	sh.Dir = dir
	output, err := sh.CombinedOutput()
	return string(output), err
}

// app is a running program, usually the one under test.
type app struct {
	address string // 127.0.0.1:PORT
	site    string // http://127.0.0.1:PORT
	command *exec.Cmd
	output  buffer
}

// start runs the program, which listens on address. Its environment has only the address and the
// settings. Without settings, it is the demo.
func start(t *testing.T, address string, settings ...string) *app {
	t.Helper()
	command := exec.Command(binary)
	if len(settings) == 0 {
		command.Args = append(command.Args, "-demo")
	}
	command.Env = append([]string{"address=" + address}, settings...)
	return launch(t, address, command)
}

// launch runs a program, and returns it when it listens on address. It stops the program at the end
// of the test, unless the test has.
func launch(t *testing.T, address string, command *exec.Cmd) *app {
	t.Helper()
	a := &app{address: address, site: "http://" + address, command: command}
	command.Dir, command.Stdout, command.Stderr = t.TempDir(), &a.output, &a.output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if command.ProcessState == nil {
			a.stop(t, 0)
		}
		if t.Failed() {
			t.Logf("%s printed:\n%s", command, &a.output)
		}
	})
	waitFor(t, "a program that listens on "+address, func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return a
}

// stop sends the program SIGTERM. The program must end with an exit status, which is -1 if the
// signal ends it, within ten seconds.
func (a *app) stop(t *testing.T, want int) {
	t.Helper()
	a.command.Process.Signal(syscall.SIGTERM)
	defer time.AfterFunc(10*time.Second, func() { a.command.Process.Kill() }).Stop()
	a.command.Wait()
	if got := a.command.ProcessState; got.ExitCode() != want || got.String() == "signal: killed" {
		t.Errorf("after SIGTERM: got %v, want %d (-1 is the signal) within ten seconds", got, want)
	}
}

// prints waits until the program has printed a text.
func (a *app) prints(t *testing.T, text string) {
	t.Helper()
	waitFor(t, "the output "+text, func() bool { return strings.Contains(a.output.String(), text) })
}

// get sends the program a request with a Cookie header, and returns the response. It keeps the
// connection open.
func (a *app) get(t *testing.T, path, cookies string) *http.Response {
	t.Helper()
	r, err := http.NewRequest("GET", a.site+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", cookies)
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	return res
}

// settings returns the settings for an app that standIn knows.
func settings(redirectURL, zoomURL string, more ...string) []string {
	return append([]string{"clientID=client", "clientSecret=secret", "redirectURL=" + redirectURL,
		"zoomURL=" + zoomURL, "zoomAPIURL=" + zoomURL}, more...)
}

// standIn returns a stand-in for Zoom that knows the app at redirectURL.
func standIn(redirectURL string) *fakezoom.Server {
	return fakezoom.New("client", "secret", redirectURL)
}

// freeAddress returns an address of this machine on which no program listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// waitFor waits until there is something, at most ten seconds.
func waitFor(t *testing.T, what string, isThere func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !isThere(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("within ten seconds: got nothing, want %s", what)
		}
	}
}

// save writes a file, and makes its folder if there is none.
func save(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// buffer is a bytes.Buffer that may be read while a program writes to it.
type buffer struct {
	mutex sync.Mutex
	bytes bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.Write(p)
}

func (b *buffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.bytes.String()
}
