package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"zoom-oauth/internal/fakezoom"
	"zoom-oauth/templates"
)

// The titles of pages that many tests meet.
const (
	connectionTitle  = "Zoom can’t be reached"
	responseTitle    = "Zoom’s answer could not be used"
	expiredTitle     = "This sign-in has expired"
	credentialsTitle = "Zoom does not know this app"
	redirectTitle    = "The redirect URL is not the registered one"
	scopeTitle       = "The app lacks a permission"
	rateTitle        = "Too many requests to Zoom"
)

// TestRequestsToZoom checks what goes out on the wire, for both kinds of client.
func TestRequestsToZoom(t *testing.T) {
	basic := base64.StdEncoding.EncodeToString([]byte("client+id%2F%25:SECRET%2B%3A%2F%25%26%C3%BC"))
	for secret, authorization := range map[string]string{
		clientSecret: "Basic " + basic, // RFC 6749 2.3.1
		"":           "",               // a public client (RFC 6749 3.2.1)
	} {
		const code = "the code/+&="
		w := newWorld(t, local)
		w.app.zoom.clientSecret = secret
		oauth, api := newUpstream(t, w), newUpstream(t, w)
		w.app.zoom.oauthURL = oauth.url
		b := w.newBrowser(t)
		callback := b.callback(code)
		want := url.Values{
			"grant_type": {"authorization_code"}, "code": {code},
			"redirect_uri": {local}, "code_verifier": {b.cookies(local)[0].Value},
		}
		if secret == "" {
			want.Set("client_id", clientID)
		}
		oauth.set(tokenPath, func(c net.Conn, r *http.Request, body string) bool {
			wantRequest(t, r, "POST", authorization)
			wantHeader(t, r, "Content-Type", "application/x-www-form-urlencoded")
			if form, err := url.ParseQuery(body); err != nil || form.Encode() != want.Encode() {
				t.Errorf("got the form %v (%v), want %v", form, err, want)
			}
			return answers(200, goodToken)(c, r, body)
		})
		api.set(userPath, func(c net.Conn, r *http.Request, body string) bool {
			wantRequest(t, r, "GET", "Bearer ACCESS.TOKEN==")
			return answers(200, goodProfile)(c, r, body)
		})
		wantProfile(t, b.get(callback))
	}
}

// wantRequest fails the test unless r has this method, no query, no cookie, and this authorization.
func wantRequest(t *testing.T, r *http.Request, method, authorization string) {
	if r.Method != method || r.URL.RawQuery != "" {
		t.Errorf("got %s %s, want %s without a query", r.Method, r.URL, method)
	}
	wantHeader(t, r, "Authorization", authorization)
	wantHeader(t, r, "Cookie", "")
}

// wantHeader fails the test unless r has a header with this value, or doesn't have it, for "".
func wantHeader(t *testing.T, r *http.Request, name, want string) {
	if got, sent := r.Header[name]; sent != (want != "") || strings.Join(got, "; ") != want {
		t.Errorf("%s: got %q, want %q", name, got, want)
	}
}

// fault is something that Zoom may do, the page that follows, and what the log says.
type fault struct {
	name  string
	does  behaviour
	title string
	log   string
}

const (
	httpOK = "HTTP/1.1 200 OK\r\n"

	// switchProtocols is a response after which the connection is no longer HTTP's.
	switchProtocols = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"

	// broken is what the log says when there is no telling what happened.
	broken = `"the connection broke, a proxy refused it, or the response was not HTTP"`
)

// aPage is how much some faults send at once, and aTick how long some wait in between.
var aPage = strings.Repeat("a", 4096)

const aTick = 10 * time.Millisecond

// faults are what either endpoint may do.
var faults = []fault{
	{"HTML", answers(200, "<h1>Sorry</h1>", "Content-Type: text/html"), responseTitle, `HTTP 200 "text/html"`},
	{"HTML and a 503", answers(503, "<h1>Sorry</h1>"), responseTitle, `HTTP 503 ""`},
	{"JSON and a 500", answers(500, `{}`), responseTitle, "HTTP 500"},
	{"an empty body", answers(200, ""), responseTitle, "HTTP 200"},
	{"truncated JSON", answers(200, `{"access_token":"a","first_name":"Ji`), responseTitle, "HTTP 200"},
	{"null", answers(200, "null"), responseTitle, "HTTP 200"},
	{"an array", answers(200, `[{"access_token":"a"}]`), responseTitle, "HTTP 200"},
	{"two objects in a row", answers(200, goodToken+goodProfile), responseTitle, "HTTP 200"},
	{"201", answers(201, goodToken), responseTitle, "HTTP 201"},
	{"204", answers(204, ""), responseTitle, "HTTP 204"},
	{"101", says(switchProtocols), responseTitle, "HTTP 101"},
	{"101 and silence", keepsSaying(switchProtocols, "", aTick), responseTitle, "HTTP 101"},
	{"nested 100,000 deep", answers(200, strings.Repeat("[", 1e5)), responseTitle, "HTTP 200"},
	{"a body that never ends", keepsSaying(httpOK+"\r\n{\"a\":\"", aPage, 0), responseTitle,
		`HTTP 200 "", longer than 1 MiB, tr`},
	{"a gzip bomb", gzipBomb, responseTitle, `HTTP 200 "", longer than 1 MiB, tr`},
	{"a redirect", answers(302, "", "Location: https://me:p@b.example/x"), responseTitle,
		`302 "", redirect to "b.example", tr`},
	{"a bad redirect", answers(302, "", "Location: https://CODE%zz"), responseTitle, `HTTP 302 "", tracking`},
	{"a long header", answers(400, "{}", "x-zm-trackingid: "+strings.Repeat("x", 64<<10)), connectionTitle, broken},
	{"a hang-up", says(""), connectionTitle, ""},
	{"a hang-up in the middle", says(httpOK + "Content-Length: 9999\r\n\r\n{\"a\":"), connectionTitle, broken},
	{"no HTTP", says("220 smtp.example.com ESMTP\r\n"), connectionTitle, broken},
}

// tokenFaults are what only the token endpoint may do.
var tokenFaults = []fault{
	{"no token", answers(200, `{"token_type":"bearer"}`), responseTitle, "no bearer token"},
	{"no type", answers(200, `{"access_token":"a"}`), responseTitle, "no bearer token"},
	{"a token that is a number", answers(200, `{"access_token":12,"token_type":"bearer"}`), responseTitle, "no bearer"},
	{"a token of two lines", answers(200, `{"access_token":"a\r\nX: b","token_type":"bearer"}`), responseTitle, "no"},
	{"another type", answers(200, `{"access_token":"a","token_type":"mac"}`), responseTitle, "no bearer token"},
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
	packedJSON()
	for path, faults := range map[string][]fault{tokenPath: slices.Concat(faults, tokenFaults), userPath: faults} {
		for _, f := range faults {
			t.Run(path+" "+f.name, func(t *testing.T) {
				w := newWorld(t, local)
				u := newUpstream(t, w)
				u.set(path, f.does)
				b := w.newBrowser(t)
				callback := b.callback("c")
				var p page
				if used := allocated(func() { p = b.get(callback) }); used > 32<<20 {
					t.Errorf("took %d MiB of memory in all, want less than 32", used>>20)
				}
				wantPage(t, p, http.StatusBadGateway, f.title)
				wantWords(t, w.log.String(), "\nzoom: ", path+": ", f.log)
				wantNone(t, w.log.String(), "CODE", "smtp", "Sorry", "me:p")
				u.set(path, nil)
				wantProfile(t, b.get(b.callback("c")))
			})
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

// TestSlowZoom has a Zoom that takes its time, in a bubble where it passes at once. All calls of a
// sign-in share nine seconds.
func TestSlowZoom(t *testing.T) {
	token, profile := answers(200, goodToken), answers(200, goodProfile)
	for name, c := range map[string]struct {
		token, user behaviour
		takes       time.Duration
	}{
		"five seconds":         {later(5*time.Second, token), profile, 5 * time.Second},
		"five and three":       {later(5*time.Second, token), later(3*time.Second, profile), 8 * time.Second},
		"five and five":        {later(5*time.Second, token), later(5*time.Second, profile), 9 * time.Second},
		"a byte at a time":     {token, keepsSaying(httpOK+"\r\n{", " ", aTick), 9 * time.Second},
		"the same in a header": {keepsSaying(httpOK+"X: ", "a", aTick), profile, 9 * time.Second},
		"silence":              {later(time.Hour, token), profile, 9 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := logTo(t)
				app, u := inMemory(t)
				u.set(tokenPath, c.token)
				u.set(userPath, c.user)
				begin, rec := time.Now(), httptest.NewRecorder()
				app.ServeHTTP(rec, callbackRequest())
				if took := time.Since(begin); took < c.takes || took > c.takes+time.Second {
					t.Errorf("took %v, want %v", took, c.takes)
				}
				if c.takes < 9*time.Second {
					wantWords(t, rec.Body.String(), "Jill Chill")
					return
				}
				wantWords(t, rec.Body.String(), connectionTitle)
				wantWords(t, log.String(), `: "context deadline exceeded"`)
			})
		})
	}
}

// TestSilentHandshake has a Zoom that accepts connections and never speaks TLS.
func TestSilentHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := logTo(t)
		app, _ := inMemory(t)
		silent := newMemory()
		defer silent.Close()
		go silent.Accept()
		app.zoom.transport.(*http.Transport).DialContext = silent.dial
		app.zoom.oauthURL = "https://zoom.test"
		begin, rec := time.Now(), httptest.NewRecorder()
		app.ServeHTTP(rec, callbackRequest())
		if took := time.Since(begin); took != 6*time.Second {
			t.Errorf("took %v, want six seconds", took)
		}
		wantWords(t, rec.Body.String(), connectionTitle)
		wantWords(t, log.String(), `"net/http: TLS handshake timeout"`)
	})
}

// TestHangsUp checks that the app closes a connection that is no longer HTTP's.
func TestHangsUp(t *testing.T) {
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

// TestZoomOutOfReach has addresses of Zoom that lead nowhere. The log has the system's own words, or
// the certificate's.
func TestZoomOutOfReach(t *testing.T) {
	unknown := httptest.NewUnstartedServer(http.NotFoundHandler())
	unknown.Config.ErrorLog = log.New(io.Discard, "", 0)
	unknown.StartTLS()
	defer unknown.Close()
	plainHTTP := newUpstream(t, newWorld(t, local))
	nobody := addressOfNobody(t)
	_, refused := net.Dial("tcp", nobody)
	for name, c := range map[string]struct{ oauthURL, log string }{
		"nobody listens":               {"http://" + nobody, fmt.Sprintf("%q", refused)},
		"the name does not resolve":    {"https://zoom.invalid", `"dial tcp: lookup zoom.invalid`},
		"the certificate is not known": {unknown.URL, "certificate signed by unknown authority"},
		"no TLS where it should be":    {strings.Replace(plainHTTP.url, "http", "https", 1), broken},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			w.app.zoom.oauthURL = c.oauthURL
			dialer := &net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: noNameServer}}
			w.app.zoom.transport.(*http.Transport).DialContext = dialer.DialContext
			b := w.newBrowser(t)
			wantPage(t, b.get(b.callback("c")), http.StatusBadGateway, connectionTitle)
			wantWords(t, w.log.String(), "\nzoom: connection: "+c.oauthURL+tokenPath+": ", c.log)
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

// refusals are Zoom's errors, as its documentation and its users have them, and what the visitor and
// the developer read.
var refusals = []struct {
	path   string // that Zoom answers
	status int    // with which it does
	body   string
	page   int
	title  string
	words  string // on the page
	log    string // after HTTP and the type, up to the tracking ID
}{
	{tokenPath, 400, `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`,
		502, credentialsTitle, "Public Client ID", ", invalid_client"},
	{tokenPath, 400, `{"reason":"Invalid client.","error":"x","errorCode":1}`,
		502, credentialsTitle, "", ", x, error 1"},
	{tokenPath, 400, `{"errorCode":4702}`, 502, credentialsTitle, "", ", error 4702"},
	{tokenPath, 400, `{"errorCode":4704}`, 502, credentialsTitle, "", ", error 4704"},
	{tokenPath, 400, `{"errorCode":4706}`, 502, credentialsTitle, "", ", error 4706"},
	{tokenPath, 400, `{"reason":"Client ID or client secret is missing."}`, 502, credentialsTitle, "", ""},
	{tokenPath, 401, `{"error":"invalid_client"}`, 502, credentialsTitle, "", ", invalid_client"},
	{tokenPath, 400, `{"reason":"Redirect URI mismatch.","error":"invalid_request","errorCode":4709}`,
		502, redirectTitle, "OAuth Allow Lists", ", invalid_request, error 4709"},
	{tokenPath, 400, `{"errorCode":4709}`, 502, redirectTitle, "", ", error 4709"},
	{tokenPath, 400, `{"error_description":"redirect_uri differs","error":"invalid_grant"}`,
		502, redirectTitle, "", ", invalid_grant"},
	{userPath, 400, `{"code":4711,"message":"Invalid access token, does not contain scopes:[user:read:user, ` +
		`user:read:user:admin]."}`, 502, scopeTitle, "<code>user:read:user, user:read:user:admin</code>",
		`, error 4711, "Invalid access token, does not contain scopes:[user:read:user, user:read:user:admin]."`},
	{userPath, 400, `{"code":104,"message":"Invalid access token, does not contain scopes:[user:read]."}`,
		502, scopeTitle, "<code>user:read</code>",
		`, error 104, "Invalid access token, does not contain scopes:[user:read]."`},
	{userPath, 401, `{"code":4711}`, 502, scopeTitle, "<code>:admin</code>", ", error 4711"},
	{userPath, 401, `{"code":4738,"message":"The token is disabled by admin."}`,
		403, "Your Zoom account does not allow this app", "administrator",
		`, error 4738, "The token is disabled by admin."`},
	{tokenPath, 400, `{"reason":"The token is disabled by admin."}`,
		403, "Your Zoom account does not allow this app", "", ""},
	{userPath, 400, `{"code":4738}`, 403, "Your Zoom account does not allow this app", "", ", error 4738"},
	{userPath, 429, `{"code":429,"message":"You have reached the maximum per-second rate limit."}`,
		503, rateTitle, "Wait", `, error 429, "You have reached the maximum per-second rate limit."`},
	{tokenPath, 429, "", 503, rateTitle, "", ""},
	{tokenPath, 400, `{"errorCode":4717,"reason":"The app has been disabled"}`,
		502, responseTitle, "error 4717", ", error 4717"},
	{tokenPath, 400, `{"error":"invalid_scope"}`, 502, responseTitle, "does not expect", ", invalid_scope"},
	{tokenPath, 400, `{"error":{},"code":{}}`, 502, responseTitle, "does not expect", ""},
	{userPath, 404, `{"code":1001,"message":"User does not exist: <b>` + strings.Repeat("x", 200) + `"}`,
		502, responseTitle, "error 1001",
		`, error 1001, "User does not exist: <b>` + strings.Repeat("x", 176) + `"`},
}

// TestErrorsSayWhatToMend checks the page and the log for each refusal, and that the README explains
// the page.
func TestErrorsSayWhatToMend(t *testing.T) {
	readme := read(t, "README.md")
	for _, c := range refusals {
		t.Run(c.path+" "+c.body, func(t *testing.T) {
			w := newWorld(t, local)
			u := newUpstream(t, w)
			u.set(c.path, answers(c.status, c.body, "Content-Type: x/y", "x-zm-trackingid: <WEB_1>"))
			b := w.newBrowser(t)
			p := b.get(b.callback("c"))
			wantPage(t, p, c.page, c.title)
			wantWords(t, p.body, c.words, "tracking ID", "<code>&lt;WEB_1&gt;</code>")
			wantWords(t, readme, "*"+c.title+"*")

			log := strings.ReplaceAll(w.log.String(), u.url, "URL")
			const format = ": URL%s: HTTP %d \"x/y\"%s, tracking ID \"<WEB_1>\"\n"
			wantWords(t, log, fmt.Sprintf(format, c.path, c.status, c.log))
			if n := strings.Count(log, "\n"); n != 3 {
				t.Errorf("got %d lines in the log, want the start's, the error's and the callback's", n)
			}
		})
	}
}

// usedUp are Zoom's words for a code, or a token, that can't be used any more.
var usedUp = []string{
	`{"reason":"Invalid authorization code invalid_client","error":"invalid_grant"}`,
	`{"reason":"Invalid authorization code redirect uri","error":"invalid_request"}`,
	`{"error":"invalid_grant"}`,
	`{"reason":"Code is expired"}`,
	`{"errorCode":4733}`,
	`{"errorCode":4734}`,
	`{"code":4741,"message":"The token has been revoked."}`,
	`{"code":4741}`,
	`{"message":"The token has been revoked."}`,
}

// TestUsedCode has a code that Zoom no longer accepts. If a request that the visitor gave up has used
// it, a second try signs them in; if that comes back with one, too, a page says so.
func TestUsedCode(t *testing.T) {
	for _, body := range usedUp {
		w := newWorld(t, local)
		u := newUpstream(t, w)
		b := w.newBrowser(t)
		u.set(tokenPath, func(c net.Conn, r *http.Request, form string) bool {
			u.set(tokenPath, nil)
			return answers(400, body)(c, r, form)
		})
		p := b.get(b.callback("used"))
		if state := p.state(t); !strings.HasPrefix(state, secondTryPrefix) {
			t.Errorf("got the state %s, want a second try", state)
		}
		wantProfile(t, b.follow(p))

		u.set(tokenPath, answers(400, body, "x-zm-trackingid: WEB_1"))
		p = b.follow(b.get(b.callback("used")))
		wantPage(t, p, http.StatusBadRequest, expiredTitle)
		wantWords(t, p.body, "used before", "<code>WEB_1</code>")
		if n := strings.Count(w.log.String(), "\nzoom: code: "); n != 3 {
			t.Errorf("the log has %d of the three failures: %s", n, w.log)
		}
	}
}

// TestRetryAfter checks that what Zoom says of when to call again is passed on, and on the page.
func TestRetryAfter(t *testing.T) {
	for _, when := range []string{"7", "2026-11-23T15:00:00Z", ""} {
		w := newWorld(t, local)
		newUpstream(t, w).set(tokenPath, answers(429, "", "Retry-After: "+when))
		b := w.newBrowser(t)
		p := b.get(b.callback("c"))
		wantPage(t, p, http.StatusServiceUnavailable, rateTitle)
		if got, sent := p.header["Retry-After"]; sent != (when != "") || strings.Join(got, "; ") != when {
			t.Errorf("Retry-After: got %q, want %q", got, when)
		}
		if got := strings.Contains(p.body, "<code>"+when+"</code>"); got != (when != "") {
			t.Errorf("%q is on the page: got %v", when, got)
		}
	}
}

// TestStandInRefuses runs the app against a Zoom that its settings don't match, in memory as in a
// demo.
func TestStandInRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(*fakezoom.Server, *zoomClient)
		status int
		title  string
	}{
		"wrong secret":  {func(_ *fakezoom.Server, z *zoomClient) { z.clientSecret = "x" }, 502, credentialsTitle},
		"no secret":     {func(_ *fakezoom.Server, z *zoomClient) { z.clientSecret = "" }, 502, credentialsTitle},
		"missing scope": {func(s *fakezoom.Server, _ *zoomClient) { s.Scope = "meeting:read" }, 502, scopeTitle},
		"not JSON":      {func(s *fakezoom.Server, _ *zoomClient) { s.Profile = "<p>" }, 502, responseTitle},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			w.app.zoom.transport = w.zoom
			c.spoil(w.zoom, w.app.zoom)
			wantPage(t, w.newBrowser(t).visit(local), c.status, c.title)
		})
	}
}

// deafConn is a connection on which nothing arrives any more once it is deaf.
type deafConn struct {
	net.Conn
	deaf atomic.Bool
}

// Write implements net.Conn.
func (c *deafConn) Write(p []byte) (int, error) {
	if c.deaf.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// TestHungConnection has a Zoom that speaks HTTP/2, on a connection that hangs after a sign-in. One
// more sign-in may fail, but no second one.
func TestHungConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logTo(t)
		app, _ := inMemory(t)
		network := newMemory()
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			io.WriteString(rw, strings.Replace(goodAnswer(r.URL.Path), "Jill", r.Proto, 1))
		}))
		server.Listener.Close()
		server.Listener, server.EnableHTTP2 = network, true
		server.StartTLS()
		defer server.Close()
		var connections []*deafConn
		transport := app.zoom.transport.(*http.Transport)
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := network.dial(ctx, "", "")
			connections = append(connections, &deafConn{Conn: c})
			return connections[len(connections)-1], err
		}
		app.zoom.oauthURL, app.zoom.apiURL = "https://zoom.test", "https://zoom.test"
		for _, want := range []string{"HTTP/2.0 Chill", connectionTitle, "HTTP/2.0 Chill"} {
			rec := httptest.NewRecorder()
			app.ServeHTTP(rec, callbackRequest())
			if got := (page{body: rec.Body.String()}).title(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			connections[0].deaf.Store(true)
		}
		transport.CloseIdleConnections()
	})
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

// TestGetAgain gets tokens, and calls Zoom's API twice into the same variable: a call that failed
// must not spoil the next one.
func TestGetAgain(t *testing.T) {
	w := newWorld(t, local)
	u := newUpstream(t, w)
	u.set(userPath, answers(400, `{"code":300,"message":"Validation Failed."}`))
	want := tokens{"ACCESS.TOKEN==", "REFRESH.TOKEN", "bearer", "user:read:user"}
	if got, err := w.app.zoom.exchange(t.Context(), "c", "v"); err != nil || got != want {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
	var me user
	if _, err := w.app.zoom.get(t.Context(), "T", userPath, &me); err == nil {
		t.Error("got no error, want Zoom's 300")
	}
	u.set(userPath, nil)
	response, err := w.app.zoom.get(t.Context(), "T", userPath, &me)
	if err != nil || me.FirstName != "Jill" || string(response) != goodProfile {
		t.Errorf("got %+v, %s (%v); want Jill", me, response, err)
	}
	if _, err := w.app.zoom.get(t.Context(), "T", "/%zz", &me); err == nil {
		t.Error("a path that is no path: got no error")
	}
	b := w.newBrowser(t)
	callback := b.callback("c")
	w.app.zoom.oauthURL = "%zz" // to which no request can be made
	wantPage(t, b.get(callback), http.StatusBadGateway, responseTitle)
}

// TestLongResponse has as many meetings in a response as somebody may have.
func TestLongResponse(t *testing.T) {
	w := newWorld(t, local)
	w.zoom.Profile = `{"first_name":"` + strings.Repeat("x", 1<<20-17) + `"}`
	if p := w.newBrowser(t).visit(local); p.status != http.StatusOK {
		t.Errorf("%d bytes: got %d %q, want 200", len(w.zoom.Profile), p.status, p.title())
	}
	w.zoom.Profile += " "
	wantPage(t, w.newBrowser(t).visit(local), http.StatusBadGateway, responseTitle)
}

// leaks are ways in which a Zoom may repeat what it was sent.
var leaks = map[string]behaviour{
	"nowhere":              nil,
	"in the reason":        repeats(`{"error":"invalid_request","reason":%s}`),
	"in the description":   repeats(`{"error":"invalid_request","error_description":%s}`),
	"in the token's words": repeats(`{"code":124,"message":%s}`),
	"in the error":         repeats(`{"error":%s}`),
	"in the code":          repeats(`{"errorCode":%s}`),
	"in HTML":              repeats(`<p>%s</p>`),
	"in no HTTP":           writes("%s\r\n%s\r\n\r\n"),
	"in a header line":     writes(httpOK + "%s %s\r\n\r\n"),
	"in the status":        says("HTTP/1.1 CODE-SECRET\r\n\r\n"),
}

// repeats returns a behaviour that refuses, with what it was sent as a JSON string in the body
// that format describes.
func repeats(format string) behaviour {
	return func(c net.Conn, r *http.Request, body string) bool {
		quoted, _ := json.Marshal(r.Header.Get("Authorization") + " " + body)
		return answers(400, fmt.Sprintf(format, quoted))(c, r, body)
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
			if path == userPath && name == "in the token's words" {
				continue // an API error's message, which repeats nothing
			}
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
	for _, address := range []string{callback + "&error=x", local + "/x?code=CODE-SECRET"} {
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

// TestReadmeExplainsThePages compares the titles that the README explains with those of the pages.
func TestReadmeExplainsThePages(t *testing.T) {
	var want []string
	for _, name := range []string{
		"declined", "nocookie",
		"code", "credentials", "redirect", "scope", "admin", "ratelimit", "connection", "response",
	} {
		var body bytes.Buffer
		if err := templates.Parse(false).ExecuteTemplate(&body, name, &zoomError{}); err != nil {
			t.Fatal(err)
		}
		want = append(want, page{body: body.String()}.title())
	}
	got := explained(t, "### On a page of the app's", "*")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
