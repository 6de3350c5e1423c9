package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// States in the app's form that it never gave out.
const (
	someFirst  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	someSecond = secondTryPrefix + someFirst
)

// What the names of the app's cookies begin with.
const (
	plain  = "zoom-oauth-"
	secure = "__Host-zoom-oauth-"
)

// The titles of pages that root shows.
const (
	lostTitle     = "This sign-in can’t be finished here"
	declinedTitle = "You are not signed in"
)

// TestDecisions checks what root does about a query from a browser with some cookies. There is a
// group of rows for each row of root's table.
func TestDecisions(t *testing.T) {
	const first, second = plain + someFirst + "=verifier", plain + someSecond + "=verifier"
	for _, c := range []struct{ name, redirectURL, query, cookies, want string }{
		{"an error, its cookie", local, "error=no&state=" + someFirst, first, "declined"},
		{"an error, no cookie", local, "error=no&state=" + someFirst, "", "declined"},
		{"an error and a code", local, "error=no&code=c&state=" + someFirst, first, "declined"},

		{"nothing", local, "", "", "first try"},
		{"a query that isn't Zoom's", local, "utm_source=x", "", "first try"},
		{"just a state", local, "state=" + someFirst, first, "first try"},
		{"an empty code", local, "code=&state=" + someFirst, first, "first try"},

		{"a code, its cookie", local, "code=c&state=" + someFirst, first, "exchanged"},
		{"a second try's code, its cookie", local, "code=c&state=" + someSecond, second, "exchanged"},
		{"two states, the first one's cookie", local, "code=c&state=" + someFirst + "&state=x", first, "exchanged"},
		{"its cookie, set over https", tunnel, "code=c&state=" + someFirst, "__Host-" + first, "exchanged"},

		{"a second try's code, no cookie", local, "code=c&state=" + someSecond, "", "lost"},
		{"a second try's code, another's cookie", local, "code=c&state=" + someSecond, first, "lost"},

		{"a code, no state", local, "code=c", first, "second try"},
		{"a code, no state, a cookie without one", local, "code=c", plain + "=verifier", "second try"},
		{"a code, no cookie", local, "code=c&state=" + someFirst, "", "second try"},
		{"a code, somebody's state", local, "code=c&state=theirs", first, "second try"},
		{"two states, the second one's cookie", local, "code=c&state=x&state=" + someFirst, first, "second try"},
		{"a cookie without a verifier", local, "code=c&state=" + someFirst, plain + someFirst + "=", "second try"},
		{"a cookie that was set over http", tunnel, "code=c&state=" + someFirst, first, "second try"},
		{"a bad escape", local, "code=c&state=%zz", first, "second try"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.redirectURL)
			req, _ := http.NewRequest(http.MethodGet, c.redirectURL+"/?"+c.query, nil)
			req.Header.Set("Cookie", c.cookies)
			p := w.newBrowser(t).send(req)
			if got := decision(w, p); got != c.want {
				t.Errorf("got %s (%d %q), want %s", got, p.status, p.title(), c.want)
			}
			isRemoval := func(cookie *http.Cookie) bool { return cookie.MaxAge < 0 && cookie.Path == "/" }
			if got := slices.ContainsFunc(p.cookies, isRemoval); got != (c.want == "exchanged") {
				t.Errorf("removes a cookie: got %v, want %v", got, c.want == "exchanged")
			}
		})
	}
}

// decision returns the case of root that led to a page.
func decision(w *world, p page) string {
	switch {
	case w.exchanges.Load() > 0:
		return "exchanged"
	case strings.Contains(p.header.Get("Location"), "&state="+secondTryPrefix):
		return "second try"
	case p.status == http.StatusFound:
		return "first try"
	case p.title() == declinedTitle:
		return "declined"
	case p.title() == lostTitle:
		return "lost"
	}
	return "something else"
}

// TestStart checks the redirect to Zoom and the cookie.
func TestStart(t *testing.T) {
	for name, c := range map[string]struct{ redirectURL, visit, prefix, cookie string }{
		"on localhost":                           {local, local, "", plain},
		"on localhost, redirect URL on a tunnel": {tunnel, local, "", secure},
		"on the tunnel":                          {tunnel, tunnel, "", secure},
		"a slash after the redirect URL":         {tunnel + "/", tunnel, "", secure},
		"a second try":                           {local, local + "/?code=c", secondTryPrefix, plain},
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
			if !regexp.MustCompile(`^` + c.prefix + `[A-Z2-7]{26,}$`).MatchString(state) {
				t.Errorf("got the state %s, want 128 random bits after %q", state, c.prefix)
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
			// RFC 7636 §4.1 and §4.2
			if !regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`).MatchString(got.Value) {
				t.Errorf("got the code verifier %q, want 43 to 128 unreserved characters", got.Value)
			}
			sum := sha256.Sum256([]byte(got.Value))
			if want := base64.RawURLEncoding.EncodeToString(sum[:]); challenge != want {
				t.Errorf("got the code challenge %s, want %s", challenge, want)
			}
		})
	}
	w := newWorld(t, local)
	one, two := w.newBrowser(t).get(local).cookies[0], w.newBrowser(t).get(local).cookies[0]
	if one.Name == two.Name || one.Value == two.Value {
		t.Errorf("got the same state or verifier twice: %s, %s", one, two)
	}
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
		"Add in Zoom's Marketplace":         {tunnel, tunnel + "/?code=theirs", 1},
		"a code with somebody else's state": {tunnel, tunnel + "/?code=theirs&state=theirs", 1},
	} {
		t.Run(name, func(t *testing.T) {
			b := newWorld(t, c.redirectURL).newBrowser(t)
			b.wantProfile(b.visit(c.visit))
			if b.starts != c.starts {
				t.Errorf("went to Zoom %d times, want %d", b.starts, c.starts)
			}
			if held := b.cookies(c.redirectURL); len(held) > 0 {
				t.Errorf("after the sign-in the browser holds %v, want nothing", held)
			}
			b.wantProfile(b.visit(c.redirectURL)) // a reload: the page's script has removed the query
		})
	}
}

// TestCookiesBlocked has a browser that keeps no cookies, or something on the way that changes the
// state. That ends on a page, and no code is exchanged.
func TestCookiesBlocked(t *testing.T) {
	for name, c := range map[string]struct {
		visit   string
		blocked bool // cookies are
		state   string
		starts  int
	}{
		"cookies are blocked":               {local, true, "", 2},
		"cookies are blocked, after an Add": {local + "/?code=theirs", true, "", 1},
		"the state is an old second try's":  {local, false, someSecond, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			b := w.newBrowser(t)
			if b.state = c.state; c.blocked {
				b.client.Jar = nil
			}
			b.want(b.visit(c.visit), http.StatusBadRequest, lostTitle)
			if n := w.exchanges.Load(); b.starts != c.starts || n != 0 {
				t.Errorf("went to Zoom %d times, exchanged %d codes; want %d, 0", b.starts, n, c.starts)
			}
		})
	}
}

// TestManyCookies starts a sign-in in a browser that has begun a hundred and fifty. They stay until
// they expire: removing them all would make a header that is too long for a load balancer.
func TestManyCookies(t *testing.T) {
	b := newWorld(t, local).newBrowser(t)
	site, _ := url.Parse(local)
	for range 150 {
		b.client.Jar.SetCookies(site, []*http.Cookie{{Name: plain + rand.Text(), Value: "verifier"}})
	}
	p := b.get(local)
	var header bytes.Buffer
	p.header.Write(&header)
	if header.Len() >= 4000 || len(p.cookies) != 1 {
		t.Errorf("got %d cookies and %d bytes of header, want one and less than 4000", len(p.cookies), header.Len())
	}
	b.wantProfile(b.follow(p))
}

// TestDeclined has a user who chooses Decline, and then Allow. What an error says, which anybody may
// have written, isn't on the page, and is in the log in one line, quoted and cut.
func TestDeclined(t *testing.T) {
	w := newWorld(t, local)
	b := w.newBrowser(t)
	b.decision = "decline"
	b.want(b.visit(local), http.StatusForbidden, declinedTitle)
	b.decision = "allow"
	b.wantProfile(b.visit(local))
	words := url.Values{
		"error": {"a\n" + strings.Repeat("y", 99)}, "error_description": {"<b>" + strings.Repeat("x", 999)},
	}
	wantNone(t, b.get(local+"/?"+words.Encode()).body, "yyy", "xxx")
	wantWords(t, w.log.String(), `zoom: refused: "access_denied" ""`+"\n",
		`zoom: refused: "a\n`+strings.Repeat("y", 48)+`" "<b>`+strings.Repeat("x", 197)+"\"\n")
}

// TestOtherRequests checks what starts no sign-in, and that HEAD is like GET (RFC 9110 §9.3.2).
func TestOtherRequests(t *testing.T) {
	for request, want := range map[string]string{
		"GET /favicon.ico":      "404 404 page not found\n",
		"GET /callback?code=c":  "404 404 page not found\n",
		"POST /?code=c&state=s": "405 Method Not Allowed\n",
		"GET /healthz":          "200 ok",
		"HEAD /":                "302 ",
	} {
		method, path, _ := strings.Cut(request, " ")
		p := newWorld(t, local).newBrowser(t).do(method, local+path, nil)
		if got := fmt.Sprint(p.status, " ", p.body); got != want || len(p.cookies) > 0 != (p.status == 302) {
			t.Errorf("%s: got %s and %d cookies, want %s", request, got, len(p.cookies), want)
		}
	}
}

// wantedHeaders are those of every response, as regular expressions.
var wantedHeaders = map[string]string{
	"Strict-Transport-Security":  `^max-age=\d{7,}$`,
	"X-Content-Type-Options":     `^nosniff$`,
	"Referrer-Policy":            `^no-referrer$`,
	"Cross-Origin-Opener-Policy": `^same-origin$`,
	"Cache-Control":              `^no-store, no-transform$`,
	"Content-Security-Policy": `^default-src 'none'; base-uri 'none'; frame-ancestors 'none'; ` +
		`form-action 'none'; img-src https: data:; style-src 'sha256-\S+'; script-src 'sha256-\S+'$`,
}

// TestHeaders checks the headers of several kinds of responses, and that the pages have the script.
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
		for header, want := range wantedHeaders {
			if got := p.header.Get(header); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("%s: %s: got %q, want %s", name, header, got, want)
			}
		}
		if p.title() != "" {
			wantWords(t, p.body, "<script>history.replaceState(", "if (event.persisted)")
		}
	}
}

// TestLog checks that there is one line for a request, without its query, and not too long.
func TestLog(t *testing.T) {
	w := newWorld(t, local)
	b := w.newBrowser(t)
	b.visit(local)
	b.get(local + "/a%0Ab?code=c")
	b.do(strings.Repeat("M", 99), local+"/"+strings.Repeat("p", 9999), nil)
	want := regexp.MustCompile(`^GET / 302 [\d.]+.?s\n(stand-in .*\n)*GET / 200 [\d.]+.?s\nGET /a%0Ab 404 [\d.]+.?s\n` +
		`M{20} /p{199} 404 [\d.]+.?s\n$`)
	if got := w.log.String(); !want.MatchString(got) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestVisitorLeaves has a visitor who is gone before, or while, the app calls Zoom. That is nobody's
// fault, and the app ends the call.
func TestVisitorLeaves(t *testing.T) {
	for _, path := range []string{"", tokenPath, userPath} {
		t.Run("leaves during "+path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, local)
				b := w.newBrowser(t)
				ctx, leave := context.WithCancel(t.Context())
				w.answers[path] = func(_ http.ResponseWriter, r *http.Request) {
					leave()
					<-r.Context().Done() // the app hangs up
				}
				req, _ := http.NewRequestWithContext(ctx, http.MethodGet, b.callback(), nil)
				req.AddCookie(b.cookies(local)[0])
				if path == "" {
					leave()
				}
				w.RoundTrip(req)
				wantWords(t, w.log.String(), "GET / 499 0s\n") // in a bubble: the call ended at once
				wantNone(t, w.log.String(), "zoom: ")
				if n := w.exchanges.Load(); path == "" && n != 0 {
					t.Errorf("called Zoom %d times for a visitor who was gone, want never", n)
				}
			})
		})
	}
}

// TestBrokenTemplate has a slip in a template. The visitor gets a 500 with all headers, and the log
// says why.
func TestBrokenTemplate(t *testing.T) {
	w := newWorld(t, local)
	template.Must(w.app.pages.New("declined").Parse("half a page {{len 1}}"))
	p := w.newBrowser(t).get(local + "/?error=x")
	wantWords(t, w.log.String(), "len 1", "GET / 500")
	if p.status != 500 || p.body != "Internal error. The log says why.\n" || p.header.Get("Referrer-Policy") == "" {
		t.Errorf("got %d %q %v, want 500, that the log says why, and all headers", p.status, p.body, p.header)
	}
}

// profileOf returns the profile page for a response of Zoom's. Its body is what stands above the
// JSON.
func profileOf(t *testing.T, response string) page {
	t.Helper()
	w := newWorld(t, local)
	w.standIn.Profile = response
	p := w.newBrowser(t).visit(local)
	if p.status != http.StatusOK {
		t.Fatalf("got %d %q, want the profile; the log:\n%s", p.status, p.title(), w.log)
	}
	_, main, _ := strings.Cut(p.body, "<main>")
	p.body, _, _ = strings.Cut(main, "User API response")
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
}

// TestOddProfiles checks what the page calls a user, and what it leaves out because Zoom doesn't say
// it or it makes no sense.
func TestOddProfiles(t *testing.T) {
	for response, c := range map[string]struct{ name, without string }{
		`{"display_name":" 菅 裕 ","first_name":"裕","last_name":"菅"}`:                {"菅 裕", "裕 菅"},
		`{"display_name":" ","first_name":"Jill","last_name":"Chill","email":"j"}`: {"Jill Chill", "<img"},
		`{"display_name":"\u200b","last_name":"Chill"}`:                            {"Chill", "<dt>"},
		`{"first_name":"Jill","last_name":null,"email":null}`:                      {"Jill", "null"},
		`{"first_name":" ","last_name":"","email":"j@example.com"}`:                {"j@example.com", "Role"},
		`{"first_name":1,"last_name":{},"email":"\u200b"}`:                         {"Zoom user", "<img"},
		`{"type":"many"}`:                                      {"Zoom user", "Account type"},
		`{"type":77}`:                                          {"Zoom user", "Account type"},
		`{"pic_url":"http://example.com/p.png"}`:               {"Zoom user", "<img"},
		`{"pic_url":"https://x/\"onerror=alert(1)"}`:           {"Zoom user", `"onerror`},
		`{"personal_meeting_url":"javascript:alert(1)"}`:       {"Zoom user", "<dt>"},
		`{"personal_meeting_url":"https://x/\"onclick=alert"}`: {"Zoom user", `"onclick`},
	} {
		p := profileOf(t, response)
		if got := p.title(); got != c.name {
			t.Errorf("%s: got the name %q, want %q", response, got, c.name)
		}
		wantNone(t, p.body, c.without)
	}
}

// TestResponseIsShownWhole reads the JSON off the page: order, digits and escapes are Zoom's.
func TestResponseIsShownWhole(t *testing.T) {
	w := newWorld(t, local)
	w.standIn.Profile = ` {"z":12345678901234567890.10,"a":[1e2,"<&>\u00e9"],"z":null}`
	const want = `{
  "z": 12345678901234567890.10,
  "a": [
    1e2,
    "<&>\u00e9"
  ],
  "z": null
}`
	_, code, _ := strings.Cut(w.newBrowser(t).visit(local).body, `dir="ltr"><code>`)
	code, _, _ = strings.Cut(code, "</code>")
	if got := html.UnescapeString(code); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
