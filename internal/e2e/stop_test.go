package e2e

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestStopIdle stops the program when nothing is under way; a connection that a client keeps open
// doesn't count. It ends at once, so before one that was stopped earlier and waits for a request.
func TestStopIdle(t *testing.T) {
	t.Parallel()
	waiting, idle := start(t, freeAddress(t), []string{"-demo"}), start(t, freeAddress(t), []string{"-demo"})
	waiting.sendsHalf(t)
	waiting.command.Process.Signal(syscall.SIGTERM)
	ended := make(chan struct{})
	go func() {
		waiting.command.Wait()
		close(ended)
	}()
	idle.asks(t)
	idle.stop(t, 0)
	select {
	case <-ended:
		t.Error("the first to end: got the program that waits, want the idle one")
	default:
	}
	waiting.command.Process.Kill()
	<-ended
}

// TestStopCutOff stops the program while a client sends half a request and then nothing. That
// request is cut off, and the program says so.
func TestStopCutOff(t *testing.T) {
	t.Parallel()
	a := newApp(t, freeAddress(t), []string{"-demo"})
	var complaints buffer
	a.command.Stderr = &complaints
	a.starts(t)
	a.sendsHalf(t)
	a.stop(t, 1)
	const want = "zoom-oauth cut off requests that were still under way: context deadline exceeded\n"
	if got := complaints.String(); got != want {
		t.Errorf("stderr: got %q, want %q", got, want)
	}
}

// TestStopTwice stops the program while a request is under way, and then loses patience.
func TestStopTwice(t *testing.T) {
	t.Parallel()
	a := start(t, freeAddress(t), []string{"-demo"})
	a.sendsHalf(t)
	var again sync.WaitGroup
	again.Go(func() {
		for a.command.Process.Signal(syscall.SIGTERM) == nil { // until it has ended
			time.Sleep(20 * time.Millisecond)
		}
	})
	a.stop(t, -1)
	again.Wait()
	status, _ := a.command.ProcessState.Sys().(syscall.WaitStatus)
	if got := status.Signal(); got != syscall.SIGTERM {
		t.Errorf("ended by: got %v, want %v", got, syscall.SIGTERM)
	}
}

// TestStopUnread stops the program when nobody reads any more what it prints, as after Ctrl+S in a
// terminal. Whatever prints then waits.
func TestStopUnread(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	a := newApp(t, freeAddress(t), []string{"-demo"})
	a.command.Stdout = writer
	a.starts(t)
	writer.Close() // the program has its own

	client := http.Client{Timeout: 2 * time.Second}
	for err == nil { // until the pipe is full
		err = get(&client, "http://"+a.address+"/"+strings.Repeat("x", 200))
	}
	if !os.IsTimeout(err) {
		t.Errorf("a request when the pipe is full: got %v, want no answer", err)
	}
	a.stop(t, 1)
}

// get asks for a page and reads all of it.
func get(client *http.Client, url string) error {
	res, err := client.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// sendsHalf sends the program half a request, whose other half never comes, and returns when that
// is under way.
func (a *app) sendsHalf(t *testing.T) {
	t.Helper()
	a.dials(t, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\nhalf")
	a.asks(t) // the program accepts connections in their order
}

// asks sends the program a request, waits for the answer, and leaves the connection open until the
// end of the test.
func (a *app) asks(t *testing.T) {
	t.Helper()
	conn := a.dials(t, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
		t.Fatal(err)
	}
}

// dials connects to the program until the end of the test, and sends it something.
func (a *app) dials(t *testing.T, request string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:"+port(a.address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}
