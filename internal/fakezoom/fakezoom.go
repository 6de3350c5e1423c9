// Package fakezoom is a stand-in for Zoom: its authorization server and one call of its API, for
// one app and one user. It asks for consent on a page of its own, refuses what Zoom refuses in a
// sign-in, and answers in Zoom's form. Its access tokens don't expire.
//
// https://developers.zoom.us/docs/integrations/oauth/
package fakezoom

import (
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// CodeLifetime is how long an authorization code can be exchanged.
const CodeLifetime = 5 * time.Minute

// maxGrants is how many grants are remembered. The oldest are forgotten first.
const maxGrants = 100

// maxForm is the length of the longest form that the consent page accepts, in bytes.
const maxForm = 64 << 10

// maxChallenge is the length of the longest code challenge (RFC 7636 §4.2).
const maxChallenge = 128

// Jill is a typical answer of /v2/users/me.
const Jill = `{"id":"KDcuGIm1QgePTO8WbOqwIQ","first_name":"Jill","last_name":"Chill",
"display_name":"Jill Chill","email":"jchill@example.com","type":2,"role_name":"Owner",
"pmi":3542471135,"use_pmi":false,"personal_meeting_url":"https://zoom.example.com/j/3542471135",
"timezone":"America/Denver","verified":1,"dept":"Engineering","created_at":"2019-06-01T07:58:03Z",
"last_login_time":"2021-05-05T20:40:30Z","pic_url":"","host_key":"299022",
"group_ids":["RSMaSp8sTEGK0_oamiA2_w"],"account_id":"EAAAAAbbbbbCCCCHMA","language":"en-US",
"phone_country":"USA","status":"active","job_title":"API Developer","company":"Example",
"location":"Denver","login_types":[101]}`

//go:embed consent.html
var consentHTML string

// consent is the page that asks the user. Its data is the *Server.
var consent = template.Must(template.New("consent").Parse(consentHTML))

// Server is the stand-in: an http.Handler, and an http.RoundTripper for an app in the same program.
// Its exported fields may be changed while it handles no request.
type Server struct {
	ClientID     string
	ClientSecret string           // "" makes the app a public client
	RedirectURI  string           // the registered one; "/" if the app is on the same host
	Scope        string           // what the app may do; user:read:user reads the profile
	Profile      string           // the JSON of /v2/users/me
	Now          func() time.Time // the clock that codes expire by

	mux    http.ServeMux
	mutex  sync.Mutex // guards what follows
	agreed bool       // the user has allowed the app
	grants []*grant   // at most maxGrants, the oldest first
}

// grant is what the app gets when the user allows it: a code, and a token once that is exchanged.
type grant struct {
	code      string // "" once it is used
	challenge string // of the code verifier (RFC 7636 §4.3)
	isS256    bool   // challenge is a hash, and not the verifier itself
	issued    time.Time
	token     string // the access token, or "" if there is none yet
}

// New returns a stand-in that knows one app, with these credentials and this redirect URI. Without
// a secret, the app is a public client (RFC 6749 §2.1): it must use PKCE (RFC 9700 §2.1.1), and
// the user is asked at every sign-in.
func New(clientID, clientSecret, redirectURI string) *Server {
	s := &Server{
		ClientID:     clientID,
		ClientSecret: clientSecret,
		RedirectURI:  redirectURI,
		Scope:        "user:read:user",
		Profile:      Jill,
		Now:          time.Now,
	}
	s.mux.HandleFunc("GET /oauth/authorize", s.authorize)
	s.mux.HandleFunc("POST /oauth/authorize", s.authorize)
	s.mux.HandleFunc("POST /oauth/token", s.token)
	s.mux.HandleFunc("GET /v2/users/me", s.me)
	s.mux.HandleFunc("/v2/", s.unknown)
	return s
}

// ServeHTTP answers requests to Zoom. Each answer has a tracking ID, as Zoom's do, and must not be
// stored (RFC 6749 §5.1).
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("x-zm-trackingid", "DEMO_"+rand.Text())
	w.Header().Set("Cache-Control", "no-store")
	s.mux.ServeHTTP(w, r)
}

// RoundTrip implements http.RoundTripper. It answers the request in memory.
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, r.Clone(r.Context()))
	res := recorder.Result()
	res.Request = r
	return res, nil
}

// authorize answers an authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3), for which it needs
// the user's consent once. It never redirects to a URI that isn't registered (RFC 6749 §4.1.2.1).
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	r.ParseForm()
	query, decision := r.URL.Query(), r.PostForm.Get("decision")
	switch {
	case query.Get("client_id") != s.ClientID:
		send(w, http.StatusBadRequest, pageError{Code: 4702, Message: "Invalid client."})
	case query.Get("redirect_uri") != s.RedirectURI:
		send(w, http.StatusBadRequest, pageError{Code: 4700, Message: "Invalid redirect url"})
	case query.Get("response_type") != "code":
		s.sendBack(w, r, "error", "unsupported_response_type")
	case !s.accepts(query.Get("code_challenge"), query.Get("code_challenge_method")):
		s.sendBack(w, r, "error", "invalid_request") // RFC 7636 §4.4.1
	case decision == "decline":
		s.sendBack(w, r, "error", "access_denied")
	case s.decide(decision):
		s.sendBack(w, r, "code", s.newCode(query))
	default:
		s.ask(w)
	}
}

// accepts reports whether an authorization request may have this code challenge and its method.
func (s *Server) accepts(challenge, method string) bool {
	if s.isPublic() && challenge == "" || len(challenge) > maxChallenge {
		return false
	}
	return slices.Contains([]string{"", "plain", "S256"}, method)
}

// sendBack sends the browser back to the app with a parameter, and with the state if the request
// has one (RFC 6749 §4.1.2 and §4.1.2.1).
func (s *Server) sendBack(w http.ResponseWriter, r *http.Request, name, value string) {
	answer := url.Values{name: {value}}
	if query := r.URL.Query(); query.Has("state") {
		answer.Set("state", query.Get("state"))
	}
	http.Redirect(w, r, s.RedirectURI+"?"+answer.Encode(), http.StatusFound)
}

// isPublic reports whether the app is a public client.
func (s *Server) isPublic() bool { return s.ClientSecret == "" }

// decide records whether the user allows the app by this decision, and reports whether the app is
// allowed. A public client needs consent for each sign-in, because any program could say that it is
// that client (RFC 6819 §5.2.3.2).
func (s *Server) decide(decision string) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.agreed = decision == "allow" || s.agreed && !s.isPublic()
	return s.agreed
}

// newCode returns a new authorization code for an authorization request.
func (s *Server) newCode(query url.Values) string {
	g := &grant{
		code:      rand.Text(),
		challenge: strings.Clone(query.Get("code_challenge")), // so that the query can be freed
		isS256:    query.Get("code_challenge_method") == "S256",
		issued:    s.Now(),
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.grants = append(s.grants, g)
	if len(s.grants) > maxGrants {
		s.grants = slices.Delete(s.grants, 0, 1)
	}
	return g.code
}

// ask shows the consent page.
func (s *Server) ask(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; "+
		"frame-ancestors 'none'; form-action "+s.formAction()+"; img-src data:; "+
		"style-src 'unsafe-inline'")
	w.Header().Set("Referrer-Policy", "no-referrer")
	if err := consent.Execute(w, s); err != nil {
		log.Println(err)
	}
}

// formAction returns where the consent page's form may lead: to the stand-in, which sends the
// browser on to the app. Some browsers check both.
func (s *Server) formAction() string {
	app, err := url.Parse(s.RedirectURI)
	if err != nil || app.Host == "" {
		return "'self'"
	}
	return "'self' " + app.Scheme + "://" + app.Host
}

// token answers a token request (RFC 6749 §4.1.3). It reads nothing from the URL.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	id, secret, ok := credentials(r)
	if s.isPublic() {
		id, ok = r.PostForm.Get("client_id"), !ok && r.PostForm.Has("client_id")
	}
	switch {
	case !ok:
		refuse(w, tokenError{"Client ID or client secret is missing.", "invalid_request", 4706})
	case id != s.ClientID || secret != s.ClientSecret:
		refuse(w, tokenError{"Invalid client_id or client_secret", "invalid_client", 0})
	case r.PostForm.Get("grant_type") != "authorization_code":
		refuse(w, tokenError{"unsupported grant type", "unsupported_grant_type", 0})
	default:
		s.exchange(w, r.PostForm)
	}
}

// credentials returns the client's ID and secret from HTTP Basic, where they are form-encoded
// (RFC 6749 §2.3.1), and reports whether the request has them. It returns "" for one that is
// encoded wrongly.
func credentials(r *http.Request) (id, secret string, ok bool) {
	id, secret, ok = r.BasicAuth()
	id, _ = url.QueryUnescape(id)
	secret, _ = url.QueryUnescape(secret)
	return id, secret, ok
}

// exchange exchanges an authorization code for an access token (RFC 6749 §5.1, RFC 7636 §4.6).
func (s *Server) exchange(w http.ResponseWriter, form url.Values) {
	code := form.Get("code")
	invalidCode := tokenError{"Invalid authorization code " + code, "invalid_grant", 0}
	g := s.take(code)
	switch {
	case g == nil:
		refuse(w, invalidCode)
	case s.Now().Sub(g.issued) > CodeLifetime:
		refuse(w, tokenError{"Code is expired", "invalid_grant", 4733})
	case form.Get("redirect_uri") != s.RedirectURI:
		refuse(w, tokenError{"Redirect URI mismatch.", "invalid_request", 4709})
	case !g.matches(form.Get("code_verifier")):
		refuse(w, invalidCode)
	default:
		send(w, http.StatusOK, map[string]any{
			"access_token":  s.newToken(g),
			"token_type":    "bearer",
			"refresh_token": "refresh." + rand.Text(),
			"expires_in":    3599,
			"scope":         s.Scope,
			"api_url":       "https://api.zoom.example.com",
		})
	}
}

// take returns the grant with an authorization code, or nil if there is none. It removes the code
// from the grant, so that nobody can use it again even if the exchange fails (RFC 6749 §4.1.2).
func (s *Server) take(code string) *grant {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, g := range s.grants {
		if code != "" && g.code == code {
			g.code = ""
			return g
		}
	}
	return nil
}

// matches reports whether the code verifier belongs to the grant's code challenge (RFC 7636 §4.6).
// Without a challenge there must be no verifier either (RFC 9700 §2.1.1).
func (g *grant) matches(verifier string) bool {
	if g.isS256 {
		hash := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(hash[:])
	}
	return g.challenge == verifier
}

// newToken returns a new access token for a grant.
func (s *Server) newToken(g *grant) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	g.token = "access." + rand.Text() + "." + rand.Text()
	return g.token
}

// me answers with the profile if the request has an access token that may read it (RFC 6750 §2.1).
func (s *Server) me(w http.ResponseWriter, r *http.Request) {
	switch {
	case !s.hasToken(r):
		send(w, http.StatusUnauthorized, apiError{124, "Invalid access token."})
	case !slices.Contains(strings.Fields(s.Scope), "user:read:user"):
		send(w, http.StatusBadRequest, apiError{4711, "Invalid access token, does not contain " +
			"scopes:[user:read:user, user:read:user:admin]."})
	default:
		w.Header().Set("Content-Type", jsonType)
		io.WriteString(w, s.Profile)
	}
}

// unknown answers a call of the API that the stand-in doesn't know with an empty object, so that an
// app which makes it goes on, and says so in the log.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	if !s.hasToken(r) {
		send(w, http.StatusUnauthorized, apiError{124, "Invalid access token."})
		return
	}
	log.Printf("stand-in for Zoom: it answers %s %s with {}", r.Method, r.URL.EscapedPath())
	send(w, http.StatusOK, struct{}{})
}

// hasToken reports whether a request has an access token of a grant.
func (s *Server) hasToken(r *http.Request) bool {
	token, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return isBearer && token != "" &&
		slices.ContainsFunc(s.grants, func(g *grant) bool { return g.token == token })
}

// pageError is what a browser gets instead of the consent page.
type pageError struct {
	Status  bool   `json:"status"` // false
	Code    int    `json:"errorCode"`
	Message string `json:"errorMessage"`
	Result  any    `json:"result"` // null
}

// tokenError is an error of the token endpoint (RFC 6749 §5.2). Some have a number of Zoom's.
type tokenError struct {
	Reason string `json:"reason"`
	Error  string `json:"error"`
	Code   int    `json:"errorCode,omitempty"`
}

// apiError is an error of the API.
type apiError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// jsonType is the Content-Type of Zoom's JSON.
const jsonType = "application/json;charset=UTF-8"

// refuse answers a token request with an error.
func refuse(w http.ResponseWriter, e tokenError) {
	send(w, http.StatusBadRequest, e)
}

// send answers with a value as JSON.
func send(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}
