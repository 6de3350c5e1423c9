package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"zoom-oauth/internal/fakezoom"
)

// The benchmarks run over real loopback HTTP with a log that is written. Each measures the
// app beside its floor, in turn and in the same run, and prints how near the app comes:
// app/floor is the floor's time for a request over the app's, 1 where the app costs nothing.

// BenchmarkStart is a redirect to Zoom, beside a handler that only redirects.
func BenchmarkStart(b *testing.B) {
	w, quiet := newWorld(b, local), logToNull(b)
	w.app.log = quiet
	target := w.app.zoom.authorize(strings.Repeat("A", 26), strings.Repeat("A", 52))
	floor := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, target, http.StatusFound)
	})
	beside(b, w.app, floor, func(b *testing.B, client *http.Client, site string) {
		request(b, client, site+"/", "", http.StatusFound)
	})
}

// BenchmarkSignIn is a callback, beside a handler that makes the same two calls to Zoom and
// copies their bodies unread.
func BenchmarkSignIn(b *testing.B) {
	const state = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
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
		form := "grant_type=authorization_code&code=" + r.FormValue("code")
		post, _ := http.NewRequest(http.MethodPost, zoom.URL+"/oauth/token", strings.NewReader(form))
		get, _ := http.NewRequest(http.MethodGet, zoom.URL+"/v2/users/me", nil)
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
	beside(b, w.app, floor, func(b *testing.B, client *http.Client, site string) {
		request(b, client, site+"/?code=c&state="+state, "zoom-oauth-"+state+"="+strings.Repeat("V", 52), http.StatusOK)
	})
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

// request sends one request with a cookie and reads the whole answer.
func request(b *testing.B, client *http.Client, address, cookie string, status int) {
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		b.Fatal(err)
	}
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	res, err := client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	if res.StatusCode != status {
		b.Fatalf("got %d, want %d", res.StatusCode, status)
	}
}

// beside measures a handler and its floor with requests from eight clients at once.
func beside(b *testing.B, app, floor http.Handler, send func(*testing.B, *http.Client, string)) {
	perRequest := map[string]float64{}
	for _, side := range []struct {
		name    string
		handler http.Handler
	}{{"floor", floor}, {"app", app}} {
		b.Run(side.name, func(b *testing.B) {
			server := httptest.NewServer(side.handler)
			defer server.Close()
			client := &http.Client{
				Transport:     &http.Transport{MaxIdleConnsPerHost: 64, DialContext: (&net.Dialer{}).DialContext},
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			}
			defer client.CloseIdleConnections()
			send(b, client, server.URL)
			b.ReportAllocs()
			b.SetParallelism(4)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					send(b, client, server.URL)
				}
			})
			perRequest[side.name] = float64(b.Elapsed().Nanoseconds()) / float64(b.N)
			if side.name == "app" && perRequest["floor"] > 0 {
				b.ReportMetric(perRequest["floor"]/perRequest["app"], "app/floor")
			}
		})
	}
}
