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
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The titles of the pages for what may go wrong on the way to Zoom and back.
const (
	brokenTitle      = "The connection to Zoom failed"
	lateTitle        = "Zoom did not answer in time"
	uselessTitle     = "Zoom’s answer could not be used"
	expiredTitle     = "This sign-in has expired"
	credentialsTitle = "Zoom does not know this app"
	redirectTitle    = "The redirect URL is not the registered one"
	scopeTitle       = "The app lacks a permission"
	rateTitle        = "Too many requests to Zoom"
)

// TestRequestsToZoom checks what goes out on the wire.
func TestRequestsToZoom(t *testing.T) {
	const code = "the code/+&="
	w := newWorld(t, local)
	oauth, api := newUpstream(t, w), newUpstream(t, w)
	w.app.zoom.zoomURL = oauth.url
	b := w.newBrowser(t)
	callback := b.callback(code)
	verifier := b.cookies(local)[0].Value
	oauth.set(tokenPath, func(c net.Conn, r *http.Request, body string) bool {
		wantTokenRequest(t, r, body, code, verifier)
		return answers(200, goodToken)(c, r, body)
	})
	api.set(userPath, func(c net.Conn, r *http.Request, body string) bool {
		wantUserRequest(t, r, body)
		return answers(200, goodProfile)(c, r, body)
	})
	wantProfile(t, b.get(callback))
	if n, m := oauth.connections.Load(), api.connections.Load(); n != 1 || m != 1 {
		t.Errorf("Zoom's OAuth server got %d connections and its API %d, want one each", n, m)
	}
}

// wantTokenRequest fails the test unless r exchanges the code (RFC 6749 4.1.3, RFC 7636 4.5).
func wantTokenRequest(t *testing.T, r *http.Request, body, code, verifier string) {
	form, err := url.ParseQuery(body)
	want := url.Values{
		"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {local}, "code_verifier": {verifier},
	}
	if err != nil || form.Encode() != want.Encode() || r.Method != "POST" || r.URL.RawQuery != "" {
		t.Errorf("got %s %s %v, want POST without a query and %v", r.Method, r.URL, form, want)
	}
	const credentials = "client+id%2F%25:SECRET%2B%3A%2F%25%26%C3%BC" // RFC 6749 2.3.1
	wantHeader(t, r, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(credentials)))
	wantHeader(t, r, "Content-Type", "application/x-www-form-urlencoded")
	wantHeader(t, r, "Idempotency-Key", "")
	wantHeader(t, r, "Cookie", "")
}

// wantUserRequest fails the test unless r asks for the user with goodToken's access token.
func wantUserRequest(t *testing.T, r *http.Request, body string) {
	if r.Method != "GET" || r.URL.RawQuery != "" || body != "" {
		t.Errorf("got %s %s %q, want GET without query and body", r.Method, r.URL, body)
	}
	wantHeader(t, r, "Authorization", "Bearer ACCESS.TOKEN")
}

// wantHeader fails the test unless r has a header with this value, or doesn't have it, for "".
func wantHeader(t *testing.T, r *http.Request, name, want string) {
	if got, sent := r.Header[name]; sent != (want != "") || strings.Join(got, "; ") != want {
		t.Errorf("%s: got %q, want %q", name, got, want)
	}
}

// TestTokenTypes checks what stands for a bearer token.
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

const (
	httpOK = "HTTP/1.1 200 OK\r\n"

	// switchProtocols is an answer after which the connection is no longer HTTP's.
	switchProtocols = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"

	earlyHints = "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n"
)

// aPage is how much some faults send at once, and aTick how long some wait in between.
var aPage = strings.Repeat("a", 4096)

const aTick = 10 * time.Millisecond

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
	{"an error inside a 200", answers(200, `{"error":"odd","access_token":"a"}`), 502, uselessTitle},
	{"an error that is an object", answers(200, `{"error":{},"access_token":"a"}`), 502, uselessTitle},
	{"a code inside a 200", answers(200, `{"code":124,"access_token":"a"}`), 502, uselessTitle},
	{"an errorCode inside a 200", answers(200, `{"errorCode":1,"access_token":"a"}`), 502, uselessTitle},
	{"201", answers(201, goodToken), 502, uselessTitle},
	{"204", says("HTTP/1.1 204 No Content\r\n\r\n"), 502, uselessTitle},
	{"101", says(switchProtocols), 502, uselessTitle},
	{"101 and silence", keepsSaying(switchProtocols, "", aTick), 502, uselessTitle},
	{"nested 100,000 deep", answers(200, nested(100_000)), 502, uselessTitle},
	{"nested deep in an object", answers(200, `{"a":`+nested(20_000)+"}"), 502, uselessTitle},
	{"a body that never ends", keepsSaying(httpOK+"\r\n{\"a\":\"", aPage, 0), 502, uselessTitle},
	{"a gzip bomb", gzipBomb, 502, uselessTitle},
	{"a header that never ends", keepsSaying(httpOK+"X: ", aPage, 0), 502, brokenTitle},
	{"103 for ever", keepsSaying("", earlyHints, 0), 502, brokenTitle},
	{"a hang-up", says(""), 502, brokenTitle},
	{"a hang-up in the middle", says(httpOK + "Content-Length: 9999\r\n\r\n{\"a\":"), 502, brokenTitle},
	{"no HTTP", says("220 smtp.example.com ESMTP\r\n"), 502, brokenTitle},
	{"a byte at a time", keepsSaying(httpOK+"\r\n{", " ", aTick), 504, lateTitle},
	{"a header, a byte at a time", keepsSaying(httpOK+"X: ", "a", aTick), 504, lateTitle},
	{"silence", keepsSaying("", "", aTick), 504, lateTitle},
}

// tokenFaults are what only the token endpoint may do.
var tokenFaults = []fault{
	{"no token", answers(200, `{"token_type":"bearer"}`), 502, uselessTitle},
	{"a token that is null", answers(200, `{"access_token":null}`), 502, uselessTitle},
	{"a token that is empty", answers(200, `{"access_token":""}`), 502, uselessTitle},
	{"a token that is a number", answers(200, `{"access_token":12}`), 502, uselessTitle},
	{"a token of two lines", answers(200, `{"access_token":"a\r\nX-Injected: b"}`), 502, uselessTitle},
	{"another type", answers(200, `{"access_token":"a","token_type":"mac"}`), 502, uselessTitle},
}

// userFaults are what only the user endpoint may do. The profile is shown nevertheless.
var userFaults = []fault{
	{"nested 9,000 deep", answers(200, `{"first_name":"Deep","a":`+nested(9_000)+"}"), 200, "Deep"},
	{"wide and deep", answers(200, `{"first_name":"Deep","a":`+wide(nested(9_000))+"}"), 200, "Deep"},
}

// nested returns a JSON array in an array in an array, and so on.
func nested(depth int) string {
	return strings.Repeat("[", depth) + strings.Repeat("]", depth)
}

// wide returns a JSON array with thousands of numbers in its innermost one.
func wide(array string) string {
	return strings.Replace(array, "]", strings.Repeat("0,", 10_000)+"0]", 1)
}

// gzipBomb is a behaviour that answers with a thousand times as much JSON as it sends.
func gzipBomb(c net.Conn, r *http.Request, body string) bool {
	return answers(200, packedJSON(), "Content-Encoding: gzip")(c, r, body)
}

// packedJSON returns 16 KiB of gzip, made once since that takes a while.
var packedJSON = sync.OnceValue(func() string {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write([]byte(`{"first_name":"`))
	for page := []byte(aPage); packed.Len() < 16<<10; {
		z.Write(page)
	}
	z.Write([]byte(`"}`))
	z.Close()
	return packed.String()
})

// TestUpstreamMayDoAnything checks that a page and the log explain each fault, that memory stays
// small, and that the next sign-in works.
func TestUpstreamMayDoAnything(t *testing.T) {
	packedJSON() // before a time-out runs
	for _, path := range []string{tokenPath, userPath} {
		own := tokenFaults
		if path == userPath {
			own = userFaults
		}
		for _, f := range slices.Concat(faults, own) {
			t.Run(path+" "+f.name, func(t *testing.T) { f.happens(t, path) })
		}
	}
}

// happens is a sign-in with a fault at a path, and then one without.
func (f fault) happens(t *testing.T, path string) {
	w := newWorld(t, local)
	u := newUpstream(t, w)
	u.set(path, f.does)
	if f.title == lateTitle {
		w.app.zoom.client.Timeout /= 40 // 40 times as fast
	}
	b := w.newBrowser(t)
	callback := b.callback("c")
	var p page
	if used := allocated(func() { p = b.get(callback) }); used > 16<<20 {
		t.Errorf("took %d MiB of memory in all, want less than 16", used>>20)
	}
	if p.status != f.status || p.title() != f.title {
		t.Errorf("got %d %q, want %d %q", p.status, p.title(), f.status, f.title)
	}
	if f.status != http.StatusOK {
		wantWords(t, w.log.String(), "\nzoom: ", " "+u.url+path+": ")
	}
	u.set(path, nil)
	w.app.zoom.client.Timeout = zoomTimeout
	wantProfile(t, b.get(b.callback("c")))
}

// allocated returns how many bytes are allocated while f runs.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestHangsUp checks that the app closes a connection that is no longer HTTP's.
func TestHangsUp(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would close it, too
	w := newWorld(t, local)
	ended := make(chan bool, 9)
	newUpstream(t, w).set(tokenPath, func(c net.Conn, r *http.Request, body string) bool {
		keepsSaying(switchProtocols, " ", aTick)(c, r, body)
		ended <- true
		return false
	})
	b := w.newBrowser(t)
	b.get(b.callback("c"))
	receive(t, ended)
}

// TestRedirectsAreNotFollowed has a Zoom that sends the app, with its credentials, elsewhere.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var strangers atomic.Int64
	count := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strangers.Add(1) })
	stranger := httptest.NewServer(count)
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
	plainHTTP := newUpstream(t, newWorld(t, local))
	for name, c := range map[string]struct{ zoomURL, log string }{
		"nobody listens":               {"http://" + addressOfNobody(t), "connection refused"},
		"the name does not resolve":    {"https://zoom.invalid", "lookup zoom.invalid"},
		"the certificate is not known": {unknown.URL, "certificate signed by unknown authority"},
		"no TLS where it should be":    {strings.Replace(plainHTTP.url, "http", "https", 1), "connection broken"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			w.app.zoom.zoomURL = c.zoomURL
			dialer := &net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: noNameServer}}
			w.app.zoom.client.Transport.(*http.Transport).DialContext = dialer.DialContext
			b := w.newBrowser(t)
			wantPage(t, b.get(b.callback("c")), http.StatusBadGateway, brokenTitle)
			wantWords(t, w.log.String(), c.log)
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
	return dial(t, listener.Addr().String(), "").LocalAddr().String()
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

// refusals are errors of Zoom's, and what the visitor and the developer read.
var refusals = []struct {
	name   string
	path   string // that Zoom answers
	status int    // with which it does
	body   string
	page   int
	title  string
	words  string // on the page
	log    string // up to the tracking ID
}{{
	name: "a wrong client secret",
	path: tokenPath, status: 400,
	body: `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`,
	page: 500, title: credentialsTitle, words: "clientSecret",
	log: "credentials: URL/oauth/token: HTTP 400, code 0",
}, {
	name: "another redirect URL",
	path: tokenPath, status: 400,
	body: `{"reason":"Redirect URI mismatch.","error":"invalid_request","errorCode":4709}`,
	page: 500, title: redirectTitle, words: "redirectURL",
	log: "redirect: URL/oauth/token: HTTP 400, code 4709",
}, {
	name: "a missing scope",
	path: userPath, status: 400,
	body: `{"code":4711,"message":"… does not contain scopes:[user:read:user, user:read:user:admin]."}`,
	page: 500, title: scopeTitle, words: "<code>user:read:user, user:read:user:admin</code>",
	log: "scope: URL/v2/users/me: HTTP 400, code 4711",
}, {
	name: "a missing scope that isn't named",
	path: userPath, status: 401,
	body: `{"code":4711}`,
	page: 500, title: scopeTitle, words: "<code>user:read:user</code>",
	log: "scope: URL/v2/users/me: HTTP 401, code 4711",
}, {
	name: "a missing scope with markup",
	path: userPath, status: 400,
	body: `{"code":4711,"message":"… does not contain scopes:[<b>]."}`,
	page: 500, title: scopeTitle, words: "<code>user:read:user</code>",
	log: "scope: URL/v2/users/me: HTTP 400, code 4711",
}, {
	name: "a disabled app",
	path: tokenPath, status: 400,
	body: `{"errorCode":4717,"reason":"The app has been disabled"}`,
	page: 500, title: "Zoom has disabled this app", words: "developer support",
	log: "disabled: URL/oauth/token: HTTP 400, code 4717",
}, {
	name: "an app that isn't approved",
	path: userPath, status: 401,
	body: `{"code":4738,"message":"The token is disabled by admin."}`,
	page: 403, title: "Your Zoom account does not allow this app", words: "administrator",
	log: "admin: URL/v2/users/me: HTTP 401, code 4738",
}, {
	name: "a later sign-in",
	path: userPath, status: 401,
	body: `{"code":4741,"message":"The token has been revoked."}`,
	page: 400, title: "A later sign-in took over", words: "another tab",
	log: "revoked: URL/v2/users/me: HTTP 401, code 4741",
}, {
	name: "a rate limit",
	path: userPath, status: 429,
	body: `{"code":429,"message":"You have reached the maximum per-second rate limit for this API."}`,
	page: 503, title: rateTitle, words: "Wait a moment",
	log: "ratelimit: URL/v2/users/me: HTTP 429, code 429",
}, {
	name: "something new",
	path: userPath, status: 400,
	body: `{"code":9999,"message":"<b>new</b>"}`,
	page: 502, title: uselessTitle, words: "error 9999",
	log: "answer: URL/v2/users/me: HTTP 400, code 9999",
}, {
	name: "nothing at all",
	path: tokenPath, status: 400,
	body: "",
	page: 502, title: uselessTitle, words: "something unexpected",
	log: "answer: URL/oauth/token: HTTP 400, code 0",
}}

// TestUsedCode has a code that Zoom no longer accepts. If a request that the visitor gave up has used
// it, a second try signs them in; if that comes back with one, too, a page says so.
func TestUsedCode(t *testing.T) {
	const quoting = `{"reason":"Invalid authorization code invalid_client","error":"invalid_grant"}`
	w := newWorld(t, local)
	u := newUpstream(t, w)
	b := w.newBrowser(t)
	u.set(tokenPath, func(c net.Conn, r *http.Request, body string) bool {
		u.set(tokenPath, nil)
		return answers(400, quoting)(c, r, body)
	})
	p := b.get(b.callback("used"))
	if state := p.state(t); !strings.HasPrefix(state, secondTry) {
		t.Errorf("got the state %s, want a second try", state)
	}
	wantProfile(t, b.follow(p))

	u.set(tokenPath, answers(400, quoting, "x-zm-trackingid: WEB_1"))
	p = b.follow(b.get(b.callback("used")))
	wantPage(t, p, http.StatusBadRequest, expiredTitle)
	wantWords(t, p.body, "already used", "<code>WEB_1</code>")
	if n := strings.Count(w.log.String(), "\nzoom: code: "); n != 3 {
		t.Errorf("the log has %d of the three failures: %s", n, w.log)
	}
}

// TestErrorsSayWhatToMend checks the page and the log for each refusal.
func TestErrorsSayWhatToMend(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, local)
			u := newUpstream(t, w)
			u.set(c.path, answers(c.status, c.body, "x-zm-trackingid: WEB_1"))
			b := w.newBrowser(t)
			p := b.get(b.callback("c"))
			wantPage(t, p, c.page, c.title)
			wantWords(t, p.body, c.words, "tracking ID", "<code>WEB_1</code>")

			log := strings.ReplaceAll(w.log.String(), u.url, "URL")
			line := "\nzoom: " + c.log + ", tracking id \"WEB_1\"\n"
			wantWords(t, log, line)
			if n := strings.Count(log, "\n"); n != 3 {
				t.Errorf("got %d lines in the log, want the start's, the error's and the callback's", n)
			}
		})
	}
}

// TestBadTrackingIDs checks that what isn't a tracking ID is neither shown nor logged.
func TestBadTrackingIDs(t *testing.T) {
	for name, id := range map[string]string{
		"markup":    "<b>WEB_1",
		"no ASCII":  "WEB_1é",
		"a space":   "WEB_1 2",
		"very long": "WEB_1" + strings.Repeat("x", 200),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			newUpstream(t, w).set(tokenPath, answers(400, "{}", "x-zm-trackingid: "+id))
			b := w.newBrowser(t)
			p := b.get(b.callback("c"))
			wantNone(t, p.body, "tracking ID", "WEB_1")
			wantWords(t, w.log.String(), `tracking id ""`)
		})
	}
}

// TestRetryAfter checks the header that the app passes on, and the words on the page, for what
// Zoom says of when to call again.
func TestRetryAfter(t *testing.T) {
	const monday, inWords = "Mon, 23 Nov 2026 14:00:00 GMT", "on 23 November 2026 at 14:00 UTC"
	for name, c := range map[string]struct{ zoom, header, words string }{
		"seconds":              {"7", "7", "in 7 seconds"},
		"a date":               {monday, monday, inWords},
		"Zoom's ISO 8601 time": {"2026-11-23T15:00:00+01:00", monday, inWords},
		"a negative number":    {"-7", "", "Wait a moment"},
		"something else":       {"soon", "", "Wait a moment"},
		"more than a number":   {"7 Set-Cookie: a=b", "", "Wait a moment"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			newUpstream(t, w).set(tokenPath, answers(429, "", "Retry-After: "+c.zoom))
			b := w.newBrowser(t)
			p := b.get(b.callback("c"))
			wantPage(t, p, http.StatusServiceUnavailable, rateTitle)
			wantWords(t, p.body, c.words)
			if got := p.header.Get("Retry-After"); got != c.header {
				t.Errorf("Retry-After: got %q, want %q", got, c.header)
			}
		})
	}
}

// problemBodies have the errors of Zoom's documentation, by number alone and by words alone.
var problemBodies = map[problem][]string{
	badCredentials: {
		`{"errorCode":4702}`,
		`{"errorCode":4704}`,
		`{"errorCode":4706}`,
		`{"reason":"Invalid client."}`,
		`{"error":"invalid_client"}`,
	},
	badRedirect: {
		`{"errorCode":4709}`,
		`{"reason":"Redirect URI mismatch."}`,
		`{"error":"invalid_redirect_uri"}`,
		`{"errorMessage":"Invalid redirect url"}`,
		`{"errorMessage":"Redirect URI mismatch.","error":"invalid_grant"}`,
	},
	missingScope: {
		`{"code":4711}`,
		`{"message":"Invalid access token, does not contain scopes:[user:read:user]."}`,
	},
	disabledApp: {
		`{"errorCode":4717}`,
		`{"reason":"The app has been disabled"}`,
	},
	unapprovedApp: {
		`{"code":4738}`,
		`{"message":"The token is disabled by admin."}`,
	},
	revokedToken: {
		`{"code":4741}`,
		`{"message":"The token has been revoked."}`,
	},
	rateLimit: {
		`{"code":429}`,
		`{"message":"You have reached the maximum per-second rate limit for this API."}`,
	},
	badCode: {
		`{"errorCode":4733}`,
		`{"errorCode":4734}`,
		`{"reason":"Code is expired"}`,
		`{"reason":"Invalid authorization code x"}`,
		`{"error":"invalid_grant"}`,
		`{"reason":"Invalid authorization code invalid_client","error":"invalid_request"}`,
		`{"reason":"Invalid authorization code x","errorCode":4709}`,
	},
	badAnswer: {
		`{"code":124,"message":"Invalid access token."}`,
		`{}`,
	},
}

// TestProblems checks that the errors of Zoom's documentation are told apart.
func TestProblems(t *testing.T) {
	z := newZoom(zoomConfig{})
	for want, bodies := range problemBodies {
		for _, body := range bodies {
			z.client.Transport = &zoomInMemory{status: http.StatusBadRequest, body: body}
			_, err := z.exchange(t.Context(), "c", "v")
			if got := new(zoomError); !errors.As(err, &got) || got.problem != want {
				t.Errorf("%s: got %v, want %s", body, err, want)
			}
		}
	}
}

// TestStandInRefuses runs the app against a Zoom that its settings don't match.
func TestStandInRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(*world, *browser)
		status int
		title  string
	}{
		"wrong secret": {func(w *world, _ *browser) {
			w.zoom.ClientSecret = "another"
		}, 500, credentialsTitle},
		"missing scope": {func(w *world, _ *browser) {
			w.zoom.Scope = "meeting:read"
		}, 500, scopeTitle},
		"expired code": {func(w *world, _ *browser) {
			w.zoom.Now = hurriedClock()
		}, 400, expiredTitle},
		"code of another sign-in": {func(_ *world, b *browser) {
			b.mangle = func(query url.Values) { query.Set("code", "another's") }
		}, 400, expiredTitle},
		"another redirect URL": {func(w *world, b *browser) {
			b.mangle = func(url.Values) { w.app.zoom.redirectURL = "http://localhost:8001" }
		}, 500, redirectTitle},
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
		if got := receive(t, protocols); got != "HTTP/1.1" {
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
	u := newUpstream(t, w)
	for path, answer := range goodAnswers {
		u.set(path, func(c net.Conn, r *http.Request, body string) bool {
			time.Sleep(200 * time.Millisecond)
			return answers(200, answer)(c, r, body)
		})
	}
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

// leaks are ways in which a Zoom may repeat what it was sent.
var leaks = map[string]behaviour{
	"nowhere":          nil,
	"in the reason":    repeats(`{"error":"invalid_request","reason":%s}`),
	"in the message":   repeats(`{"code":124,"message":%s}`),
	"in the error":     repeats(`{"error":%s}`),
	"in the scopes":    repeats(`{"code":4711,"message":"does not contain scopes:[a","reason":%s}`),
	"in the code":      repeats(`{"errorCode":%s}`),
	"in HTML":          repeats(`<p>%s</p>`),
	"in no HTTP":       writes("%s\r\n%s\r\n\r\n"),
	"in a header line": writes(httpOK + "%s %s\r\n\r\n"),
	"in the status":    says("HTTP/1.1 CODE-SECRET\r\n\r\n"),
}

// repeats returns a behaviour that refuses, with what it was sent as a JSON string in the body
// that format describes, and in the tracking ID.
func repeats(format string) behaviour {
	return func(c net.Conn, r *http.Request, body string) bool {
		quoted, _ := json.Marshal(r.Header.Get("Authorization") + " " + body)
		trackingID := "x-zm-trackingid: " + strings.ReplaceAll(body, "=", " ")
		return answers(400, fmt.Sprintf(format, quoted), trackingID)(c, r, body)
	}
}

// writes returns a behaviour that writes what it was sent, raw, as format describes.
func writes(format string) behaviour {
	return func(c net.Conn, r *http.Request, body string) bool {
		fmt.Fprintf(c, format, r.Header.Get("Authorization"), body)
		return false
	}
}

// TestSecretsStayInside looks for secrets in what is logged and served, whatever Zoom repeats.
func TestSecretsStayInside(t *testing.T) {
	for name, does := range leaks {
		for _, path := range []string{tokenPath, userPath} {
			t.Run(path+" "+name, func(t *testing.T) { wantNoSecrets(t, path, does) })
		}
	}
}

// wantNoSecrets fails the test if a secret is in the log or on a page, when Zoom behaves so.
func wantNoSecrets(t *testing.T, path string, does behaviour) {
	t.Helper()
	w := newWorld(t, local)
	newUpstream(t, w).set(path, does)
	b := w.newBrowser(t)
	callback := b.callback("CODE-SECRET")
	cookie := b.cookies(local)[0]
	served := b.get(callback).body
	for _, address := range []string{callback, callback + "&error=x", local + "/x?code=CODE-SECRET"} {
		served += b.get(address).body
	}
	basic := url.QueryEscape(clientID) + ":" + url.QueryEscape(clientSecret)
	for what, secret := range map[string]string{
		"client secret":          "SECRET+",
		"client secret, encoded": "SECRET%2B",
		"Basic credentials":      base64.StdEncoding.EncodeToString([]byte(basic))[:16],
		"code":                   "CODE-SECRET",
		"verifier":               cookie.Value,
		"state":                  strings.TrimPrefix(cookie.Name, plain),
		"access token":           "ACCESS.TOKEN",
		"refresh token":          "REFRESH.TOKEN",
	} {
		if strings.Contains(w.log.String()+served, secret) {
			t.Errorf("the %s is in the log or on a page: %s\n%s", what, w.log, served)
		}
	}
}

// TestNextEndpoint calls another path of Zoom's API, into the type that the README has for it.
func TestNextEndpoint(t *testing.T) {
	type meetings struct {
		response // which has the error that Zoom may send instead
		Meetings []struct {
			Topic     string `json:"topic"`
			StartTime string `json:"start_time"`
		} `json:"meetings"`
	}
	_, code, _ := strings.Cut(read(t, "zoom_test.go"), "func TestNextEndpoint(t *testing.T) {\n\t")
	code, _, _ = strings.Cut(code, "\n\t}\n")
	wantWords(t, read(t, "README.md"), strings.ReplaceAll(code, "\n\t", "\n")+"\n}\n")

	const path = "/v2/users/me/meetings"
	w := newWorld(t, local)
	u := newUpstream(t, w)
	u.set(path, answers(200, `{"meetings":[{"topic":"Stand-up","start_time":"2026-12-01T09:00:00Z"}]}`))
	var list meetings
	if err := w.app.zoom.get(t.Context(), token{AccessToken: "T"}, path, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Meetings) != 1 || list.Meetings[0].Topic != "Stand-up" {
		t.Errorf("got %+v, want the meeting", list)
	}

	u.set(path, answers(400, `{"code":4711,"message":"does not contain scopes:[meeting:read:list_meetings]."}`))
	err := w.app.zoom.get(t.Context(), token{AccessToken: "T"}, path, &list)
	failure, _ := errors.AsType[*zoomError](err)
	if failure == nil || failure.problem != missingScope || failure.Scopes != "meeting:read:list_meetings" {
		t.Errorf("got %v, want a missing scope", err)
	}
}
