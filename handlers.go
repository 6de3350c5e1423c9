package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"html/template"
	"io"
	"log"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"zoom-oauth/templates"
)

const (
	signInLifetime = 10 * time.Minute // of the cookie, from the redirect to Zoom to the callback
	maxSignIns     = 10               // cookies in one browser
	maxSecondTries = 3                // begun by callbacks without a state

	// firstTry and secondTry are what a state begins with.
	firstTry  = ""
	secondTry = "again-"
)

// app is the web server's handler. It stores nothing: what a sign-in needs between the redirect
// to Zoom and the callback is in a cookie in the browser.
type app struct {
	zoom    *zoom
	pages   *template.Template
	headers http.Header // of every answer
	log     *log.Logger
	cookie  http.Cookie // what those of all sign-ins have in common; Name is a prefix
}

// newApp returns a handler that signs visitors in with z and shows pages.
func newApp(z *zoom, pages *template.Template, logger *log.Logger) *app {
	a := &app{
		zoom:  z,
		pages: pages,
		// Zoom wants the first four of pages that are shown inside its client:
		// https://developers.zoom.us/docs/build-flow/security/owasp/
		headers: http.Header{
			"Strict-Transport-Security":  {"max-age=31536000"},
			"X-Content-Type-Options":     {"nosniff"},
			"Content-Security-Policy":    {templates.SecurityPolicy("'none'")},
			"Referrer-Policy":            {"no-referrer"},
			"Cross-Origin-Opener-Policy": {"same-origin"},
			"Cache-Control":              {"no-store"},
		},
		log: logger,
		cookie: http.Cookie{
			Name: "zoom-oauth-", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		},
	}
	if strings.HasPrefix(z.redirectURL, "https:") {
		a.cookie.Name = "__Host-zoom-oauth-" // no other host can set it (RFC 6265bis 4.1.3.2)
		a.cookie.Secure = true
	}
	return a
}

// ServeHTTP answers a request and logs it in one line, without its query.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	maps.Copy(w.Header(), a.headers)
	recorder := &statusRecorder{w, http.StatusOK}
	a.route(recorder, r)
	took := time.Since(begin).Round(time.Microsecond)
	a.log.Printf("%.20s %.200s %d %v", r.Method, r.URL.EscapedPath(), recorder.status, took)
}

// statusRecorder is a ResponseWriter that remembers the status.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// route passes GET / on to root and answers everything else itself.
func (a *app) route(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != "/" && r.URL.Path != "/healthz":
		a.show(w, http.StatusNotFound, "notfound", nil)
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		a.show(w, http.StatusMethodNotAllowed, "method", nil)
	case r.URL.Path == "/healthz":
		io.WriteString(w, "ok")
	default:
		a.root(w, r)
	}
}

// root starts a sign-in, or goes on with one when Zoom sends the browser back (RFC 6749 4.1.2).
//
// A code is exchanged only in the browser that asked for it, which holds the cookie of its state
// (RFC 6749 10.12). Any other code starts a second try, which needs no click, since the user has
// just allowed the app: the sign-in began under another host name or in Zoom's Marketplace, is
// over (a reload), or is somebody else's. A second try that fails in the same way ends on a page.
func (a *app) root(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	code, state, errorCode := query.Get("code"), query.Get("state"), query.Get("error")
	signIns := a.signIns(r)
	verifier := signIns.verifierOf(state)
	switch {
	case code == "" && errorCode == "":
		a.start(w, r, firstTry)
	case errorCode != "" && verifier != "":
		a.removeCookie(w, state)
		a.show(w, http.StatusForbidden, "declined", query)
	case errorCode != "":
		a.show(w, http.StatusForbidden, "declined", nil) // anyone may have written the query
	case verifier != "":
		a.removeCookie(w, state)
		a.finish(w, r, code, verifier)
	case strings.HasPrefix(state, secondTry):
		a.show(w, http.StatusBadRequest, "lost", nil)
	case !isState(state) && signIns.secondTries() >= maxSecondTries:
		a.show(w, http.StatusBadRequest, "lost", nil)
	default:
		a.start(w, r, secondTry)
	}
}

// start sends the browser to Zoom with a new state (RFC 6749 10.12), which begins with try, and
// a new code challenge (RFC 7636 4.2). It leaves the code verifier in a cookie.
func (a *app) start(w http.ResponseWriter, r *http.Request, try string) {
	for signIns := a.signIns(r); len(signIns) >= maxSignIns; signIns = signIns[1:] {
		a.removeCookie(w, signIns[0].state)
	}
	state, verifier := try+rand.Text(), rand.Text()+rand.Text()
	a.setCookie(w, state, verifier, signInLifetime)
	w.Header().Set("Location", a.zoom.authorizeURL(state, verifier))
	w.WriteHeader(http.StatusFound)
}

// profile is what the page "profile" shows.
type profile struct {
	User  user
	Scope string // that the user granted
}

// finish exchanges the code, asks Zoom who the user is, and shows the profile.
func (a *app) finish(w http.ResponseWriter, r *http.Request, code, verifier string) {
	token, err := a.zoom.exchange(r.Context(), code, verifier)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	var me user
	if err := a.zoom.get(r.Context(), token, "/v2/users/me", &me); err != nil {
		a.fail(w, r, err)
		return
	}
	a.show(w, http.StatusOK, "profile", profile{me, token.Scope})
}

// problemStatus has the status of the page for each problem, which is called like the problem:
// 5xx if the settings or Zoom are at fault, else 4xx.
var problemStatus = map[problem]int{
	badCode:        http.StatusBadRequest,
	revokedToken:   http.StatusBadRequest,
	unapprovedApp:  http.StatusForbidden,
	badCredentials: http.StatusInternalServerError,
	badRedirect:    http.StatusInternalServerError,
	missingScope:   http.StatusInternalServerError,
	disabledApp:    http.StatusInternalServerError,
	noConnection:   http.StatusBadGateway,
	badAnswer:      http.StatusBadGateway,
	rateLimit:      http.StatusServiceUnavailable,
	timeout:        http.StatusGatewayTimeout,
}

// statusVisitorLeft is nginx's status for a request whose client is gone. Only the log has it.
const statusVisitorLeft = 499

// fail logs why a call to Zoom failed, and shows the page that says what to do about it.
func (a *app) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil { // the visitor left, which also ended the call
		w.WriteHeader(statusVisitorLeft)
		return
	}
	a.log.Println(err)
	failure, ok := errors.AsType[*zoomError](err)
	if !ok {
		failure = &zoomError{problem: badAnswer}
	}
	if failure.RetryAfter != "" {
		w.Header().Set("Retry-After", failure.RetryAfter)
	}
	a.show(w, problemStatus[failure.problem], string(failure.problem), failure)
}

// buffers are reused from page to page.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// show answers with a page. It panics if the page can't be rendered with data, which would be a
// fault of templates/.
func (a *app) show(w http.ResponseWriter, status int, page string, data any) {
	body := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(body)
	body.Reset()
	if err := a.pages.ExecuteTemplate(body, page, data); err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(body.Bytes())
}

// signIn is a sign-in under way. Its cookie is named after its state, and has the verifier for
// a value.
type signIn struct{ state, verifier string }

// signIns are those under way in one browser, the oldest first (RFC 6265 5.4).
type signIns []signIn

// signIns returns the sign-ins of the browser that sent a request.
func (a *app) signIns(r *http.Request) (all signIns) {
	for _, c := range r.Cookies() {
		state, ok := strings.CutPrefix(c.Name, a.cookie.Name)
		if ok && c.Value != "" && isState(state) {
			all = append(all, signIn{state, c.Value})
		}
	}
	return all
}

// verifierOf returns the code verifier of the sign-in with this state, or "" without one.
func (all signIns) verifierOf(state string) string {
	for _, s := range all {
		if s.state == state {
			return s.verifier
		}
	}
	return ""
}

// secondTries returns how many are second tries.
func (all signIns) secondTries() (n int) {
	for _, s := range all {
		if strings.HasPrefix(s.state, secondTry) {
			n++
		}
	}
	return n
}

// isState reports whether s has the form of a state of ours.
func isState(s string) bool {
	const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" // rand.Text returns at least 26 of these
	random := strings.TrimPrefix(s, secondTry)
	return len(random) >= 26 && strings.Trim(random, base32) == ""
}

// setCookie sets the cookie of the sign-in with this state.
func (a *app) setCookie(w http.ResponseWriter, state, verifier string, lifetime time.Duration) {
	cookie := a.cookie
	cookie.Name += state
	cookie.Value = verifier
	cookie.MaxAge = int(lifetime.Seconds())
	http.SetCookie(w, &cookie)
}

// removeCookie removes the cookie of the sign-in with this state.
func (a *app) removeCookie(w http.ResponseWriter, state string) {
	a.setCookie(w, state, "", -time.Second)
}
