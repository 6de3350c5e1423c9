package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"html/template"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// States in our form, which no app gave.
const (
	someFirst  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	someSecond = secondTryPrefix + someFirst
)

// What the names of our cookies begin with.
const (
	plain  = "zoom-oauth-"
	secure = "__Host-zoom-oauth-"
)

// The titles of pages that many tests meet.
const (
	lostTitle     = "This sign-in can’t be finished here"
	declinedTitle = "You are not signed in"
	notFoundTitle = "There is no such page"
)

// What root decides on.
const (
	toFirstTry  = "a redirect to Zoom, a first try"
	toSecondTry = "a redirect to Zoom, a second try"
	declined    = "the page of a refusal"
	exchanged   = "the code is exchanged"
	lost        = "the page of a lost sign-in"
)

// TestDecisions checks what root does about a query, in a browser that holds the cookies of some
// states. There is a group of rows for each row of root's table.
func TestDecisions(t *testing.T) {
	first, second := []string{someFirst}, []string{someSecond}
	for _, c := range []struct {
		name, query string
		held        []string
		want        string
	}{
		{"nothing", "", nil, toFirstTry},
		{"a query that isn't Zoom's", "utm_source=x", nil, toFirstTry},
		{"just a state", "state=" + someFirst, first, toFirstTry},
		{"an empty code", "code=&state=" + someFirst, first, toFirstTry},

		{"an error, its cookie", "error=no&state=" + someFirst, first, declined},
		{"an error, no cookie", "error=no&state=" + someFirst, nil, declined},
		{"an error, no state", "error=no", first, declined},

		{"a code, its cookie", "code=c&state=" + someFirst, first, exchanged},
		{"a code of a second try, its cookie", "code=c&state=" + someSecond, second, exchanged},
		{"a code and two states", "code=c&state=" + someFirst + "&state=x", first, exchanged},

		{"a code of a second try, no cookie", "code=c&state=" + someSecond, nil, lost},
		{"a code of a second try, another's cookie", "code=c&state=" + someSecond, first, lost},

		{"a code, no state", "code=c", nil, toSecondTry},
		{"a code, no state, a cookie", "code=c", first, toSecondTry},
		{"a code, no state, a cookie without one", "code=c", []string{""}, toSecondTry},
		{"a code of a first try, no cookie", "code=c&state=" + someFirst, nil, toSecondTry},
		{"a code, somebody's state", "code=c&state=theirs", first, toSecondTry},
		{"a code, a bad escape", "code=c&state=%zz", nil, toSecondTry},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, local)
			b := w.newBrowser(t)
			for _, state := range c.held {
				b.hold(local, plain+state, "verifier")
			}
			p := b.get(local + "/?" + c.query)
			if got := decision(w, p); got != c.want {
				t.Errorf("got %s (%d %q), want %s", got, p.status, p.title(), c.want)
			}
			isRemoval := func(cookie *http.Cookie) bool { return cookie.MaxAge < 0 }
			if got := slices.ContainsFunc(p.cookies, isRemoval); got != (c.want == exchanged) {
				t.Errorf("removes a cookie: got %v, want %v", got, c.want == exchanged)
			}
		})
	}
}

// decision returns which case of root a page shows.
func decision(w *world, p page) string {
	switch {
	case w.exchanges.Load() > 0:
		return exchanged
	case strings.Contains(p.header.Get("Location"), "&state="+secondTryPrefix):
		return toSecondTry
	case p.status == http.StatusFound:
		return toFirstTry
	case p.title() == declinedTitle:
		return declined
	case p.title() == lostTitle:
		return lost
	}
	return "something else"
}

// TestStart checks the redirect to Zoom and the cookie.
func TestStart(t *testing.T) {
	for name, c := range map[string]struct{ redirectURL, visit, cookie string }{
		"on localhost":                           {local, local, plain},
		"on localhost, redirect URL on a tunnel": {tunnel, local, secure},
		"on the tunnel":                          {tunnel, tunnel, secure},
		"a slash after the redirect URL":         {tunnel + "/", tunnel, secure},
		"on 127.0.0.1":                           {loopback, loopback, plain},
		"a second try":                           {local, local + "/?code=c", plain},
	} {
		t.Run(name, func(t *testing.T) {
			p := newWorld(t, c.redirectURL).newBrowser(t).get(c.visit)
			location := p.next(t)
			query := location.Query()
			state, challenge := query.Get("state"), query.Get("code_challenge")
			want := url.Values{
				"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {c.redirectURL},
				"state": {state}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
			}
			if location.Path != "/oauth/authorize" || query.Encode() != want.Encode() {
				t.Errorf("redirects to %s, want /oauth/authorize with %v", location, want)
			}
			if len(p.cookies) != 1 {
				t.Fatalf("sets %d cookies, want 1", len(p.cookies))
			}
			got := *p.cookies[0]
			wanted := http.Cookie{
				Name: c.cookie + state, Value: got.Value, Path: "/", MaxAge: 600,
				HttpOnly: true, Secure: c.cookie == secure, SameSite: http.SameSiteLaxMode,
			}
			if got.String() != wanted.String() {
				t.Errorf("sets the cookie %s, want %s", &got, &wanted)
			}
			wantVerifier(t, got.Value, challenge)
		})
	}
}

// wantVerifier fails the test unless verifier is one (RFC 7636 4.1), and has this challenge (4.2).
func wantVerifier(t *testing.T, verifier, challenge string) {
	t.Helper()
	if !regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`).MatchString(verifier) {
		t.Errorf("got the code verifier %q, want 43 to 128 unreserved characters", verifier)
	}
	sum := sha256.Sum256([]byte(verifier))
	if want := base64.RawURLEncoding.EncodeToString(sum[:]); challenge != want {
		t.Errorf("got the code challenge %s, want %s", challenge, want)
	}
}

// TestNoTwoStartsAreAlike compares what must be random.
func TestNoTwoStartsAreAlike(t *testing.T) {
	w := newWorld(t, local)
	one, two := w.newBrowser(t).get(local), w.newBrowser(t).get(local)
	if one.state(t) == two.state(t) || one.cookies[0].Value == two.cookies[0].Value {
		t.Errorf("got the same state or verifier twice: %s, %s", one.cookies[0], two.cookies[0])
	}
	if bits := 5 * len(one.state(t)); bits < 128 {
		t.Errorf("a state has %d bits, want at least 128", bits)
	}
	wantNone(t, one.cookies[0].Value, one.state(t)) // which Zoom and the address bar know
}

// TestSignIn checks what ends on the profile, and how often the browser goes to Zoom for it.
func TestSignIn(t *testing.T) {
	for name, c := range map[string]struct {
		redirectURL, visit string
		starts             int
	}{
		"on localhost":                      {local, local, 1},
		"on the tunnel":                     {tunnel, tunnel, 1},
		"from localhost to the tunnel":      {tunnel, local, 2},
		"from localhost to 127.0.0.1":       {loopback, local, 2},
		"on 127.0.0.1":                      {loopback, loopback, 1},
		"Add in Zoom's Marketplace":         {tunnel, tunnel + "/?code=theirs", 1},
		"a code with somebody else's state": {tunnel, tunnel + "/?code=theirs&state=theirs", 1},
		"a bookmark of an old callback":     {tunnel, tunnel + "/?code=old&state=" + someFirst, 1},
		"on the tunnel, a slash after it":   {tunnel + "/", tunnel, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newWorld(t, c.redirectURL).newBrowser(t)
			p := b.visit(c.visit)
			wantProfile(t, p)
			if b.starts != c.starts {
				t.Errorf("went to Zoom %d times, want %d", b.starts, c.starts)
			}
			if held := b.cookies(c.redirectURL); len(held) > 0 {
				t.Errorf("after the sign-in the browser holds %v, want nothing", held)
			}
			for range 3 {
				p = b.visit(c.redirectURL) // the page has cleaned the address, so this is a reload
				wantProfile(t, p)
			}
		})
	}
}

// setState returns what happens to Zoom's answer if something changes the state on its way back.
func setState(change func(state string) string) func(url.Values) {
	return func(query url.Values) { query.Set("state", change(query.Get("state"))) }
}

// TestCookiesBlocked has a browser that keeps no cookies. That ends on a page without exchanging a
// code, also when the state is an old one, or changed on the way.
func TestCookiesBlocked(t *testing.T) {
	const added = local + "/?code=theirs"
	old := setState(func(string) string { return someSecond })
	cut := setState(func(state string) string { return state[:10] })
	for name, c := range map[string]struct {
		visit   string
		blocked bool // cookies are
		mangle  func(url.Values)
		starts  int
	}{
		"cookies are blocked":               {local, true, nil, 2},
		"cookies are blocked, after an Add": {added, true, nil, 1},
		"the state comes in small letters":  {local, false, setState(strings.ToLower), 2},
		"the state is cut off":              {local, false, cut, 2},
		"the state is an old second try's":  {local, false, old, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			b := w.newBrowser(t)
			jar := b.client.Jar
			if c.blocked {
				b.client.Jar = nil
			}
			b.mangle = c.mangle
			wantPage(t, b.visit(c.visit), http.StatusBadRequest, lostTitle)
			if b.starts != c.starts {
				t.Errorf("went to Zoom %d times, want %d", b.starts, c.starts)
			}
			if n := w.exchanges.Load(); n != 0 {
				t.Errorf("exchanged %d codes, want none", n)
			}
			b.client.Jar, b.mangle = jar, nil
			wantProfile(t, b.visit(local)) // as the page says
		})
	}
}

// TestStateDropped has something on the way that drops the state. The app goes on until the browser
// has had enough, and exchanges no code.
func TestStateDropped(t *testing.T) {
	w := newWorld(t, local)
	b := w.newBrowser(t)
	b.mangle = func(query url.Values) { query.Del("state") }
	if p := b.visit(local); p.status != http.StatusFound || w.exchanges.Load() != 0 {
		t.Errorf("got %d %q and %d exchanges, want redirects", p.status, p.title(), w.exchanges.Load())
	}
	if n := len(b.cookies(local)); n > mostCookies {
		t.Errorf("the browser holds %d cookies, want at most %d", n, mostCookies)
	}
}

// TestEachStateWorksOnce opens a callback again, as a reload without JavaScript does. That starts
// over, and ends on the profile.
func TestEachStateWorksOnce(t *testing.T) {
	w := newWorld(t, local)
	b := w.newBrowser(t)
	wantProfile(t, b.visit(local)) // so that Zoom doesn't ask any more
	callback := b.get(b.get(local).next(t).String()).next(t).String()
	wantProfile(t, b.get(callback))
	before := w.exchanges.Load()
	p := b.get(callback)
	if p.status != http.StatusFound || w.exchanges.Load() != before {
		t.Errorf("got %d and %d exchanges, want a new start", p.status, w.exchanges.Load()-before)
	}
	wantProfile(t, b.follow(p))
}

// TestForeignCodesAreNotExchanged is login CSRF: the visitor is led to a callback with the
// attacker's code, in a browser into which the attacker got a cookie.
func TestForeignCodesAreNotExchanged(t *testing.T) {
	for name, c := range map[string]struct{ site, state, cookie, value string }{
		"a cookie without a state":    {local, "", plain, "planted"},
		"a cookie of another state":   {local, someFirst, plain + someSecond, "planted"},
		"another state in front":      {local, "x&state=" + someFirst, plain + someFirst, "planted"},
		"a cookie without a verifier": {local, someFirst, plain + someFirst, ""},
		"a cookie set over http":      {tunnel, someFirst, plain + someFirst, "planted"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.site)
			b := w.newBrowser(t)
			b.hold(c.site, c.cookie, c.value)
			p := b.get(c.site + "/?code=evil&state=" + c.state)
			if n := w.exchanges.Load(); p.status == http.StatusOK || n != 0 {
				t.Errorf("got %d %q and %d exchanges, want none", p.status, p.title(), n)
			}
		})
	}
}

// mostCookies is how many cookies of ours a browser may hold.
const mostCookies = 10

// TestManyCookies starts a sign-in in a browser that has begun many, and has a cookie that isn't ours.
// The oldest of ours go. The newest still work.
func TestManyCookies(t *testing.T) {
	b := newWorld(t, local).newBrowser(t)
	b.hold(local, "session", "theirs")
	for range 20 {
		b.hold(local, plain+rand.Text(), "verifier")
	}
	want := append(b.cookies(local)[:1], b.cookies(local)[21-(mostCookies-1):]...)
	p := b.get(local)
	got := b.cookies(local)
	if !slices.EqualFunc(got[:len(got)-1], want, func(a, b *http.Cookie) bool { return a.Name == b.Name }) {
		t.Errorf("the browser holds %v, want %v and one more", got, want)
	}
	wantProfile(t, b.follow(p))
	if n := len(b.cookies(local)); n != mostCookies {
		t.Errorf("after the sign-in, the browser holds %d cookies, want theirs and %d", n, mostCookies-1)
	}
}

// TestDecline has a user who chooses Decline, and then thinks better of it.
func TestDecline(t *testing.T) {
	w := newWorld(t, local)
	b := w.newBrowser(t)
	b.decline = true
	wantPage(t, b.visit(local), http.StatusForbidden, declinedTitle)
	wantWords(t, w.log.String(), `zoom: refused: "access_denied" ""`+"\n")
	b.decline = false
	wantProfile(t, b.visit(local))
}

// TestWordsOfAnError checks that the words of the query, which anybody may have written, are not on
// the page, and are in the log in one line, quoted and cut.
func TestWordsOfAnError(t *testing.T) {
	w := newWorld(t, local)
	words := url.Values{"error": {"a\nb"}, "error_description": {"<b>" + strings.Repeat("x", 999)}}
	wantNone(t, w.newBrowser(t).get(local+"/?"+words.Encode()).body, "a\nb", "xxx")
	line, _, _ := strings.Cut(w.log.String(), "\n")
	if want := `zoom: refused: "a\nb" "<b>` + strings.Repeat("x", 197) + `"`; line != want {
		t.Errorf("got %s, want %s", line, want)
	}
}

// TestOtherRequests checks what starts no sign-in, and that HEAD is answered like GET (RFC 9110 9.1).
func TestOtherRequests(t *testing.T) {
	for name, c := range map[string]struct {
		method, path string
		status       int
		title        string
	}{
		"favicon":            {"GET", "/favicon.ico", 404, notFoundTitle},
		"another path":       {"GET", "/callback?code=c", 404, notFoundTitle},
		"POST elsewhere":     {"POST", "/x", 404, notFoundTitle},
		"POST":               {"POST", "/?code=c&state=s", 404, notFoundTitle},
		"OPTIONS":            {"OPTIONS", "/", 404, notFoundTitle},
		"a made-up method":   {"BREW", "/", 404, notFoundTitle},
		"POST to the health": {"POST", "/healthz", 404, notFoundTitle},
		"HEAD of the health": {"HEAD", "/healthz", 200, ""},
		"HEAD":               {"HEAD", "/", 302, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newWorld(t, local).newBrowser(t).do(c.method, local+c.path, nil)
			if p.status != c.status || p.title() != c.title {
				t.Errorf("got %d %q, want %d %q", p.status, p.title(), c.status, c.title)
			}
			if started := len(p.cookies) > 0; started != (c.status == 302) {
				t.Errorf("started a sign-in: got %v", started)
			}
		})
	}
}

// TestHealth checks what a load balancer asks for.
func TestHealth(t *testing.T) {
	p := newWorld(t, local).newBrowser(t).get(local + "/healthz")
	if p.body != "ok" || p.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("got %q as %s, want ok as plain text", p.body, p.header.Get("Content-Type"))
	}
}

// wantedHeaders are those of every answer, as regular expressions.
var wantedHeaders = map[string]string{
	"Strict-Transport-Security":  `^max-age=\d{7,}$`,
	"X-Content-Type-Options":     `^nosniff$`,
	"Referrer-Policy":            `^no-referrer$`,
	"Cross-Origin-Opener-Policy": `^same-origin$`,
	"Cache-Control":              `^no-store$`,
	"Content-Security-Policy": `^default-src 'none'; base-uri 'none'; frame-ancestors 'none'; ` +
		`form-action 'none'; img-src https: data:; style-src 'sha256-\S+'; script-src 'sha256-\S+'$`,
}

// TestHeaders checks the headers of every kind of answer, and that they allow what is inlined.
func TestHeaders(t *testing.T) {
	b := newWorld(t, local).newBrowser(t)
	for name, p := range map[string]page{
		"a start":        b.get(local),
		"the profile":    b.visit(local),
		"not found":      b.get(local + "/x"),
		"health":         b.get(local + "/healthz"),
		"declined":       b.get(local + "/?error=x"),
		"another method": b.do("POST", local, nil),
		"two slashes":    b.get(local + "//"),
	} {
		t.Run(name, func(t *testing.T) {
			for header, want := range wantedHeaders {
				if got := p.header.Get(header); !regexp.MustCompile(want).MatchString(got) {
					t.Errorf("%s: got %q, want %s", header, got, want)
				}
			}
			if p.title() != "" {
				wantWords(t, p.body, "<script>history.replaceState(", "if (event.persisted)")
			}
			inlined := regexp.MustCompile(`(?s)<(style|script)[^>]*>(.*?)</`)
			for _, m := range inlined.FindAllStringSubmatch(p.body, -1) {
				sum := sha256.Sum256([]byte(m[2]))
				source := m[1] + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
				wantWords(t, p.header.Get("Content-Security-Policy"), source)
			}
		})
	}
}

// TestLog checks the log's lines for some requests.
func TestLog(t *testing.T) {
	w := newWorld(t, local)
	b := w.newBrowser(t)
	b.decline = true
	b.visit(local)
	b.decline = false
	b.visit(local)
	b.get(local + "/favicon.ico?code=c")
	b.get(local + "/a%0Ab")
	b.get(local + "/healthz")
	b.do(strings.Repeat("M", 99), local+"/"+strings.Repeat("p", 9999), nil)
	want := []string{
		"GET / 302",
		`zoom: refused: "access_denied"`,
		"GET / 403",
		"GET / 302",
		"GET / 200",
		"GET /favicon.ico 404",
		"GET /a%0Ab 404",
		"GET /healthz 200",
		strings.Repeat("M", 20) + " /" + strings.Repeat("p", 199) + " 404",
	}
	var got []string
	for line := range strings.Lines(w.log.String()) {
		if strings.HasPrefix(line, "stand-in") { // for an app that calls more of Zoom's API
			continue
		}
		end := strings.LastIndex(line, " ")
		took, err := time.ParseDuration(strings.TrimSpace(line[end:]))
		if !strings.HasPrefix(line, "zoom") && (err != nil || took > time.Minute) {
			t.Errorf("got %q, want a duration at its end", line)
		}
		got = append(got, line[:end])
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestVisitorLeaves has a visitor who is gone before, or while, the app talks to Zoom. That is
// nobody's fault, and nobody works on.
func TestVisitorLeaves(t *testing.T) {
	for name, path := range map[string]string{
		"before the exchange":       "",
		"during the exchange":       tokenPath,
		"during the profile's call": userPath,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			u := newUpstream(t, w)
			ctx, leave := context.WithCancel(t.Context())
			if path == "" {
				leave()
			}
			hungUp := make(chan error, 9)
			u.set(path, func(c net.Conn, _ *http.Request, _ string) bool {
				leave()
				c.SetReadDeadline(time.Now().Add(10 * time.Second))
				_, err := io.Copy(io.Discard, c)
				hungUp <- err
				return false
			})
			w.app.ServeHTTP(httptest.NewRecorder(), callbackRequest().WithContext(ctx))
			got := w.log.String()
			if !strings.HasPrefix(got, "GET / 499 ") || strings.Count(got, "\n") != 1 {
				t.Errorf("got the log %q, want the request's line with 499", got)
			}
			if path == "" {
				if n := u.connections.Load(); n != 0 {
					t.Errorf("made %d connections to Zoom, want none", n)
				}
			} else if err := receive(t, hungUp); err != nil {
				t.Errorf("the app goes on with the call: %v", err)
			}
		})
	}
}

// callbackRequest returns the request of a browser that comes back from Zoom, with its cookie.
func callbackRequest() *http.Request {
	r := httptest.NewRequest("GET", "/?code=c&state="+someFirst, nil)
	r.AddCookie(&http.Cookie{Name: plain + someFirst, Value: "verifier"})
	return r
}

// TestBrokenTemplate has a slip in a template. The visitor gets a 500 with all headers, and the log
// says why.
func TestBrokenTemplate(t *testing.T) {
	w := newWorld(t, local)
	template.Must(w.app.pages.New("notfound").Parse("half a page {{len 1}}"))
	p := w.newBrowser(t).get(local + "/x")
	wantWords(t, w.log.String(), "len 1", "GET /x 500")
	if p.body != "Internal error. The log says why.\n" {
		t.Errorf("got %q, want that the log says why", p.body)
	}
	if p.status != 500 || p.header.Get("Cache-Control") != "no-store" {
		t.Errorf("got %d, %s; want 500, no-store", p.status, p.header.Get("Cache-Control"))
	}
}

// profileOf returns the profile page for an answer of Zoom's. Its body is what stands above the JSON.
func profileOf(t *testing.T, answer string) page {
	t.Helper()
	w := newWorld(t, local)
	w.zoom.Profile = answer
	p := w.newBrowser(t).visit(local)
	if p.status != http.StatusOK {
		t.Fatalf("got %d %q, want the profile", p.status, p.title())
	}
	_, main, _ := strings.Cut(p.body, "<main>")
	p.body, _, _ = strings.Cut(main, "User API Response")
	return p
}

// TestProfile checks all that the page shows of a user.
func TestProfile(t *testing.T) {
	p := profileOf(t, `{"first_name":"<b>Jill","last_name":"Chill","email":"j@example.com","type":2,
		"role_name":"Owner","company":"Example","timezone":"America/Denver","language":"en-US",
		"personal_meeting_url":"https://zoom.example.com/j/1",
		"pic_url":"https://example.com/p.png?a=1&b=2"}`)
	wantWords(t, p.body,
		`<span aria-hidden="true">BC</span>`,
		`<img src="https://example.com/p.png?a=1&amp;b=2"`,
		"<h1><bdi>&lt;b&gt;Jill Chill</bdi></h1>",
		"<dt>E-mail</dt><dd>j@example.com</dd>",
		"<dt>Account type</dt><dd>Licensed</dd>",
		"<dt>Role</dt><dd><bdi>Owner</bdi></dd>",
		"<dt>Company</dt><dd><bdi>Example</bdi></dd>",
		"<dt>Time zone</dt><dd>America/Denver</dd>",
		"<dt>Language</dt><dd>en-US</dd>",
		`<a href="https://zoom.example.com/j/1">zoom.example.com/j/1</a>`,
		"<code>user:read:user</code>", // what the app may do
	)
	if got := profileOf(t, `{"display_name":"jay"}`).title(); got != "jay" {
		t.Errorf("got the title %q, want jay", got)
	}
}

// TestLeftOut checks what the page leaves out, since Zoom doesn't say it or it makes no sense.
func TestLeftOut(t *testing.T) {
	for answer, words := range map[string][]string{
		`{}`: {"<dt>", "<img"},
		`{"first_name":1,"last_name":{},"email":"jay"}`: {"Zoom user"},
		`{"first_name":null,"email":null,"type":null}`:  {"<dt>", ">null<"},
		`{"type":"many"}`:                                      {"Account type"},
		`{"type":1e999}`:                                       {"Account type"},
		`{"type":77}`:                                          {"Account type"},
		`{"pic_url":true}`:                                     {"<img"},
		`{"pic_url":"http://example.com/p.png"}`:               {"<img"},
		`{"pic_url":"javascript:alert(1)"}`:                    {"<img", "javascript"},
		`{"pic_url":"https://x/\"onerror=alert(1)"}`:           {`"onerror`},
		`{"personal_meeting_url":"javascript:alert(1)"}`:       {"<dt>", "javascript"},
		`{"personal_meeting_url":"https://x/\"onclick=alert"}`: {`"onclick`},
	} {
		wantNone(t, profileOf(t, answer).body, words...)
	}
}

// TestResponseIsShownWhole reads the JSON off the page: order, digits and escapes are Zoom's.
func TestResponseIsShownWhole(t *testing.T) {
	w := newWorld(t, local)
	w.zoom.Profile = ` {"z":12345678901234567890.10,"a":{"b":[1e2,"<&>\u00e9"],"a":null},"z":2}`
	const want = `{
  "z": 12345678901234567890.10,
  "a": {
    "b": [
      1e2,
      "<&>\u00e9"
    ],
    "a": null
  },
  "z": 2
}`
	p := w.newBrowser(t).visit(local)
	_, code, _ := strings.Cut(p.body, `dir="ltr"><code>`)
	code, _, _ = strings.Cut(code, "</code>")
	if got := html.UnescapeString(code); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
