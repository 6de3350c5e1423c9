package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// States in our form, which no app gave.
const (
	someFirst  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	someSecond = secondTry + someFirst
)

// What the names of our cookies begin with.
const (
	plain  = "zoom-oauth-"
	secure = "__Host-zoom-oauth-"
)

// The titles of pages that many tests meet.
const (
	lostTitle       = "This sign-in can’t be finished here"
	declinedTitle   = "You are not signed in"
	notFoundTitle   = "There is no such page"
	notAllowedTitle = "Only GET is allowed here"
)

// What root decides on.
const (
	toFirstTry  = "a redirect to Zoom, a first try"
	toSecondTry = "a redirect to Zoom, a second try"
	theirWords  = "declined, in Zoom's words"
	ourWords    = "declined, in our words"
	exchanged   = "the code is exchanged"
	lost        = "the page of a lost sign-in"
)

// TestDecisions checks what root does about a query, in a browser that holds the cookies of some
// states. There is a group of rows for each of root's cases.
func TestDecisions(t *testing.T) {
	first, second := []string{someFirst}, []string{someSecond}
	three := []string{secondTry + rand.Text(), secondTry + rand.Text(), secondTry + rand.Text()}
	for _, c := range []struct {
		name, query string
		held        []string
		want        string
	}{
		{"neither code nor error", "", nil, toFirstTry},
		{"a query that isn't Zoom's", "utm_source=x", nil, toFirstTry},
		{"just a state", "state=" + someFirst, first, toFirstTry},
		{"an empty code", "code=&state=" + someFirst, first, toFirstTry},

		{"an error, its cookie", "error=no&state=" + someFirst, first, theirWords},
		{"an error and a code, their cookie", "error=no&code=c&state=" + someFirst, first, theirWords},

		{"an error, no cookie", "error=no&state=" + someFirst, nil, ourWords},
		{"an error, no state", "error=no", first, ourWords},

		{"a code, its cookie", "code=c&state=" + someFirst, first, exchanged},
		{"a code of a second try, its cookie", "code=c&state=" + someSecond, second, exchanged},
		{"a code and two states", "code=c&state=" + someFirst + "&state=x", first, exchanged},

		{"a code of a second try, no cookie", "code=c&state=" + someSecond, nil, lost},
		{"a code of a second try, another's cookie", "code=c&state=" + someSecond, first, lost},

		{"a code, no state, three second tries", "code=c", three, lost},
		{"a code, not our state, three second tries", "code=c&state=theirs", three, lost},

		{"a code, no state", "code=c", nil, toSecondTry},
		{"a code, no state, two second tries", "code=c", three[1:], toSecondTry},
		{"a code, no state, a cookie", "code=c", first, toSecondTry},
		{"a code of a first try, no cookie", "code=c&state=" + someFirst, nil, toSecondTry},
		{"a code of a first try, three second tries", "code=c&state=" + someFirst, three, toSecondTry},
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
			usesUp := c.want == exchanged || c.want == theirWords
			if got := slices.ContainsFunc(p.cookies, isRemoval); got != usesUp {
				t.Errorf("removes the cookie: got %v, want %v", got, usesUp)
			}
		})
	}
}

// decision returns which case of root a page shows.
func decision(w *world, p page) string {
	switch {
	case w.exchanges.Load() > 0:
		return exchanged
	case strings.Contains(p.header.Get("Location"), "&state="+secondTry):
		return toSecondTry
	case p.status == http.StatusFound:
		return toFirstTry
	case p.title() == declinedTitle && strings.Contains(p.body, "<code>no</code>"):
		return theirWords
	case p.title() == declinedTitle:
		return ourWords
	case p.title() == lostTitle:
		return lost
	}
	return "something else"
}

// isRemoval reports whether setting a cookie removes it.
func isRemoval(c *http.Cookie) bool { return c.MaxAge < 0 }

// TestStart checks the redirect to Zoom and the cookie.
func TestStart(t *testing.T) {
	for name, c := range map[string]struct{ redirectURL, visit, cookie string }{
		"on localhost":                           {local, local, plain},
		"on localhost, redirect URL on a tunnel": {tunnel, local, secure},
		"on the tunnel":                          {tunnel, tunnel, secure},
		"a slash after the redirect URL":         {tunnel + "/", tunnel, secure},
		"on a tunnel that rewrites the host":     {rewriter, rewriter, secure},
		"under another name":                     {local, nameless, plain},
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
		"on localhost":                       {local, local, 1},
		"on the tunnel":                      {tunnel, tunnel, 1},
		"on a tunnel that rewrites the host": {rewriter, rewriter, 1},
		"from localhost to the tunnel":       {tunnel, local, 2},
		"from localhost to a rewriting one":  {rewriter, local, 2},
		"from a name that nobody registered": {tunnel, nameless, 2},
		"Add in Zoom's Marketplace":          {tunnel, tunnel + "/?code=theirs", 1},
		"a code with somebody else's state":  {tunnel, tunnel + "/?code=theirs&state=theirs", 1},
		"a bookmark of an old callback":      {tunnel, tunnel + "/?code=old&state=" + someFirst, 1},
		"on the tunnel, a slash after it":    {tunnel + "/", tunnel, 1},
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

// TestTabs goes through two sign-ins in one browser, side by side.
func TestTabs(t *testing.T) {
	for name, redirectURL := range map[string]string{
		"on one host":                  local,
		"from localhost to the tunnel": tunnel,
	} {
		t.Run(name, func(t *testing.T) {
			b := newWorld(t, redirectURL).newBrowser(t)
			wantProfile(t, b.visit(redirectURL)) // so that Zoom doesn't ask any more
			one, two := b.get(local), b.get(local)
			for one.status == http.StatusFound && two.status == http.StatusFound {
				one, two = b.get(one.next(t).String()), b.get(two.next(t).String())
			}
			wantProfile(t, one)
			wantProfile(t, two)
		})
	}
}

// TestImpatience clicks on Allow a second time while the first click is being followed, at every
// point where that may happen.
func TestImpatience(t *testing.T) {
	for name, begin := range map[string]string{"on the tunnel": tunnel, "on localhost": local} {
		for redirects := range 5 {
			t.Run("begun "+name+", after "+strconv.Itoa(redirects), func(t *testing.T) {
				b := newWorld(t, tunnel).newBrowser(t)
				question := b.get(b.get(begin).next(t).String())
				b.hops(b.consent(question), redirects)
				wantProfile(t, b.follow(b.consent(question)))
			})
		}
	}
}

// setState returns what happens to Zoom's answer if something changes the state on its way back.
func setState(change func(state string) string) func(url.Values) {
	return func(query url.Values) { query.Set("state", change(query.Get("state"))) }
}

// TestNeverInALoop checks what ends on a page after a few tries, without exchanging a code.
func TestNeverInALoop(t *testing.T) {
	const added = local + "/?code=theirs"
	dropped := func(query url.Values) { query.Del("state") }
	emptied := setState(func(string) string { return "" })
	constant := setState(func(string) string { return "constant" })
	old := setState(func(string) string { return someSecond })
	cut := setState(func(state string) string { return state[:10] })
	count := 0
	counted := setState(func(string) string { count++; return strconv.Itoa(count) })
	for name, c := range map[string]struct {
		visit   string
		blocked bool // cookies are
		mangle  func(url.Values)
		starts  int
	}{
		"cookies are blocked":                {local, true, nil, 2},
		"cookies are blocked, after an Add":  {added, true, nil, 1},
		"the state is dropped":               {local, false, dropped, 4},
		"the state is dropped, after an Add": {added, false, dropped, 3},
		"the state is emptied":               {local, false, emptied, 4},
		"the state is always the same":       {local, false, constant, 4},
		"the state is a new one each time":   {local, false, counted, 4},
		"the state comes in small letters":   {local, false, setState(strings.ToLower), 2},
		"the state is cut off":               {local, false, cut, 2},
		"the state is an old second try's":   {local, false, old, 1},
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
	const longer = someFirst + "x"
	for name, c := range map[string]struct{ site, state, cookie, value string }{
		"a cookie without a state":    {local, "", plain, "planted"},
		"a state in a form like ours": {local, longer, plain + longer, "planted"},
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

// TestAbandonedSignIns starts more sign-ins than the browser may hold. The newest work, and the
// oldest begins anew.
func TestAbandonedSignIns(t *testing.T) {
	b := newWorld(t, local).newBrowser(t)
	var starts []page
	for range 30 {
		starts = append(starts, b.get(local))
	}
	for i, start := range append(starts[30-mostCookies:], starts[0]) {
		if n := len(b.cookies(local)); n > mostCookies {
			t.Errorf("the browser holds %d cookies, want at most %d", n, mostCookies)
		}
		b.starts = 0
		wantProfile(t, b.follow(start))
		want := 1
		if i == mostCookies {
			want = 2
		}
		if b.starts != want {
			t.Errorf("sign-in %d: went to Zoom %d times, want %d", i, b.starts, want)
		}
	}
}

// TestManyCookies starts a sign-in in a browser that began many at once, before it held the
// others' cookies. It also holds cookies that aren't ours.
func TestManyCookies(t *testing.T) {
	b := newWorld(t, local).newBrowser(t)
	theirs := []string{"session", plain + "theme"}
	for _, name := range theirs {
		b.hold(local, name, "theirs")
	}
	for range 25 {
		b.hold(local, plain+rand.Text(), "verifier")
	}
	p := b.get(local)
	held := b.cookies(local)
	if n := len(held) - len(theirs); n > mostCookies {
		t.Errorf("the browser holds %d cookies of ours, want at most %d", n, mostCookies)
	}
	for _, name := range theirs {
		isIt := func(c *http.Cookie) bool { return c.Name == name }
		if !slices.ContainsFunc(held, isIt) {
			t.Errorf("the cookie %s is gone", name)
		}
	}
	wantProfile(t, b.follow(p))
}

// TestLongState checks that a state that would make a header too long isn't kept.
func TestLongState(t *testing.T) {
	b := newWorld(t, local).newBrowser(t)
	p := b.get(local + "/?code=theirs&state=" + strings.Repeat("A", 5000))
	if length := len(p.header.Get("Set-Cookie")); p.status != http.StatusFound || length > 500 {
		t.Errorf("got %d and a cookie of %d bytes, want a new start with a short one", p.status, length)
	}
}

// TestDecline has a user who chooses Decline, and then thinks better of it.
func TestDecline(t *testing.T) {
	b := newWorld(t, local).newBrowser(t)
	b.decline = true
	p := b.visit(local)
	wantPage(t, p, http.StatusForbidden, declinedTitle)
	wantWords(t, p.body, "<code>access_denied</code>")
	b.decline = false
	wantProfile(t, b.visit(local))
}

// TestWordsOfAnError checks that the page for an error has the words of the query, escaped, but
// only if it is Zoom's.
func TestWordsOfAnError(t *testing.T) {
	b := newWorld(t, local).newBrowser(t)
	b.hold(local, plain+someFirst, "verifier")
	words := url.Values{"error": {"server_error"}, "error_description": {"<b>today not</b>"}}
	callback := local + "/?" + words.Encode() + "&state=" + someFirst
	wantWords(t, b.get(callback).body, "server_error", "&lt;b&gt;today not&lt;/b&gt;")
	p := b.get(callback) // again, when its cookie is used up and anyone may have written it
	wantPage(t, p, http.StatusForbidden, declinedTitle)
	wantNone(t, p.body, "server_error", "today not")
}

// TestOtherRequests checks what starts no sign-in.
func TestOtherRequests(t *testing.T) {
	for name, c := range map[string]struct {
		method, path string
		status       int
		title        string
	}{
		"favicon":            {"GET", "/favicon.ico", 404, notFoundTitle},
		"another path":       {"GET", "/callback?code=c", 404, notFoundTitle},
		"two slashes":        {"GET", "//?code=c", 404, notFoundTitle},
		"POST elsewhere":     {"POST", "/x", 404, notFoundTitle},
		"POST":               {"POST", "/?code=c&state=s", 405, notAllowedTitle},
		"OPTIONS":            {"OPTIONS", "/", 405, notAllowedTitle},
		"a made-up method":   {"BREW", "/", 405, notAllowedTitle},
		"HEAD":               {"HEAD", "/?code=c", 405, ""},
		"POST to the health": {"POST", "/healthz", 405, notAllowedTitle},
		"health":             {"GET", "/healthz", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := newWorld(t, local).newBrowser(t).do(c.method, local+c.path, nil)
			if p.status != c.status || p.title() != c.title {
				t.Errorf("got %d %q, want %d %q", p.status, p.title(), c.status, c.title)
			}
			if len(p.cookies) > 0 || p.header.Get("Location") != "" {
				t.Error("started a sign-in")
			}
			if allow := p.header.Get("Allow"); (allow == "GET") != (c.status == 405) {
				t.Errorf("Allow: got %q", allow)
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
	} {
		t.Run(name, func(t *testing.T) {
			for header, want := range wantedHeaders {
				if got := p.header.Get(header); !regexp.MustCompile(want).MatchString(got) {
					t.Errorf("%s: got %q, want %s", header, got, want)
				}
			}
			if p.title() != "" {
				wantWords(t, p.body, "<script>history.replaceState(") // cleans the address bar
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
		end := strings.LastIndex(line, " ")
		took, err := time.ParseDuration(strings.TrimSpace(line[end:]))
		if err != nil || took < 0 {
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
			w.app.zoom.client.Timeout = time.Hour
			hungUp := make(chan error, 9)
			u.set(path, func(c net.Conn, _ *http.Request, _ string) bool {
				leave()
				c.SetReadDeadline(time.Now().Add(10 * time.Second))
				_, err := io.Copy(io.Discard, c)
				hungUp <- err
				return false
			})
			r := httptest.NewRequest("GET", "/?code=c&state="+someFirst, nil).WithContext(ctx)
			r.AddCookie(&http.Cookie{Name: plain + someFirst, Value: "verifier"})
			w.app.ServeHTTP(httptest.NewRecorder(), r)
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
	p := profileOf(t, `{"first_name":"Jill","last_name":"Chill","email":"j@example.com","type":2,
		"role_name":"Owner","company":"Example","timezone":"America/Denver","language":"en-US",
		"personal_meeting_url":"https://zoom.example.com/j/1",
		"pic_url":"https://example.com/p.png?a=1&b=2"}`)
	wantWords(t, p.body,
		`<span aria-hidden="true">JC</span>`,
		`<img src="https://example.com/p.png?a=1&amp;b=2"`,
		"<h1><bdi>Jill Chill</bdi></h1>",
		"<dt>E-mail</dt><dd>j@example.com</dd>",
		"<dt>Account type</dt><dd>Licensed</dd>",
		"<dt>Role</dt><dd><bdi>Owner</bdi></dd>",
		"<dt>Company</dt><dd><bdi>Example</bdi></dd>",
		"<dt>Time zone</dt><dd>America/Denver</dd>",
		"<dt>Language</dt><dd>en-US</dd>",
		`<a href="https://zoom.example.com/j/1">zoom.example.com/j/1</a>`,
		"<code>user:read:user</code>", // what the app may do
	)
}

// TestNames checks what the page calls a user.
func TestNames(t *testing.T) {
	for answer, want := range map[string]string{
		`{"first_name":"Jill"}`:                         "Jill",
		`{"last_name":"Chill"}`:                         "Chill",
		`{"last_name":null,"display_name":"jay"}`:       "jay",
		`{"email":"x@example.com"}`:                     "x@example.com",
		`{"first_name":"Émile","last_name":"Ünal"}`:     "Émile Ünal",
		`{"first_name":"<script>alert(1)</script>"}`:    "&lt;script&gt;alert(1)&lt;/script&gt;",
		`{"first_name":1,"last_name":{},"email":"jay"}`: "jay",
	} {
		if got := profileOf(t, answer).title(); got != want {
			t.Errorf("%s: got %q, want %q", answer, got, want)
		}
	}
}

// TestLeftOut checks what the page leaves out, since Zoom doesn't say it or it makes no sense.
func TestLeftOut(t *testing.T) {
	for answer, words := range map[string][]string{
		`{}`: {"<dt>", "<img"},
		`{"first_name":null,"email":null,"type":null}`: {"<dt>", ">null<"},
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
