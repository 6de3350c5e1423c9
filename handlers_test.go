package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"html"
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

// The titles of pages that many tests meet.
const (
	lostTitle     = "This sign-in can’t be finished here"
	declinedTitle = "You are not signed in"
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

// TestDecisions has a group of rows for each case of root: what the query has, for which states
// the browser holds a cookie, and what the app does.
func TestDecisions(t *testing.T) {
	three := []string{secondTry + rand.Text(), secondTry + rand.Text(), secondTry + rand.Text()}
	for _, c := range []struct {
		name, query string
		held        []string
		want        string
	}{
		{"neither code nor error", "", nil, toFirstTry},
		{"a query that isn't Zoom's", "utm_source=x", nil, toFirstTry},
		{"just a state", "state=" + someFirst, []string{someFirst}, toFirstTry},
		{"an empty code", "code=&state=" + someFirst, []string{someFirst}, toFirstTry},

		{"an error, its cookie", "error=no&state=" + someFirst, []string{someFirst}, theirWords},
		{"an error and a code, their cookie", "error=no&code=c&state=" + someFirst, []string{someFirst}, theirWords},

		{"an error, no cookie", "error=no&state=" + someFirst, nil, ourWords},
		{"an error, no state", "error=no", []string{someFirst}, ourWords},

		{"a code, its cookie", "code=c&state=" + someFirst, []string{someFirst}, exchanged},
		{"a code of a second try, its cookie", "code=c&state=" + someSecond, []string{someSecond}, exchanged},
		{"a code and two states", "code=c&state=" + someFirst + "&state=x", []string{someFirst}, exchanged},

		{"a code of a second try, no cookie", "code=c&state=" + someSecond, nil, lost},
		{"a code of a second try, another's cookie", "code=c&state=" + someSecond, []string{someFirst}, lost},

		{"a code, no state, three second tries", "code=c", three, lost},
		{"a code, not our state, three second tries", "code=c&state=theirs", three, lost},

		{"a code, no state", "code=c", nil, toSecondTry},
		{"a code, no state, two second tries", "code=c", three[1:], toSecondTry},
		{"a code, no state, a cookie", "code=c", []string{someFirst}, toSecondTry},
		{"a code of a first try, no cookie", "code=c&state=" + someFirst, nil, toSecondTry},
		{"a code of a first try, three second tries", "code=c&state=" + someFirst, three, toSecondTry},
		{"a code, a bad escape", "code=c&state=%zz", nil, toSecondTry},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, local)
			b := w.newBrowser(t)
			for _, state := range c.held {
				b.hold(local, "zoom-oauth-"+state, "verifier")
			}
			p := b.get(local + "/?" + c.query)
			if got := decision(w, p); got != c.want {
				t.Errorf("got %s (%d %q), want %s", got, p.status, p.title(), c.want)
			}
			isRemoval := func(cookie *http.Cookie) bool { return cookie.MaxAge < 0 }
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
	case p.status == http.StatusFound && strings.Contains(p.header.Get("Location"), "&state="+secondTry):
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

// TestStart reads the redirect to Zoom and the cookie.
func TestStart(t *testing.T) {
	const plain, secure = "zoom-oauth-", "__Host-zoom-oauth-"
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
			wanted := http.Cookie{Name: c.cookie + state, Value: got.Value, Path: "/", MaxAge: 600, HttpOnly: true,
				Secure: c.cookie == secure, SameSite: http.SameSiteLaxMode}
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
}

// TestSignIn has what ends on the profile, and how often the browser goes to Zoom for it.
func TestSignIn(t *testing.T) {
	for name, c := range map[string]struct {
		redirectURL, visit string
		starts             int
	}{
		"on localhost":                            {local, local, 1},
		"on the tunnel":                           {tunnel, tunnel, 1},
		"on a tunnel that rewrites the host":      {rewriter, rewriter, 1},
		"begun on localhost, ended on the tunnel": {tunnel, local, 2},
		"begun on localhost, ended on a tunnel that rewrites the host": {rewriter, local, 2},
		"begun under a name that nobody registered":                    {tunnel, nameless, 2},
		"Add in Zoom's Marketplace":                                    {tunnel, tunnel + "/?code=theirs", 1},
		"a code with somebody else's state":                            {tunnel, tunnel + "/?code=theirs&state=theirs", 1},
		"a bookmark of an old callback":                                {tunnel, tunnel + "/?code=old&state=" + someFirst, 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newWorld(t, c.redirectURL).newBrowser(t)
			p := b.visit(c.visit)
			wantProfile(t, p)
			if b.starts != c.starts {
				t.Errorf("went to Zoom %d times, want %d", b.starts, c.starts)
			}
			if held := b.held(c.redirectURL); len(held) > 0 {
				t.Errorf("after the sign-in the browser holds %v, want nothing", held)
			}
			for range 3 {
				p = b.visit(c.redirectURL) // the page has cleaned the address, so this is a reload
				wantProfile(t, p)
			}
		})
	}
}

// TestTabs has two sign-ins in one browser, each at its own pace.
func TestTabs(t *testing.T) {
	for name, redirectURL := range map[string]string{"on one host": local, "from localhost to the tunnel": tunnel} {
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

// TestImpatience has a second click on Allow while the first is under way, at every point where
// it may come.
func TestImpatience(t *testing.T) {
	for name, begin := range map[string]string{"begun on the tunnel": tunnel, "begun on localhost": local} {
		for clicks := range 5 {
			t.Run(name+", after "+strconv.Itoa(clicks)+" redirects", func(t *testing.T) {
				b := newWorld(t, tunnel).newBrowser(t)
				consent := b.get(b.get(begin).next(t).String())
				p := b.consent(consent)
				for range clicks {
					if p.status == http.StatusFound {
						p = b.get(p.next(t).String())
					}
				}
				wantProfile(t, b.follow(b.consent(consent)))
			})
		}
	}
}

// TestNeverInALoop has what ends on a page after a few tries, without exchanging a code.
func TestNeverInALoop(t *testing.T) {
	set := func(change func(state string) string) func(url.Values) {
		return func(q url.Values) { q.Set("state", change(q.Get("state"))) }
	}
	count := 0
	for name, c := range map[string]struct {
		visit   string
		blocked bool // cookies are
		mangle  func(url.Values)
		starts  int
	}{
		"cookies are blocked":                {local, true, nil, 2},
		"cookies are blocked, after an Add":  {local + "/?code=theirs", true, nil, 1},
		"the state is dropped":               {local, false, func(q url.Values) { q.Del("state") }, 4},
		"the state is dropped, after an Add": {local + "/?code=theirs", false, func(q url.Values) { q.Del("state") }, 3},
		"the state is emptied":               {local, false, set(func(string) string { return "" }), 4},
		"the state is always the same":       {local, false, set(func(string) string { return "constant" }), 4},
		"the state is a new one each time":   {local, false, set(func(string) string { count++; return strconv.Itoa(count) }), 4},
		"the state comes in small letters":   {local, false, set(strings.ToLower), 2},
		"the state is cut off":               {local, false, set(func(state string) string { return state[:10] }), 2},
		"the state is an old second try's":   {local, false, set(func(string) string { return someSecond }), 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			b := w.newBrowser(t)
			b.mangle = c.mangle
			if c.blocked {
				b.client.Jar = nil
			}
			wantPage(t, b.visit(c.visit), http.StatusBadRequest, lostTitle)
			if b.starts != c.starts {
				t.Errorf("went to Zoom %d times, want %d", b.starts, c.starts)
			}
			if w.exchanges.Load() != 0 {
				t.Errorf("exchanged %d codes, want none", w.exchanges.Load())
			}
			b.mangle = nil
			if !c.blocked {
				wantProfile(t, b.visit(local)) // as the page says
			}
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
// attacker's code, perhaps with a cookie that the attacker got into the browser.
func TestForeignCodesAreNotExchanged(t *testing.T) {
	for name, c := range map[string]struct{ site, query, cookie string }{
		"the attacker's state":        {local, "code=evil&state=" + someFirst, ""},
		"a cookie without a state":    {local, "code=evil", "zoom-oauth-"},
		"a state in a form like ours": {local, "code=evil&state=" + someFirst + "x", "zoom-oauth-" + someFirst + "x"},
		"a cookie of another state":   {local, "code=evil&state=" + someFirst, "zoom-oauth-" + someSecond},
		"two states":                  {local, "code=evil&state=x&state=" + someFirst, "zoom-oauth-" + someFirst},
		"a cookie that the tunnel's plain http side or a neighbour may set": {tunnel,
			"code=evil&state=" + someFirst, "zoom-oauth-" + someFirst},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.site)
			b := w.newBrowser(t)
			if c.cookie != "" {
				b.hold(c.site, c.cookie, "planted")
			}
			if p := b.get(c.site + "/?" + c.query); p.status == http.StatusOK || w.exchanges.Load() != 0 {
				t.Errorf("got %d %q and %d exchanges, want none", p.status, p.title(), w.exchanges.Load())
			}
		})
	}
	t.Run("an empty cookie", func(t *testing.T) {
		w := newWorld(t, local)
		b := w.newBrowser(t)
		b.hold(local, "zoom-oauth-"+someFirst, "")
		if b.get(local + "/?code=evil&state=" + someFirst); w.exchanges.Load() != 0 {
			t.Error("the code was exchanged")
		}
	})
}

// TestAbandonedSignIns starts more sign-ins than the browser may hold. The newest work, and the
// oldest begins anew.
func TestAbandonedSignIns(t *testing.T) {
	b := newWorld(t, local).newBrowser(t)
	var starts []page
	for range 30 {
		starts = append(starts, b.get(local))
	}
	for i, start := range append(starts[30-maxSignIns:], starts[0]) {
		if n := len(b.held(local)); n > maxSignIns {
			t.Errorf("the browser holds %d cookies, want at most %d", n, maxSignIns)
		}
		b.starts = 0
		wantProfile(t, b.follow(start))
		want := 1
		if i == maxSignIns {
			want = 2
		}
		if b.starts != want {
			t.Errorf("sign-in %d: went to Zoom %d times, want %d", i, b.starts, want)
		}
	}
}

// TestManyCookies has a browser that started many sign-ins at once, before it held the others'
// cookies, and cookies that aren't ours.
func TestManyCookies(t *testing.T) {
	b := newWorld(t, local).newBrowser(t)
	theirs := []string{"session", "zoom-oauth-theme"}
	for _, name := range theirs {
		b.hold(local, name, "theirs")
	}
	for range 25 {
		b.hold(local, "zoom-oauth-"+rand.Text(), "verifier")
	}
	p := b.get(local)
	held := b.held(local)
	if n := len(held) - len(theirs); n > maxSignIns {
		t.Errorf("the browser holds %d cookies of ours, want at most %d", n, maxSignIns)
	}
	for _, name := range theirs {
		if !slices.Contains(held, name) {
			t.Errorf("the cookie %s is gone", name)
		}
	}
	wantProfile(t, b.follow(p))
}

// TestLongState has a state that would make a header too long.
func TestLongState(t *testing.T) {
	p := newWorld(t, local).newBrowser(t).get(local + "/?code=theirs&state=" + strings.Repeat("A", 5000))
	if length := len(p.header.Get("Set-Cookie")); p.status != http.StatusFound || length > 500 {
		t.Errorf("got %d and a cookie of %d bytes, want a new start with a short one", p.status, length)
	}
}

// TestDeclined reads the page for an error that Zoom sends the browser back with.
func TestDeclined(t *testing.T) {
	b := newWorld(t, local).newBrowser(t)
	b.decline = true
	p := b.visit(local)
	wantPage(t, p, http.StatusForbidden, declinedTitle)
	if !strings.Contains(p.body, "access_denied") {
		t.Error("the page doesn't have Zoom's word for it")
	}
	b.decline = false
	wantProfile(t, b.visit(local))

	b.hold(local, "zoom-oauth-"+someFirst, "verifier")
	query := "/?error=server_error&error_description=%3Cb%3Etoday+not%3C/b%3E&state="
	p = b.get(local + query + someFirst)
	if !strings.Contains(p.body, "server_error") || !strings.Contains(p.body, "&lt;b&gt;today not&lt;/b&gt;") {
		t.Errorf("the page lacks Zoom's words, escaped: %s", p.body)
	}
	p = b.get(local + query + someFirst) // again, when anyone may have written them
	if strings.Contains(p.body, "server_error") || strings.Contains(p.body, "today not") {
		t.Errorf("without its cookie, the page has the query's words: %s", p.body)
	}
}

// TestOtherRequests has what starts no sign-in.
func TestOtherRequests(t *testing.T) {
	const notFound, notAllowed = "There is no such page", "Only GET is allowed here"
	for name, c := range map[string]struct {
		method, path string
		status       int
		title        string
	}{
		"favicon":            {"GET", "/favicon.ico", 404, notFound},
		"another path":       {"GET", "/callback?code=c", 404, notFound},
		"two slashes":        {"GET", "//?code=c", 404, notFound},
		"POST elsewhere":     {"POST", "/x", 404, notFound},
		"POST":               {"POST", "/?code=c&state=s", 405, notAllowed},
		"OPTIONS":            {"OPTIONS", "/", 405, notAllowed},
		"a made-up method":   {"BREW", "/", 405, notAllowed},
		"HEAD":               {"HEAD", "/?code=c", 405, ""},
		"POST to the health": {"POST", "/healthz", 405, notAllowed},
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
	p := newWorld(t, local).newBrowser(t).get(local + "/healthz")
	if p.body != "ok" || p.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("health: got %q as %s, want ok as plain text", p.body, p.header.Get("Content-Type"))
	}
}

// TestHeaders reads the headers of every kind of answer, and the hashes of what is inlined.
func TestHeaders(t *testing.T) {
	b := newWorld(t, local).newBrowser(t)
	for name, p := range map[string]page{
		"a start": b.get(local), "the profile": b.visit(local), "not found": b.get(local + "/x"),
		"health": b.get(local + "/healthz"), "declined": b.get(local + "/?error=x"), "another method": b.do("POST", local, nil),
	} {
		t.Run(name, func(t *testing.T) {
			for header, want := range map[string]string{
				"Strict-Transport-Security":  `^max-age=\d{7,}$`,
				"X-Content-Type-Options":     `^nosniff$`,
				"Referrer-Policy":            `^no-referrer$`,
				"Cross-Origin-Opener-Policy": `^same-origin$`,
				"Cache-Control":              `^no-store$`,
				"Content-Security-Policy": `^default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'; ` +
					`img-src https: data:; style-src 'sha256-\S+'; script-src 'sha256-\S+'$`,
			} {
				if got := p.header.Get(header); !regexp.MustCompile(want).MatchString(got) {
					t.Errorf("%s: got %q, want %s", header, got, want)
				}
			}
			if p.title() != "" && !strings.Contains(p.body, "<script>history.replaceState(") {
				t.Error("the page leaves Zoom's answer in the address bar")
			}
			for _, m := range regexp.MustCompile(`(?s)<(style|script)[^>]*>(.*?)</`).FindAllStringSubmatch(p.body, -1) {
				sum := sha256.Sum256([]byte(m[2]))
				source := m[1] + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
				if policy := p.header.Get("Content-Security-Policy"); !strings.Contains(policy, source) {
					t.Errorf("Content-Security-Policy: got %s, want %s in it", policy, source)
				}
			}
		})
	}
}

// TestLog reads the log's lines for some requests.
func TestLog(t *testing.T) {
	w := newWorld(t, local)
	b := w.newBrowser(t)
	b.visit(local)
	b.get(local + "/favicon.ico?code=c")
	b.get(local + "/a%0Ab")
	b.get(local + "/healthz")
	b.do(strings.Repeat("M", 99), local+"/"+strings.Repeat("p", 9999), nil)
	want := []string{"GET / 302", "GET / 200", "GET /favicon.ico 404", "GET /a%0Ab 404", "GET /healthz 200",
		strings.Repeat("M", 20) + " /" + strings.Repeat("p", 199) + " 404"}
	var got []string
	for line := range strings.Lines(w.log.String()) {
		end := strings.LastIndex(line, " ")
		if took, err := time.ParseDuration(strings.TrimSpace(line[end:])); err != nil || took <= 0 {
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
		"before the exchange": "", "during the exchange": "/oauth/token", "during the profile's call": "/v2/users/me",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			u := newUpstream(t, w)
			ctx, leave := context.WithCancel(t.Context())
			if path == "" {
				leave()
			}
			u.set(path, keepsSaying("", "", time.Millisecond))
			time.AfterFunc(100*time.Millisecond, leave)
			r := httptest.NewRequest("GET", "/?code=c&state="+someFirst, nil).WithContext(ctx)
			r.AddCookie(&http.Cookie{Name: "zoom-oauth-" + someFirst, Value: "verifier"})
			w.app.ServeHTTP(httptest.NewRecorder(), r)
			if got := w.log.String(); !strings.HasPrefix(got, "GET / 499 ") || strings.Count(got, "\n") != 1 {
				t.Errorf("got the log %q, want the request's line with 499", got)
			}
			if n := u.connections.Load(); path == "" && n != 0 {
				t.Errorf("made %d connections to Zoom, want none", n)
			}
		})
	}
}

// TestProfile has what Zoom answers, and what the page makes of it.
func TestProfile(t *testing.T) {
	const whole = `{"first_name":"Jill","last_name":"Chill","email":"j@example.com","type":2,"role_name":"Owner",` +
		`"company":"Example","timezone":"America/Denver","language":"en-US",` +
		`"personal_meeting_url":"https://zoom.example.com/j/1","pic_url":"https://example.com/p.png?a=1&b=2"}`
	for name, c := range map[string]struct {
		answer, title, initials string
		has, lacks              []string // above the JSON
	}{
		"a usual user": {whole, "Jill Chill", "JC", []string{"<dd>j@example.com</dd>", "<dd>Licensed</dd>", "<bdi>Owner</bdi>",
			"<bdi>Example</bdi>", "<dd>America/Denver</dd>", "<dd>en-US</dd>",
			`<a href="https://zoom.example.com/j/1">zoom.example.com/j/1</a>`, `<img src="https://example.com/p.png?a=1&amp;b=2"`}, nil},
		"only a first name":      {`{"first_name":"Jill"}`, "Jill", "J", nil, nil},
		"only a last name":       {`{"last_name":"Chill"}`, "Chill", "C", nil, nil},
		"only a display name":    {`{"first_name":"","last_name":null,"display_name":"jay"}`, "jay", "J", nil, nil},
		"only an e-mail address": {`{"email":"x@example.com"}`, "x@example.com", "X", nil, nil},
		"nothing":                {`{}`, "Zoom user", "ZU", nil, []string{"<dt>", "<img"}},
		"null":                   {`{"first_name":null,"email":null,"type":null,"pic_url":null}`, "Zoom user", "ZU", nil, []string{"<dt>", "<img", ">null<"}},
		"other types": {`{"first_name":1,"last_name":["x"],"email":{"a":1},"type":"many","pic_url":true,"company":"Example"}`,
			"Zoom user", "ZU", []string{"<bdi>Example</bdi>"}, []string{"Account type", "E-mail", "<img"}},
		"a number too large":     {`{"first_name":"Jill","type":1e999}`, "Jill", "J", nil, []string{"Account type"}},
		"a type that is new":     {`{"type":77}`, "Zoom user", "ZU", nil, []string{"Account type"}},
		"letters beyond ASCII":   {`{"first_name":"Émile","last_name":"Ünal"}`, "Émile Ünal", "ÉÜ", nil, nil},
		"a picture over http":    {`{"pic_url":"http://example.com/p.png"}`, "Zoom user", "ZU", nil, []string{"<img"}},
		"a script for a picture": {`{"pic_url":"javascript:alert(1)"}`, "Zoom user", "ZU", nil, []string{"<img"}},
		"a script for a meeting": {`{"personal_meeting_url":"javascript:alert(1)"}`, "Zoom user", "ZU", nil, []string{"javascript:"}},
		"markup": {`{"first_name":"<script>alert(1)</script>","pic_url":"https://x/\"onerror=alert(1)"}`,
			"&lt;script&gt;alert(1)&lt;/script&gt;", "S", nil, []string{"<script>alert", `"onerror`}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			w.zoom.Profile = c.answer
			p := w.newBrowser(t).visit(local)
			if p.status != http.StatusOK || p.title() != c.title {
				t.Fatalf("got %d %q, want 200 %q", p.status, p.title(), c.title)
			}
			_, main, _ := strings.Cut(p.body, "<main>")
			shown, _, _ := strings.Cut(main, "User API Response")
			has := append(c.has, `<span aria-hidden="true">`+c.initials+"</span>", "<code>user:read:user</code>")
			for _, words := range has {
				if !strings.Contains(shown, words) {
					t.Errorf("lacks %s", words)
				}
			}
			for _, words := range c.lacks {
				if strings.Contains(shown, words) {
					t.Errorf("has %s", words)
				}
			}
		})
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
