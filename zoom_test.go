package main

import (
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

// The paths that a sign-in calls.
const (
	tokenPath = "/oauth/token"
	userPath  = "/v2/users/me"
)

// The titles of the pages for what may go wrong on the way to Zoom and back.
const (
	brokenTitle  = "The connection to Zoom failed"
	lateTitle    = "Zoom did not answer in time"
	uselessTitle = "Zoom’s answer could not be used"
)

// TestRequestsToZoom reads what goes out on the wire.
func TestRequestsToZoom(t *testing.T) {
	w := newWorld(t, local)
	u := newUpstream(t, w)
	b := w.newBrowser(t)
	callback := b.callback("the code/+&=")
	site, _ := url.Parse(local)
	verifier := b.client.Jar.Cookies(site)[0].Value
	u.set(tokenPath, func(c net.Conn, r *http.Request, body string) bool {
		form, err := url.ParseQuery(body)
		want := url.Values{
			"grant_type": {"authorization_code"}, "code": {"the code/+&="},
			"redirect_uri": {local}, "code_verifier": {verifier},
		}
		if err != nil || form.Encode() != want.Encode() || r.Method != "POST" || r.URL.RawQuery != "" {
			t.Errorf("got %s %s %v, want POST without a query and %v", r.Method, r.URL, form, want)
		}
		if got := r.Header.Get("Content-Type"); got != "application/x-www-form-urlencoded" {
			t.Errorf("Content-Type: got %q", got)
		}
		const credentials = "client+id%2F%25:SECRET%2B%3A%2F%25%26%C3%BC" // RFC 6749 2.3.1
		want1 := "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
		if got := r.Header.Get("Authorization"); got != want1 {
			t.Errorf("Authorization: got %q, want %q", got, want1)
		}
		for _, name := range []string{"Idempotency-Key", "Accept-Encoding", "Cookie"} {
			if got, sent := r.Header[name]; sent {
				t.Errorf("sent %s: %s", name, got)
			}
		}
		return answers(200, goodToken)(c, r, body)
	})
	u.set(userPath, func(c net.Conn, r *http.Request, body string) bool {
		if r.Method != "GET" || r.URL.RawQuery != "" || body != "" {
			t.Errorf("got %s %s %q, want GET without query and body", r.Method, r.URL, body)
		}
		if got := r.Header.Get("Authorization"); got != "Bearer ACCESS.TOKEN" {
			t.Errorf("Authorization: got %q", got)
		}
		return answers(200, goodProfile)(c, r, body)
	})
	wantProfile(t, b.get(callback))
}

// TestTokenTypes has the token types that stand for a bearer token.
func TestTokenTypes(t *testing.T) {
	for _, answer := range []string{
		`{"access_token":"a"}`,
		`{"access_token":"a","token_type":"Bearer"}`,
		`{"access_token":"a","token_type":null}`,
	} {
		w := newWorld(t, local)
		newUpstream(t, w).set(tokenPath, answers(200, answer))
		b := w.newBrowser(t)
		wantProfile(t, b.get(b.callback("c")))
	}
}

// fault is something that Zoom may do, and the page that follows.
type fault struct {
	name   string
	does   behaviour
	status int
	title  string
}

// switchProtocols is an answer after which the connection is no longer HTTP's.
const switchProtocols = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"

// faults are what either endpoint may do.
var faults = []fault{
	{"HTML", answers(200, "<html><h1>Sorry</h1>"), 502, uselessTitle},
	{"HTML and a 503", answers(503, "<html><h1>Sorry</h1>"), 502, uselessTitle},
	{"JSON and a 500", answers(500, `{}`), 502, uselessTitle},
	{"an empty body", answers(200, ""), 502, uselessTitle},
	{"truncated JSON", answers(200, `{"access_token":"a","first_name":"Ji`), 502, uselessTitle},
	{"null", answers(200, "null"), 502, uselessTitle},
	{"an array", answers(200, `[{"access_token":"a"}]`), 502, uselessTitle},
	{"a string", answers(200, `"access_token"`), 502, uselessTitle},
	{"two objects in a row", answers(200, goodToken+goodProfile), 502, uselessTitle},
	{"an error inside a 200", answers(200, `{"reason":"r","error":"odd","access_token":"a"}`), 502, uselessTitle},
	{"an error of another type", answers(200, `{"error":{"a":1},"access_token":"a"}`), 502, uselessTitle},
	{"a code inside a 200", answers(200, `{"code":124,"message":"Invalid access token."}`), 502, uselessTitle},
	{"an errorCode inside a 200", answers(200, `{"errorCode":4700,"access_token":"a"}`), 502, uselessTitle},
	{"201", answers(201, goodToken), 502, uselessTitle},
	{"204", says("HTTP/1.1 204 No Content\r\n\r\n"), 502, uselessTitle},
	{"101", says(switchProtocols), 502, uselessTitle},
	{"101 and silence", keepsSaying(switchProtocols, "", 50*time.Millisecond), 502, uselessTitle},
	{"a redirect to itself", answers(302, "", "Location: /oauth/token"), 502, uselessTitle},
	{"nested 100,000 deep", answers(200, nested(100_000)), 502, uselessTitle},
	{"nested deep in an object", answers(200, `{"a":`+nested(20_000)+"}"), 502, uselessTitle},
	{"a body that never ends", keepsSaying("HTTP/1.1 200 OK\r\n\r\n{\"a\":\"", strings.Repeat("a", 4096), 0), 502, uselessTitle},
	{"a gzip bomb", answers(200, gzipBomb(), "Content-Encoding: gzip"), 502, uselessTitle},
	{"a header that never ends", keepsSaying("HTTP/1.1 200 OK\r\nX: ", strings.Repeat("a", 4096), 0), 502, brokenTitle},
	{"103 for ever", keepsSaying("", "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n", 0), 502, brokenTitle},
	{"a hang-up", says(""), 502, brokenTitle},
	{"a hang-up in the middle", says("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{\"a\":"), 502, brokenTitle},
	{"no HTTP", says("220 smtp.example.com ESMTP\r\n"), 502, brokenTitle},
	{"a byte at a time", keepsSaying("HTTP/1.1 200 OK\r\n\r\n{", " ", 50*time.Millisecond), 504, lateTitle},
	{"a header, a byte at a time", keepsSaying("HTTP/1.1 200 OK\r\nX: ", "a", 50*time.Millisecond), 504, lateTitle},
	{"silence", keepsSaying("", "", 50*time.Millisecond), 504, lateTitle},
}

// tokenFaults are what only the token endpoint may do.
var tokenFaults = []fault{
	{"no token", answers(200, `{"token_type":"bearer"}`), 502, uselessTitle},
	{"a token that is null", answers(200, `{"access_token":null}`), 502, uselessTitle},
	{"a token that is empty", answers(200, `{"access_token":""}`), 502, uselessTitle},
	{"a token that is a number", answers(200, `{"access_token":12}`), 502, uselessTitle},
	{"a token of two lines", answers(200, `{"access_token":"a\r\nX-Injected: b"}`), 502, uselessTitle},
	{"a token of another type", answers(200, `{"access_token":"a","token_type":"mac"}`), 502, uselessTitle},
}

// userFaults are what only the user endpoint may do. The profile is shown nevertheless.
var userFaults = []fault{
	{"nested 9,000 deep", answers(200, `{"first_name":"Deep","a":`+nested(9_000)+"}"), 200, "Deep"},
	{"wide and deep", answers(200, `{"first_name":"Deep","a":`+strings.Replace(nested(9_000), "]", strings.Repeat("0,", 10_000)+"0]", 1)+"}"),
		200, "Deep"},
}

// nested returns a JSON array in an array in an array, and so on.
func nested(depth int) string {
	return strings.Repeat("[", depth) + strings.Repeat("]", depth)
}

// gzipBomb returns 64 MiB of JSON in few bytes.
func gzipBomb() string {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write([]byte(`{"first_name":"`))
	z.Write(bytes.Repeat([]byte("a"), 64<<20))
	z.Write([]byte(`"}`))
	z.Close()
	return packed.String()
}

// TestUpstreamMayDoAnything has each fault: a page explains it, memory stays small, and the next
// sign-in works.
func TestUpstreamMayDoAnything(t *testing.T) {
	for path, tables := range map[string][][]fault{tokenPath: {faults, tokenFaults}, userPath: {faults, userFaults}} {
		for _, table := range tables {
			for _, fault := range table {
				t.Run(path+" "+fault.name, func(t *testing.T) {
					w := newWorld(t, local)
					u := newUpstream(t, w)
					u.set(path, fault.does)
					w.app.zoom.client.Timeout = 400 * time.Millisecond
					b := w.newBrowser(t)
					callback := b.callback("c")
					var p page
					if used := allocated(func() { p = b.get(callback) }); used > 64<<20 {
						t.Errorf("took %d MiB of memory in all, want less than 64", used>>20)
					}
					if p.status != fault.status || p.title() != fault.title {
						t.Errorf("got %d %q, want %d %q", p.status, p.title(), fault.status, fault.title)
					}
					u.set(path, nil)
					wantProfile(t, b.get(b.callback("c")))
				})
			}
		}
	}
}

// allocated returns how many bytes are allocated while f runs.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestRedirectsAreNotFollowed has a Zoom that sends the app, with its credentials, elsewhere.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var strangers atomic.Int64
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strangers.Add(1) }))
	defer stranger.Close()
	for _, path := range []string{tokenPath, userPath} {
		w := newWorld(t, local)
		newUpstream(t, w).set(path, answers(307, "", "Location: "+stranger.URL))
		b := w.newBrowser(t)
		wantPage(t, b.get(b.callback("c")), http.StatusBadGateway, uselessTitle)
	}
	if n := strangers.Load(); n > 0 {
		t.Errorf("the other place got %d requests, want none", n)
	}
}

// TestZoomOutOfReach has addresses of Zoom that lead nowhere.
func TestZoomOutOfReach(t *testing.T) {
	unknown := httptest.NewUnstartedServer(http.NotFoundHandler())
	unknown.Config.ErrorLog = log.New(io.Discard, "", 0)
	unknown.StartTLS()
	defer unknown.Close()
	plain := newUpstream(t, newWorld(t, local))
	for name, c := range map[string]struct{ zoomURL, log string }{
		"nobody listens":                 {"http://" + addressOfNobody(t), "connection refused"},
		"the name does not resolve":      {"https://zoom.invalid", "lookup zoom.invalid"},
		"the certificate is not known":   {unknown.URL, "certificate signed by unknown authority"},
		"plain HTTP where TLS should be": {strings.Replace(plain.url, "http", "https", 1), "connection broken"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			w.app.zoom.zoomURL = c.zoomURL
			resolver := &net.Resolver{PreferGo: true, Dial: noNameServer}
			w.app.zoom.client.Transport.(*http.Transport).DialContext = (&net.Dialer{Resolver: resolver}).DialContext
			b := w.newBrowser(t)
			wantPage(t, b.get(b.callback("c")), http.StatusBadGateway, brokenTitle)
			if !strings.Contains(w.log.String(), c.log) {
				t.Errorf("got the log %q, want %q in it", w.log, c.log)
			}
		})
	}
}

// addressOfNobody returns an address at which nobody listens and, until the test ends, nobody
// can: it is the near end of a connection.
func addressOfNobody(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	c, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.LocalAddr().String()
}

// noNameServer fails to reach a name server.
func noNameServer(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("no name server")
}

// TestSilentHandshake has a Zoom that accepts connections and never speaks TLS. The visitor gets
// an answer, and the connection is closed.
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
	wantPage(t, b.get(b.callback("c")), http.StatusGatewayTimeout, lateTitle)
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

// TestTimeouts checks that a sign-in ends within the nine seconds that a stop waits.
func TestTimeouts(t *testing.T) {
	if timeout := newZoom(zoomConfig{}).client.Timeout; timeout <= 0 || 2*timeout > 9*time.Second {
		t.Errorf("two calls may take %v, want less than nine seconds", 2*timeout)
	}
}

// TestErrorsSayWhatToMend has what Zoom says, and what the visitor and the developer read.
func TestErrorsSayWhatToMend(t *testing.T) {
	for name, c := range map[string]struct {
		path   string
		says   behaviour
		status int
		title  string
		page   string // what the page has in it
		log    string // what the log has in it
	}{
		"wrong client secret": {
			tokenPath, answers(400, `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`, "x-zm-trackingid: WEB_1"),
			500, "Zoom does not know this app", "clientSecret", `credentials: URL/oauth/token: HTTP 400, code 0, tracking id "WEB_1"`,
		},
		"a tracking ID": {
			userPath, answers(401, `{"code":124,"message":"Invalid access token."}`, "x-zm-trackingid: WEB_1"),
			502, uselessTitle, "<code>WEB_1</code>", `answer: URL/v2/users/me: HTTP 401, code 124, tracking id "WEB_1"`,
		},
		"a tracking ID with markup": {
			tokenPath, answers(400, `{}`, "x-zm-trackingid: <b>"),
			502, uselessTitle, "something unexpected", `tracking id ""`,
		},
		"redirect mismatch": {
			tokenPath, answers(400, `{"reason":"Redirect URI mismatch.","error":"invalid_request","errorCode":4709}`),
			500, "The redirect URL is not the registered one", "redirectURL", "redirect: URL/oauth/token: HTTP 400, code 4709",
		},
		"a missing scope": {
			userPath, answers(400, `{"code":4711,"message":"… does not contain scopes:[user:read:user, user:read:user:admin]."}`),
			500, "The app lacks a permission", "<code>user:read:user, user:read:user:admin</code>", "scope: URL/v2/users/me",
		},
		"a missing scope that isn't named": {
			userPath, answers(400, `{"code":4711}`),
			500, "The app lacks a permission", "<code>user:read:user</code>", "scope: ",
		},
		"a used code": {
			tokenPath, answers(400, `{"reason":"Invalid authorization code c","error":"invalid_grant"}`),
			400, "This sign-in has expired", "already used", "code: ",
		},
		"a used code that reads like another error": {
			tokenPath, answers(400, `{"reason":"Invalid authorization code invalid_client","error":"invalid_grant"}`),
			400, "This sign-in has expired", "already used", "code: ",
		},
		"a disabled app": {
			tokenPath, answers(400, `{"errorCode":4717,"reason":"The app has been disabled"}`),
			500, "Zoom has disabled this app", "developer support", "disabled: ",
		},
		"an app that isn't approved": {
			userPath, answers(401, `{"code":4738,"message":"The token is disabled by admin."}`),
			403, "Your Zoom account does not allow this app", "administrator", "admin: ",
		},
		"a later sign-in": {
			userPath, answers(401, `{"code":4741,"message":"The token has been revoked."}`),
			400, "A later sign-in took over", "another tab", "revoked: ",
		},
		"a rate limit": {
			userPath, answers(429, `{"code":429,"message":"You have reached the maximum per-second rate limit for this API."}`),
			503, "Too many requests to Zoom", "Wait a moment", "ratelimit: ",
		},
		"something new": {
			userPath, answers(400, `{"code":9999,"message":"<b>new</b>"}`),
			502, uselessTitle, "error 9999", "answer: URL/v2/users/me: HTTP 400, code 9999",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			u := newUpstream(t, w)
			u.set(c.path, c.says)
			b := w.newBrowser(t)
			p := b.get(b.callback("c"))
			wantPage(t, p, c.status, c.title)
			if !strings.Contains(p.body, c.page) {
				t.Errorf("the page lacks %q: %s", c.page, p.body)
			}
			log := strings.ReplaceAll(w.log.String(), u.url, "URL")
			if strings.Count(log, "zoom: ") != 1 || !strings.Contains(log, c.log) {
				t.Errorf("got the log %q, want one line with %q", log, c.log)
			}
		})
	}
}

// TestRetryAfter has what Zoom may say of when to call again, the header that the app passes on,
// and the words on the page.
func TestRetryAfter(t *testing.T) {
	for name, c := range map[string]struct{ zoom, header, words string }{
		"seconds":              {"7", "7", "in 7 seconds"},
		"a date":               {"Mon, 23 Nov 2026 14:00:00 GMT", "Mon, 23 Nov 2026 14:00:00 GMT", "on 23 November 2026 at 14:00 UTC"},
		"Zoom's ISO 8601 time": {"2026-11-23T15:00:00+01:00", "Mon, 23 Nov 2026 14:00:00 GMT", "on 23 November 2026 at 14:00 UTC"},
		"a negative number":    {"-7", "", "Wait a moment"},
		"something else":       {"soon", "", "Wait a moment"},
		"more than a number":   {"7 Set-Cookie: a=b", "", "Wait a moment"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			newUpstream(t, w).set(tokenPath, answers(429, "", "Retry-After: "+c.zoom))
			b := w.newBrowser(t)
			p := b.get(b.callback("c"))
			wantPage(t, p, http.StatusServiceUnavailable, "Too many requests to Zoom")
			if got := p.header.Get("Retry-After"); got != c.header {
				t.Errorf("Retry-After: got %q, want %q", got, c.header)
			}
			if !strings.Contains(p.body, c.words) {
				t.Errorf("the page lacks %q: %s", c.words, p.body)
			}
		})
	}
}

// TestProblems has each error of Zoom's documentation, by its number alone and by its words alone.
func TestProblems(t *testing.T) {
	for want, bodies := range map[problem][]string{
		badCredentials: {`{"errorCode":4702}`, `{"errorCode":4704}`, `{"errorCode":4706}`,
			`{"reason":"Invalid client."}`, `{"error":"invalid_client"}`},
		badRedirect:   {`{"errorCode":4709}`, `{"reason":"Redirect URI mismatch."}`, `{"errorMessage":"Invalid redirect url"}`},
		missingScope:  {`{"code":4711}`, `{"message":"Invalid access token, does not contain scopes:[user:read:user]."}`},
		disabledApp:   {`{"errorCode":4717}`, `{"reason":"The app has been disabled"}`},
		unapprovedApp: {`{"code":4738}`, `{"message":"The token is disabled by admin."}`},
		revokedToken:  {`{"code":4741}`, `{"message":"The token has been revoked."}`},
		rateLimit:     {`{"code":429}`, `{"message":"You have reached the maximum per-second rate limit for this API."}`},
		badAnswer:     {`{"code":124,"message":"Invalid access token."}`, `{}`},
		badCode: {`{"errorCode":4733}`, `{"errorCode":4734}`, `{"reason":"Code is expired"}`,
			`{"reason":"Invalid authorization code x"}`, `{"error":"invalid_grant"}`, `{"error":"invalid_request","reason":"Invalid authorization code x"}`},
	} {
		for _, body := range bodies {
			a := answer{JSON: []byte(body)}
			if !decode(a.JSON, &a) {
				t.Fatalf("%s is no object", body)
			}
			res := &http.Response{StatusCode: http.StatusBadRequest, Request: &http.Request{URL: &url.URL{}}}
			if got := refused(res, &a).problem; got != want {
				t.Errorf("%s: got %s, want %s", body, got, want)
			}
		}
	}
}

// TestStandInRefuses runs the app against a Zoom that its settings don't match.
func TestStandInRefuses(t *testing.T) {
	const expired = "This sign-in has expired"
	setCode := func(q url.Values) { q.Set("code", "another's") }
	for name, c := range map[string]struct {
		spoil  func(*world, *browser)
		status int
		title  string
	}{
		"wrong secret":            {func(w *world, _ *browser) { w.zoom.ClientSecret = "another" }, 500, "Zoom does not know this app"},
		"missing scope":           {func(w *world, _ *browser) { w.zoom.Scope = "meeting:read" }, 500, "The app lacks a permission"},
		"expired code":            {func(w *world, _ *browser) { w.zoom.Now = hurriedClock() }, 400, expired},
		"code of another sign-in": {func(_ *world, b *browser) { b.mangle = setCode }, 400, expired},
		"another redirect URL": {func(w *world, b *browser) {
			b.mangle = func(url.Values) { w.app.zoom.redirectURL = "http://localhost:8001" }
		}, 500, "The redirect URL is not the registered one"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			b := w.newBrowser(t)
			c.spoil(w, b)
			wantPage(t, b.visit(local), c.status, c.title)
		})
	}
}

// hurriedClock returns a clock on which six minutes pass from look to look.
func hurriedClock() func() time.Time {
	now := time.Now()
	return func() time.Time {
		now = now.Add(6 * time.Minute)
		return now
	}
}

// TestIdleConnectionClosed has Zoom close a connection just as the next request comes in on it.
// net/http notices while it waits for the answer, and then sends again what it may.
func TestIdleConnectionClosed(t *testing.T) {
	for _, path := range []string{tokenPath, userPath} {
		t.Run(path, func(t *testing.T) {
			w := newWorld(t, local)
			u := newUpstream(t, w)
			b := w.newBrowser(t)
			wantProfile(t, b.get(b.callback("c"))) // leaves a connection behind
			u.set(path, func(net.Conn, *http.Request, string) bool {
				u.set(path, nil)
				return false
			})
			before := u.connections.Load()
			wantProfile(t, b.get(b.callback("c")))
			if u.connections.Load() == before {
				t.Error("the connection was not closed, so the test shows nothing")
			}
		})
	}
}

// TestSpeaksHTTP1 has a Zoom that would rather speak HTTP/2, where nothing is sent again when a
// connection breaks.
func TestSpeaksHTTP1(t *testing.T) {
	protocols := make(chan string, 9)
	zoom := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		protocols <- r.Proto
		io.WriteString(rw, goodAnswers[r.URL.Path])
	}))
	zoom.EnableHTTP2 = true
	zoom.StartTLS()
	defer zoom.Close()
	w := newWorld(t, local)
	w.app.zoom.zoomURL, w.app.zoom.apiURL = zoom.URL, zoom.URL
	roots := x509.NewCertPool()
	roots.AddCert(zoom.Certificate())
	transport := w.app.zoom.client.Transport.(*http.Transport)
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	transport.ForceAttemptHTTP2 = true // which a TLSClientConfig would else prevent
	b := w.newBrowser(t)
	wantProfile(t, b.get(b.callback("c")))
	for range 2 {
		if got := <-protocols; got != "HTTP/1.1" {
			t.Errorf("spoke %s, want HTTP/1.1", got)
		}
	}
}

// TestConnectionsAreReused counts the connections of sign-ins one after the other.
func TestConnectionsAreReused(t *testing.T) {
	w := newWorld(t, local)
	u := newUpstream(t, w)
	b := w.newBrowser(t)
	for range 50 {
		wantProfile(t, b.get(b.callback("c")))
	}
	if n := u.connections.Load(); n > 2 {
		t.Errorf("50 sign-ins took %d connections to Zoom, want at most 2", n)
	}
}

// TestConnectionsAreKept has twenty sign-ins at once, twice. Zoom holds each round's token
// requests until all have come: else a connection that falls idle while another is being dialled
// serves that one's request, too, and net/http ends up with more than it needs.
func TestConnectionsAreKept(t *testing.T) {
	const atOnce = 20
	w := newWorld(t, local)
	u := newUpstream(t, w)
	for range 2 {
		var come, done sync.WaitGroup
		come.Add(atOnce)
		u.set(tokenPath, func(c net.Conn, r *http.Request, body string) bool {
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
			wantProfile(t, p)
		}
	}
	if n := u.connections.Load(); n != atOnce {
		t.Errorf("took %d connections to Zoom, want %d", n, atOnce)
	}
}

// TestManySignInsAtOnce has a slow Zoom and a crowd.
func TestManySignInsAtOnce(t *testing.T) {
	w := newWorld(t, local)
	newUpstream(t, w).slowDown(200 * time.Millisecond)
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

// TestSecretsStayInside goes through what can happen with secrets that are easy to find, at a Zoom
// that repeats all it was sent, and looks for them in what was logged and served.
func TestSecretsStayInside(t *testing.T) {
	repeats := func(format string) behaviour {
		return func(c net.Conn, r *http.Request, body string) bool {
			quoted, _ := json.Marshal(r.Header.Get("Authorization") + " " + body)
			trackingID := "x-zm-trackingid: " + strings.ReplaceAll(body, "=", " ")
			return answers(400, fmt.Sprintf(format, quoted), trackingID)(c, r, body)
		}
	}
	writes := func(format string) behaviour {
		return func(c net.Conn, r *http.Request, body string) bool {
			fmt.Fprintf(c, format, r.Header.Get("Authorization"), body)
			return false
		}
	}
	for name, does := range map[string]behaviour{
		"well":             nil,
		"in the reason":    repeats(`{"error":"invalid_request","reason":%s}`),
		"in the message":   repeats(`{"code":124,"message":%s}`),
		"in the error":     repeats(`{"error":%s}`),
		"in the scopes":    repeats(`{"code":4711,"message":"does not contain scopes:[a","reason":%s}`),
		"in the code":      repeats(`{"errorCode":%s}`),
		"in HTML":          repeats(`<p>%s</p>`),
		"in no HTTP":       writes("%s\r\n%s\r\n\r\n"),
		"in a header line": writes("HTTP/1.1 200 OK\r\n%s %s\r\n\r\n"),
		"in the status":    says("HTTP/1.1 CODE-SECRET\r\n\r\n"),
	} {
		for _, path := range []string{tokenPath, userPath} {
			t.Run(path+" "+name, func(t *testing.T) {
				w := newWorld(t, local)
				newUpstream(t, w).set(path, does)
				b := w.newBrowser(t)
				callback := b.callback("CODE-SECRET")
				site, _ := url.Parse(local)
				cookie := b.client.Jar.Cookies(site)[0]
				served := ""
				for _, address := range []string{callback, callback, local + "/x?code=CODE-SECRET", callback + "&error=x"} {
					served += b.get(address).body
				}
				basic := url.QueryEscape(clientID) + ":" + url.QueryEscape(clientSecret)
				for what, secret := range map[string]string{
					"client secret": "SECRET+", "client secret, encoded": "SECRET%2B",
					"Basic credentials": base64.StdEncoding.EncodeToString([]byte(basic))[:16],
					"code":              "CODE-SECRET",
					"verifier":          cookie.Value,
					"state":             strings.TrimPrefix(cookie.Name, "zoom-oauth-"),
					"access token":      "ACCESS.TOKEN", "refresh token": "REFRESH.TOKEN",
				} {
					if strings.Contains(w.log.String()+served, secret) {
						t.Errorf("the %s is in the log or on a page: %s\n%s", what, w.log, served)
					}
				}
			})
		}
	}
}
