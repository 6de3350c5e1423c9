package e2e

import (
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReachCertificatesReadAtStart takes the certificates away once the program has started. It
// has read them by then, so a sign-in works, as it must when a crowd has used up the files.
func TestReachCertificatesReadAtStart(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	zoom := httptest.NewUnstartedServer(standIn("http://" + address))
	zoom.Config.ErrorLog = log.New(io.Discard, "", 0)
	zoom.StartTLS()
	t.Cleanup(zoom.Close)
	file := filepath.Join(t.TempDir(), "certificate.pem")
	save(t, file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: zoom.Certificate().Raw}))
	a := signIns(t, address, "http://"+address, zoom.URL, "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+t.TempDir())
	time.Sleep(time.Second) // since they are read in the background
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got := a.callback(t); got != http.StatusBadRequest {
		t.Errorf("a made-up code: got %d, want 400", got)
	}
	a.logs(t, "zoom: code: ")
}

// TestReachFullServer has a Zoom whose queue of connections is full, so that dialing takes too long.
func TestReachFullServer(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	a := signIns(t, address, "http://"+address, "http://"+fullAddress(t))
	if got := a.callback(t); got != http.StatusBadGateway {
		t.Errorf("got %d, want 502", got)
	}
	a.logs(t, `oauth/token: "dial tcp `)
	a.logs(t, `i/o timeout"`)
}

// logs wants the program to have logged some words. They may still be on their way through the pipe.
func (a *app) logs(t *testing.T, want string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(a.output.String(), want); {
		if time.Now().After(deadline) {
			t.Fatalf("the program printed:\n%s\nwant %s in it", &a.output, want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// callback starts a sign-in and comes back with a made-up code, as often as the program sends the
// browser to Zoom, and returns the status of the page on which that ends.
func (a *app) callback(t *testing.T) int {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	site := "http://" + a.address + "/"
	for query := ""; ; {
		res, err := client.Get(site + query)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		zoom, err := res.Location()
		if err != nil {
			return res.StatusCode
		}
		query = "?code=made-up&state=" + zoom.Query().Get("state")
	}
}

// fullAddress returns an address whose queue of connections is full. Linux drops what comes then.
func fullAddress(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	loopback := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := errors.Join(syscall.Bind(fd, loopback), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + strconv.Itoa(name.(*syscall.SockaddrInet4).Port)
	for {
		c, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { c.Close() })
	}
}
