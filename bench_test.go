package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"zoom-oauth/internal/fakezoom"
)

// The benchmarks run over real HTTP on the loopback interface. Each measures the app and beside it
// its floor, a handler that does the bare minimum, in one run.

// BenchmarkStart is a redirect to Zoom. Its floor only redirects.
func BenchmarkStart(b *testing.B) {
	w := newWorld(b, local)
	target := w.app.zoom.authorizeURL(someFirst, strings.Repeat("V", 52))
	floor := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, target, http.StatusFound)
	})
	request := httptest.NewRequest("GET", "/", nil)
	b.Run("floor", func(b *testing.B) { measure(b, floor, request, http.StatusFound) })
	b.Run("app", func(b *testing.B) { measure(b, w.app, request, http.StatusFound) })
}

// BenchmarkSignIn is a callback. Its floor makes the same two calls to Zoom and copies the bodies.
func BenchmarkSignIn(b *testing.B) {
	zoom := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == tokenPath {
			io.WriteString(rw, goodToken)
			return
		}
		io.WriteString(rw, fakezoom.Jill)
	}))
	defer zoom.Close()
	w := newWorld(b, local)
	w.app.zoom.oauthURL, w.app.zoom.apiURL = zoom.URL, zoom.URL
	floor := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		for _, path := range []string{tokenPath, userPath} {
			req, _ := http.NewRequest(http.MethodPost, zoom.URL+path, strings.NewReader("form"))
			res, err := w.app.zoom.transport.RoundTrip(req)
			if err != nil {
				http.Error(rw, err.Error(), http.StatusBadGateway)
				return
			}
			io.Copy(rw, res.Body)
			res.Body.Close()
		}
	})
	b.Run("floor", func(b *testing.B) { measure(b, floor, callbackRequest(), http.StatusOK) })
	b.Run("app", func(b *testing.B) { measure(b, w.app, callbackRequest(), http.StatusOK) })
}

// measure sends a request again and again on about eight connections, and wants this status.
func measure(b *testing.B, handler http.Handler, request *http.Request, status int) {
	server := httptest.NewServer(handler)
	defer server.Close()
	transport := newTransport()
	b.ReportAllocs()
	b.SetParallelism(max(1, 8/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, _ := http.NewRequest(http.MethodGet, server.URL+request.URL.String(), nil)
			req.Header = request.Header
			res, err := transport.RoundTrip(req)
			if err != nil || res.StatusCode != status {
				b.Errorf("got %v (%v), want %d", res, err, status)
				return
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	})
}
