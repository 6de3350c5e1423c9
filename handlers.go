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
	signInLifetime = 10 * time.Minute // from the redirect to Zoom until it sends the browser back
	maxSignIns     = 10               // under way in one browser
	maxSecondTries = 3                // under way when a callback without our state begins another

	// What a state begins with.
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
	cookie  http.Cookie // of every sign-in, but for its value; the state is added to its name
}

// newApp returns a handler that signs visitors in with z and shows pages.
func newApp(z *zoom, pages *template.Template, logger *log.Logger) *app {
	a := &app{
		zoom:  z,
		pages: pages,
		// Zoom requires the first four of pages that are shown inside its desktop app.
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
		a.cookie.Name = "__Host-zoom-oauth-" // no other host can set it (RFC 6265bis §4.1.3.2)
		a.cookie.Secure = true
	}
	return a
}

// ServeHTTP answers a request and logs it in one line, without the query, which may have a code.
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

// route passes GET / on to root and answers everything else itself. It refuses HEAD, which an
// http.ServeMux would pass on as if it were a GET, and which must not use a code up.
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

// root starts a sign-in, or goes on with one when Zoom sends the browser back (RFC 6749 §4.1.2).
//
// A code is exchanged only in the browser that asked for it, which has the cookie of its state
// (RFC 6749 §10.12). With any other code the sign-in may have begun under another host name or in
// Zoom's Marketplace, or be over (a reload), or be somebody else's. It then starts anew, as a
// second try, of which a user who has just allowed the app notices nothing.
//
// If cookies are blocked, a second try comes back without its cookie, and ends on a page. If the
// state is lost on the way, it comes back like any code without a state, and only the number of
// second tries under way tells that this leads nowhere.
func (a *app) root(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	code, state, errorCode := query.Get("code"), query.Get("state"), query.Get("error")
	pending := a.pendingSignIns(r)
	verifier := pending.verifierOf(state)
	switch {
	case code == "" && errorCode == "": // a visitor
		a.start(w, r, firstTry)
	case errorCode != "" && verifier != "": // Zoom says no; its words are in the query
		a.removeCookie(w, state)
		a.show(w, http.StatusForbidden, "declined", query)
	case errorCode != "": // the same, but anyone may have written the query
		a.show(w, http.StatusForbidden, "declined", nil)
	case verifier != "": // Zoom says yes
		a.removeCookie(w, state)
		a.finish(w, r, code, verifier)
	case strings.HasPrefix(state, secondTry): // the cookie is missing, again
		a.show(w, http.StatusBadRequest, "lost", nil)
	case !isState(state) && pending.secondTries() >= maxSecondTries: // the state is missing, again
		a.show(w, http.StatusBadRequest, "lost", nil)
	default: // the cookie or the state is missing
		a.start(w, r, secondTry)
	}
}

// start redirects the browser to Zoom with a new state, which begins with prefix, and leaves it a
// new code verifier in a cookie. If the browser has too many sign-ins under way, the oldest end.
func (a *app) start(w http.ResponseWriter, r *http.Request, prefix string) {
	pending := a.pendingSignIns(r)
	for len(pending) >= maxSignIns {
		a.removeCookie(w, pending[0].state)
		pending = pending[1:]
	}
	state := prefix + rand.Text()
	verifier := rand.Text() + rand.Text() // one has fewer than 43 characters (RFC 7636 §4.1)
	a.setCookie(w, state, verifier, int(signInLifetime.Seconds()))
	// http.Redirect would write a page as well, which no browser shows.
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
	if err := a.zoom.get(r.Context(), token, userPath, &me); err != nil {
		a.fail(w, r, err)
		return
	}
	a.show(w, http.StatusOK, "profile", profile{me, token.Scope})
}

// problemStatus maps each problem to a status: 5xx if the settings or Zoom are at fault, else 4xx.
// The page for a problem is the template of its name.
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

// statusVisitorLeft is nginx's status for a request whose client has gone. Only the log shows it.
const statusVisitorLeft = 499

// fail answers a sign-in whose call to Zoom failed. It logs why, unless the visitor has left, and
// shows the page that says what to do about it. If it is the code that Zoom no longer accepts, it
// starts a second try first: a request that the visitor gave up may have used the code.
func (a *app) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil { // the visitor left, which also ended the call
		w.WriteHeader(statusVisitorLeft)
		return
	}
	a.log.Println(err)
	failure, ok := errors.AsType[*zoomError](err)
	if !ok { // the request could not even be made
		failure = &zoomError{problem: badAnswer}
	}
	isSecondTry := strings.HasPrefix(r.URL.Query().Get("state"), secondTry)
	if failure.problem == badCode && !isSecondTry {
		a.start(w, r, secondTry)
		return
	}
	if failure.RetryAfter != "" {
		w.Header().Set("Retry-After", failure.RetryAfter)
	}
	a.show(w, problemStatus[failure.problem], string(failure.problem), failure)
}

// buffers holds those of earlier pages, for reuse.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// show answers with a page, rendered as a whole first. It panics if that fails, which would be a
// fault in templates/.
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

// signIn is a sign-in under way. Its cookie is named after the state and has the verifier as its
// value.
type signIn struct{ state, verifier string }

// signIns are those under way in one browser, the oldest first.
type signIns []signIn

// pendingSignIns returns the sign-ins under way in the browser that sent r, which sends its oldest
// cookies first (RFC 6265 §5.4).
func (a *app) pendingSignIns(r *http.Request) signIns {
	var pending signIns
	for _, c := range r.Cookies() {
		state, ours := strings.CutPrefix(c.Name, a.cookie.Name)
		if ours && isState(state) && c.Value != "" {
			pending = append(pending, signIn{state, c.Value})
		}
	}
	return pending
}

// verifierOf returns the code verifier of the sign-in with this state, or "" if there is none.
func (pending signIns) verifierOf(state string) string {
	for _, s := range pending {
		if s.state == state {
			return s.verifier
		}
	}
	return ""
}

// secondTries returns the number of second tries.
func (pending signIns) secondTries() int {
	n := 0
	for _, s := range pending {
		if strings.HasPrefix(s.state, secondTry) {
			n++
		}
	}
	return n
}

// isState reports whether s looks like a state that start made.
func isState(s string) bool {
	random := strings.TrimPrefix(s, secondTry)
	return len(random) >= 26 && consistsOf(random, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") // rand.Text
}

// setCookie sets the cookie of the sign-in with this state, for maxAge seconds.
func (a *app) setCookie(w http.ResponseWriter, state, verifier string, maxAge int) {
	cookie := a.cookie
	cookie.Name += state
	cookie.Value = verifier
	cookie.MaxAge = maxAge
	http.SetCookie(w, &cookie)
}

// removeCookie removes the cookie of the sign-in with this state.
func (a *app) removeCookie(w http.ResponseWriter, state string) {
	a.setCookie(w, state, "", -1)
}
