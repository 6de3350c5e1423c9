package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"zoom-oauth/internal/fakezoom"
)

// The benchmarks run over real HTTP on the loopback interface, with a log that is written. Each
// measures the app and beside it its floor, a handler that does the bare minimum, in one run.
// floor/app is the floor's time for a request divided by the app's: 1 if the app cost nothing.

// BenchmarkStart is a redirect to Zoom. Its floor only redirects.
func BenchmarkStart(b *testing.B) {
	w := newWorld(b, local)
	w.app.log = logToNull(b)
	target := w.app.zoom.authorizeURL(someFirst, strings.Repeat("V", 52))
	floor := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, target, http.StatusFound)
	})
	beside(b, w.app, floor, "GET / HTTP/1.1\r\nHost: localhost:8000\r\n\r\n", "302 Found")
}

// BenchmarkSignIn is a callback. Its floor makes the same two calls to Zoom and copies their
// bodies unread.
func BenchmarkSignIn(b *testing.B) {
	verifier := strings.Repeat("V", 52)
	zoom := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		if r.URL.Path == tokenPath {
			io.Copy(io.Discard, r.Body)
			io.WriteString(rw, goodToken)
			return
		}
		io.WriteString(rw, fakezoom.Jill)
	}))
	defer zoom.Close()
	w := newWorld(b, local)
	w.app.log = logToNull(b)
	w.app.zoom.zoomURL, w.app.zoom.apiURL = zoom.URL, zoom.URL
	request := "GET /?code=c&state=" + someFirst + " HTTP/1.1\r\nHost: localhost:8000\r\n" +
		"Cookie: " + plain + someFirst + "=" + verifier + "\r\n\r\n"
	beside(b, w.app, bareSignIn(b, zoom.URL, verifier), request, "200 OK")
}

// bareSignIn returns the floor of a sign-in.
func bareSignIn(b *testing.B, zoomURL, verifier string) http.Handler {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = transport.MaxIdleConns
	b.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		form := "grant_type=authorization_code&code=" + r.FormValue("code") +
			"&redirect_uri=" + url.QueryEscape(local) + "&code_verifier=" + verifier
		post, _ := http.NewRequest(http.MethodPost, zoomURL+tokenPath, strings.NewReader(form))
		get, _ := http.NewRequest(http.MethodGet, zoomURL+userPath, nil)
		post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		post.SetBasicAuth(clientID, clientSecret)
		get.Header.Set("Authorization", "Bearer ACCESS.TOKEN")
		for _, req := range []*http.Request{post, get} {
			res, err := client.Do(req)
			if err != nil {
				http.Error(rw, err.Error(), http.StatusBadGateway)
				return
			}
			io.Copy(rw, res.Body)
			res.Body.Close()
		}
	})
}

// logToNull returns a log whose lines are written, but nowhere.
func logToNull(b *testing.B) *log.Logger {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { null.Close() })
	return log.New(null, "", log.LstdFlags)
}

// beside measures a handler and its floor.
func beside(b *testing.B, app, floor http.Handler, request, status string) {
	var floorTime float64
	b.Run("floor", func(b *testing.B) { floorTime = measure(b, floor, request, status) })
	b.Run("app", func(b *testing.B) {
		appTime := measure(b, app, request, status)
		b.ReportMetric(floorTime/appTime, "floor/app")
	})
}

// measure returns how many nanoseconds a handler takes for a request, sent again and again on
// about eight connections.
func measure(b *testing.B, handler http.Handler, request, status string) float64 {
	server := httptest.NewServer(handler)
	defer server.Close()
	b.ReportAllocs()
	b.SetParallelism(max(1, 8/runtime.GOMAXPROCS(0)))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		for in := bufio.NewReader(c); pb.Next(); {
			if err := trade(c, in, request, status); err != nil {
				b.Error(err)
				return
			}
		}
	})
	return float64(b.Elapsed().Nanoseconds()) / float64(b.N)
}

// trade sends a request and reads the answer, which must have this status. Of its header it
// reads just where the body ends.
func trade(c net.Conn, in *bufio.Reader, request, status string) error {
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
	line, err := in.ReadSlice('\n')
	if err != nil || !bytes.Contains(line, []byte(status)) {
		return fmt.Errorf("got %q (%v), want %s", line, err, status)
	}
	length, chunked := 0, false
	for len(line) > 2 {
		if line, err = in.ReadSlice('\n'); err != nil {
			return err
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
		chunked = chunked || bytes.HasPrefix(line, []byte("Transfer-Encoding: chunked"))
	}
	if chunked {
		if _, err := io.Copy(io.Discard, httputil.NewChunkedReader(in)); err != nil {
			return err
		}
		length = len("\r\n") // at the end of the last chunk
	}
	_, err = in.Discard(length)
	return err
}
