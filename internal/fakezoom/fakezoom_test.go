package fakezoom

import (
	"bytes"
	"encoding/json"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	redirectURI = "https://app.example.com"
	verifier    = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	challenge   = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// authorization is a correct authorization request (RFC 6749 4.1.1, RFC 7636 4.3).
var authorization = url.Values{
	"response_type":         {"code"},
	"client_id":             {"id"},
	"redirect_uri":          {redirectURI},
	"state":                 {"s&t"},
	"code_challenge":        {challenge},
	"code_challenge_method": {"S256"},
}

// tokenForm returns the form of a correct token request (RFC 6749 4.1.3, RFC 7636 4.5).
func tokenForm(code string) url.Values {
	return url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {redirectURI},
		"code_verifier": {verifier},
	}
}

// newServer returns a stand-in that knows the app of authorization.
func newServer() *Server { return New("id", "s+%", redirectURI) }

// with returns values with one of them replaced or, if the new value is empty, left out.
func with(values url.Values, name, value string) url.Values {
	changed := maps.Clone(values)
	changed.Set(name, value)
	if value == "" {
		changed.Del(name)
	}
	return changed
}

// serve returns the answer to a request.
func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// post returns a request that sends a form.
func post(target string, form url.Values) *http.Request {
	r := httptest.NewRequest("POST", target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// visit returns the answer to an authorization request.
func visit(h http.Handler, query url.Values) *httptest.ResponseRecorder {
	return serve(h, httptest.NewRequest("GET", "/oauth/authorize?"+query.Encode(), nil))
}

// press returns the answer to a button of the consent page, "allow" or "decline".
func press(h http.Handler, query url.Values, button string) *httptest.ResponseRecorder {
	return serve(h, post("/oauth/authorize?"+query.Encode(), url.Values{"decision": {button}}))
}

// sentBack returns the parameters with which an answer sends the browser to the app, or nil.
func sentBack(w *httptest.ResponseRecorder) url.Values {
	location, err := w.Result().Location()
	if err != nil {
		return nil
	}
	return location.Query()
}

// outcome returns what an answer to an authorization request comes to.
func outcome(w *httptest.ResponseRecorder) string {
	back := sentBack(w)
	switch {
	case back.Has("code"):
		return "a code"
	case back.Has("error"):
		return back.Get("error")
	case strings.Contains(w.Body.String(), `value="allow"`):
		return "the question"
	}
	return w.Body.String()
}

// allow returns the code that the app gets when the user allows it.
func allow(t *testing.T, h http.Handler, query url.Values) string {
	t.Helper()
	w := press(h, query, "allow")
	if got := outcome(w); got != "a code" {
		t.Fatalf("the user allows the app: got %s, want a code", got)
	}
	return sentBack(w).Get("code")
}

// exchange returns the answer to a token request with the app's credentials.
func exchange(h http.Handler, form url.Values) *httptest.ResponseRecorder {
	r := post("/oauth/token", form)
	r.SetBasicAuth("id", "s%2B%25")
	return serve(h, r)
}

// accessToken returns the access token in an answer to a token request.
func accessToken(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	json.Unmarshal(w.Body.Bytes(), &answer)
	if w.Code != 200 || answer.AccessToken == "" {
		t.Fatalf("got %d %s, want an access token", w.Code, w.Body)
	}
	return answer.AccessToken
}

// profile returns the answer to a call of /v2/users/me.
func profile(h http.Handler, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/v2/users/me", nil)
	r.Header.Set("Authorization", authorization)
	return serve(h, r)
}

// invalidCode returns the answer to a token request with a code that isn't good.
func invalidCode(code string) string {
	return `{"reason":"Invalid authorization code ` + code + `","error":"invalid_grant"}`
}

// wantJSON reports an error unless an answer has this status and this JSON.
func wantJSON(t *testing.T, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if got := strings.TrimSpace(w.Body.String()); w.Code != status || got != body {
		t.Errorf("got %d %s, want %d %s", w.Code, got, status, body)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json;charset=UTF-8" {
		t.Errorf("got the type %q, want application/json;charset=UTF-8", got)
	}
}

func TestConsentIsAskedOnce(t *testing.T) {
	s := newServer()
	for _, step := range []struct{ when, button, want string }{
		{"the first visit", "", "the question"},
		{"Decline", "decline", "access_denied"},
		{"the visit after Decline", "", "the question"},
		{"a button that isn't there", "maybe", "the question"},
		{"Allow", "allow", "a code"},
		{"the visit after Allow", "", "a code"},
		{"Decline after Allow", "decline", "access_denied"},
	} {
		w := visit(s, authorization)
		if step.button != "" {
			w = press(s, authorization, step.button)
		}
		if got := outcome(w); got != step.want {
			t.Errorf("%s: got %s, want %s", step.when, got, step.want)
		}
	}
}

func TestALinkCannotAllow(t *testing.T) {
	w := visit(newServer(), with(authorization, "decision", "allow"))
	if got := outcome(w); got != "the question" {
		t.Errorf("got %s, want the question", got)
	}
}

func TestConsentPage(t *testing.T) {
	for redirectURI, formAction := range map[string]string{
		"https://app.example.com": "; form-action 'self' https://app.example.com;",
		"http://localhost:8000/":  "; form-action 'self' http://localhost:8000;",
		"/":                       "; form-action 'self';",
	} {
		t.Run(redirectURI, func(t *testing.T) {
			w := visit(New("id", "secret", redirectURI), with(authorization, "redirect_uri", redirectURI))
			for _, want := range []string{"<code>id</code>", "user:read:user", `value="allow"`, `value="decline"`} {
				if got := w.Body.String(); !strings.Contains(got, want) {
					t.Errorf("got %s, want it to have %s", got, want)
				}
			}
			if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, formAction) {
				t.Errorf("got the policy %s, want it to have %s", got, formAction)
			}
			if got := w.Header().Get("Referrer-Policy"); got != "no-referrer" {
				t.Errorf("got the referrer policy %q, want no-referrer", got)
			}
		})
	}
}

func TestTheBrowserGoesBack(t *testing.T) {
	for name, c := range map[string]struct{ parameter, value, button, want string }{
		"after Allow":              {"", "", "allow", "?code=CODE&state=s%26t"},
		"after Decline":            {"", "", "decline", "?error=access_denied&state=s%26t"},
		"without a state":          {"state", "", "allow", "?code=CODE"},
		"wrong response type":      {"response_type", "token", "allow", "?error=unsupported_response_type&state=s%26t"},
		"unknown challenge method": {"code_challenge_method", "MD5", "allow", "?error=invalid_request&state=s%26t"},
	} {
		t.Run(name, func(t *testing.T) {
			w := press(newServer(), with(authorization, c.parameter, c.value), c.button)
			got := w.Header().Get("Location")
			if code := sentBack(w).Get("code"); code != "" {
				got = strings.Replace(got, code, "CODE", 1)
			}
			if want := redirectURI + c.want; w.Code != 302 || got != want {
				t.Errorf("got %d to %q, want 302 to %q", w.Code, got, want)
			}
		})
	}
}

func TestTheBrowserGoesNowhereElse(t *testing.T) {
	const (
		unknownApp  = `{"status":false,"errorCode":4702,"errorMessage":"Invalid client.","result":null}`
		badRedirect = `{"status":false,"errorCode":4700,"errorMessage":"Invalid redirect url","result":null}`
	)
	for name, c := range map[string]struct{ parameter, value, want string }{
		"unknown app":                    {"client_id", "other", unknownApp},
		"redirect URI with a slash more": {"redirect_uri", redirectURI + "/", badRedirect},
		"no redirect URI":                {"redirect_uri", "", badRedirect},
	} {
		t.Run(name, func(t *testing.T) {
			wantJSON(t, press(newServer(), with(authorization, c.parameter, c.value), "allow"), 400, c.want)
		})
	}
}

func TestTokens(t *testing.T) {
	s := newServer()
	w := exchange(s, tokenForm(allow(t, s, authorization)))
	access := accessToken(t, w)
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("got %s, want JSON: %v", w.Body, err)
	}
	if refresh := got["refresh_token"]; refresh == "" || refresh == access {
		t.Errorf("got the refresh token %q, want one of its own", refresh)
	}
	want := map[string]any{
		"access_token":  access,
		"token_type":    "bearer",
		"refresh_token": got["refresh_token"],
		"expires_in":    3599.0,
		"scope":         "user:read:user",
		"api_url":       "https://api.zoom.example.com",
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCredentials(t *testing.T) {
	const (
		missing = `{"reason":"Client ID or client secret is missing.","error":"invalid_request","errorCode":4706}`
		wrong   = `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`
	)
	for name, c := range map[string]struct{ id, secret, want string }{
		"none":                  {"", "", missing},
		"wrong id":              {"other", "s%2B%25", wrong},
		"wrong secret":          {"id", "s", wrong},
		"plus sign not encoded": {"id", "s+%25", wrong},
		"not encoded at all":    {"id", "s+%", wrong},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			r := post("/oauth/token", tokenForm(allow(t, s, authorization)))
			if c.id != "" {
				r.SetBasicAuth(c.id, c.secret)
			}
			wantJSON(t, serve(s, r), 400, c.want)
		})
	}
}

func TestExchangeRefuses(t *testing.T) {
	for name, c := range map[string]struct{ parameter, value, want string }{
		"another grant": {"grant_type", "password",
			`{"reason":"unsupported grant type","error":"unsupported_grant_type"}`},
		"another redirect URI": {"redirect_uri", redirectURI + "/",
			`{"reason":"Redirect URI mismatch.","error":"invalid_request","errorCode":4709}`},
		"an unknown code": {"code", "x", invalidCode("x")},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			form := tokenForm(allow(t, s, authorization))
			wantJSON(t, exchange(s, with(form, c.parameter, c.value)), 400, c.want)
		})
	}
}

func TestExchangeIgnoresTheURL(t *testing.T) {
	for _, name := range []string{"grant_type", "code", "redirect_uri", "code_verifier"} {
		s := newServer()
		form := tokenForm(allow(t, s, authorization))
		r := post("/oauth/token?"+name+"="+url.QueryEscape(form.Get(name)), with(form, name, ""))
		r.SetBasicAuth("id", "s%2B%25")
		if w := serve(s, r); w.Code != 400 {
			t.Errorf("%s in the URL: got %d %s, want 400", name, w.Code, w.Body)
		}
	}
}

func TestCodeVerifier(t *testing.T) {
	for name, c := range map[string]struct {
		challenge, method, verifier string
		good                        bool
	}{
		"S256":                         {challenge, "S256", verifier, true},
		"S256, the challenge itself":   {challenge, "S256", challenge, false},
		"S256, no verifier":            {challenge, "S256", "", false},
		"plain":                        {verifier, "plain", verifier, true},
		"plain, as no method is named": {verifier, "", verifier, true},
		"plain, another verifier":      {verifier, "plain", challenge, false},
		"no challenge, no verifier":    {"", "", "", true},
		"no challenge, but a verifier": {"", "", verifier, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			query := with(with(authorization, "code_challenge", c.challenge), "code_challenge_method", c.method)
			code := allow(t, s, query)
			w := exchange(s, with(tokenForm(code), "code_verifier", c.verifier))
			if c.good {
				accessToken(t, w)
			} else {
				wantJSON(t, w, 400, invalidCode(code))
			}
		})
	}
}

func TestACodeWorksOnce(t *testing.T) {
	for name, firstVerifier := range map[string]string{
		"after a success": verifier,
		"after a failure": "x",
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			code := allow(t, s, authorization)
			exchange(s, with(tokenForm(code), "code_verifier", firstVerifier))
			wantJSON(t, exchange(s, tokenForm(code)), 400, invalidCode(code))
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	s := newServer()
	shared := tokenForm(allow(t, s, authorization))
	var ofShared, ofOwn atomic.Int32 // exchanges that succeed
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if exchange(s, shared).Code == 200 {
				ofShared.Add(1)
			}
			own := tokenForm(sentBack(visit(s, authorization)).Get("code"))
			if exchange(s, own).Code == 200 {
				ofOwn.Add(1)
			}
			profile(s, "Bearer x")
		})
	}
	all.Wait()
	if got := ofShared.Load(); got != 1 {
		t.Errorf("all with one code: got %d tokens, want 1", got)
	}
	if got := ofOwn.Load(); got != 200 {
		t.Errorf("each with a code of its own: got %d tokens, want 200", got)
	}
}

func TestACodeExpires(t *testing.T) {
	s := newServer()
	now := time.Now()
	s.Now = func() time.Time { return now }

	form := tokenForm(allow(t, s, authorization))
	now = now.Add(CodeLifetime)
	accessToken(t, exchange(s, form))

	form = tokenForm(allow(t, s, authorization))
	now = now.Add(CodeLifetime + 1)
	wantJSON(t, exchange(s, form), 400, `{"reason":"Code is expired","error":"invalid_grant","errorCode":4733}`)
}

func TestMe(t *testing.T) {
	const (
		badToken = `{"code":124,"message":"Invalid access token."}`
		noScope  = `{"code":4711,"message":"Invalid access token, does not contain ` +
			`scopes:[user:read:user, user:read:user:admin]."}`
	)
	for name, c := range map[string]struct {
		scope, authorization string
		status               int
		want                 string
	}{
		"the scope":            {"user:read:user", "Bearer TOKEN", 200, Jill},
		"the scope and others": {"meeting:read:meeting user:read:user", "Bearer TOKEN", 200, Jill},
		"another scope":        {"meeting:read:meeting", "Bearer TOKEN", 400, noScope},
		"no token":             {"user:read:user", "", 401, badToken},
		"a made-up token":      {"user:read:user", "Bearer x", 401, badToken},
		"no scheme":            {"user:read:user", "TOKEN", 401, badToken},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer()
			s.Scope = c.scope
			token := accessToken(t, exchange(s, tokenForm(allow(t, s, authorization))))
			w := profile(s, strings.Replace(c.authorization, "TOKEN", token, 1))
			wantJSON(t, w, c.status, c.want)
		})
	}
}

func TestEveryAnswer(t *testing.T) {
	s := newServer()
	for name, w := range map[string]*httptest.ResponseRecorder{
		"consent": visit(s, authorization),
		"token":   exchange(s, nil),
		"profile": profile(s, ""),
	} {
		if got := w.Header().Get("x-zm-trackingid"); !strings.HasPrefix(got, "DEMO_") {
			t.Errorf("%s: got the tracking ID %q, want one that begins with DEMO_", name, got)
		}
		if got := w.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: got the cache control %q, want no-store", name, got)
		}
	}
}

// TestPublicClient has an app without a secret (RFC 6749 3.2.1), which must use PKCE.
func TestPublicClient(t *testing.T) {
	const (
		missing = `{"reason":"Client ID or client secret is missing.","error":"invalid_request","errorCode":4706}`
		wrong   = `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`
	)
	s := New("id", "", redirectURI)
	if got := outcome(visit(s, with(authorization, "code_challenge", ""))); got != "invalid_request" {
		t.Errorf("without a challenge: got %s, want invalid_request", got)
	}
	for name, c := range map[string]struct{ id, authorization, verifier, want string }{
		"its ID and verifier": {"id", "", verifier, ""},
		"no ID":               {"", "", verifier, missing},
		"another ID":          {"other", "", verifier, wrong},
		"HTTP Basic":          {"id", "Basic aWQ6", verifier, missing},
		"no verifier":         {"id", "", "", "invalid code"},
		"another verifier":    {"id", "", challenge, "invalid code"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := outcome(visit(s, authorization)); got != "the question" {
				t.Errorf("got %s, want the question each time", got)
			}
			code := allow(t, s, authorization)
			r := post("/oauth/token", with(with(tokenForm(code), "client_id", c.id), "code_verifier", c.verifier))
			if c.authorization != "" {
				r.Header.Set("Authorization", c.authorization)
			}
			w := serve(s, r)
			if c.want == "" {
				accessToken(t, w)
				return
			}
			wantJSON(t, w, 400, strings.Replace(c.want, "invalid code", invalidCode(code), 1))
		})
	}
}

// TestUnknownCall calls what the stand-in doesn't know.
func TestUnknownCall(t *testing.T) {
	var said bytes.Buffer
	log.SetOutput(&said)
	defer log.SetOutput(os.Stderr)
	s := newServer()
	token := accessToken(t, exchange(s, tokenForm(allow(t, s, authorization))))
	r := httptest.NewRequest("GET", "/v2/users/me/meetings?secret=x", nil)
	wantJSON(t, serve(s, r), 401, `{"code":124,"message":"Invalid access token."}`)
	r.Header.Set("Authorization", "Bearer "+token)
	wantJSON(t, serve(s, r), 200, "{}")
	const want = "stand-in for Zoom: it answers GET /v2/users/me/meetings with {}\n"
	if got := said.String(); !strings.HasSuffix(got, want) || strings.Count(got, "\n") != 1 {
		t.Errorf("got the log %q, want %q", got, want)
	}
}

// TestRoundTrip signs in in memory.
func TestRoundTrip(t *testing.T) {
	s := New("id", "s+%", "/")
	request := with(authorization, "redirect_uri", "/")
	w := press(s, request, "allow")
	code := sentBack(w).Get("code")
	if got, want := w.Header().Get("Location"), "/?code="+code+"&state=s%26t"; code == "" || got != want {
		t.Fatalf("got sent to %q, want %q", got, want)
	}
	form := with(tokenForm(code), "redirect_uri", "/")
	r, _ := http.NewRequest("POST", "/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("id", "s%2B%25")
	res, err := s.RoundTrip(r)
	if err != nil || res.StatusCode != 200 || res.Request != r {
		t.Fatalf("got %v (%v), want 200 to the request", res, err)
	}
	r, _ = http.NewRequest("GET", "/v2/users/me", nil)
	if res, err = s.RoundTrip(r); err != nil || res.StatusCode != 401 {
		t.Errorf("without a token: got %v (%v), want 401", res, err)
	}
}
