// Package fakezoom is a stand-in for Zoom: its authorization server and one call of its API,
// for one app and one user. It asks for consent on a page, refuses what Zoom refuses in a
// sign-in, and answers in Zoom's form, as https://developers.zoom.us/docs/integrations/oauth/
// describes it. Its access tokens don't run out.
package fakezoom

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"zoom-oauth/templates"
)

// CodeLifetime is how long an authorization code can be exchanged.
const CodeLifetime = 5 * time.Minute

// Jill is a usual answer of /v2/users/me.
const Jill = `{"id":"KDcuGIm1QgePTO8WbOqwIQ","first_name":"Jill","last_name":"Chill","display_name":"Jill Chill",` +
	`"email":"jchill@example.com","type":2,"role_name":"Owner","pmi":3542471135,"use_pmi":false,` +
	`"personal_meeting_url":"https://example.zoom.us/j/3542471135","timezone":"America/Denver","verified":1,` +
	`"dept":"Engineering","created_at":"2019-06-01T07:58:03Z","last_login_time":"2021-05-05T20:40:30Z","pic_url":"",` +
	`"host_key":"299022","group_ids":["RSMaSp8sTEGK0_oamiA2_w"],"account_id":"EAAAAAbbbbbCCCCHMA","language":"en-US",` +
	`"phone_country":"USA","status":"active","job_title":"API Developer","company":"Example","location":"Denver","login_types":[101]}`

// Server is the stand-in, an http.Handler. Its exported fields may be changed until it serves.
type Server struct {
	ClientID, ClientSecret string
	RedirectURI            string           // the registered one
	Scope                  string           // what the app may do, "user:read:user" to read the profile
	Profile                string           // the JSON of /v2/users/me
	Now                    func() time.Time // the clock that codes expire by

	pages  *template.Template
	mux    *http.ServeMux
	mutex  sync.Mutex
	agreed bool              // the user has allowed the app
	codes  map[string]grant  // by code, until they are exchanged
	tokens map[string]string // scopes by access token
}

// grant is what an authorization code stands for.
type grant struct {
	challenge, method string
	issued            time.Time
}

// New gives a stand-in that knows one app, with these credentials and this redirect URI.
func New(clientID, clientSecret, redirectURI string) *Server {
	s := &Server{
		ClientID: clientID, ClientSecret: clientSecret, RedirectURI: redirectURI,
		Scope: "user:read:user", Profile: Jill, Now: time.Now,
		pages: templates.Parse(true), mux: http.NewServeMux(),
		codes: map[string]grant{}, tokens: map[string]string{},
	}
	s.mux.HandleFunc("GET /oauth/authorize", s.authorize)
	s.mux.HandleFunc("POST /oauth/authorize", s.authorize)
	s.mux.HandleFunc("POST /oauth/token", s.token)
	s.mux.HandleFunc("GET /v2/users/me", s.me)
	return s
}

// Start serves a stand-in on a free port of the loopback interface, and gives its URL. When
// ctx is done it finishes the requests in flight and ends.
func Start(ctx context.Context, s *Server) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("the stand-in for Zoom can't start: %w", err)
	}
	server := &http.Server{Handler: s, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Shutdown(context.Background()) })
	go server.Serve(listener)
	return "http://" + listener.Addr().String(), nil
}

// ServeHTTP answers /oauth/authorize, /oauth/token and /v2/users/me, each with a tracking id as
// Zoom does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("x-zm-trackingid", "DEMO_"+rand.Text())
	w.Header().Set("Cache-Control", "no-store")
	s.mux.ServeHTTP(w, r)
}

// authorize asks the user for consent, once, and sends the browser back with a code or with
// the refusal (RFC 6749 4.1.1 and 4.1.2, RFC 7636 4.3).
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	query, decision := r.URL.Query(), r.PostFormValue("decision")
	switch {
	case query.Get("client_id") != s.ClientID:
		send(w, http.StatusBadRequest, object{"status": false, "errorCode": 4702, "errorMessage": "Invalid client.", "result": nil})
		return
	case query.Get("redirect_uri") != s.RedirectURI:
		send(w, http.StatusBadRequest, object{"status": false, "errorCode": 4700, "errorMessage": "Invalid redirect url", "result": nil})
		return
	}
	back := url.Values{}
	if query.Has("state") {
		back.Set("state", query.Get("state"))
	}
	method := query.Get("code_challenge_method")
	switch {
	case query.Get("response_type") != "code":
		back.Set("error", "unsupported_response_type")
	case method != "" && method != "plain" && method != "S256":
		back.Set("error", "invalid_request")
	case decision == "decline":
		back.Set("error", "access_denied")
	default:
		code := s.issue(grant{query.Get("code_challenge"), method, s.Now()}, decision == "allow")
		if code == "" {
			s.ask(w)
			return
		}
		back.Set("code", code)
	}
	http.Redirect(w, r, s.RedirectURI+"?"+back.Encode(), http.StatusFound)
}

// ask shows the consent page. Its form may lead back to the app.
func (s *Server) ask(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", templates.SecurityPolicy("'self' "+strings.TrimSuffix(s.RedirectURI, "/")))
	w.Header().Set("Referrer-Policy", "no-referrer")
	s.pages.ExecuteTemplate(w, "consent", s)
}

// issue gives a new code for a grant, or none before the user has allowed the app.
func (s *Server) issue(g grant, allowed bool) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.agreed = s.agreed || allowed
	if !s.agreed {
		return ""
	}
	code := rand.Text()
	s.codes[code] = g
	return code
}

// token exchanges a code for an access token (RFC 6749 4.1.3 and 5, RFC 7636 4.6). It reads
// nothing from the URL.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	id, idErr := url.QueryUnescape(id) // RFC 6749 2.3.1
	secret, secretErr := url.QueryUnescape(secret)
	r.ParseForm()
	form := r.PostForm

	s.mutex.Lock()
	defer s.mutex.Unlock()
	code := form.Get("code")
	g, known := s.codes[code]
	refuse := func(number int, err, reason string) {
		o := object{"reason": reason, "error": err}
		if number != 0 {
			o["errorCode"] = number
		}
		send(w, http.StatusBadRequest, o)
	}
	switch {
	case !basic:
		refuse(4706, "invalid_request", "Client ID or client secret is missing.")
		return
	case idErr != nil || secretErr != nil || id != s.ClientID || secret != s.ClientSecret:
		refuse(0, "invalid_client", "Invalid client_id or client_secret")
		return
	case form.Get("grant_type") != "authorization_code":
		refuse(0, "unsupported_grant_type", "unsupported grant type")
		return
	case !known:
		refuse(0, "invalid_request", "Invalid authorization code "+code)
		return
	}
	delete(s.codes, code) // it works once, well or not
	switch {
	case s.Now().Sub(g.issued) > CodeLifetime:
		refuse(4733, "invalid_grant", "Code is expired")
	case form.Get("redirect_uri") != s.RedirectURI:
		refuse(4709, "invalid_request", "Redirect URI mismatch.")
	case !g.proves(form.Get("code_verifier")):
		refuse(0, "invalid_grant", "Invalid authorization code "+code)
	default:
		access := "access." + rand.Text() + "." + rand.Text()
		s.tokens[access] = s.Scope
		send(w, http.StatusOK, object{"access_token": access, "token_type": "bearer", "refresh_token": "refresh." + rand.Text(),
			"expires_in": 3599, "scope": s.Scope, "api_url": "https://api.zoom.us"})
	}
}

// proves reports whether the code verifier belongs to the grant's challenge (RFC 7636 4.6).
// Without a challenge there must be none (RFC 9700 2.1.1).
func (g grant) proves(verifier string) bool {
	if g.method == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return g.challenge == verifier
}

// me gives the profile to whoever has an access token with the scope for it (RFC 6750 2.1).
func (s *Server) me(w http.ResponseWriter, r *http.Request) {
	access, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	s.mutex.Lock()
	scope, known := s.tokens[access]
	s.mutex.Unlock()
	switch {
	case !bearer || !known:
		send(w, http.StatusUnauthorized, object{"code": 124, "message": "Invalid access token."})
	case !slices.Contains(strings.Fields(scope), "user:read:user"):
		send(w, http.StatusBadRequest, object{"code": 4711,
			"message": "Invalid access token, does not contain scopes:[user:read:user, user:read:user:admin]."})
	default:
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		io.WriteString(w, s.Profile)
	}
}

// object is a JSON object to send.
type object map[string]any

// send answers with a JSON object.
func send(w http.ResponseWriter, status int, o object) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(o)
}
