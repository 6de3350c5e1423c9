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

// The benchmarks run over real loopback HTTP with a log that is written. Each measures the
// app beside its floor, in turn and in the same run, and prints how near the app comes:
// floor/app is the floor's time for a request over the app's, 1 if the app cost nothing.

// BenchmarkStart is a redirect to Zoom, beside a handler that only redirects.
func BenchmarkStart(b *testing.B) {
	w, quiet := newWorld(b, local), logToNull(b)
	w.app.log = quiet
	target := w.app.zoom.authorize(strings.Repeat("A", 26), strings.Repeat("A", 52))
	floor := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, target, http.StatusFound)
	})
	beside(b, w.app, floor, "GET / HTTP/1.1\r\nHost: localhost:8000\r\n\r\n", "302 Found")
}

// BenchmarkSignIn is a callback, beside a handler that makes the same two calls to Zoom and
// copies their bodies unread.
func BenchmarkSignIn(b *testing.B) {
	const state = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	verifier := strings.Repeat("V", 52)
	zoom := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/oauth/token" {
			io.Copy(io.Discard, r.Body)
			io.WriteString(rw, goodToken)
			return
		}
		io.WriteString(rw, fakezoom.Jill)
	}))
	defer zoom.Close()
	w, quiet := newWorld(b, local), logToNull(b)
	w.app.log = quiet
	w.app.zoom.zoomURL, w.app.zoom.zoomAPIURL = zoom.URL, zoom.URL

	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = transport.MaxIdleConns
	defer transport.CloseIdleConnections()
	upstream := &http.Client{Transport: transport}
	floor := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		form := "grant_type=authorization_code&code=" + r.FormValue("code") + "&redirect_uri=" + url.QueryEscape(local) + "&code_verifier=" + verifier
		post, _ := http.NewRequest(http.MethodPost, zoom.URL+"/oauth/token", strings.NewReader(form))
		get, _ := http.NewRequest(http.MethodGet, zoom.URL+"/v2/users/me", nil)
		post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		post.SetBasicAuth(w.app.zoom.clientID, w.app.zoom.clientSecret)
		get.Header.Set("Authorization", "Bearer ACCESS.TOKEN")
		for _, req := range []*http.Request{post, get} {
			res, err := upstream.Do(req)
			if err != nil {
				http.Error(rw, err.Error(), http.StatusBadGateway)
				return
			}
			io.Copy(rw, res.Body)
			res.Body.Close()
		}
	})
	beside(b, w.app, floor, "GET /?code=c&state="+state+" HTTP/1.1\r\nHost: localhost:8000\r\n"+
		"Cookie: zoom-oauth-"+state+"="+verifier+"\r\n\r\n", "200 OK")
}

// logToNull gives a log whose lines are written, but to nowhere.
func logToNull(b *testing.B) *log.Logger {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { null.Close() })
	return log.New(null, "", log.LstdFlags)
}

// beside measures a handler and its floor. Each of about eight connections sends the same
// request again and again, and reads just what tells where an answer ends.
func beside(b *testing.B, app, floor http.Handler, request, status string) {
	perRequest := map[string]float64{}
	for _, side := range []struct {
		name    string
		handler http.Handler
	}{{"floor", floor}, {"app", app}} {
		b.Run(side.name, func(b *testing.B) {
			server := httptest.NewServer(side.handler)
			defer server.Close()
			b.ReportAllocs()
			b.SetParallelism(8 / runtime.GOMAXPROCS(0))
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				c, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil {
					b.Error(err)
					return
				}
				defer c.Close()
				for in := bufio.NewReader(c); pb.Next(); {
					if err := exchange(c, in, request, status); err != nil {
						b.Error(err)
						return
					}
				}
			})
			perRequest[side.name] = float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			if floor, ok := perRequest["floor"]; ok && side.name == "app" {
				b.ReportMetric(floor/perRequest["app"], "floor/app")
			}
		})
	}
}

// exchange sends a request and reads the answer, which must have this status.
func exchange(c net.Conn, in *bufio.Reader, request, status string) error {
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
	length, chunked := 0, false
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case first && !bytes.Contains(line, []byte(status)):
			return fmt.Errorf("got %q, want %s", line, status)
		case bytes.HasPrefix(line, []byte("Content-Length: ")):
			length, _ = strconv.Atoi(string(bytes.TrimSpace(line[16:])))
		case bytes.HasPrefix(line, []byte("Transfer-Encoding: chunked")):
			chunked = true
		case len(line) == 2 && chunked:
			_, err := io.Copy(io.Discard, httputil.NewChunkedReader(in))
			in.Discard(2)
			return err
		case len(line) == 2:
			_, err := in.Discard(length)
			return err
		}
	}
}
