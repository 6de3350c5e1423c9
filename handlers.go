package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"log"
	"net/http"
	"slices"
	"strings"
	"time"

	"zoom-oauth/templates"
)

const (
	zoomTimeout     = 9 * time.Second  // for all calls to Zoom of one sign-in together
	cookieLifetime  = 10 * time.Minute // from the redirect to Zoom until the user comes back
	maxCookies      = 10               // more could make a Cookie header too long for a proxy
	secondTryPrefix = "again-"         // of the state of a second try
)

// app is the web server's handler. It stores nothing: each sign-in's code verifier is in a cookie,
// which is named after the sign-in's state.
type app struct {
	zoom         *zoomClient
	pages        *template.Template
	mux          *http.ServeMux
	headers      map[string]string // of every response
	cookiePrefix string            // of the cookies' names, which end in the state
}

// newApp returns a handler that signs visitors in with z and shows pages.
func newApp(z *zoomClient, pages *template.Template) *app {
	a := &app{
		zoom:         z,
		pages:        pages,
		mux:          http.NewServeMux(),
		cookiePrefix: "zoom-oauth-",
		// Zoom requires the first four on pages that its desktop app shows.
		// https://developers.zoom.us/docs/build-flow/security/owasp/
		headers: map[string]string{
			"Strict-Transport-Security":  "max-age=31536000",
			"X-Content-Type-Options":     "nosniff",
			"Content-Security-Policy":    templates.SecurityPolicy(),
			"Referrer-Policy":            "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin",
			"Cache-Control":              "no-store",
		},
	}
	if strings.HasPrefix(z.redirectURL, "https:") {
		// Browsers accept a cookie with this prefix only from this host, and only over https.
		a.cookiePrefix = "__Host-zoom-oauth-"
	}
	a.mux.HandleFunc("GET /{$}", a.root) // just /, and nothing below it
	a.mux.HandleFunc("GET /healthz", a.healthz)
	a.mux.HandleFunc("/", a.notFound)
	return a
}

// ServeHTTP handles a request, and logs it in one line without the query, which may contain a code.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begin := time.Now()
	for name, value := range a.headers {
		w.Header().Set(name, value)
	}
	recorder := &statusRecorder{w, http.StatusOK}
	a.mux.ServeHTTP(recorder, r)
	took := time.Since(begin).Round(time.Microsecond)
	log.Printf("%.20s %.200s %d %v", r.Method, r.URL.EscapedPath(), recorder.status, took)
}

// statusRecorder is a ResponseWriter that remembers the status for the log.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// root starts a sign-in, or continues one when Zoom sends the browser back (RFC 6749 §4.1.2).
//
//	in the query             cookie of the state   what root does
//	no code, no error                              sends the browser to Zoom
//	an error, no code                              shows a page: you are not signed in
//	a code                   is there              exchanges the code, and shows the profile
//	a second try's code      is missing            shows a page: start again
//	any other code           is missing            sends the browser to Zoom for a second try
//
// The second try is for a sign-in that begins on localhost and ends on the tunnel, where
// localhost's cookie isn't sent. The user has just allowed the app, so Zoom sends the browser
// straight back, and this time the cookie is there. A sign-in from Zoom's Marketplace, which has no
// state, takes the same path. Without the cookie no code is exchanged, since it may be somebody
// else's (RFC 6749 §10.12).
func (a *app) root(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	code, state, refusal := query.Get("code"), query.Get("state"), query.Get("error")
	verifier := a.verifierOf(state, r)
	switch {
	case code == "" && refusal == "":
		a.start(w, r, "")
	case code == "":
		// Anybody may have written this query, so the page doesn't repeat it.
		log.Printf("zoom: refused: %.50q %.200q", refusal, query.Get("error_description"))
		a.show(w, http.StatusForbidden, "declined", nil)
	case verifier != "":
		setCookie(w, a.cookiePrefix+state, "", -1) // a code works only once
		a.finish(w, r, code, verifier)
	case strings.HasPrefix(state, secondTryPrefix):
		a.show(w, http.StatusBadRequest, "nocookie", nil)
	default:
		a.start(w, r, secondTryPrefix)
	}
}

// verifierOf returns the code verifier in the cookie of a state, or "" if there is none.
func (a *app) verifierOf(state string, r *http.Request) string {
	cookie, err := r.Cookie(a.cookiePrefix + state)
	if err != nil || state == "" {
		return ""
	}
	return cookie.Value
}

// start sends the browser to Zoom with a new state, which begins with prefix, and sets the state's
// cookie to a new code verifier.
func (a *app) start(w http.ResponseWriter, r *http.Request, prefix string) {
	state := prefix + rand.Text()
	verifier := rand.Text() + rand.Text() // 52 characters; the minimum is 43 (RFC 7636 §4.1)
	a.makeRoom(w, r)
	setCookie(w, a.cookiePrefix+state, verifier, int(cookieLifetime.Seconds()))
	http.Redirect(w, r, a.zoom.authorizeURL(state, verifier), http.StatusFound)
}

// finish exchanges the code for tokens, asks Zoom who the user is, and shows the profile.
func (a *app) finish(w http.ResponseWriter, r *http.Request, code, verifier string) {
	ctx, cancel := context.WithTimeout(r.Context(), zoomTimeout)
	defer cancel()
	t, err := a.zoom.exchange(ctx, code, verifier)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	var page profile
	response, err := a.zoom.get(ctx, t.AccessToken, "/v2/users/me", &page.User)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	var indented bytes.Buffer
	json.Indent(&indented, response, "", "  ") // doesn't fail, since get returns valid JSON
	page.Response, page.Scope = indented.String(), t.Scope
	a.show(w, http.StatusOK, "profile", page)
}

// profile is what the page "profile" shows.
type profile struct {
	User     user
	Response string // the JSON that User was decoded from
	Scope    string // what the user has allowed
}

// fail responds when a call to Zoom has failed. Unless the visitor has left, it logs the error, and
// then starts a second try if that may help, or shows the page that explains the error.
func (a *app) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil { // the visitor has left, which ended the call
		w.WriteHeader(499) // only for the log; nginx's number for this
		return
	}
	log.Println(err)
	failure := &zoomError{page: "response"} // unless err is a zoomError itself
	errors.As(err, &failure)
	// If a page is reloaded while Zoom is being called, the browser sends the same code and cookie
	// again. But the code works once, so the first request has used it up.
	isSecondTry := strings.HasPrefix(r.URL.Query().Get("state"), secondTryPrefix)
	if failure.page == "code" && !isSecondTry {
		a.start(w, r, secondTryPrefix)
		return
	}
	if failure.RetryAfter != "" {
		w.Header().Set("Retry-After", failure.RetryAfter)
	}
	status := cmp.Or(pageStatus[failure.page], http.StatusBadGateway)
	a.show(w, status, failure.page, failure)
}

// pageStatus maps the page of a zoomError to its HTTP status, if that isn't 502 (Bad Gateway).
var pageStatus = map[string]int{
	"code":      http.StatusBadRequest,
	"admin":     http.StatusForbidden,
	"ratelimit": http.StatusServiceUnavailable,
}

// notFound handles all requests for which there is no other handler.
func (a *app) notFound(w http.ResponseWriter, r *http.Request) {
	a.show(w, http.StatusNotFound, "notfound", nil)
}

// healthz tells load balancers that the program is running.
func (a *app) healthz(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, "ok")
}

// show responds with the template in templates/ that page names. If the page can't be rendered, it
// responds with a 500, and logs why.
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

// setCookie sets a cookie for maxAge seconds, or removes it if maxAge is negative.
func setCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name:     name,
		Value:    value,
		Path:     "/",
		MaxAge:   maxAge,
		Secure:   strings.HasPrefix(name, "__Host-"), // which must be Secure
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	})
}

// makeRoom removes the oldest cookies of sign-ins, so that there is room for one more.
func (a *app) makeRoom(w http.ResponseWriter, r *http.Request) {
	isOther := func(c *http.Cookie) bool { return !strings.HasPrefix(c.Name, a.cookiePrefix) }
	// Browsers should send the oldest first (RFC 6265 §5.4).
	cookies := slices.DeleteFunc(r.Cookies(), isOther)
	for len(cookies) >= maxCookies {
		setCookie(w, cookies[0].Name, "", -1)
		cookies = cookies[1:]
	}
}
