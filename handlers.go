package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"html/template"
	"log"
	"net/http"
	"strings"
	"time"

	"zoom-oauth/templates"
)

const (
	zoomTimeout    = 9 * time.Second  // for all of a sign-in's calls to Zoom together
	cookieLifetime = 10 * time.Minute // from the redirect to Zoom until the user comes back
)

// app is the web server's handler (see ServeHTTP). It stores nothing about a sign-in: the code
// verifier is in a cookie, which is named after the sign-in's state.
type app struct {
	zoom         *zoomClient
	pages        *template.Template // a set of templates, one for each page
	mux          *http.ServeMux     // the router
	headers      map[string]string  // set on every response
	cookiePrefix string             // a cookie's name is this, followed by the state
}

// newApp returns an app that signs visitors in with z.
func newApp(z *zoomClient) *app {
	a := &app{
		zoom:  z,
		pages: templates.Pages(),
		mux:   http.NewServeMux(),
		// Zoom requires the first four on pages that its desktop app shows.
		// https://developers.zoom.us/docs/build-flow/security/owasp/
		headers: map[string]string{
			"Strict-Transport-Security":  "max-age=31536000",
			"X-Content-Type-Options":     "nosniff",
			"Content-Security-Policy":    templates.SecurityPolicy(),
			"Referrer-Policy":            "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin",
			"Cache-Control":              "no-store, no-transform",
		},
		cookiePrefix: "zoom-oauth-",
	}
	if strings.HasPrefix(z.redirectURL, "https:") {
		// Browsers accept a cookie with the prefix __Host- only if it is Secure, and send it only
		// to the very host that has set it.
		a.cookiePrefix = "__Host-zoom-oauth-"
	}
	a.mux.HandleFunc("GET /{$}", a.root) // only /, and nothing below it
	a.mux.HandleFunc("GET /healthz", a.healthz)
	return a
}

// secondTryPrefix marks the state of a second try: a sign-in that the app has started over by
// itself, because a code came back without its cookie (see root), or because Zoom no longer
// accepted the code (see fail). That helps visitors who
//
//   - begin on localhost and end on the tunnel, where browsers don't send localhost's cookie,
//   - begin in Zoom's Marketplace, which sends a code without a state, so that there is no cookie
//     to look for, or
//   - reload while the profile is loading, so that Zoom gets the same code twice.
//
// Zoom usually doesn't ask such a visitor again, but sends the browser straight back. There is no
// third try: with cookies blocked, the browser would go to Zoom and back over and over.
const secondTryPrefix = "again-"

// root starts a sign-in, or continues one when Zoom sends the browser back (RFC 6749 §4.1.2).
//
//	in the query           cookie for the state   what root does
//	an error                                      shows a page: you are not signed in
//	no code                                       sends the browser to Zoom
//	a code                 present                exchanges the code, and shows the profile
//	a second try's code    missing                shows a page: start again
//	any other code         missing                sends the browser to Zoom for a second try
//
// Without the cookie, a code isn't exchanged: an attacker may have sent the visitor here with the
// attacker's own code, to sign them in as the attacker (RFC 6749 §10.12).
func (a *app) root(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	code, state, refusal := query.Get("code"), query.Get("state"), query.Get("error")
	cookie, err := r.Cookie(a.cookiePrefix + state)
	// A cookie counts only if it has a state in its name, and a value.
	hasCookie := err == nil && state != "" && cookie.Value != ""
	switch {
	case refusal != "":
		// The query is untrusted. So the page doesn't show the error, and the log has only the
		// first characters, in quotes (%.50q).
		log.Printf("zoom: refused: %.50q %.200q", refusal, query.Get("error_description"))
		a.show(w, http.StatusForbidden, "declined", nil)
	case code == "":
		a.start(w, r, "")
	case hasCookie:
		a.setCookie(w, state, "") // removes it, because a code works only once
		a.finish(w, r, code, cookie.Value)
	case isSecondTry(r):
		a.show(w, http.StatusBadRequest, "nocookie", nil)
	default:
		a.start(w, r, secondTryPrefix)
	}
}

// isSecondTry reports whether the state in r is that of a second try.
func isSecondTry(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Query().Get("state"), secondTryPrefix)
}

// start sends the browser to Zoom with a new state, which begins with prefix, and stores a new code
// verifier in the sign-in's cookie.
func (a *app) start(w http.ResponseWriter, r *http.Request, prefix string) {
	state := prefix + rand.Text()
	verifier := rand.Text() + rand.Text() // at least 52 characters; 43 are needed (RFC 7636 §4.1)
	a.setCookie(w, state, verifier)
	http.Redirect(w, r, a.zoom.authorizeURL(state, verifier), http.StatusFound)
}

// profile is what the page "profile" shows. Its fields begin with a capital letter, because
// templates can't use others.
type profile struct {
	User     user
	Response string // the JSON that User was decoded from, indented
	Scope    string // the scopes that the user has allowed
}

// finish exchanges the code for tokens, asks Zoom who the user is, and shows the profile. The
// page's script removes the query from the address bar, so a reload is a new sign-in.
func (a *app) finish(w http.ResponseWriter, r *http.Request, code, verifier string) {
	ctx, cancel := context.WithTimeout(r.Context(), zoomTimeout)
	defer cancel()
	t, err := a.zoom.exchange(ctx, code, verifier)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	response, err := a.zoom.get(ctx, t.AccessToken, "/v2/users/me")
	if err != nil {
		a.fail(w, r, err)
		return
	}
	data := profile{Scope: t.Scope}
	// zoomClient.call has checked that response is a JSON object. So the only possible error is
	// that a value has an unexpected type. Unmarshal skips such a value.
	json.Unmarshal(response, &data.User)
	var indented bytes.Buffer
	json.Indent(&indented, response, "", "  ")
	data.Response = indented.String()
	a.show(w, http.StatusOK, "profile", data)
}

// fail handles a failed call to Zoom.
//
//	the visitor has left                         responds with 499, for ServeHTTP's log line
//	Zoom no longer accepts the first try's code  logs err, and starts a second try
//	anything else                                logs err, and shows the page that explains it
//
// A code may be used up because the visitor reloaded while the profile was loading. The browser
// then sends the code again, and the cookie, because it never got the response that removes it.
//
// If err is a *zoomError (see zoom.go), its field problem is the page's name.
func (a *app) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil { // the visitor has left, which ended the call to Zoom
		w.WriteHeader(499) // nginx's status for this
		return
	}
	log.Println(err)
	failure, ok := errors.AsType[*zoomError](err) // the *zoomError that err is or wraps
	if !ok {                                      // any other error
		failure = &zoomError{problem: "unusable"}
	}
	if failure.problem == "expired" && !isSecondTry(r) {
		a.start(w, r, secondTryPrefix)
		return
	}
	// Not 502 (Bad Gateway): Cloudflare, for one, replaces such pages with its own.
	status := http.StatusInternalServerError
	switch failure.problem {
	case "expired":
		status = http.StatusBadRequest
	case "admin":
		status = http.StatusForbidden
	case "connection", "ratelimit":
		status = http.StatusServiceUnavailable
	}
	a.show(w, status, failure.problem, failure)
}

// healthz tells load balancers that the program is running.
func (a *app) healthz(w http.ResponseWriter, r *http.Request) {
	w.Write([]byte("ok"))
}

// show executes the template of a page, which is in templates/, with data, and responds with the
// result. If that fails, show responds with a 500, and logs why.
func (a *app) show(w http.ResponseWriter, status int, page string, data any) {
	var body bytes.Buffer
	if err := a.pages.ExecuteTemplate(&body, page, data); err != nil {
		log.Println(err)
		http.Error(w, "Internal error. The log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	body.WriteTo(w)
}

// setCookie stores verifier in a sign-in's cookie. If verifier is empty, it removes the cookie.
func (a *app) setCookie(w http.ResponseWriter, state, verifier string) {
	cookie := &http.Cookie{
		Name:     a.cookiePrefix + state,
		Value:    verifier,
		Path:     "/",
		MaxAge:   int(cookieLifetime.Seconds()),
		Secure:   strings.HasPrefix(a.cookiePrefix, "__Host-"), // required by __Host-
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	}
	if verifier == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// ServeHTTP makes app an http.Handler: the server calls it for each request. It sets the headers,
// lets mux choose root or healthz, and logs the request in one line, without the query, which may
// contain a code.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	for name, value := range a.headers {
		w.Header().Set(name, value)
	}
	rec := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
	a.mux.ServeHTTP(rec, r)
	log.Printf("%.20s %.200s %d %v", r.Method, r.URL.EscapedPath(), rec.status, time.Since(begin))
}

// statusRecorder is a ResponseWriter that remembers the status for the log. Like a subclass, it has
// the methods of the ResponseWriter inside it, and overrides WriteHeader.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader records the status and passes it on.
func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}
