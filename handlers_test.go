package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zoom-oauth/internal/fakezoom"
)

// The hosts of the tests. The app is behind all of them, as behind a tunnel.
const (
	local     = "http://localhost:8000"
	tunnel    = "https://abc.ngrok.app" // passes the public host on
	rewriter  = "https://xyz.ngrok.app" // passes localhost:8000 on, as --host-header=rewrite does
	elsewhere = "http://192.0.2.1:8000" // a name of this machine that nobody registered
)

// Credentials that break whatever doesn't encode them.
const (
	clientID     = "client id/%"
	clientSecret = "SECRET+:/%&ü"
)

// output is what the app prints. It may be written and read at once.
type output struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.String()
}

// world is an app, the Zoom it talks to, and the names under which browsers reach it.
type world struct {
	app       *app
	zoom      *fakezoom.Server
	zoomURL   string
	log       *output
	addresses map[string]string      // by host:port, the one to dial
	exchanges atomic.Int64           // calls of the token endpoint
	mangle    func(query url.Values) // what happens to Zoom's answer on its way back
}

// newWorld starts a world whose app has this redirect URL.
func newWorld(t testing.TB, redirectURL string) *world {
	t.Helper()
	w := &world{log: &output{}, addresses: map[string]string{}}
	w.zoom = fakezoom.New(clientID, clientSecret, redirectURL)
	zoom := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/token" {
			w.exchanges.Add(1)
		}
		w.zoom.ServeHTTP(rw, r)
	}))
	t.Cleanup(zoom.Close)
	w.zoomURL = zoom.URL
	w.app = newApp(config{clientID: clientID, clientSecret: clientSecret, redirectURL: redirectURL,
		zoomURL: zoom.URL, zoomAPIURL: zoom.URL}, log.New(w.log, "", 0))

	rewriting := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.Host = "localhost:8000"
		w.app.ServeHTTP(rw, r)
	})
	for site, start := range map[string]func() *httptest.Server{
		local:     func() *httptest.Server { return httptest.NewServer(w.app) },
		elsewhere: func() *httptest.Server { return httptest.NewServer(w.app) },
		tunnel:    func() *httptest.Server { return httptest.NewTLSServer(w.app) },
		rewriter:  func() *httptest.Server { return httptest.NewTLSServer(rewriting) },
	} {
		server := start()
		t.Cleanup(server.Close)
		u, _ := url.Parse(site)
		port := u.Port()
		if port == "" {
			port = "443"
		}
		w.addresses[u.Hostname()+":"+port] = server.Listener.Addr().String()
	}
	return w
}

// browser is a browser with a person who clicks on Allow, unless they are told to decline.
type browser struct {
	t       testing.TB
	w       *world
	client  *http.Client
	decline bool
	starts  int // redirects to Zoom since the last visit
}

// newBrowser gives a browser without cookies.
func (w *world) newBrowser(t testing.TB) *browser {
	jar, _ := cookiejar.New(nil)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the tests' own certificate
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if there, ok := w.addresses[address]; ok {
				address = there
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: t, w: w, client: &http.Client{
		Transport:     transport,
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// page is where a visit ended.
type page struct {
	url     string
	status  int
	header  http.Header
	body    string
	cookies []*http.Cookie // set by it
}

// title gives the words of the page's first heading.
func (p page) title() string {
	if m := regexp.MustCompile(`(?s)<h1[^>]*>(?:<bdi>)?(.*?)(?:</bdi>)?</h1>`).FindStringSubmatch(p.body); m != nil {
		return m[1]
	}
	return ""
}

// get loads one URL and follows nothing.
func (b *browser) get(address string) page {
	b.t.Helper()
	return b.do(http.MethodGet, address, nil)
}

// do sends one request and follows nothing.
func (b *browser) do(method, address string, form url.Values) page {
	b.t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{address, res.StatusCode, res.Header, string(body), res.Cookies()}
}

// follow goes on from a page as a browser does, to Zoom and back, until a page of the app's
// is there to read. It fails after twenty redirects.
func (b *browser) follow(p page) page {
	b.t.Helper()
	for range 20 {
		switch {
		case p.status == http.StatusFound:
			next := p.header.Get("Location")
			if strings.HasPrefix(next, b.w.zoomURL) {
				b.starts++
			} else if b.w.mangle != nil {
				u, _ := url.Parse(next)
				query := u.Query()
				b.w.mangle(query)
				u.RawQuery = query.Encode()
				next = u.String()
			}
			p = b.get(next)
		case strings.HasPrefix(p.url, b.w.zoomURL) && p.status == http.StatusOK:
			decision := "allow"
			if b.decline {
				decision = "decline"
			}
			p = b.do(http.MethodPost, p.url, url.Values{"decision": {decision}})
		default:
			return p
		}
	}
	b.t.Fatalf("redirected twenty times, last to %s", p.url)
	return p
}

// visit opens a URL and goes on until a page of the app's is there.
func (b *browser) visit(address string) page {
	b.t.Helper()
	b.starts = 0
	return b.follow(b.get(address))
}

// held gives our cookies that the browser holds for a site.
func (b *browser) held(site string) (names []string) {
	u, _ := url.Parse(site)
	for _, c := range b.client.Jar.Cookies(u) {
		names = append(names, c.Name)
	}
	return names
}

// signedIn fails the test unless p is the profile.
func signedIn(t testing.TB, p page) {
	t.Helper()
	if p.status != http.StatusOK || p.title() != "Jill Chill" {
		t.Fatalf("got %d %q, want 200 and the profile", p.status, p.title())
	}
	isHTML(t, p)
}

// isPage fails the test unless p is an error page with this status and title and a link to /.
func isPage(t testing.TB, p page, status int, title string) {
	t.Helper()
	if p.status != status || p.title() != title {
		t.Errorf("got %d %q, want %d %q", p.status, p.title(), status, title)
	}
	if !strings.Contains(p.body, `href="/"`) {
		t.Errorf("%q has no link to /", p.title())
	}
	isHTML(t, p)
}

// isHTML fails the test unless p is HTML and says so.
func isHTML(t testing.TB, p page) {
	t.Helper()
	if got := p.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("%q has the Content-Type %q, want text/html; charset=utf-8", p.title(), got)
	}
	if !strings.HasPrefix(p.body, "<!DOCTYPE html>\n<html lang=") {
		t.Errorf("%q begins with %.40q, want a doctype", p.title(), p.body)
	}
}

func TestStart(t *testing.T) {
	for name, c := range map[string]struct {
		redirectURL, visit, prefix string
		secure                     bool
	}{
		"on localhost":                                {local, local + "/", "zoom-oauth-", false},
		"on localhost, redirect to a tunnel":          {tunnel, local + "/", "zoom-oauth-", false},
		"on the tunnel":                               {tunnel, tunnel + "/", "__Host-zoom-oauth-", true},
		"on the tunnel, slash in the redirect URL":    {tunnel + "/", tunnel + "/", "__Host-zoom-oauth-", true},
		"on the tunnel, capitals in the redirect URL": {"https://ABC.ngrok.app", tunnel + "/", "__Host-zoom-oauth-", true},
		"on the tunnel, port in the redirect URL":     {tunnel + ":443", tunnel + "/", "__Host-zoom-oauth-", true},
		"on a tunnel that rewrites the host":          {rewriter, rewriter + "/", "zoom-oauth-", false},
		"under another name":                          {tunnel, elsewhere + "/", "__Host-zoom-oauth-", true},
		"under another name, without https":           {local, elsewhere + "/", "zoom-oauth-", false},
		"with a query that is not Zoom's":             {local, local + "/?utm_source=x", "zoom-oauth-", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.redirectURL)
			p := w.newBrowser(t).get(c.visit)
			if p.status != http.StatusFound {
				t.Fatalf("status: got %d, want 302", p.status)
			}
			location, err := url.Parse(p.header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := location.Scheme+"://"+location.Host+location.Path, w.zoomURL+"/oauth/authorize"; got != want {
				t.Errorf("redirects to %s, want %s", got, want)
			}
			query := location.Query()
			state, challenge := query.Get("state"), query.Get("code_challenge")
			want := url.Values{
				"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {c.redirectURL},
				"state": {state}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
			}
			if query.Encode() != want.Encode() {
				t.Errorf("query: got %v, want %v", query, want)
			}
			if len(state) < 26 { // letters of 5 bits
				t.Errorf("state %q has fewer than 128 bits", state)
			}
			if len(p.cookies) != 1 {
				t.Fatalf("sets %d cookies, want 1", len(p.cookies))
			}
			cookie := p.cookies[0]
			if cookie.Name != c.prefix+state {
				t.Errorf("cookie: got the name %q, want %q", cookie.Name, c.prefix+state)
			}
			if cookie.Secure != c.secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode ||
				cookie.Path != "/" || cookie.Domain != "" || cookie.MaxAge != 600 {
				t.Errorf("cookie: got %q", cookie.String())
			}
			if strings.Contains(cookie.Value, state) || strings.Contains(cookie.Value, challenge) {
				t.Error("the verifier can be read off the URL")
			}
			sum := sha256.Sum256([]byte(cookie.Value))
			if got := base64.RawURLEncoding.EncodeToString(sum[:]); got != challenge {
				t.Errorf("the cookie's verifier has the challenge %s, want %s", got, challenge)
			}
			if !regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`).MatchString(cookie.Value) { // RFC 7636 4.1
				t.Errorf("%q is no code verifier", cookie.Value)
			}
		})
	}
}

// TestStartBehindTLSOnThisMachine has an https redirect URL on localhost.
func TestStartBehindTLSOnThisMachine(t *testing.T) {
	w := newWorld(t, "https://localhost:8443")
	rec := httptest.NewRecorder()
	w.app.ServeHTTP(rec, httptest.NewRequest("GET", "https://localhost:8443/", nil))
	if cookie := rec.Result().Cookies()[0]; !strings.HasPrefix(cookie.Name, "__Host-zoom-oauth-") || !cookie.Secure {
		t.Errorf("got %s, want a Secure cookie with the prefix __Host-", cookie)
	}
}

func TestNoTwoStartsAreAlike(t *testing.T) {
	w := newWorld(t, local)
	a, b := w.newBrowser(t).get(local), w.newBrowser(t).get(local)
	if a.cookies[0].Name == b.cookies[0].Name || a.cookies[0].Value == b.cookies[0].Value {
		t.Errorf("got %s twice", a.cookies[0])
	}
}

// TestSignIn is what must end on the profile.
func TestSignIn(t *testing.T) {
	// again visits the callback of a finished sign-in once more, n times.
	again := func(n int) func(*world, *browser, page) page {
		return func(w *world, b *browser, p page) page {
			for range n {
				signedIn(b.t, p)
				p = b.visit(p.url)
			}
			return p
		}
	}
	for name, c := range map[string]struct {
		redirectURL, visit string
		then               func(*world, *browser, page) page
		starts             int
	}{
		"on localhost":                            {local, local, nil, 1},
		"on the tunnel":                           {tunnel, tunnel, nil, 1},
		"on a tunnel that rewrites the host":      {rewriter, rewriter, nil, 1},
		"begun on localhost, ended on the tunnel": {tunnel, local, nil, 2},
		"begun on localhost, ended on a tunnel that rewrites the host": {rewriter, local, nil, 2},
		"begun under an unknown host":                                  {tunnel, elsewhere, nil, 2},
		"code without state":                                           {tunnel, tunnel + "/?code=theirs", nil, 1},
		"code without state, twice": {tunnel, tunnel + "/?code=theirs", func(w *world, b *browser, p page) page {
			signedIn(b.t, p)
			return b.visit(tunnel + "/?code=theirs2")
		}, 1},
		"code with a state of somebody else's":  {local, local + "/?code=theirs&state=theirs", nil, 1},
		"code with a state in our form":         {local, local + "/?code=theirs&state=ABCDEFGHIJKLMNOPQRSTUVWXYZ", nil, 1},
		"empty code":                            {local, local + "/?code=", nil, 1},
		"state without code":                    {local, local + "/?state=x", nil, 1},
		"bookmark of a start that ran out":      {local, local + "/?code=c&state=ABCDEFGHIJKLMNOPQRSTUVWXYZ.1700000000", nil, 1},
		"reload":                                {local, local, again(1), 1},
		"three reloads":                         {local, local, again(3), 1},
		"three reloads on the tunnel":           {tunnel, local, again(3), 1},
		"three reloads of a code without state": {tunnel, tunnel + "/?code=theirs", again(3), 1},
		"two tabs on one host": {local, local, func(w *world, b *browser, p page) page {
			one, two := b.get(local), b.get(local)
			signedIn(b.t, b.follow(two))
			return b.follow(one)
		}, 3},
		"two tabs from localhost to the tunnel": {tunnel, local, func(w *world, b *browser, p page) page {
			// Each comes back to the tunnel before the other is done.
			one, two := b.get(b.get(local).header.Get("Location")), b.get(b.get(local).header.Get("Location"))
			one, two = b.get(one.header.Get("Location")), b.get(two.header.Get("Location"))
			signedIn(b.t, b.follow(one))
			return b.follow(two)
		}, 4},
		"two tabs from localhost to the tunnel, after five sign-ins": {tunnel, tunnel, func(w *world, b *browser, p page) page {
			for range 4 {
				signedIn(t, b.visit(tunnel))
			}
			one := b.get(b.get(local).header.Get("Location")) // has started over when the other comes
			one = b.get(one.header.Get("Location"))
			b.starts = 0
			signedIn(t, b.visit(local))
			return b.follow(one)
		}, 3},
		"Back to a consent page whose sign-in started over": {tunnel, local, func(w *world, b *browser, p page) page {
			start := b.get(local)
			one := b.get(b.get(start.header.Get("Location")).header.Get("Location")) // back on the tunnel
			signedIn(b.t, b.follow(one))
			return b.follow(one)
		}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.redirectURL)
			b := w.newBrowser(t)
			p := b.visit(c.visit)
			if c.then != nil {
				p = c.then(w, b, p)
			}
			signedIn(t, p)
			if b.starts != c.starts {
				t.Errorf("went to Zoom %d times, want %d", b.starts, c.starts)
			}
			for _, name := range b.held(tunnel) {
				if strings.HasPrefix(c.redirectURL, tunnel) && !strings.HasPrefix(name, "__Host-") {
					t.Errorf("the tunnel's host got the cookie %s", name)
				}
			}
		})
	}
}

// TestNeverInALoop is what must end on a page that says why, after one new start, or a few
// where each answer looks like a new one.
func TestNeverInALoop(t *testing.T) {
	nocookie, nostate := "Your browser did not keep the cookie", "Zoom’s answer belongs to no sign-in"
	n := 0
	for name, c := range map[string]struct {
		visit, title string
		blocked      bool
		mangle       func(url.Values)
		starts       int
	}{
		"cookies are blocked":                        {local, nocookie, true, nil, 2},
		"cookies are blocked, code without state":    {local + "/?code=theirs", nocookie, true, nil, 1},
		"the state is dropped":                       {local, nostate, false, func(q url.Values) { q.Del("state") }, 2},
		"the state is emptied":                       {local, nostate, false, func(q url.Values) { q.Set("state", "") }, 2},
		"the state is always the same":               {local, nostate, false, func(q url.Values) { q.Set("state", "constant") }, 2},
		"the state is always the same old one":       {local, nostate, false, func(q url.Values) { q.Set("state", "ABCDEFGHIJKLMNOPQRSTUVWXYZ") }, 2},
		"the state is something new each time":       {local, nostate, false, func(q url.Values) { n++; q.Set("state", strconv.Itoa(n)) }, 2},
		"the state is another in our form each time": {local, nostate, false, func(q url.Values) { q.Set("state", rand.Text()) }, 6},
		"the mark is cut off the state":              {local + "/?code=theirs", nostate, false, func(q url.Values) { state, _, _ := strings.Cut(q.Get("state"), "."); q.Set("state", state) }, 5},
		"the state comes in small letters":           {local, nostate, false, func(q url.Values) { q.Set("state", strings.ToLower(q.Get("state"))) }, 2},
		"the state is cut off":                       {local, nostate, false, func(q url.Values) { q.Set("state", q.Get("state")[:10]) }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			w.mangle = c.mangle
			b := w.newBrowser(t)
			if c.blocked {
				b.client.Jar = nil
			}
			isPage(t, b.visit(c.visit), http.StatusBadRequest, c.title)
			if b.starts != c.starts {
				t.Errorf("went to Zoom %d times, want %d", b.starts, c.starts)
			}
			if w.exchanges.Load() != 0 {
				t.Errorf("exchanged %d codes, want none", w.exchanges.Load())
			}
		})
	}
}

// TestTryAgainAfterALoop checks that the page that ends a loop is no trap.
func TestTryAgainAfterALoop(t *testing.T) {
	w := newWorld(t, local)
	b := w.newBrowser(t)
	b.get(local + "/?code=theirs") // starts over, and is left at Zoom
	isPage(t, b.visit(local+"/?code=theirs"), http.StatusBadRequest, "Zoom’s answer belongs to no sign-in")
	signedIn(t, b.visit(local+"/?code=theirs"))
	signedIn(t, b.visit(local))
}

// TestTossedCookies has a cookie that a neighbour of the site set for all of the domain, and a
// callback under another name of the site.
func TestTossedCookies(t *testing.T) {
	const state = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, host := range []string{"abc.ngrok.app", "abc.ngrok.app.", "www.abc.ngrok.app", "abc.ngrok.app:8000", "localhost.ngrok.app", "[2001:db8::1]"} {
		w := newWorld(t, tunnel)
		r := httptest.NewRequest("GET", "/?code=theirs&state="+state, nil)
		r.Host = host
		r.AddCookie(&http.Cookie{Name: "zoom-oauth-" + state, Value: "theirs"})
		rec := httptest.NewRecorder()
		w.app.ServeHTTP(rec, r)
		if rec.Code != http.StatusFound || w.exchanges.Load() != 0 {
			t.Errorf("%s: got %d and exchanged %d codes, want to start over", host, rec.Code, w.exchanges.Load())
		}
	}
}

func TestEachStateWorksOnce(t *testing.T) {
	w := newWorld(t, local)
	b := w.newBrowser(t)
	signedIn(t, b.visit(local))
	p := b.get(local)
	callback := b.get(p.header.Get("Location")).header.Get("Location")
	p = b.get(callback)
	signedIn(t, p)
	if len(p.cookies) != 1 || p.cookies[0].Value != "used" || p.cookies[0].MaxAge != 600 {
		t.Errorf("sets %v, want the sign-in's cookie to be used for ten minutes", p.cookies)
	}
	before := w.exchanges.Load()
	if p := b.get(callback); p.status != http.StatusFound {
		t.Errorf("the second time: got %d, want a new start", p.status)
	}
	if w.exchanges.Load() != before {
		t.Error("exchanged the code of a state that was used")
	}
}

// TestForeignCodesAreNotExchanged is login CSRF: the visitor's browser is led to a callback
// with the attacker's code.
func TestForeignCodesAreNotExchanged(t *testing.T) {
	for name, c := range map[string]struct {
		cookies string // what the attacker got into the browser
		query   func(ownState string) string
	}{
		"the attacker's state":        {"", func(string) string { return "code=evil&state=ABCDEFGHIJKLMNOPQRSTUVWXYZ" }},
		"no state":                    {"", func(string) string { return "code=evil" }},
		"a cookie without a state":    {"zoom-oauth-=evil", func(string) string { return "code=evil" }},
		"a state in a form like ours": {"zoom-oauth-ABCDEFGHIJKLMNOPQRSTUVWXYZx=v", func(string) string { return "code=evil&state=ABCDEFGHIJKLMNOPQRSTUVWXYZx" }},
		"an empty cookie":             {"zoom-oauth-ABCDEFGHIJKLMNOPQRSTUVWXYZ=", func(string) string { return "code=evil&state=ABCDEFGHIJKLMNOPQRSTUVWXYZ" }},
		"a used cookie":               {"zoom-oauth-ABCDEFGHIJKLMNOPQRSTUVWXYZ=used", func(string) string { return "code=evil&state=ABCDEFGHIJKLMNOPQRSTUVWXYZ" }},
		"a cookie of another state":   {"zoom-oauth-ABCDEFGHIJKLMNOPQRSTUVWXYA=v", func(string) string { return "code=evil&state=ABCDEFGHIJKLMNOPQRSTUVWXYZ" }},
		"two codes":                   {"", func(own string) string { return "code=evil&code=good&state=" + own }},
		"two states":                  {"", func(own string) string { return "code=evil&state=x&state=" + own }},
		"an error too":                {"", func(own string) string { return "code=evil&error=x&state=" + own }},
		"a state with a bad escape":   {"", func(own string) string { return "code=evil&state=" + own + "%zz" }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			b := w.newBrowser(t)
			own := strings.TrimPrefix(b.get(local).cookies[0].Name, "zoom-oauth-")
			if c.cookies != "" {
				name, value, _ := strings.Cut(c.cookies, "=")
				u, _ := url.Parse(local)
				b.client.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value}})
			}
			if p := b.get(local + "/?" + c.query(own)); p.status == http.StatusOK {
				t.Errorf("got 200 %q", p.title())
			}
			if w.exchanges.Load() != 0 {
				t.Error("the code was exchanged")
			}
		})
	}

	t.Run("a cookie from the tunnel's plain http side", func(t *testing.T) {
		w := newWorld(t, tunnel)
		b := w.newBrowser(t)
		u, _ := url.Parse(tunnel)
		b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "zoom-oauth-ABCDEFGHIJKLMNOPQRSTUVWXYZ", Value: "planted"}})
		b.get(tunnel + "/?code=evil&state=ABCDEFGHIJKLMNOPQRSTUVWXYZ")
		if w.exchanges.Load() != 0 {
			t.Error("the code was exchanged")
		}
	})
}

// TestLongState has a state that would make a cookie too long for a browser to keep.
func TestLongState(t *testing.T) {
	p := newWorld(t, local).newBrowser(t).get(local + "/?code=theirs&state=" + strings.Repeat("A", 5000))
	if length := len(p.header.Get("Set-Cookie")); p.status != http.StatusFound || length > 500 {
		t.Errorf("got %d and a cookie of %d bytes, want to start over with a short one", p.status, length)
	}
}

// TestAbandonedSignIns checks that the cookies of sign-ins left behind stay few, and the newest good.
func TestAbandonedSignIns(t *testing.T) {
	w := newWorld(t, local)
	b := w.newBrowser(t)
	var starts []page
	for range 30 {
		starts = append(starts, b.get(local))
	}
	if n := len(b.held(local)); n > maxSignIns {
		t.Errorf("the browser holds %d cookies, want at most %d", n, maxSignIns)
	}
	for i, start := range starts[20:] {
		b.starts = 0
		signedIn(t, b.follow(start))
		if b.starts != 1 {
			t.Errorf("start %d of the newest ten began anew", i)
		}
	}
	signedIn(t, b.follow(starts[0])) // the oldest begins anew
	if n := len(b.held(local)); n > maxSignIns {
		t.Errorf("the browser holds %d cookies, want at most %d", n, maxSignIns)
	}
}

// TestManyCookies has a browser that started so many sign-ins at once that none saw the others.
func TestManyCookies(t *testing.T) {
	w := newWorld(t, local)
	b := w.newBrowser(t)
	u, _ := url.Parse(local)
	for i := range 25 {
		b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "zoom-oauth-" + rand.Text(), Value: strconv.Itoa(i)}})
	}
	p := b.get(local)
	if n := len(b.held(local)); n > maxSignIns {
		t.Errorf("the browser holds %d cookies, want at most %d", n, maxSignIns)
	}
	signedIn(t, b.follow(p))
}

func TestCookiesOfOthersAreLeftAlone(t *testing.T) {
	w := newWorld(t, local)
	b := w.newBrowser(t)
	u, _ := url.Parse(local)
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "session", Value: "theirs"}, {Name: "zoom-oauth-theme", Value: "dark"}})
	for range 15 {
		b.get(local)
	}
	signedIn(t, b.visit(local))
	if held := b.held(local); !slices.Contains(held, "session") || !slices.Contains(held, "zoom-oauth-theme") {
		t.Errorf("left are %v", held)
	}
}

func TestDeclined(t *testing.T) {
	const title = "You are not signed in"
	t.Run("in the browser's own sign-in", func(t *testing.T) {
		w := newWorld(t, local)
		b := w.newBrowser(t)
		b.decline = true
		p := b.visit(local)
		isPage(t, p, http.StatusForbidden, title)
		if !strings.Contains(p.body, "access_denied") {
			t.Error("the page doesn't have Zoom's word for it")
		}
		b.decline = false
		signedIn(t, b.visit(local))
	})
	t.Run("with a description", func(t *testing.T) {
		w := newWorld(t, local)
		b := w.newBrowser(t)
		state := strings.TrimPrefix(b.get(local).cookies[0].Name, "zoom-oauth-")
		p := b.get(local + "/?error=server_error&error_description=%3Cb%3Etoday+not%3C/b%3E&state=" + state)
		isPage(t, p, http.StatusForbidden, title)
		if !strings.Contains(p.body, "server_error") || !strings.Contains(p.body, "&lt;b&gt;today not&lt;/b&gt;") {
			t.Errorf("the page lacks Zoom's words, escaped: %s", p.body)
		}
	})
	for name, query := range map[string]string{
		"with somebody else's state": "&state=ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		"without a state":            "",
		"with a code":                "&code=c",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			p := w.newBrowser(t).get(local + "/?error=call_this_number&error_description=call+555-0100" + query)
			isPage(t, p, http.StatusForbidden, title)
			if strings.Contains(p.body, "call") {
				t.Error("the page has words that anyone may have written")
			}
		})
	}
}

func TestOtherRequests(t *testing.T) {
	for name, c := range map[string]struct {
		method, path string
		header       http.Header
		status       int
		title        string
	}{
		"favicon":            {"GET", "/favicon.ico", nil, 404, "There is no such page"},
		"another path":       {"GET", "/callback?code=c", nil, 404, "There is no such page"},
		"two slashes":        {"GET", "//?code=c", nil, 404, "There is no such page"},
		"POST elsewhere":     {"POST", "/x", nil, 404, "There is no such page"},
		"POST":               {"POST", "/?code=c&state=s", nil, 405, "Only GET is allowed here"},
		"PUT":                {"PUT", "/", nil, 405, "Only GET is allowed here"},
		"DELETE":             {"DELETE", "/", nil, 405, "Only GET is allowed here"},
		"OPTIONS":            {"OPTIONS", "/", nil, 405, "Only GET is allowed here"},
		"TRACE":              {"TRACE", "/", nil, 405, "Only GET is allowed here"},
		"a made-up method":   {"BREW", "/", nil, 405, "Only GET is allowed here"},
		"HEAD":               {"HEAD", "/?code=c", nil, 405, ""},
		"POST to the health": {"POST", "/healthz", nil, 405, "Only GET is allowed here"},
		"prefetch":           {"GET", "/", http.Header{"Sec-Purpose": {"prefetch"}}, 403, "Not loaded ahead of time"},
		"prerender":          {"GET", "/?code=c", http.Header{"Sec-Purpose": {"prefetch;prerender"}}, 403, "Not loaded ahead of time"},
		"old prefetch":       {"GET", "/", http.Header{"Purpose": {"prefetch"}}, 403, "Not loaded ahead of time"},
		"two codes":          {"GET", "/?code=a&code=b", nil, 400, "That link is broken"},
		"two states":         {"GET", "/?code=a&state=b&state=c", nil, 400, "That link is broken"},
		"two errors":         {"GET", "/?error=a&error=b", nil, 400, "That link is broken"},
		"bad escape":         {"GET", "/?code=%zz", nil, 400, "That link is broken"},
		"semicolon":          {"GET", "/?code=a;state=b", nil, 400, "That link is broken"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, local)
			b := w.newBrowser(t)
			req, err := http.NewRequest(c.method, local+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = c.header
			res, err := b.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			p := page{local, res.StatusCode, res.Header, string(body), res.Cookies()}
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
	t.Run("health", func(t *testing.T) {
		p := newWorld(t, local).newBrowser(t).get(local + "/healthz")
		if p.status != 200 || p.body != "ok" || p.header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("got %d %q as %s, want 200 ok as plain text", p.status, p.body, p.header.Get("Content-Type"))
		}
	})
	t.Run("a callback of our own without a code", func(t *testing.T) {
		b := newWorld(t, local).newBrowser(t)
		state := strings.TrimPrefix(b.get(local).cookies[0].Name, "zoom-oauth-")
		isPage(t, b.get(local+"/?state="+state), http.StatusBadRequest, "That link is broken")
	})
}

func TestHeaders(t *testing.T) {
	w := newWorld(t, local)
	b := w.newBrowser(t)
	b.visit(local)
	for name, p := range map[string]page{
		"a start": b.get(local), "the profile": b.visit(local), "not found": b.get(local + "/x"), "health": b.get(local + "/healthz"),
		"declined": b.get(local + "/?error=x"), "another method": b.do("POST", local, nil),
	} {
		t.Run(name, func(t *testing.T) {
			for header, want := range map[string]string{
				"Strict-Transport-Security":  `^max-age=\d{7,}$`,
				"X-Content-Type-Options":     `^nosniff$`,
				"Referrer-Policy":            `^no-referrer$`,
				"Cross-Origin-Opener-Policy": `^same-origin$`,
				"Cache-Control":              `^no-store$`,
			} {
				if got := p.header.Get(header); !regexp.MustCompile(want).MatchString(got) {
					t.Errorf("%s: got %q, want %s", header, got, want)
				}
			}
			policy := p.header.Get("Content-Security-Policy")
			for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "img-src https: data:;"} {
				if !strings.Contains(policy, want) {
					t.Errorf("Content-Security-Policy lacks %s: %s", want, policy)
				}
			}
			if strings.ContainsAny(policy, "*") || strings.Contains(policy, "unsafe") {
				t.Errorf("Content-Security-Policy allows too much: %s", policy)
			}
			if p.title() != "" && !strings.Contains(p.body, "<script>history.replaceState(") {
				t.Error("the page leaves Zoom's answer in the address bar")
			}
			for _, m := range regexp.MustCompile(`(?s)<(style|script)[^>]*>(.*?)</`).FindAllStringSubmatch(p.body, -1) {
				sum := sha256.Sum256([]byte(m[2]))
				if hash := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, m[1]+"-src "+hash) {
					t.Errorf("Content-Security-Policy doesn't allow the page's %s: %s", m[1], policy)
				}
			}
		})
	}
}

func TestLog(t *testing.T) {
	w := newWorld(t, local)
	b := w.newBrowser(t)
	b.visit(local)
	b.get(local + "/favicon.ico?code=c")
	b.get(local + "/a%0Ab")
	b.do(strings.Repeat("M", 99), local+"/"+strings.Repeat("p", 9999), nil)
	lines := strings.Split(strings.TrimSpace(w.log.String()), "\n")
	want := []string{`^GET / 302 \S+$`, `^GET / 200 \S+$`, `^GET /favicon.ico 404 \S+$`, `^GET /a%0Ab 404 \S+$`, `^M{20} /p{199} 404 \S+$`}
	if len(lines) != len(want) {
		t.Fatalf("got %d lines, want %d: %q", len(lines), len(want), lines)
	}
	for i, line := range lines {
		if !regexp.MustCompile(want[i]).MatchString(line) {
			t.Errorf("line %d: got %q, want %s", i, line, want[i])
		}
		if duration, err := time.ParseDuration(line[strings.LastIndex(line, " ")+1:]); err != nil || duration <= 0 {
			t.Errorf("line %d ends on no duration: %q", i, line)
		}
	}
}
