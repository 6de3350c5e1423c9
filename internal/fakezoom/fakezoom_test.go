package fakezoom

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	redirect  = "http://localhost:8000"
)

// noFollow is a client that follows no redirect.
var noFollow = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// start serves a stand-in and gives its URL.
func start(t *testing.T, s *Server) string {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

// with gives values with some replaced; an empty one is left out.
func with(values url.Values, replaced ...string) url.Values {
	all := url.Values{}
	for name := range values {
		all.Set(name, values.Get(name))
	}
	for i := 0; i < len(replaced); i += 2 {
		all.Set(replaced[i], replaced[i+1])
		if replaced[i+1] == "" {
			all.Del(replaced[i])
		}
	}
	return all
}

// request is an authorization request that is right.
var request = url.Values{"response_type": {"code"}, "client_id": {"id"}, "redirect_uri": {redirect}, "state": {"st&te"},
	"code_challenge": {challenge}, "code_challenge_method": {"S256"}}

// decide sends an authorization request, with the user's decision if there is one, and gives
// the answer and its body.
func decide(t *testing.T, site string, query url.Values, decision string) (*http.Response, string) {
	t.Helper()
	address := site + "/oauth/authorize?" + query.Encode()
	res, err := noFollow.Get(address)
	if decision != "" {
		res, err = noFollow.PostForm(address, url.Values{"decision": {decision}})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res, string(body)
}

// code gives a new authorization code.
func code(t *testing.T, site string, query url.Values) string {
	t.Helper()
	res, body := decide(t, site, query, "allow")
	u, err := res.Location()
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return u.Query().Get("code")
}

func TestConsent(t *testing.T) {
	site := start(t, New("id", "secret", redirect))
	res, body := decide(t, site, request, "")
	if res.StatusCode != 200 || !strings.Contains(body, "Allow") || !strings.Contains(body, "Decline") {
		t.Errorf("got %d, want 200 and a choice: %s", res.StatusCode, body)
	}
	res, _ = decide(t, site, request, "decline")
	if got := res.Header.Get("Location"); got != redirect+"?error=access_denied&state=st%26te" {
		t.Errorf("declined: goes to %s", got)
	}
	if res, _ = decide(t, site, request, ""); res.StatusCode != 200 {
		t.Errorf("after declining: got %d, want to be asked again", res.StatusCode)
	}
	if code(t, site, request) == "" {
		t.Error("allowed: got no code")
	}
	res, _ = decide(t, site, request, "")
	if u, _ := res.Location(); u == nil || u.Query().Get("code") == "" || u.Query().Get("state") != "st&te" {
		t.Errorf("the next time: goes to %s, want straight back", u)
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	site := start(t, New("id", "secret", redirect))
	for name, c := range map[string]struct {
		query url.Values
		want  string
	}{
		"an unknown client":            {with(request, "client_id", "other"), `"errorCode":4702`},
		"an unregistered redirect URI": {with(request, "redirect_uri", redirect+"/"), `{"errorCode":4700,"errorMessage":"Invalid redirect url","result":null,"status":false}`},
		"no redirect URI":              {with(request, "redirect_uri", ""), `"errorCode":4700`},
	} {
		t.Run(name, func(t *testing.T) {
			if res, body := decide(t, site, c.query, "allow"); res.StatusCode != 400 || !strings.Contains(body, c.want) {
				t.Errorf("got %d %s, want 400 %s", res.StatusCode, body, c.want)
			}
		})
	}
	for name, c := range map[string]struct {
		query url.Values
		want  string
	}{
		"an unknown response type":    {with(request, "response_type", "token"), "unsupported_response_type"},
		"an unknown challenge method": {with(request, "code_challenge_method", "MD5"), "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			res, _ := decide(t, site, c.query, "allow")
			if u, _ := res.Location(); u == nil || u.Query().Get("error") != c.want || u.Query().Has("code") {
				t.Errorf("goes to %s, want the error %s", u, c.want)
			}
		})
	}
}

// exchange sends a token request and gives the answer's status and object.
func exchange(t *testing.T, site, id, secret string, form url.Values) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequest("POST", site+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id != "" {
		req.SetBasicAuth(id, secret)
	}
	return fetch(t, req)
}

// fetch sends a request and gives the answer's status and object.
func fetch(t *testing.T, req *http.Request) (int, map[string]any) {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if !strings.HasPrefix(res.Header.Get("x-zm-trackingid"), "DEMO_") {
		t.Error("the answer has no tracking id")
	}
	var o map[string]any
	if err := json.NewDecoder(res.Body).Decode(&o); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, o
}

func TestToken(t *testing.T) {
	right := url.Values{"grant_type": {"authorization_code"}, "redirect_uri": {redirect}, "code_verifier": {verifier}}
	plain := with(request, "code_challenge_method", "", "code_challenge", verifier)
	without := with(request, "code_challenge_method", "", "code_challenge", "")
	for name, c := range map[string]struct {
		id, secret string
		request    url.Values
		form       url.Values
		age        time.Duration
		status     int
		want       map[string]any
	}{
		"all is right":               {"id", "s%2B%25", request, right, 0, 200, map[string]any{"token_type": "bearer", "expires_in": 3599.0, "scope": "user:read:user"}},
		"plain challenge":            {"id", "s%2B%25", plain, right, 0, 200, nil},
		"no challenge, no verifier":  {"id", "s%2B%25", without, with(right, "code_verifier", ""), 0, 200, nil},
		"verifier, but no challenge": {"id", "s%2B%25", without, right, 0, 400, map[string]any{"error": "invalid_grant"}},
		"just in time":               {"id", "s%2B%25", request, right, CodeLifetime, 200, nil},
		"no credentials":             {"", "", request, right, 0, 400, map[string]any{"errorCode": 4706.0}},
		"wrong id":                   {"other", "s%2B%25", request, right, 0, 400, map[string]any{"error": "invalid_client"}},
		"wrong secret":               {"id", "s", request, right, 0, 400, map[string]any{"error": "invalid_client", "reason": "Invalid client_id or client_secret"}},
		"secret not encoded":         {"id", "s+%", request, right, 0, 400, map[string]any{"error": "invalid_client"}},
		"another grant":              {"id", "s%2B%25", request, with(right, "grant_type", "password"), 0, 400, map[string]any{"error": "unsupported_grant_type"}},
		"wrong verifier":             {"id", "s%2B%25", request, with(right, "code_verifier", challenge), 0, 400, map[string]any{"error": "invalid_grant"}},
		"wrong plain verifier":       {"id", "s%2B%25", plain, with(right, "code_verifier", "x"), 0, 400, map[string]any{"error": "invalid_grant"}},
		"no verifier":                {"id", "s%2B%25", request, with(right, "code_verifier", ""), 0, 400, map[string]any{"error": "invalid_grant"}},
		"another redirect URI":       {"id", "s%2B%25", request, with(right, "redirect_uri", redirect+"/"), 0, 400, map[string]any{"errorCode": 4709.0, "reason": "Redirect URI mismatch."}},
		"expired code":               {"id", "s%2B%25", request, right, CodeLifetime + time.Second, 400, map[string]any{"errorCode": 4733.0}},
		"unknown code":               {"id", "s%2B%25", request, with(right, "code", "x"), 0, 400, map[string]any{"error": "invalid_request", "reason": "Invalid authorization code x"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := New("id", "s+%", redirect)
			now := time.Now()
			s.Now = func() time.Time { return now }
			site := start(t, s)
			form := c.form
			if !form.Has("code") {
				form = with(form, "code", code(t, site, c.request))
			}
			now = now.Add(c.age)
			status, o := exchange(t, site, c.id, c.secret, form)
			if status != c.status {
				t.Errorf("got %d %v, want %d", status, o, c.status)
			}
			for name, want := range c.want {
				if o[name] != want {
					t.Errorf("%s: got %v, want %v", name, o[name], want)
				}
			}
			if status == 200 {
				if status, o := exchange(t, site, c.id, c.secret, form); status != 400 || o["error"] != "invalid_request" {
					t.Errorf("the second time: got %d %v, want 400 invalid_request", status, o)
				}
			}
		})
	}

	t.Run("parameters in the URL", func(t *testing.T) {
		site := start(t, New("id", "secret", redirect))
		form := with(right, "code", code(t, site, request))
		req, _ := http.NewRequest("POST", site+"/oauth/token?"+form.Encode(), nil)
		req.SetBasicAuth("id", "secret")
		if status, o := fetch(t, req); status != 400 {
			t.Errorf("got %d %v, want 400", status, o)
		}
	})
}

func TestMe(t *testing.T) {
	s := New("id", "secret", redirect)
	site := start(t, s)
	token := func() string {
		_, o := exchange(t, site, "id", "secret", url.Values{"grant_type": {"authorization_code"}, "redirect_uri": {redirect},
			"code_verifier": {verifier}, "code": {code(t, site, request)}})
		return "Bearer " + o["access_token"].(string)
	}
	good := token()
	s.Scope = "meeting:read:meeting"
	poor := token()
	for name, c := range map[string]struct {
		authorization string
		status        int
		name          string
		want          any
	}{
		"a good token":    {good, 200, "email", "jchill@example.com"},
		"no token":        {"", 401, "code", 124.0},
		"a made-up token": {"Bearer x", 401, "message", "Invalid access token."},
		"another scheme":  {strings.Replace(good, "Bearer", "Basic", 1), 401, "code", 124.0},
		"a missing scope": {poor, 400, "message", "Invalid access token, does not contain scopes:[user:read:user, user:read:user:admin]."},
	} {
		t.Run(name, func(t *testing.T) {
			req, _ := http.NewRequest("GET", site+"/v2/users/me", nil)
			req.Header.Set("Authorization", c.authorization)
			if status, o := fetch(t, req); status != c.status || o[c.name] != c.want {
				t.Errorf("got %d %v, want %d and %s %v", status, o, c.status, c.name, c.want)
			}
		})
	}
}

func TestStart(t *testing.T) {
	site, err := Start(t.Context(), New("id", "secret", redirect))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(site, "http://127.0.0.1:") {
		t.Errorf("serves %s, want the loopback interface", site)
	}
	if res, _ := decide(t, site, request, ""); res.StatusCode != 200 {
		t.Errorf("got %d, want 200", res.StatusCode)
	}
}
