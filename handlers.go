package main

import (
	"bytes"
	"crypto/rand"
	"html/template"
	"log"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"zoom-oauth/templates"
)

const signInLifetime = 10 * time.Minute // from the redirect to Zoom to its callback
const maxSignIns = 10                   // cookies of ours in one browser

// ourState is the form of a state: random, and if the sign-in started over, when it did, in
// Unix seconds.
var ourState = regexp.MustCompile(`^[A-Z2-7]{26,64}(\.[0-9]{1,12})?$`)

// statuses gives each page of the app its status: for an error, 5xx where the settings or Zoom
// are at fault, else 4xx.
var statuses = map[string]int{
	"ok": 200, "profile": 200, "start": 302, "malformed": 400, "nostate": 400, "nocookie": 400, "code": 400, "revoked": 400,
	"declined": 403, "prefetch": 403, "admin": 403, "notfound": 404, "method": 405,
	"credentials": 500, "redirect": 500, "scope": 500, "disabled": 500, "upstream": 502, "ratelimit": 503, "timeout": 504,
}

// app is the web server's handler. It stores nothing: what a sign-in needs between the
// redirect to Zoom and the callback is in a cookie that is named after the state. Its value
// is the code verifier; when the sign-in started over, a dot and the state it replaces
// follow (which may be empty); after the callback it is "used" until it runs out.
type app struct {
	zoom    *zoom
	pages   *template.Template
	headers http.Header // of every answer
	log     *log.Logger
}

// newApp gives the handler for the settings c. It panics if templates/ doesn't parse. A page's
// Content-Type is net/http's: it knows HTML by the <!DOCTYPE html> at its start.
func newApp(c config, log *log.Logger) *app {
	// https://developers.zoom.us/docs/build-flow/security/owasp/
	headers := http.Header{
		"Content-Security-Policy":    {templates.SecurityPolicy("'none'")},
		"Strict-Transport-Security":  {"max-age=31536000"},
		"X-Content-Type-Options":     {"nosniff"},
		"Referrer-Policy":            {"no-referrer"},
		"Cross-Origin-Opener-Policy": {"same-origin"},
		"Cache-Control":              {"no-store"},
	}
	return &app{newZoom(c), templates.Parse(c.demo), headers, log}
}

// buffers are reused from page to page.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// ServeHTTP answers one request and logs it in one line, without its query.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin, header := time.Now(), w.Header()
	maps.Copy(header, a.headers)
	name, data := a.route(header, r)
	page := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(page)
	page.Reset()
	if err := a.pages.ExecuteTemplate(page, name, data); err != nil {
		panic(err) // a fault of templates/, which are tested with the program
	}
	w.WriteHeader(statuses[name])
	w.Write(page.Bytes())
	a.log.Printf("%.20s %.200s %d %v", r.Method, r.URL.EscapedPath(), statuses[name], time.Since(begin).Round(time.Microsecond))
}

// route answers a request: GET / starts a sign-in, or finishes one if it is a callback of
// Zoom's; nothing else does. It gives the name of a page and what to fill it with, and sets
// the headers that go with it.
func (a *app) route(header http.Header, r *http.Request) (string, any) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	switch {
	case r.URL.Path != "/" && r.URL.Path != "/healthz":
		return "notfound", nil
	case r.Method != http.MethodGet:
		header.Set("Allow", http.MethodGet)
		return "method", nil
	case r.URL.Path == "/healthz":
		return "ok", nil
	case strings.Contains(r.Header.Get("Sec-Purpose")+r.Header.Get("Purpose"), "prefetch"):
		return "prefetch", nil // nobody has asked for a sign-in yet
	case err != nil || max(len(query["code"]), len(query["state"]), len(query["error"])) > 1: // RFC 6749 3.1
		return "malformed", nil
	case query.Has("code") || query.Has("state") || query.Has("error"):
		return a.callback(header, r, query)
	}
	return a.start(header, r, "", "")
}

// start sends the browser to Zoom with a new state (RFC 6749 10.12) and code challenge (RFC
// 7636 4.2), and leaves it the verifier in a cookie. The marks are empty unless it starts over.
func (a *app) start(header http.Header, r *http.Request, stateMark, cookieMark string) (string, any) {
	prefix, cookies := a.signIns(r)
	for ; len(cookies) >= maxSignIns; cookies = cookies[1:] { // the oldest comes first (RFC 6265 5.4)
		keep(header, cookies[0].Name, "", -time.Second)
	}
	state, verifier := rand.Text()+stateMark, rand.Text()+rand.Text()
	keep(header, prefix+state, verifier+cookieMark, signInLifetime)
	header.Set("Location", a.zoom.authorize(state, verifier))
	return "start", nil
}

// callback answers Zoom's redirect (RFC 6749 4.1.2). A code is exchanged only in the browser
// that asked for it, which holds the cookie of its state (10.12); the answer marks it used.
func (a *app) callback(header http.Header, r *http.Request, query url.Values) (string, any) {
	code, state, errorCode := query.Get("code"), query.Get("state"), query.Get("error")
	if !ourState.MatchString(state) {
		state = "" // none that we gave
	}
	prefix, cookies := a.signIns(r)
	kept, repeated, restarts := "", "", 0
	for _, c := range cookies {
		verifier, replaced, restarted := strings.Cut(c.Value, ".")
		if c.Name == prefix+state {
			kept = verifier
		} else if restarted {
			if restarts++; replaced == state || restarts == maxSignIns/2 {
				repeated = c.Name
			}
		}
	}
	own := kept != "" && kept != "used"
	if own {
		keep(header, prefix+state, "used", signInLifetime)
	}
	_, mark, _ := strings.Cut(state, ".")
	since, _ := strconv.ParseInt(mark, 10, 64)
	switch {
	case own && errorCode != "":
		return "declined", query
	case own && code != "":
		return a.finish(header, r, code, kept)
	case own:
		return "malformed", nil
	case errorCode != "":
		return "declined", nil // anyone may have written the query
	case repeated != "": // after starting over, the cookie came back but not its state
		keep(header, repeated, "used", signInLifetime) // so that the next try may start over
		return "nostate", nil
	case kept == "" && time.Since(time.Unix(since, 0)) < signInLifetime: // or the state but not its cookie
		return "nocookie", nil
	}
	// The sign-in began under another host name, or in Zoom's Marketplace, or it is over (a
	// reload), or it is somebody else's. It starts over.
	return a.start(header, r, "."+strconv.FormatInt(time.Now().Unix(), 10), "."+state)
}

// finish signs the user in and shows the profile, or the page that tells why it failed.
func (a *app) finish(header http.Header, r *http.Request, code, verifier string) (string, any) {
	user, failure := a.zoom.signIn(r.Context(), code, verifier)
	if failure == nil {
		return "profile", user
	}
	a.log.Println(failure)
	header["Retry-After"] = failure.RetryAfter
	return failure.kind, failure
}

// signIns gives what the names of our cookies begin with under the request's host, and those
// that the browser sent. With an https redirect URL no other host can set them (RFC 6265bis
// 4.1.3.2), by whatever name the server is reached; except as localhost, which is a browser on
// this machine, or a tunnel that rewrites Host.
func (a *app) signIns(r *http.Request) (prefix string, cookies []*http.Cookie) {
	prefix = "zoom-oauth-"
	site := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(a.zoom.redirectURL), "/"), ":443")
	if strings.EqualFold("https://"+r.Host, site) || strings.HasPrefix(site, "https:") && !isOrigin("http://"+r.Host) {
		prefix = "__Host-" + prefix
	}
	return prefix, slices.DeleteFunc(r.Cookies(), func(c *http.Cookie) bool {
		return !strings.HasPrefix(c.Name, prefix) || !ourState.MatchString(c.Name[len(prefix):])
	})
}

// keep sets a cookie in the browser, or removes it if its lifetime is negative.
func keep(header http.Header, name, value string, lifetime time.Duration) {
	header.Add("Set-Cookie", (&http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(lifetime.Seconds()), HttpOnly: true,
		Secure: strings.HasPrefix(name, "__Host-"), SameSite: http.SameSiteLaxMode,
	}).String())
}
