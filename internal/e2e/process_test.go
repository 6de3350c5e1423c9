package e2e

import (
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// comesBack sends the program a made-up code of a second try, and wants a status.
func (a *app) comesBack(t *testing.T, want int) {
	t.Helper()
	res := a.get(t, "/?code=made-up&state=again-1", "zoom-oauth-again-1=made-up")
	if res.StatusCode != want {
		t.Errorf("a made-up code: got %s, want %d", res.Status, want)
	}
}

// TestReachCertificatesReadAtStart takes the certificates away when the program has started. It
// must have read them by then: later, a crowd may have used up the file descriptors.
func TestReachCertificatesReadAtStart(t *testing.T) {
	t.Parallel()
	address, file := freeAddress(t), certificate(t)
	zoom := serveTLS(t, standIn("http://"+address))
	a := start(t, address,
		settings("http://"+address, zoom, "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+t.TempDir())...)
	time.Sleep(time.Second) // they are read in the background
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	a.comesBack(t, 400)
	a.prints(t, "Invalid authorization code [secret]")
}

// TestReachFullServer has a Zoom that accepts no more connections, so that dialing takes too long.
func TestReachFullServer(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	a := start(t, address, settings("http://"+address, "http://"+fullAddress(t))...)
	a.comesBack(t, 503)
	a.prints(t, `oauth/token: "dial tcp `)
	a.prints(t, `i/o timeout"`)
}

// fullAddress returns an address whose queue of connections is full. Linux drops what comes then.
func fullAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	conn, err := listener.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	conn.Control(func(fd uintptr) { err = syscall.Listen(int(fd), 0) }) // makes the queue short
	for err == nil {
		var waiting net.Conn
		if waiting, err = net.DialTimeout("tcp", listener.Addr().String(), 300*time.Millisecond); err == nil {
			t.Cleanup(func() { waiting.Close() })
		}
	}
	return listener.Addr().String()
}

// sendsHalf sends the program half a request, whose other half never comes, and returns when that
// is in progress.
func (a *app) sendsHalf(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp", a.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nhalf")
	a.get(t, "/healthz", "") // the program accepts connections in their order
}

// TestStopIdle stops the program when no request is in progress. It ends at once; a connection that
// a client keeps open doesn't count.
func TestStopIdle(t *testing.T) {
	t.Parallel()
	a := start(t, freeAddress(t))
	a.get(t, "/healthz", "")
	begin := time.Now()
	a.stop(t, 0)
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("a stop without requests: got %v, want no wait", took)
	}
}

// TestStopCutOff stops the program while a client has sent half a request. After nine seconds the
// program cuts it off, and says so.
func TestStopCutOff(t *testing.T) {
	t.Parallel()
	a := start(t, freeAddress(t))
	a.sendsHalf(t)
	a.stop(t, 1)
	const want = "\nFinishing the requests in progress. Press Ctrl+C again to end at once.\n" +
		"zoom-oauth cut off requests that were still in progress: context deadline exceeded\n"
	if got := a.output.String(); !strings.HasSuffix(got, want) {
		t.Errorf("got the output %q, want %q at its end", got, want)
	}
}

// TestStopTwice sends the program a second signal while it waits. That ends it at once.
func TestStopTwice(t *testing.T) {
	t.Parallel()
	for name, holdUp := range map[string]func(*testing.T, *app) (letGo func()){
		"for a request": func(t *testing.T, a *app) func() {
			a.sendsHalf(t)
			return func() {}
		},
		"for somebody to read its output, as after Ctrl+S in a terminal": func(t *testing.T, a *app) func() {
			a.output.mutex.Lock()
			client := http.Client{Timeout: time.Second}
			for { // until the pipe is full
				res, err := client.Get(a.site + "/" + strings.Repeat("x", 200))
				if err != nil {
					return a.output.mutex.Unlock
				}
				res.Body.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := start(t, freeAddress(t))
			letGo := holdUp(t, a)
			go func() {
				for a.command.Process.Signal(syscall.SIGTERM) == nil { // until it has ended
					time.Sleep(20 * time.Millisecond)
				}
				letGo()
			}()
			a.stop(t, -1)
		})
	}
}
