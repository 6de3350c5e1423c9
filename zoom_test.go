package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The titles of the pages for problems with Zoom.
const (
	adminTitle       = "Your Zoom account does not allow this app"
	connectionTitle  = "Zoom can’t be reached"
	credentialsTitle = "Zoom does not know this app"
	disabledTitle    = "This app is disabled at Zoom"
	expiredTitle     = "This sign-in has expired"
	rateTitle        = "Too many requests to Zoom"
	redirectTitle    = "The redirect URL is not the registered one"
	responseTitle    = "Zoom’s answer could not be used"
	scopeTitle       = "The app lacks a permission"
)

// TestPublicClient has an app without a client secret, which sends its ID in the form instead. All
// other tests have an odd secret, so they show that HTTP Basic has it encoded (RFC 6749 §2.3.1).
func TestPublicClient(t *testing.T) {
	w := newWorld(t, loopback)
	w.app.zoom.clientSecret, w.standIn.ClientSecret = "", ""
	b := w.newBrowser(t)
	b.wantProfile(b.visit(loopback))
	w.answers[tokenPath] = answer(400, `{"reason":"Invalid client."}`)
	b.want(b.visit(loopback), 500, credentialsTitle)
	wantWords(t, w.log.String(), fmt.Sprintf("%q\n", `{"reason":"Invalid client."}`))
}

// hangUp returns a handler that writes text and closes the connection.
func hangUp(text string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		connection, _, _ := rw.(http.Hijacker).Hijack()
		io.WriteString(connection, text)
		connection.Close()
	}
}

// broken is what the log says when there is no telling what happened.
const broken = `"the connection broke, a proxy refused it, or the response was not HTTP"`

// faults are what Zoom may do, at either endpoint, besides an error of its own.
var faults = []struct {
	name   string
	does   http.HandlerFunc
	status int
	title  string
	log    string
}{
	{"HTML", answer(200, "<h1>Sorry</h1>", "Content-Type", "text/html"), 500, responseTitle,
		`HTTP 200 "text/html", 14 bytes, tracking ID "", not a 200 with a JSON object` + "\n"},
	{"HTML and a 503", answer(503, "<p>redirect_url"), 500, responseTitle, "tracking ID \"\", \"<p>redirect_url\""},
	{"HTML and a 429", answer(429, "<p>"), 503, rateTitle, "HTTP 429"},
	{"nothing", answer(200, ""), 500, responseTitle, `HTTP 200 "", 0 bytes, tracking ID "", empty` + "\n"},
	{"half an object", answer(200, `{"access_token":"SECRET-TOKEN`), 500, responseTitle, "29 bytes, "},
	{"null", answer(200, "null"), 500, responseTitle, "not a 200 with a JSON object"},
	{"201", answer(201, `{"access_token":"SECRET-TOKEN"}`), 500, responseTitle, "HTTP 201"},
	{"a redirect", answer(302, "", "Location", "https://b.example/?redirect_uri=a"), 500, responseTitle,
		"HTTP 302 \"\", 0 bytes, tracking ID \"\", \"https://b.example/?redirect_uri=a\""},
	{"a long error", answer(400, strings.Repeat("e", 2<<20)), 500, responseTitle,
		`"` + strings.Repeat("e", 500) + "\"\n"},
	{"a long header", answer(400, "{}", "x-zm-trackingid", strings.Repeat("x", 999)), 500, responseTitle,
		`tracking ID "` + strings.Repeat("x", 100) + `", `},
	{"several lines", answer(400, "{\n}"), 500, responseTitle, `, "{\n}"` + "\n"},
	{"a hang-up", hangUp(""), 503, connectionTitle, broken},
	{"a hang-up in the middle", hangUp("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), 503, connectionTitle, broken},
	{"no HTTP", hangUp("220 smtp.example.com ESMTP\r\n"), 503, connectionTitle, broken},
}

// TestFaults checks that a page and the log explain each fault, and that the next sign-in works.
func TestFaults(t *testing.T) {
	for _, path := range []string{tokenPath, userPath} {
		for _, f := range faults {
			t.Run(path+" "+f.name, func(t *testing.T) {
				w := newWorld(t, local)
				w.answers[path] = f.does
				b := w.newBrowser(t)
				b.want(b.visit(local), f.status, f.title)
				wantWords(t, w.log.String(), "\nzoom: ", ": "+zoomSite+path+": ", f.log)
				wantNone(t, w.log.String(), "SECRET-TOKEN", "smtp", "Sorry")
				delete(w.answers, path)
				b.wantProfile(b.visit(local))
			})
		}
	}
	for _, body := range []string{`{"token_type":"bearer"}`, `{"access_token":"SECRET-TOKEN"}`,
		`{"access_token":12,"token_type":"bearer"}`, `{"access_token":"SECRET-TOKEN","token_type":"mac"}`} {
		w := newWorld(t, local)
		w.answers[tokenPath] = answer(200, body)
		b := w.newBrowser(t)
		b.want(b.visit(local), 500, responseTitle)
		wantWords(t, w.log.String(), "zoom: unusable: /oauth/token: no bearer token\n")
		wantNone(t, w.log.String(), "SECRET-TOKEN")
	}
}

// TestLongResponse has a response of 1 MiB, and a longer one, of which only a byte more is read.
func TestLongResponse(t *testing.T) {
	w := newWorld(t, local)
	b := w.newBrowser(t)
	w.standIn.Profile = `{"display_name":"Jill Chill","a":"` + strings.Repeat("x", 1<<20-36) + `"}`
	b.wantProfile(b.visit(local))
	w.standIn.Profile += "  "
	b.want(b.visit(local), 500, responseTitle)
	wantWords(t, w.log.String(), `, 1048577 bytes, tracking ID "DEMO_`, "longer than 1 MiB\n")
}

// refusals are Zoom's errors, as its documentation and its users report them, and the page for each.
var refusals = []struct {
	path   string
	body   string // of Zoom's response, which is a 400
	status int
	title  string
	words  string // on the page
}{
	{path: tokenPath, body: `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`,
		status: 500, title: credentialsTitle, words: "Public Client ID"},
	{path: tokenPath, body: `{"errorCode":4702}`, status: 500, title: credentialsTitle},
	{path: tokenPath, body: `{"errorCode":4704}`, status: 500, title: credentialsTitle},
	{path: tokenPath, body: `{"errorCode":4706}`, status: 500, title: credentialsTitle},
	{path: tokenPath, body: `{"reason":"Client ID or client secret is missing."}`,
		status: 500, title: credentialsTitle},
	{path: tokenPath, body: `{"reason":"Redirect URI mismatch.","error":"invalid_request"}`,
		status: 500, title: redirectTitle, words: "OAuth Allow Lists"},
	{path: tokenPath, body: `{"errorCode":4709}`, status: 500, title: redirectTitle},
	{path: tokenPath, body: `{"status":false,"errorCode":4700,"errorMessage":"Invalid redirect url","result":null}`,
		status: 500, title: redirectTitle},
	{path: tokenPath, body: `{"error_description":"redirect_uri differs","error":"invalid_grant"}`,
		status: 500, title: redirectTitle},
	{path: userPath, body: `{"code":4711,"message":"Invalid access token, does not contain ` +
		`scopes:[user:read:user, user:read:user:admin]."}`,
		status: 500, title: scopeTitle, words: "<code>user:read:user, user:read:user:admin</code>"},
	{path: userPath, body: `{"code":104,"message":"Invalid access token, does not contain scopes: [user:read]."}`,
		status: 500, title: scopeTitle, words: "<code>user:read</code>"},
	{path: userPath, body: `{"code":4700,"message":"Invalid access token, does not contain ` +
		`scopes:[\"h323:read:list_devices\",\"b\"]."}`,
		status: 500, title: scopeTitle, words: "<code>h323:read:list_devices,b</code>"},
	{path: userPath, body: `{"code":4711}`, status: 500, title: scopeTitle, words: "that Zoom’s reference names"},
	{path: userPath, body: `{"code":4738}`, status: 403, title: adminTitle, words: "administrator"},
	{path: tokenPath, body: `{"reason":"The token is disabled by admin."}`, status: 403, title: adminTitle},
	{path: tokenPath, body: `{"reason":"The app has been disabled by the developer","error":"invalid_client"}`,
		status: 500, title: disabledTitle, words: "enabled again"},
	{path: tokenPath, body: `{"errorCode":4717,"error":"invalid_client"}`, status: 500, title: disabledTitle},
	{path: tokenPath, body: `{"error":"invalid_scope"}`, status: 500, title: responseTitle, words: "does not expect"},
	{path: userPath, body: `{"code":1001,"message":"User does not exist: <b>x"}`,
		status: 500, title: responseTitle, words: "error 1001"},
}

// TestRefusals checks the page for each refusal, and that the log has Zoom's own words.
func TestRefusals(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.path+" "+c.body, func(t *testing.T) {
			w := newWorld(t, local)
			w.answers[c.path] = answer(400, c.body, "Content-Type", "x/y", "x-zm-trackingid", "<WEB_1>")
			b := w.newBrowser(t)
			p := b.visit(local)
			b.want(p, c.status, c.title)
			wantWords(t, p.body, c.words, "tracking ID", "<code>&lt;WEB_1&gt;</code>")
			const line = ": %s%s: HTTP 400 \"x/y\", %d bytes, tracking ID \"<WEB_1>\", %q\n"
			wantWords(t, w.log.String(), fmt.Sprintf(line, zoomSite, c.path, len(c.body), c.body))
		})
	}
}

// TestUsedCode has a code, or a token, that Zoom no longer accepts. If a request that the visitor
// gave up has used it, a second try signs them in. If a second try meets the same, a page says so.
func TestUsedCode(t *testing.T) {
	for _, body := range []string{
		`{"reason":"Invalid authorization code invalid_client redirect_uri","error":"invalid_request"}`,
		`{"error":"invalid_grant"}`,
		`{"reason":"Code is expired"}`,
		`{"errorCode":4733}`,
		`{"errorCode":4734}`,
		`{"code":4741,"message":"x"}`,
		`{"message":"The token has been revoked."}`,
	} {
		w := newWorld(t, local)
		b := w.newBrowser(t)
		w.answers[tokenPath] = func(rw http.ResponseWriter, r *http.Request) {
			delete(w.answers, tokenPath)
			answer(400, body)(rw, r)
		}
		b.wantProfile(b.visit(local))
		if b.starts != 2 {
			t.Errorf("%s: went to Zoom %d times, want a second try", body, b.starts)
		}
		w.answers[tokenPath] = answer(400, body)
		b.want(b.visit(local), http.StatusBadRequest, expiredTitle)
		if n := strings.Count(w.log.String(), "\nzoom: expired: "); n != 3 {
			t.Errorf("the log has %d of the three failures: %s", n, w.log)
		}
	}
}

// TestSlowZoom has a Zoom that takes its time. All calls of a sign-in share nine seconds.
func TestSlowZoom(t *testing.T) {
	for name, c := range map[string]struct {
		token, user time.Duration // that Zoom waits before it answers
		takes       time.Duration
		log         string // the path of the call that fails
	}{
		"five seconds":       {token: 5 * time.Second, takes: 5 * time.Second},
		"five and three":     {token: 5 * time.Second, user: 3 * time.Second, takes: 8 * time.Second},
		"five and five":      {token: 5 * time.Second, user: 5 * time.Second, takes: 9 * time.Second, log: userPath},
		"silence of Zoom":    {token: time.Hour, takes: 9 * time.Second, log: tokenPath},
		"silence of its API": {user: time.Hour, takes: 9 * time.Second, log: userPath},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, local)
				b := w.newBrowser(t)
				callback := b.callback()
				w.slow(tokenPath, c.token)
				w.slow(userPath, c.user)
				begin := time.Now()
				p := b.get(callback)
				if took := time.Since(begin); took != c.takes {
					t.Errorf("took %v, want %v", took, c.takes)
				}
				if c.log == "" {
					b.wantProfile(p)
					return
				}
				b.want(p, http.StatusServiceUnavailable, connectionTitle)
				wantWords(t, w.log.String(), "zoom: connection: "+zoomSite+c.log+`: "context deadline exceeded"`+"\n")
			})
		})
	}
}

// TestSilentHandshake has a Zoom that accepts connections and never speaks TLS.
func TestSilentHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, local)
		silent := newMemory()
		defer silent.Close()
		go silent.Accept()
		b := w.newBrowser(t)
		callback := b.callback()
		w.app.zoom.zoomURL = "https://zoom.test"
		w.app.zoom.transport.(*http.Transport).DialContext = silent.dial
		begin := time.Now()
		b.want(b.get(callback), http.StatusServiceUnavailable, connectionTitle)
		if took := time.Since(begin); took != 6*time.Second {
			t.Errorf("took %v, want six seconds", took)
		}
		wantWords(t, w.log.String(), `"net/http: TLS handshake timeout"`)
	})
}

// nobody is an address at which no program is likely to listen.
const nobody = "127.0.0.1:1"

// TestZoomOutOfReach has a Zoom that doesn't listen, and one with an unknown certificate. The log has
// the system's own words.
func TestZoomOutOfReach(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	_, refused := net.Dial("tcp", nobody)
	for zoomURL, said := range map[string]string{
		"http://" + nobody: fmt.Sprintf("%q", refused),
		server.URL:         "certificate signed by unknown authority",
	} {
		w := newWorld(t, local)
		b := w.newBrowser(t)
		callback := b.callback()
		w.app.zoom.zoomURL, w.app.zoom.transport = zoomURL, newTransport()
		b.want(b.get(callback), http.StatusServiceUnavailable, connectionTitle)
		wantWords(t, w.log.String(), "\nzoom: connection: "+zoomURL+tokenPath+": ", said)
	}
}

// deafConn is a connection that drops what is written to it once it is deaf.
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
		w := newWorld(t, local)
		network := newMemory()
		server := httptest.NewUnstartedServer(http.HandlerFunc(w.serveZoom))
		server.Listener.Close()
		server.Listener, server.EnableHTTP2 = network, true
		server.StartTLS()
		defer server.Close()
		var connections []*deafConn
		transport := w.app.zoom.transport.(*http.Transport)
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, err := network.dial(ctx, "", "")
			connections = append(connections, &deafConn{Conn: c})
			return connections[len(connections)-1], err
		}
		w.app.zoom.zoomURL, w.app.zoom.zoomAPIURL = "https://zoom.test", "https://zoom.test"
		b := w.newBrowser(t)
		b.wantProfile(b.visit(local))
		if n := len(connections); n != 1 {
			t.Errorf("made %d connections for two calls, want one, with HTTP/2", n)
		}
		connections[0].deaf.Store(true)
		b.want(b.visit(local), http.StatusServiceUnavailable, connectionTitle)
		b.wantProfile(b.visit(local))
		transport.CloseIdleConnections()
	})
}

// TestConnectionsAreKept has twenty sign-ins at once, twice. Zoom holds each round's token requests
// until all have come, so that none of them gets a connection that another one has just left.
func TestConnectionsAreKept(t *testing.T) {
	const atOnce = 20
	w := newWorld(t, local)
	for range 2 {
		var come, done sync.WaitGroup
		come.Add(atOnce)
		w.answers[tokenPath] = func(rw http.ResponseWriter, r *http.Request) {
			come.Done()
			come.Wait()
			w.standIn.ServeHTTP(rw, r)
		}
		for range atOnce {
			b := w.newBrowser(t)
			callback := b.callback()
			done.Go(func() {
				if p := b.get(callback); p.status != http.StatusOK {
					t.Errorf("got %d %q, want the profile; the log:\n%s", p.status, p.title(), w.log)
				}
			})
		}
		done.Wait()
	}
	if n := w.connections.Load(); n != atOnce {
		t.Errorf("made %d connections to Zoom, want %d", n, atOnce)
	}
}

// TestBadURLs has URLs to which no request can be made.
func TestBadURLs(t *testing.T) {
	w := newWorld(t, local)
	if _, err := w.app.zoom.get(t.Context(), "T", "/%zz"); err == nil {
		t.Error("a path that is no path: got no error")
	}
	b := w.newBrowser(t)
	callback := b.callback()
	w.app.zoom.zoomURL = "%zz"
	b.want(b.get(callback), 500, responseTitle)
}

// leaks are ways in which Zoom may repeat what it was sent.
var leaks = map[string]func(sent string) http.HandlerFunc{
	"an error":             func(sent string) http.HandlerFunc { return answer(400, `{"reason":"`+sent+`"}`) },
	"an error that is cut": func(sent string) http.HandlerFunc { return answer(400, strings.Repeat("x", 480)+sent) },
	"a success":            func(sent string) http.HandlerFunc { return answer(200, sent) },
	"a redirect":           func(sent string) http.HandlerFunc { return answer(302, sent, "Location", "/?"+sent) },
	"no HTTP":              func(sent string) http.HandlerFunc { return hangUp(sent + "\r\n" + sent) },
}

// TestSecretsStayInside looks for secrets in what is logged and served, when Zoom repeats them.
func TestSecretsStayInside(t *testing.T) {
	for name, leak := range leaks {
		for _, path := range []string{tokenPath, userPath} {
			t.Run(path+" "+name, func(t *testing.T) {
				w := newWorld(t, local)
				b := w.newBrowser(t)
				callback := b.callback()
				query := strings.NewReplacer("code=", "", "state=", "").Replace(callback[len(local)+1:])
				secrets := append(strings.Split(query, "&"), b.cookies(local)[0].Value, "access.", "refresh.", "SECRET")
				w.answers[path] = func(rw http.ResponseWriter, r *http.Request) {
					r.ParseForm()
					authorization := r.Header.Get("Authorization")
					_, credentials, _ := strings.Cut(authorization, " ")
					secrets = append(secrets, credentials)
					sent := r.PostForm.Get("code") + r.PostForm.Get("code_verifier") + authorization
					if path == tokenPath {
						sent += clientSecret
					}
					leak(sent+credentials)(rw, r)
				}
				served := b.get(callback).body + b.get(callback+"&error=x").body
				wantNone(t, w.log.String()+served, secrets...)
				wantWords(t, w.log.String(), "zoom: ")
			})
		}
	}
}

// TestReadmeExplainsThePages checks that the README's table has the titles of all pages for problems,
// and no other.
func TestReadmeExplainsThePages(t *testing.T) {
	titles := func(pattern, text string) (found []string) {
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			found = append(found, match[1])
		}
		slices.Sort(found)
		return found
	}
	got := titles(`(?m)^\| \*(.*?)\* \|`, sectionOfReadme(t, "### On one of the app's pages"))
	want := titles(`"problem-top" "(.*?)"`, read(t, "templates/problems.html"))
	if !slices.Equal(got, want) || len(want) < 11 {
		t.Errorf("got %q, want %q", got, want)
	}
}
