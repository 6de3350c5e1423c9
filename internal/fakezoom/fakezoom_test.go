package fakezoom

import (
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	app       = "https://app.example.com"                     // the registered redirect URI
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

	// A correct authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3), and a correct token request
	// but for its code (RFC 6749 §4.1.3, RFC 7636 §4.5).
	authorization = "response_type=code&client_id=my+app&redirect_uri=" + app + "&state=s%26t" +
		"&code_challenge_method=S256&code_challenge=" + challenge
	tokenForm = "grant_type=authorization_code&client_id=my+app&redirect_uri=" + app + "&code_verifier=" + verifier

	// How a browser makes an authorization request: by a link, or by a form.
	link      = "GET"
	allow     = "POST decision=allow"
	decline   = "POST decision=decline"
	multipart = "POST --x\r\nContent-Disposition: form-data; name=decision\r\n\r\nallow\r\n--x--\r\n"

	// Answers, as check compares them.
	question = "200 text/html; charset=utf-8 QUESTION"
	code     = "302 https://app.example.com?code=RANDOM&state=s%26t"
	declined = "302 https://app.example.com?error=access_denied&state=s%26t"
	tokens   = `200 {"access_token":"access.RANDOM.RANDOM","api_url":"https://api.zoom.example.com",` +
		`"expires_in":3599,"refresh_token":"refresh.RANDOM","scope":"user:read:user","token_type":"bearer"}`
	badToken = `401 {"code":124,"message":"Invalid access token."}`
)

// page is the consent page.
var page = regexp.MustCompile(`(?s)<!DOCTYPE html>.*value="allow".*`)

// random is what rand.Text returns.
var random = regexp.MustCompile(`[A-Z2-7]{26}`)

// zoom is a stand-in in a test.
type zoom struct {
	*Server
	t *testing.T
}

// newZoom returns a stand-in for an app that has this secret, or none.
func newZoom(t *testing.T, secret string) zoom { return zoom{New("my app", secret, app), t} }

// with returns a query with changes. An empty value in them removes a parameter.
func with(query, changes string) string {
	values, _ := url.ParseQuery(query)
	changed, _ := url.ParseQuery(changes)
	maps.Copy(values, changed)
	maps.DeleteFunc(values, func(_ string, value []string) bool { return value[0] == "" })
	return values.Encode()
}

// body is the body of a request.
type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error { b.closed = true; return nil }

// send returns the answer to a request: its status, and where it redirects to or its type, which JSON
// goes without, and its text. The credentials are "ID:secret" for HTTP Basic, or an Authorization
// header.
func (z zoom) send(method, target, credentials, form string) string {
	sent := &body{Reader: strings.NewReader(form)}
	r, _ := http.NewRequest(method, target, sent)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if method == "GET" {
		r.Body, sent.closed = nil, true // as http.Client has it: nothing to close
	} else if strings.HasPrefix(form, "--x") {
		r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	}
	r.Header.Set("Authorization", credentials)
	if id, secret, ok := strings.Cut(credentials, ":"); ok {
		r.SetBasicAuth(id, secret)
	}
	res, err := z.RoundTrip(r)
	if err != nil || res.Request != r || r.PostForm != nil || !sent.closed {
		z.t.Errorf("%s: got %v (error %v), the form %v, the body closed %t, want an answer, nil, true",
			r.URL.Path, res, err, r.PostForm, sent.closed)
	}
	header := fmt.Sprint(res.Header["X-Zm-Trackingid"], res.Header["Cache-Control"])
	z.check(r.URL.Path, header, "[DEMO_RANDOM] [no-store]")
	text := res.Header.Get("Location")
	if all, _ := io.ReadAll(res.Body); text == "" {
		text = strings.TrimPrefix(res.Header.Get("Content-Type")+" "+string(all), "application/json;charset=UTF-8 ")
	}
	return fmt.Sprint(res.StatusCode, " ", strings.TrimSpace(text))
}

// authorize returns the answer to an authorization request with these changes.
func (z zoom) authorize(by, changes string) string {
	method, form, _ := strings.Cut(by, " ")
	return z.send(method, "/oauth/authorize?"+with(authorization, changes), "", form)
}

// newCode returns the code that the app gets when the user allows it, or "".
func (z zoom) newCode() string { return random.FindString(z.authorize(allow, "")) }

// exchange returns the answer to a token request with these changes to its form. Without
// credentials, it has the app's. Its URL has all the correct parameters, which must not be read.
func (z zoom) exchange(code, credentials, changes string) string {
	if credentials == "" && z.ClientSecret != "" {
		credentials = "my+app:s%2B%25"
	}
	form := tokenForm + "&code=" + code
	return z.send("POST", "/oauth/token?"+form, credentials, with(form, changes))
}

// signIn returns the Authorization header that the app can use after a sign-in.
func (z zoom) signIn() string {
	return "Bearer " + strings.Split(z.exchange(z.newCode(), "", ""), `"`)[3]
}

// check reports an error unless an answer is the wanted one. There, RANDOM stands for a random text,
// and QUESTION for the consent page.
func (z zoom) check(when, got, want string) {
	z.t.Helper()
	if got = page.ReplaceAllString(random.ReplaceAllString(got, "RANDOM"), "QUESTION"); got != want {
		z.t.Errorf("%s: got %s, want %s", when, got, want)
	}
}

func TestConsentIsAskedOnceButEachTimeForAPublicClient(t *testing.T) {
	z, public := newZoom(t, "s+%"), newZoom(t, "")
	for _, step := range []struct{ when, by, changes, want, wantPublic string }{
		{"a first visit", link, "", question, question},
		{"a link that would allow", link, "decision=allow", question, question},
		{"a multipart form", multipart, "", question, question},
		{"a button that isn't there", "POST decision=maybe", "decision=allow", question, question},
		{"Decline", decline, "", declined, declined},
		{"a visit after Decline", link, "", question, question},
		{"Allow", allow, "", code, code},
		{"a visit after Allow", link, "", code, question},
		{"Decline after Allow, and what isn't read", decline + "&client_id=other", "", declined, declined},
	} {
		z.check(step.when, z.authorize(step.by, step.changes), step.want)
		z.check("public client: "+step.when, public.authorize(step.by, step.changes), step.wantPublic)
	}
}

func TestConsentPage(t *testing.T) {
	for redirectURI, formAction := range map[string]string{"/": "'self'",
		"https://a.example.com": "'self' https://a.example.com", "http://127.0.0.1:80/": "'self' http://127.0.0.1:80"} {
		z, w := zoom{New("my app", "s+%", redirectURI), t}, httptest.NewRecorder()
		changes := "state=&redirect_uri=" + redirectURI
		z.ServeHTTP(w, httptest.NewRequest("GET", "/oauth/authorize?"+with(authorization, changes), nil))
		got := fmt.Sprint(w.Header(), w.Body)
		for _, want := range []string{"Content-Security-Policy:[default-src 'none'; base-uri 'none'; " +
			"frame-ancestors 'none'; form-action " + formAction + "; img-src data:; style-src 'unsafe-inline']",
			"Referrer-Policy:[no-referrer]", "<code>my app</code>", "<code>user:read:user</code>",
			`<form method="post">`, `name="decision" value="allow"`, `name="decision" value="decline"`} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: got %s, want it to have %s", redirectURI, got, want)
			}
		}
		z.check("Allow, without a state", z.authorize(allow, changes), "302 "+redirectURI+"?code=RANDOM")
	}
}

// TestSignIn has the user choose Allow, and the app exchange the code if it gets one.
func TestSignIn(t *testing.T) {
	const plain, noMethod = "code_challenge_method=plain&code_challenge=", "code_challenge_method=&code_challenge="
	longest := strings.Repeat("x", 128)
	for want, attempts := range map[string][]struct {
		public      bool          // the app is a public client
		request     string        // changes to the authorization request
		later       time.Duration // how much later the code is exchanged
		credentials string        // of the token requests, if not the app's
		forms       string        // changes to each token request's form; "ok" changes nothing
	}{
		tokens: {{}, {public: true}, {later: 5 * time.Minute}, {request: plain + verifier},
			{request: noMethod + verifier}, {request: noMethod, forms: "code_verifier="},
			{request: plain + longest, forms: "code_verifier=" + longest}},
		"302 https://app.example.com?error=unsupported_response_type&state=s%26t": {{request: "response_type=token"}},
		"302 https://app.example.com?error=invalid_request&state=s%26t": {{request: "code_challenge_method=MD5"},
			{request: plain + longest + "x"}, {public: true, request: noMethod}},
		`400 {"status":false,"errorCode":4702,"errorMessage":"Invalid client.","result":null}`: {
			{request: "client_id=other&redirect_uri=https://evil.example.com"}},
		`400 {"status":false,"errorCode":4700,"errorMessage":"Invalid redirect url","result":null}`: {
			{request: "redirect_uri="}, {request: "redirect_uri=" + app + "/"},
			{request: "redirect_uri=https://evil.example.com&response_type=token&code_challenge_method=MD5"}},
		`400 {"reason":"Client ID or client secret is missing.","error":"invalid_request","errorCode":4706}`: {
			{credentials: "none"}, {credentials: "none", forms: "client_secret=s%2B%25"},
			{public: true, forms: "client_id="}, {public: true, credentials: "my+app:"}},
		`400 {"reason":"Invalid client_id or client_secret","error":"invalid_client"}`: {
			{credentials: "other:s%2B%25"}, {credentials: "my+app:s"}, {credentials: "my+app:s+%25"},
			{credentials: "my+app:s+%"}, {public: true, forms: "client_id=other"}},
		`400 {"reason":"Code is expired","error":"invalid_grant","errorCode":4733}`: {{later: 5*time.Minute + 1}},
		`400 {"reason":"unsupported grant type","error":"unsupported_grant_type"}`: {
			{forms: "grant_type="}, {forms: "grant_type=password"}},
		`400 {"reason":"Redirect URI mismatch.","error":"invalid_request","errorCode":4709}`: {
			{forms: "redirect_uri="}, {forms: "redirect_uri=" + app + "/"}},
		`400 {"reason":"Invalid authorization code ","error":"invalid_grant"}`: {{forms: "code="},
			{forms: "ok, code="}},
		`400 {"reason":"Invalid authorization code RANDOM","error":"invalid_grant"}`: {
			{forms: "code=ABCDEFGHIJKLMNOPQRSTUVWXYZ"}, {forms: "code_verifier="}, {forms: "code_verifier=x"},
			{forms: "code_verifier=" + challenge}, {request: plain + challenge}, {request: noMethod},
			{request: plain + verifier, forms: "code_verifier="}, {public: true, forms: "code_verifier="},
			{forms: "ok, ok"}, {forms: "code_verifier=x, ok"}, {forms: "redirect_uri=x, ok"}}, // a code works once
	} {
		for _, a := range attempts {
			z, now := newZoom(t, map[bool]string{false: "s+%", true: ""}[a.public]), time.Now()
			z.Now = func() time.Time { return now }
			answer := z.authorize(allow, a.request)
			if code := random.FindString(answer); code != "" {
				now = now.Add(a.later)
				for changes := range strings.SplitSeq(a.forms, ", ") {
					answer = z.exchange(code, a.credentials, changes)
				}
			}
			z.check(fmt.Sprintf("%+v", a), answer, want)
		}
	}
}

func TestACodeWorksOnceForManyAtOnce(t *testing.T) {
	z, answers := newZoom(t, "s+%"), [50]string{}
	shared := z.newCode()
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = z.exchange(shared, "", "") + z.send("GET", "/v2/users/me", z.signIn(), "") })
	}
	all.Wait()
	got := fmt.Sprint(answers)
	if tokens, profiles := strings.Count(got, "access_token"), strings.Count(got, Jill); tokens != 1 || profiles != 50 {
		t.Errorf("got tokens %d times for one code, and %d profiles by other codes, want 1 and 50", tokens, profiles)
	}
}

// TestTheOldestGrantsAreForgotten has requests so long that the heap would show if they were kept.
func TestTheOldestGrantsAreForgotten(t *testing.T) {
	heap := func() int {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int(stats.HeapAlloc)
	}
	z, long := newZoom(t, "s+%"), "state="+strings.Repeat("x", 100_000)
	oldest, second, before := z.signIn(), z.newCode(), heap()
	for range 98 {
		z.authorize(link, long)
	}
	if got := heap() - before; got > 2_000_000 {
		t.Errorf("98 requests of 100 kB: got %d bytes more in the heap, want at most 2 MB", got)
	}
	z.check("the oldest of 100", z.send("GET", "/v2/users/me", oldest, ""), "200 "+Jill)
	z.authorize(link, "")
	z.check("the oldest of 101", z.send("GET", "/v2/users/me", oldest, ""), badToken)
	z.check("the second of 101", z.exchange(second, "", ""), tokens)
}

func TestCallsOfTheAPI(t *testing.T) {
	var said strings.Builder
	defer log.SetOutput(log.Writer())
	log.SetOutput(&said)
	z := newZoom(t, "s+%")
	token := z.signIn()
	z.newCode() // a grant without a token, which an empty one must not match
	for _, c := range []struct{ scope, method, target, authorization, want string }{
		{"user:read:user", "GET", "/v2/users/me", token, "200 " + Jill},
		{"meeting:read:meeting user:read:user", "GET", "/v2/users/me", token, "200 " + Jill},
		{"user:read:user:admin", "GET", "/v2/users/me", token, `400 {"code":4711,"message":"Invalid access token, ` +
			`does not contain scopes:[user:read:user, user:read:user:admin]."}`},
		{"user:read:user", "GET", "/v2/users/me", "", badToken},
		{"user:read:user", "GET", "/v2/users/me", "Bearer ", badToken},
		{"user:read:user", "GET", "/v2/users/me", "Bearer x", badToken},
		{"user:read:user", "GET", "/v2/users/me", strings.TrimPrefix(token, "Bearer "), badToken},
		{"user:read:user", "PUT", "/v2/a%0Ab?secret=x", "", badToken},
		{"user:read:user", "PUT", "/v2/a%0Ab?secret=x", token, "200 {}"},
		{"user:read:user", "GET", "/v3", token, "404 text/plain; charset=utf-8 404 page not found"},
	} {
		z.Scope = c.scope
		z.check(fmt.Sprint(c), z.send(c.method, c.target, c.authorization, ""), c.want)
	}
	const want = " stand-in for Zoom: it answers PUT /v2/a%0Ab with {}\n"
	if got := said.String(); !strings.HasSuffix(got, want) || strings.Count(got, "\n") != 1 {
		t.Errorf("got the log %q, want one line that ends with %q", got, want)
	}
}
