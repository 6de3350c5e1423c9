package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The answers of a Zoom that is well.
const (
	goodToken   = `{"access_token":"ACCESS.TOKEN","token_type":"bearer","refresh_token":"REFRESH.TOKEN","expires_in":3599,"scope":"user:read:user"}`
	goodProfile = `{"first_name":"Jill","last_name":"Chill"}`
)

// goodAnswers is what a Zoom that is well answers, by path.
var goodAnswers = map[string]string{"/oauth/token": goodToken, "/v2/users/me": goodProfile}

// upstream is a Zoom whose endpoints do anything on a connection.
type upstream struct {
	mutex       sync.Mutex
	behaviours  map[string]behaviour // by path; without one the answer is good
	connections atomic.Int64
	url         string
}

// behaviour answers a request on the bare connection, and reports whether it stays open.
type behaviour func(c net.Conn, r *http.Request, body string) bool

// newUpstream starts an upstream, and points the app of w at it.
func newUpstream(t testing.TB, w *world) *upstream {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{behaviours: map[string]behaviour{}, url: "http://" + listener.Addr().String()}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			u.connections.Add(1)
			t.Cleanup(func() { c.Close() })
			go u.serve(c)
		}
	}()
	w.app.zoom.zoomURL, w.app.zoom.zoomAPIURL = u.url, u.url
	return u
}

// serve answers the requests of one connection.
func (u *upstream) serve(c net.Conn) {
	defer c.Close()
	for in := bufio.NewReader(c); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(r.Body)
		u.mutex.Lock()
		b := u.behaviours[r.URL.Path]
		u.mutex.Unlock()
		if b == nil {
			b = answers(200, goodAnswers[r.URL.Path])
		}
		if !b(c, r, string(body)) {
			return
		}
	}
}

// set gives an endpoint a behaviour, nil for the good one.
func (u *upstream) set(path string, b behaviour) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.behaviours[path] = b
}

// slowDown has every endpoint answer well, but only after a while.
func (u *upstream) slowDown(delay time.Duration) {
	for path, answer := range goodAnswers {
		u.set(path, func(c net.Conn, r *http.Request, body string) bool {
			time.Sleep(delay)
			return answers(200, answer)(c, r, body)
		})
	}
}

// answers is an answer as HTTP has it, with more header lines if need be.
func answers(status int, body string, header ...string) behaviour {
	return func(c net.Conn, _ *http.Request, _ string) bool {
		lines := ""
		for _, line := range header {
			lines += line + "\r\n"
		}
		_, err := fmt.Fprintf(c, "HTTP/1.1 %d x\r\nContent-Length: %d\r\n%s\r\n%s", status, len(body), lines, body)
		return err == nil
	}
}

// says writes raw bytes and hangs up.
func says(text string) behaviour {
	return func(c net.Conn, _ *http.Request, _ string) bool {
		io.WriteString(c, text)
		return false
	}
}

// keepsSaying writes raw bytes and then the same again and again, with a pause.
func keepsSaying(start, more string, pause time.Duration) behaviour {
	return func(c net.Conn, _ *http.Request, _ string) bool {
		for _, err := io.WriteString(c, start); err == nil; _, err = io.WriteString(c, more) {
			time.Sleep(pause)
		}
		return false
	}
}

// callback starts a sign-in in the browser and gives the URL that Zoom would send it back to.
func (b *browser) callback(code string) string {
	b.t.Helper()
	location, err := url.Parse(b.get(local).header.Get("Location"))
	if err != nil {
		b.t.Fatal(err)
	}
	return local + "/?" + url.Values{"code": {code}, "state": {location.Query().Get("state")}}.Encode()
}

// gzipBomb gives 64 MiB of JSON in few bytes.
func gzipBomb() string {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write([]byte(`{"first_name":"`))
	z.Write(bytes.Repeat([]byte("a"), 64<<20))
	z.Write([]byte(`"}`))
	z.Close()
	return packed.String()
}

// TestUpstreamMayDoAnything has each fault at both endpoints: there is an error page, memory
// stays small, and the next sign-in works.
func TestUpstreamMayDoAnything(t *testing.T) {
	const (
		useless = "Zoom’s answer could not be used"
		late    = "Zoom did not answer in time"
	)
	strangers := atomic.Int64{}
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strangers.Add(1) }))
	defer stranger.Close()

	type fault struct {
		does   behaviour
		status int
		title  string
	}
	both := map[string]fault{
		"HTML":                      {answers(200, "<html><h1>Sorry</h1>"), 502, useless},
		"an HTML error":             {answers(503, "<html><h1>Sorry</h1>"), 502, useless},
		"an empty body":             {answers(200, ""), 502, useless},
		"truncated JSON":            {answers(200, `{"access_token":"a","first_name":"Ji`), 502, useless},
		"null":                      {answers(200, "null"), 502, useless},
		"an array":                  {answers(200, `[{"access_token":"a"}]`), 502, useless},
		"a string":                  {answers(200, `"access_token"`), 502, useless},
		"two values in a row":       {answers(200, goodToken+goodProfile), 502, useless},
		"an error inside a 200":     {answers(200, `{"reason":"r","error":"odd","access_token":"a"}`), 502, useless},
		"a code inside a 200":       {answers(200, `{"code":124,"message":"Invalid access token."}`), 502, useless},
		"101":                       {says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"), 502, useless},
		"101 and silence":           {keepsSaying("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "", 50*time.Millisecond), 502, useless},
		"201":                       {answers(201, goodToken), 502, useless},
		"an errorCode inside a 200": {answers(200, `{"status":false,"errorCode":4700,"access_token":"a"}`), 502, useless},
		"an error of another type":  {answers(200, `{"error":{"a":1},"access_token":"a"}`), 502, useless},
		"204":                       {says("HTTP/1.1 204 No Content\r\n\r\n"), 502, useless},
		"500":                       {answers(500, `{}`), 502, useless},
		"nested 100,000 deep":       {answers(200, strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)), 502, useless},
		"nested deep in an object":  {answers(200, `{"a":`+strings.Repeat("[", 20_000)+strings.Repeat("]", 20_000)+"}"), 502, useless},
		"a body that never ends":    {keepsSaying("HTTP/1.1 200 OK\r\n\r\n{\"a\":\"", strings.Repeat("a", 4096), 0), 502, useless},
		"a header that never ends":  {keepsSaying("HTTP/1.1 200 OK\r\nX: ", strings.Repeat("a", 4096), 0), 502, useless},
		"interim answers for ever":  {keepsSaying("", "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n", 0), 502, useless},
		"a gzip bomb":               {answers(200, gzipBomb(), "Content-Encoding: gzip"), 502, useless},
		"one byte at a time":        {keepsSaying("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{", " ", 50*time.Millisecond), 504, late},
		"a slow header":             {keepsSaying("HTTP/1.1 200 OK\r\nX: ", "a", 50*time.Millisecond), 504, late},
		"silence":                   {keepsSaying("", "", 50*time.Millisecond), 504, late},
		"a hang-up":                 {says(""), 502, useless},
		"a hang-up in the middle":   {says("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{\"a\":"), 502, useless},
		"no HTTP":                   {says("220 smtp.example.com ESMTP\r\n"), 502, useless},
		"a redirect to another":     {answers(307, "", "Location: "+stranger.URL), 502, useless},
		"a redirect to itself":      {answers(302, "", "Location: /oauth/token"), 502, useless},
	}
	profileOnly := map[string]fault{
		"nested 9,000 deep": {answers(200, `{"first_name":"Deep","a":`+strings.Repeat("[", 9_000)+strings.Repeat("]", 9_000)+"}"), 200, "Deep"},
		"wide and deep":     {answers(200, `{"first_name":"Deep","a":`+strings.Repeat("[", 9_000)+strings.Repeat("0,", 10_000)+"0"+strings.Repeat("]", 9_000)+"}"), 200, "Deep"},
	}
	tokenOnly := map[string]fault{
		"no token":                 {answers(200, `{"token_type":"bearer"}`), 502, useless},
		"a token that is null":     {answers(200, `{"access_token":null,"token_type":"bearer"}`), 502, useless},
		"a token that is empty":    {answers(200, `{"access_token":"","token_type":"bearer"}`), 502, useless},
		"a token that is a number": {answers(200, `{"access_token":12,"token_type":"bearer"}`), 502, useless},
		"a token with a line end":  {answers(200, `{"access_token":"a\n","token_type":"bearer"}`), 502, useless},
		"a token of two lines":     {answers(200, `{"access_token":"a\r\nX-Injected: b","token_type":"bearer"}`), 502, useless},
		"a token of another type":  {answers(200, `{"access_token":"a","token_type":"mac"}`), 502, useless},
	}
	for path, tables := range map[string][]map[string]fault{
		"/oauth/token": {both, tokenOnly},
		"/v2/users/me": {both, profileOnly},
	} {
		for _, table := range tables {
			for name, fault := range table {
				t.Run(path+" "+name, func(t *testing.T) {
					w := newWorld(t, local)
					u := newUpstream(t, w)
					w.app.zoom.client.Timeout = 400 * time.Millisecond
					b := w.newBrowser(t)
					u.set(path, fault.does)

					var before, after runtime.MemStats
					callback := b.callback("c")
					runtime.ReadMemStats(&before)
					p := b.get(callback)
					runtime.ReadMemStats(&after)
					if fault.status == 200 {
						if p.status != 200 || p.title() != fault.title {
							t.Errorf("got %d %q, want 200 %q", p.status, p.title(), fault.title)
						}
					} else {
						isPage(t, p, fault.status, fault.title)
					}
					if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
						t.Errorf("took %d MiB of memory in all, want less than 64", used>>20)
					}
					if strangers.Load() != 0 {
						t.Error("followed a redirect to another host")
					}
					u.set(path, nil)
					signedIn(t, b.get(b.callback("c")))
				})
			}
		}
	}
}

// failingDial is a way to a name server when there is none.
func failingDial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("no name server")
}

func TestZoomOutOfReach(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	unknown := httptest.NewUnstartedServer(http.NotFoundHandler())
	unknown.Config.ErrorLog = log.New(io.Discard, "", 0)
	unknown.StartTLS()
	defer unknown.Close()
	for name, c := range map[string]struct{ zoomURL, log string }{
		"nobody listens":               {"http://" + closed.Addr().String(), "connection refused"},
		"the name does not resolve":    {"https://zoom.invalid", "lookup zoom.invalid"},
		"no URL":                       {"http://[", "connection broken"},
		"the certificate is not known": {unknown.URL, "certificate signed by unknown authority"},
		"plain HTTP where TLS should be": {"https" + strings.TrimPrefix(newUpstream(t, newWorld(t, local)).url, "http"),
			"connection broken"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			w.app.zoom.zoomURL = c.zoomURL
			b := w.newBrowser(t)
			transport := w.app.zoom.client.Transport.(*http.Transport)
			transport.DialContext = (&net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: failingDial}}).DialContext
			isPage(t, b.get(b.callback("c")), http.StatusBadGateway, "Zoom’s answer could not be used")
			if !strings.Contains(w.log.String(), c.log) {
				t.Errorf("the log lacks %q: %s", c.log, w.log)
			}
		})
	}
}

// TestSilentHandshake has a Zoom that accepts connections and never speaks TLS. The visitor must
// get an answer, and the connection must not stay.
func TestSilentHandshake(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	w := newWorld(t, local)
	w.app.zoom.zoomURL = "https://" + listener.Addr().String()
	w.app.zoom.client.Timeout /= 100 // 100 times as fast
	w.app.zoom.client.Transport.(*http.Transport).TLSHandshakeTimeout /= 100
	b := w.newBrowser(t)
	isPage(t, b.get(b.callback("c")), http.StatusGatewayTimeout, "Zoom did not answer in time")
	c, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Errorf("the connection is still open: %v", err)
	}
}

// TestErrorsSayWhatToMend has what Zoom says, and what the visitor and the developer read.
func TestErrorsSayWhatToMend(t *testing.T) {
	const token, profile = "/oauth/token", "/v2/users/me"
	for name, c := range map[string]struct {
		path   string
		does   behaviour
		status int
		title  string
		page   []string // what the page must hold
		log    string
	}{
		"wrong client secret": {token, answers(400, `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`, "x-zm-trackingid: WEB_1"),
			500, "Zoom does not know this app", []string{"clientID", "clientSecret", "WEB_1"}, `credentials: URL/oauth/token: HTTP 400, code 0, tracking id "WEB_1"`},
		"wrong client secret, by code": {token, answers(401, `{"errorCode":4704,"errorMessage":"x"}`),
			500, "Zoom does not know this app", []string{"clientSecret"}, `credentials: URL/oauth/token: HTTP 401, code 4704, tracking id ""`},
		"a code that Zoom repeats": {token, answers(400, `{"reason":"Invalid authorization code invalid_client redirect url","error":"invalid_request"}`),
			400, "This sign-in has expired", nil, `code: `},
		"redirect mismatch": {token, answers(400, `{"reason":"Redirect URI mismatch.","error":"invalid_request","errorCode":4709}`),
			500, "The redirect URL is not the registered one", []string{"redirectURL", "marketplace.zoom.us"}, `redirect: `},
		"redirect mismatch, by its words": {token, answers(400, `{"reason":"Invalid redirect url","error":"invalid_request"}`),
			500, "The redirect URL is not the registered one", nil, `redirect: `},
		"missing scope": {profile, answers(400, `{"code":4711,"message":"Invalid access token, does not contain scopes:[user:read:user, user:read:user:admin]."}`),
			500, "The app lacks a permission", []string{"user:read:user, user:read:user:admin", "Scopes"}, `scope: URL/v2/users/me: HTTP 400, code 4711`},
		"missing scope, unnamed": {profile, answers(400, `{"code":4711}`),
			500, "The app lacks a permission", []string{"user:read:user"}, `scope: `},
		"code used": {token, answers(400, `{"reason":"Invalid authorization code c","error":"invalid_request"}`),
			400, "This sign-in has expired", nil, `code: `},
		"code expired":  {token, answers(400, `{"errorCode":4733}`), 400, "This sign-in has expired", nil, `code: `},
		"invalid grant": {token, answers(400, `{"error":"invalid_grant"}`), 400, "This sign-in has expired", nil, `code: `},
		"app disabled": {token, answers(400, `{"errorCode":4717,"reason":"The app has been disabled"}`),
			500, "Zoom has disabled this app", []string{"developer support"}, `disabled: `},
		"disabled by an admin": {profile, answers(401, `{"code":4738,"message":"The token is disabled by admin."}`),
			403, "Your Zoom account does not allow this app", []string{"administrator"}, `admin: `},
		"revoked by a later sign-in": {profile, answers(401, `{"code":4741,"message":"The token has been revoked."}`),
			400, "A later sign-in took over", nil, `revoked: `},
		"rate limit": {profile, answers(429, `{"code":429,"message":"You have reached the maximum per-second rate limit for this API."}`, "Retry-After: 7"),
			503, "Too many requests to Zoom", []string{"<code>7</code>"}, `ratelimit: `},
		"rate limit without JSON": {token, answers(429, ``, "Retry-After: Mon, 23 Nov 2026 14:00:00 GMT"),
			503, "Too many requests to Zoom", []string{"Mon, 23 Nov 2026 14:00:00 GMT"}, `ratelimit: `},
		"something new": {profile, answers(400, `{"code":9999,"message":"<b>new</b>"}`),
			502, "Zoom’s answer could not be used", []string{"9999"}, `upstream: URL/v2/users/me: HTTP 400, code 9999`},
		"a tracking id with markup": {token, answers(400, `{}`, "x-zm-trackingid: <b>"),
			502, "Zoom’s answer could not be used", nil, `tracking id ""`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			u := newUpstream(t, w)
			u.set(c.path, c.does)
			b := w.newBrowser(t)
			p := b.get(b.callback("c"))
			isPage(t, p, c.status, c.title)
			for _, words := range c.page {
				if !strings.Contains(p.body, words) {
					t.Errorf("the page lacks %q: %s", words, p.body)
				}
			}
			if after := p.header.Get("Retry-After"); (after != "") != (c.status == 503) {
				t.Errorf("Retry-After: got %q", after)
			}
			if lines := strings.ReplaceAll(w.log.String(), u.url, "URL"); strings.Count(lines, "zoom: ") != 1 || !strings.Contains(lines, c.log) {
				t.Errorf("the log lacks one line with %q: %s", c.log, lines)
			}
		})
	}
}

// TestStandInRefuses runs the app against a Zoom that its settings don't match.
func TestStandInRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(*world)
		status int
		title  string
	}{
		"wrong secret":  {func(w *world) { w.zoom.ClientSecret = "another" }, 500, "Zoom does not know this app"},
		"missing scope": {func(w *world) { w.zoom.Scope = "meeting:read:meeting" }, 500, "The app lacks a permission"},
		"expired code": {func(w *world) {
			now := time.Now()
			w.zoom.Now = func() time.Time { now = now.Add(6 * time.Minute); return now }
		}, 400, "This sign-in has expired"},
		"code of another sign-in": {func(w *world) { w.mangle = func(q url.Values) { q.Set("code", "other") } }, 400, "This sign-in has expired"},
		"another redirect URL at the exchange": {func(w *world) {
			w.mangle = func(url.Values) { w.app.zoom.redirectURL = "http://localhost:8001" }
		}, 500, "The redirect URL is not the registered one"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			c.spoil(w)
			if p := w.newBrowser(t).visit(local); p.status != c.status || p.title() != c.title {
				t.Errorf("got %d %q, want %d %q", p.status, p.title(), c.status, c.title)
			}
		})
	}
}

// TestRequestsToZoom reads what goes out on the wire.
func TestRequestsToZoom(t *testing.T) {
	w := newWorld(t, local)
	u := newUpstream(t, w)
	b := w.newBrowser(t)
	verifier := ""
	callback := b.callback("the code/+&=")
	site, _ := url.Parse(local)
	for _, c := range b.client.Jar.Cookies(site) {
		verifier = c.Value
	}
	u.set("/oauth/token", func(c net.Conn, r *http.Request, body string) bool {
		form, err := url.ParseQuery(body)
		want := url.Values{"grant_type": {"authorization_code"}, "code": {"the code/+&="}, "redirect_uri": {local}, "code_verifier": {verifier}}
		if err != nil || form.Encode() != want.Encode() {
			t.Errorf("form: got %v, want %v", form, want)
		}
		if r.Method != "POST" || r.URL.RawQuery != "" {
			t.Errorf("got %s %s, want POST and no query", r.Method, r.URL)
		}
		if got := r.Header.Get("Content-Type"); got != "application/x-www-form-urlencoded" {
			t.Errorf("Content-Type: got %q", got)
		}
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("client+id%2F%25:SECRET%2B%3A%2F%25%26%C3%BC")) // RFC 6749 2.3.1
		if got := r.Header.Get("Authorization"); got != basic {
			t.Errorf("Authorization: got %q, want %q", got, basic)
		}
		for _, name := range []string{"Idempotency-Key", "Accept-Encoding"} {
			if got, sent := r.Header[name]; sent {
				t.Errorf("sent %s: %s", name, got)
			}
		}
		return answers(200, goodToken)(c, r, body)
	})
	u.set("/v2/users/me", func(c net.Conn, r *http.Request, body string) bool {
		if r.Method != "GET" || r.URL.RawQuery != "" || body != "" {
			t.Errorf("got %s %s %q, want GET, no query, no body", r.Method, r.URL, body)
		}
		if got := r.Header.Get("Authorization"); got != "Bearer ACCESS.TOKEN" {
			t.Errorf("Authorization: got %q", got)
		}
		if cookie := r.Header.Get("Cookie"); cookie != "" {
			t.Errorf("sent the cookie %q", cookie)
		}
		return answers(200, goodProfile)(c, r, body)
	})
	signedIn(t, b.get(callback))
}

// TestIdleConnectionClosed has Zoom close a connection just as the next request comes in on
// it. net/http notices while it waits for the answer, and then sends again what it may.
func TestIdleConnectionClosed(t *testing.T) {
	for _, path := range []string{"/oauth/token", "/v2/users/me"} {
		t.Run(path, func(t *testing.T) {
			w := newWorld(t, local)
			u := newUpstream(t, w)
			b := w.newBrowser(t)
			signedIn(t, b.get(b.callback("c"))) // leaves a connection behind
			u.set(path, func(c net.Conn, r *http.Request, body string) bool {
				u.set(path, nil)
				return false
			})
			before := u.connections.Load()
			signedIn(t, b.get(b.callback("c")))
			if u.connections.Load() == before {
				t.Error("the connection was not closed, so the test shows nothing")
			}
		})
	}
}

// TestSpeaksHTTP1 has a Zoom that would rather speak HTTP/2, where nothing is sent twice when a
// connection just breaks.
func TestSpeaksHTTP1(t *testing.T) {
	w := newWorld(t, local)
	protocols := make(chan string, 99)
	zoom := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		protocols <- r.Proto
		io.WriteString(rw, goodAnswers[r.URL.Path])
	}))
	zoom.EnableHTTP2 = true
	zoom.StartTLS()
	defer zoom.Close()
	w.app.zoom.zoomURL, w.app.zoom.zoomAPIURL = zoom.URL, zoom.URL
	roots := x509.NewCertPool()
	roots.AddCert(zoom.Certificate())
	transport := w.app.zoom.client.Transport.(*http.Transport)
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	transport.ForceAttemptHTTP2 = true // which a TLSClientConfig would else prevent
	b := w.newBrowser(t)
	signedIn(t, b.get(b.callback("c")))
	for range 2 {
		if got := <-protocols; got != "HTTP/1.1" {
			t.Errorf("spoke %s, want HTTP/1.1", got)
		}
	}
}

func TestConnectionsAreReused(t *testing.T) {
	w := newWorld(t, local)
	u := newUpstream(t, w)
	b := w.newBrowser(t)
	for range 50 {
		signedIn(t, b.get(b.callback("c")))
	}
	if n := u.connections.Load(); n > 2 {
		t.Errorf("50 sign-ins took %d connections to Zoom, want at most 2", n)
	}
}

// TestConnectionsAreKept has twenty sign-ins at once, twice. Zoom holds each round's token
// requests until all have come: else a connection that falls idle while another is being
// dialled serves that one's request too, and net/http ends up with more than it needs.
func TestConnectionsAreKept(t *testing.T) {
	const atOnce = 20
	w := newWorld(t, local)
	u := newUpstream(t, w)
	for range 2 {
		var come, done sync.WaitGroup
		come.Add(atOnce)
		u.set("/oauth/token", func(c net.Conn, r *http.Request, body string) bool {
			come.Done()
			come.Wait()
			return answers(200, goodToken)(c, r, body)
		})
		pages := make(chan page, atOnce)
		for range atOnce {
			b := w.newBrowser(t)
			callback := b.callback("c")
			done.Go(func() { pages <- b.get(callback) })
		}
		done.Wait()
		close(pages)
		for p := range pages {
			signedIn(t, p)
		}
	}
	if n := u.connections.Load(); n != atOnce {
		t.Errorf("took %d connections to Zoom, want %d", n, atOnce)
	}
}

// TestTimeouts checks that a sign-in ends within the nine seconds that a stop waits.
func TestTimeouts(t *testing.T) {
	if timeout := newZoom(config{}).client.Timeout; timeout <= 0 || 2*timeout > 9*time.Second {
		t.Errorf("two calls may take %v, want less than the nine seconds that a stop waits", 2*timeout)
	}
}

// TestVisitorLeaves checks that nobody works for a visitor who has gone.
func TestVisitorLeaves(t *testing.T) {
	w := newWorld(t, local)
	u := newUpstream(t, w)
	ctx, leave := context.WithCancel(t.Context())
	leave()
	r := httptest.NewRequest("GET", "/?code=c&state=ABCDEFGHIJKLMNOPQRSTUVWXYZ", nil).WithContext(ctx)
	r.AddCookie(&http.Cookie{Name: "zoom-oauth-ABCDEFGHIJKLMNOPQRSTUVWXYZ", Value: "v"})
	w.app.ServeHTTP(httptest.NewRecorder(), r)
	if n := u.connections.Load(); n != 0 {
		t.Errorf("made %d connections to Zoom, want none", n)
	}
}

// TestTokenTypes has the token types that are the bearer's.
func TestTokenTypes(t *testing.T) {
	for _, answer := range []string{`{"access_token":"a"}`, `{"access_token":"a","token_type":"Bearer"}`, `{"access_token":"a","token_type":null}`} {
		w := newWorld(t, local)
		u := newUpstream(t, w)
		u.set("/oauth/token", answers(200, answer))
		b := w.newBrowser(t)
		signedIn(t, b.get(b.callback("c")))
	}
}

// TestMeanings has each error of Zoom's documentation by its code alone and by its words alone.
func TestMeanings(t *testing.T) {
	for kind, answers := range map[string][]string{
		"credentials": {`{"errorCode":4702}`, `{"errorCode":4704}`, `{"errorCode":4706}`, `{"reason":"Invalid client."}`, `{"error":"invalid_client"}`},
		"redirect":    {`{"errorCode":4709}`, `{"reason":"Redirect URI mismatch."}`, `{"errorCode":4700,"errorMessage":"Invalid redirect url"}`},
		"scope":       {`{"code":4711}`, `{"message":"Invalid access token, does not contain scopes:[user:read:user]."}`},
		"disabled":    {`{"errorCode":4717}`, `{"reason":"The app has been disabled"}`},
		"code":        {`{"errorCode":4733}`, `{"errorCode":4734}`, `{"reason":"Code is expired"}`, `{"reason":"Invalid authorization code x"}`, `{"error":"invalid_grant"}`},
		"admin":       {`{"code":4738}`, `{"message":"The token is disabled by admin."}`},
		"revoked":     {`{"code":4741}`, `{"message":"The token has been revoked."}`},
		"ratelimit":   {`{"code":429}`, `{"message":"You have reached the maximum per-second rate limit for this API."}`},
		"upstream":    {`{"code":124,"message":"Invalid access token."}`, `{}`},
	} {
		for _, body := range answers {
			a := &answer{JSON: []byte(body)}
			if err := json.Unmarshal(a.JSON, a); err != nil {
				t.Fatal(err)
			}
			if got := refusal("https://zoom.us", &http.Response{StatusCode: 400}, a).kind; got != kind {
				t.Errorf("%s: got %s, want %s", body, got, kind)
			}
		}
		if statuses[kind] < 400 {
			t.Errorf("%s has no status", kind)
		}
	}
}

func TestManySignInsAtOnce(t *testing.T) {
	w := newWorld(t, local)
	u := newUpstream(t, w)
	u.slowDown(200 * time.Millisecond)
	var done sync.WaitGroup
	var failures atomic.Int64
	for range 1000 {
		b := w.newBrowser(t)
		callback := b.callback("c")
		done.Go(func() {
			if p := b.get(callback); p.status != http.StatusOK {
				failures.Add(1)
			}
		})
	}
	done.Wait()
	if n := failures.Load(); n > 0 {
		t.Errorf("%d of 1000 sign-ins failed: %.500s", n, w.log)
	}
}

// TestProfile has what Zoom answers and what the page shows of it.
func TestProfile(t *testing.T) {
	for name, c := range map[string]struct {
		answer    string
		title     string
		initials  string
		has, lack []string
	}{
		"a usual user": {`{"first_name":"Jill","last_name":"Chill","email":"j@example.com","type":2,"role_name":"Owner","company":"Example",
			"timezone":"America/Denver","language":"en-US","personal_meeting_url":"https://example.zoom.us/j/1","pic_url":"https://example.com/p.png?a=1&b=2"}`,
			"Jill Chill", "JC",
			[]string{"<dt>E-mail</dt><dd>j@example.com</dd>", "<dd>Licensed</dd>", "<bdi>Owner</bdi>", "<bdi>Example</bdi>", "<dd>America/Denver</dd>", "<dd>en-US</dd>",
				`<a href="https://example.zoom.us/j/1">example.zoom.us/j/1</a>`, `<img src="https://example.com/p.png?a=1&amp;b=2"`}, nil},
		"first name only":        {`{"first_name":"Jill"}`, "Jill", "J", nil, nil},
		"last name only":         {`{"last_name":"Chill"}`, "Chill", "C", nil, nil},
		"display name":           {`{"first_name":"","last_name":null,"display_name":"jay"}`, "jay", "J", nil, nil},
		"e-mail only":            {`{"email":"x@example.com"}`, "x@example.com", "X", nil, nil},
		"nothing":                {`{}`, "Zoom user", "ZU", nil, []string{"<dt>", "<img", ">null<"}},
		"nothing but null":       {`{"first_name":null,"email":null,"type":null,"pic_url":null}`, "Zoom user", "ZU", nil, []string{"<dt>", "<img"}},
		"other types":            {`{"first_name":1,"last_name":["x"],"email":{"a":1},"type":"many","pic_url":true,"company":"Example"}`, "Zoom user", "ZU", []string{"<bdi>Example</bdi>"}, []string{"Account type", "E-mail", "<img"}},
		"a number too large":     {`{"first_name":"Jill","type":1e999}`, "Jill", "J", nil, []string{"Account type"}},
		"letters beyond ASCII":   {`{"first_name":"Émile","last_name":"Ünal"}`, "Émile Ünal", "ÉÜ", nil, nil},
		"basic":                  {`{"type":1}`, "Zoom user", "ZU", []string{"<dd>Basic</dd>"}, nil},
		"unassigned":             {`{"type":4}`, "Zoom user", "ZU", []string{"<dd>Unassigned</dd>"}, nil},
		"none":                   {`{"type":99}`, "Zoom user", "ZU", []string{"<dd>None</dd>"}, nil},
		"a type that is new":     {`{"type":77}`, "Zoom user", "ZU", nil, []string{"Account type"}},
		"a picture over http":    {`{"pic_url":"http://example.com/p.png"}`, "Zoom user", "ZU", nil, []string{"<img"}},
		"a script for a picture": {`{"pic_url":"javascript:alert(1)","personal_meeting_url":"javascript:alert(1)"}`, "Zoom user", "ZU", nil, []string{"<img", "href=\"javascript"}},
		"markup":                 {`{"first_name":"<script>alert(1)</script>","pic_url":"https://x/\"onerror=alert(1)"}`, "&lt;script&gt;alert(1)&lt;/script&gt;", "S", nil, []string{"<script>alert", `"onerror`}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			w.zoom.Profile = c.answer
			p := w.newBrowser(t).visit(local)
			if p.status != 200 || p.title() != c.title {
				t.Fatalf("got %d %q, want 200 %q", p.status, p.title(), c.title)
			}
			if !strings.Contains(p.body, `<span aria-hidden="true">`+c.initials+"</span>") {
				t.Errorf("lacks the initials %s", c.initials)
			}
			for _, words := range c.has {
				if !strings.Contains(p.body, words) {
					t.Errorf("lacks %s", words)
				}
			}
			shown, _, _ := strings.Cut(p.body, "User API Response")
			for _, words := range c.lack {
				if strings.Contains(shown, words) {
					t.Errorf("has %s", words)
				}
			}
			if !strings.Contains(p.body, "<code>user:read:user</code>") {
				t.Error("lacks the scope that was granted")
			}
		})
	}
}

// TestResponseIsShownWhole checks order, digits and indentation of the JSON on the page.
func TestResponseIsShownWhole(t *testing.T) {
	w := newWorld(t, local)
	w.zoom.Profile = ` {"z":12345678901234567890.10,"a":{"b":[1e2,"<&>\u00e9"],"a":null},"z":2}`
	p := w.newBrowser(t).visit(local)
	want := "{\n  \"z\": 12345678901234567890.10,\n  \"a\": {\n    \"b\": [\n      1e2,\n      \"<&>\\u00e9\"\n    ],\n    \"a\": null\n  },\n  \"z\": 2\n}"
	_, rest, _ := strings.Cut(p.body, `<pre`)
	_, rest, _ = strings.Cut(rest, "<code>")
	got, _, _ := strings.Cut(rest, "</code>")
	if got = strings.NewReplacer("&#34;", `"`, "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(got); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !json.Valid([]byte(got)) {
		t.Error("is no JSON")
	}
}

// TestSecretsStayInside goes through what can happen with secrets that are easy to find, at an
// upstream that repeats all it was sent, and looks for them in what was printed and served.
func TestSecretsStayInside(t *testing.T) {
	repeat := func(format string) behaviour {
		return func(c net.Conn, r *http.Request, body string) bool {
			quoted, _ := json.Marshal(r.Header.Get("Authorization") + " " + body)
			return answers(400, fmt.Sprintf(format, quoted), "x-zm-trackingid: "+strings.ReplaceAll(body, "=", " "))(c, r, body)
		}
	}
	hangUp := func(c net.Conn, r *http.Request, body string) bool {
		fmt.Fprintf(c, "%s\r\n%s\r\n\r\n", r.Header.Get("Authorization"), body)
		return false
	}
	badHeader := func(c net.Conn, r *http.Request, body string) bool {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%s %s\r\n\r\n", r.Header.Get("Authorization"), body)
		return false
	}
	for name, does := range map[string]behaviour{
		"well":             nil,
		"in the reason":    repeat(`{"error":"invalid_request","reason":%s}`),
		"in the message":   repeat(`{"code":124,"message":%s}`),
		"in the error":     repeat(`{"error":%s}`),
		"in the scopes":    repeat(`{"code":4711,"message":"does not contain scopes:[a]","reason":%s}`),
		"in HTML":          repeat(`<p>%s</p>`),
		"in no HTTP":       hangUp,
		"in a header line": badHeader,
		"in a status":      says("HTTP/1.1 CODE-SECRET\r\n\r\n"),
		"in a code":        repeat(`{"errorCode":%s}`),
	} {
		for _, path := range []string{"/oauth/token", "/v2/users/me"} {
			t.Run(path+" "+name, func(t *testing.T) {
				w := newWorld(t, local)
				u := newUpstream(t, w)
				u.set(path, does)
				b := w.newBrowser(t)
				callback := b.callback("CODE-SECRET")
				site, _ := url.Parse(local)
				cookie := b.client.Jar.Cookies(site)[0]
				served := ""
				for _, address := range []string{callback, callback, local + "/x?code=CODE-SECRET", callback + "&error=x", callback + "&code=2"} {
					p := b.get(address)
					served += p.body
				}
				basic := url.QueryEscape(clientID) + ":" + url.QueryEscape(clientSecret)
				for what, secret := range map[string]string{
					"client secret": "SECRET+", "client secret, encoded": "SECRET%2B",
					"Basic credentials": base64.StdEncoding.EncodeToString([]byte(basic))[:16],
					"code":              "CODE-SECRET", "verifier": cookie.Value, "cookie": cookie.Name,
					"state": strings.TrimPrefix(cookie.Name, "zoom-oauth-"), "access token": "ACCESS.TOKEN", "refresh token": "REFRESH.TOKEN",
				} {
					if strings.Contains(w.log.String(), secret) {
						t.Errorf("the %s is in the log: %s", what, w.log)
					}
					if strings.Contains(served, secret) {
						t.Errorf("the %s is on a page: %s", what, served)
					}
				}
			})
		}
	}
}
