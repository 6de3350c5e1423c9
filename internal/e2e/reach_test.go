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
	if got := a.callback(t); got != http.StatusBadRequest || !strings.Contains(a.output.String(), "zoom: code: ") {
		t.Errorf("a made-up code: got %d, want 400 after Zoom's refusal of two", got)
	}
}

// TestReachFullServer has a Zoom whose queue of connections is full, so that dialing takes too long.
func TestReachFullServer(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	a := signIns(t, address, "http://"+address, "http://"+fullAddress(t))
	if got := a.callback(t); got != http.StatusBadGateway {
		t.Errorf("got %d, want 502", got)
	}
	const want = `i/o timeout"`
	if got := a.output.String(); !strings.Contains(got, `oauth/token: "dial tcp `) || !strings.Contains(got, want) {
		t.Errorf("got %s, want that dialing took too long", got)
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
