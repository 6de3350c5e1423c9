package e2e

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// TestBrowserOIDC signs in at a server that others wrote, an OpenID provider, in place of Zoom.
// Each sign-in begins on 127.0.0.1. Those of a public client end there, and the provider asks at
// each try. The others end on a tunnel, so they take a second try, but there is only one question.
func TestBrowserOIDC(t *testing.T) {
	t.Parallel()
	wrongVerifier := url.Values{"code_verifier": {rand.Text() + rand.Text()}}
	wrongURI := url.Values{"redirect_uri": {"https://elsewhere.test"}}
	const isWrongVerifier = "400 invalid_grant: invalid code_verifier\n"
	user2 := page{200, "Test User2"}
	for _, test := range []struct {
		name     string
		isPublic bool
		setting  string
		changes  url.Values // to the form of each exchange
		times    int        // that each exchange is made
		answers  string     // to the exchanges
		want     page
	}{
		{"sign-in", false, "", nil, 1, "200\n", user2},
		{"wrong secret", false, "clientSecret=wrong", nil, 1,
			"401 invalid_client: invalid client_id / client_secret\n", page{500, "Zoom does not know this app"}},
		{"used code", false, "", nil, 2, "200\n400 invalid_grant: invalid code\n", expired},
		{"wrong verifier", false, "", wrongVerifier, 1, isWrongVerifier, expired},
		{"wrong redirect URI", false, "", wrongURI, 1,
			"400 invalid_grant: redirect_uri does not correspond\n",
			page{500, "The redirect URL is not the registered one"}},
		{"unknown certificate", false, "SSL_CERT_FILE=", nil, 1, "", page{503, "Zoom can’t be reached"}},
		{"public client", true, "", nil, 1, "200\n", user2},
		{"public client, wrong verifier", true, "", wrongVerifier, 1, isWrongVerifier + isWrongVerifier, expired},
	} {
		t.Run(test.name, func(t *testing.T) {
			address, secret := freeAddress(t), oddSecret
			site := "http://" + address
			tunnel := front(t, "abc.tunnel.test", proxy(address, hostKept))
			redirectURL, client := tunnel, storage.WebClient(oddID, oddSecret, tunnel)
			if test.isPublic {
				redirectURL, client, secret = site, storage.NativeClient(oddID, site), ""
			}
			p := newProvider(t, client)
			p.changes, p.times = test.changes, test.times
			start(t, address, settings(redirectURL, p.url, "clientID="+oddID,
				"clientSecret="+secret, "SSL_CERT_FILE="+certificate(t), test.setting)...)
			b := newTab(t)
			b.opens(site, logIn)
			if test.isPublic && test.want == expired {
				b.clicks("button", logIn)
			}
			b.clicks("button", test.want)
			b.hidesCode()
			if got := p.answers.String(); got != test.answers {
				t.Errorf("the provider's answers: got\n%swant\n%s", got, test.answers)
			}
		})
	}
}

// logIn is the provider's page that asks the user.
var logIn = page{200, "Log in"}

// Credentials that a server misreads if they aren't escaped (RFC 6749 §2.3.1).
const (
	oddID     = "client+id:/%2B&="
	oddSecret = "s+e:c/r%e&t=%2B"
)

// provider is the OpenID provider of github.com/zitadel/oidc, on Zoom's paths.
type provider struct {
	*testing.T
	*op.Provider
	url      string
	isPublic bool // the app has no secret
	users    *storage.Storage
	changes  url.Values // see TestBrowserOIDC
	times    int
	answers  buffer
}

// newProvider starts a provider that knows one app.
func newProvider(t *testing.T, client *storage.Client) *provider {
	t.Helper()
	mux := http.NewServeMux()
	p := &provider{T: t, url: serveTLS(t, mux), isPublic: client.AuthMethod() == oidc.AuthMethodNone}
	p.users = storage.NewStorageWithClients(storage.NewUserStore(p.url),
		map[string]*storage.Client{client.GetID(): client})
	config := &op.Config{CodeMethodS256: true}
	rand.Read(config.CryptoKey[:])
	var err error
	p.Provider, err = op.NewProvider(config, p.users, op.StaticIssuer(p.url),
		op.WithCustomAuthEndpoint(op.NewEndpoint("oauth/authorize")))
	if err != nil {
		t.Fatal(err)
	}
	mux.HandleFunc("GET /oauth/authorize", p.authorize)
	mux.HandleFunc("/login/username", p.login)
	mux.Handle("GET /oauth/authorize/callback", p.Provider)
	mux.HandleFunc("POST /oauth/token", p.token)
	mux.HandleFunc("GET /v2/users/me", p.me)
	return p
}

// authorize adds a scope. Zoom knows an app's scopes, so the app asks for none.
func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	r.URL.RawQuery += "&scope=openid+profile"
	p.ServeHTTP(w, r)
}

// login asks a user to log in, once or, for a public client, each time, and sends the browser back
// to the provider.
func (p *provider) login(w http.ResponseWriter, r *http.Request) {
	if _, err := r.Cookie("session"); err != nil && r.Method != http.MethodPost {
		plainPage(logIn.heading, `<form method="post"><button>Log in</button></form>`)(w, r)
		return
	}
	id := r.FormValue("authRequestID")
	if err := p.users.CheckUsernamePassword("test-user2", "verysecure", id); err != nil {
		p.Error(err)
	}
	if !p.isPublic {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "test-user2", Path: "/"})
	}
	back := op.AuthCallbackURL(p.Provider)(op.ContextWithIssuer(r.Context(), p.url), id)
	http.Redirect(w, r, back, http.StatusFound)
}

// token exchanges a code, changed and as often as the test says. The app gets the last answer.
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	want := "Basic" // which the provider doesn't insist on
	if p.isPublic {
		want = ""
	}
	if got, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); got != want {
		p.Errorf("an exchange's Authorization header: got %q, want %q", got, want)
	}
	body, _ := io.ReadAll(r.Body)
	form, err := url.ParseQuery(string(body))
	if err != nil {
		p.Error(err)
	}
	maps.Copy(form, p.changes)
	var answer *httptest.ResponseRecorder
	for range p.times {
		answer = p.answer(r, form.Encode())
		var refusal oidc.Error
		json.Unmarshal(answer.Body.Bytes(), &refusal)
		said := fmt.Sprintf("%d %s: %s", answer.Code, refusal.ErrorType, refusal.Description)
		fmt.Fprintln(&p.answers, strings.TrimSuffix(said, " : "))
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

// answer returns the provider's answer to a request with another body.
func (p *provider) answer(r *http.Request, body string) *httptest.ResponseRecorder {
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(strings.NewReader(body))
	answer := httptest.NewRecorder()
	p.ServeHTTP(answer, r)
	return answer
}

// me puts what the provider tells whoever has an access token into Zoom's words.
func (p *provider) me(w http.ResponseWriter, r *http.Request) {
	r.URL.Path = p.UserinfoEndpoint().Relative()
	answer := p.answer(r, "")
	var info oidc.UserInfo
	if err := json.Unmarshal(answer.Body.Bytes(), &info); err != nil {
		p.Errorf("userinfo: the provider answered %d %s", answer.Code, answer.Body)
	}
	w.WriteHeader(answer.Code)
	json.NewEncoder(w).Encode(map[string]string{"first_name": info.GivenName, "last_name": info.FamilyName})
}
