package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// TestBrowserOIDC signs in at a server that others wrote, an OpenID provider, in place of
// Zoom. Each sign-in begins on localhost and ends on a tunnel, so it takes a second try.
func TestBrowserOIDC(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		meddle  func(form string) []string
		setting string
		answers string // to the exchanges
		want    page
	}{
		{"sign-in", once, "", "200\n", page{200, "Test User2"}},
		{"wrong secret", once, "clientSecret=wrong", "401 invalid_client: invalid client_id / client_secret\n",
			page{502, "Zoom does not know this app"}},
		{"used code", twice, "", "200\n400 invalid_grant: invalid code\n", expired},
		{"wrong verifier", changed("code_verifier", rand.Text()+rand.Text()), "",
			"400 invalid_grant: invalid code_verifier\n", expired},
		{"wrong redirect URI", changed("redirect_uri", "https://elsewhere.test"), "",
			"400 invalid_grant: redirect_uri does not correspond\n",
			page{502, "The redirect URL is not the registered one"}},
		{"unknown certificate", once, "SSL_CERT_FILE=", "", unreached},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := freeAddress(t)
			tunnel := front(t, "abc.tunnel.test", proxy(address, hostKept))
			p := newProvider(t, storage.WebClient(oddID, oddSecret, tunnel), test.meddle)
			signIns(t, address, tunnel, p.url, "clientID="+oddID, "clientSecret="+oddSecret,
				"SSL_CERT_FILE="+p.certificate, test.setting)
			b := newTab(t)
			b.opens("http://"+address, logIn)
			b.clicks("button", test.want)
			b.hidesCode()
			b.quiet()
			if got := p.answers.String(); got != test.answers {
				t.Errorf("the provider's answers: got\n%swant\n%s", got, test.answers)
			}
		})
	}
}

// TestBrowserOIDCPublicClient does so without a tunnel and without a secret. Each sign-in begins where
// the program says. The provider asks at each try.
func TestBrowserOIDCPublicClient(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		meddle  func(form string) []string
		answers string // to the exchanges, one for each try
		want    page
	}{
		{"sign-in", once, "200\n", page{200, "Test User2"}},
		{"wrong verifier", changed("code_verifier", rand.Text()+rand.Text()),
			strings.Repeat("400 invalid_grant: invalid code_verifier\n", 2), expired},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := freeAddress(t)
			redirectURL := "http://127.0.0.1:" + port(address)
			p := newProvider(t, storage.NativeClient(oddID, redirectURL), test.meddle)
			a := signIns(t, address, redirectURL, p.url, "clientID="+oddID, "clientSecret=",
				"SSL_CERT_FILE="+p.certificate)
			b := newTab(t)
			b.opens(a.opensAt(t), logIn)
			for range strings.Count(test.answers, "\n") - 1 {
				b.clicks("button", logIn)
			}
			b.clicks("button", test.want)
			b.hidesCode()
			b.quiet()
			if got := p.answers.String(); got != test.answers {
				t.Errorf("the provider's answers: got\n%swant\n%s", got, test.answers)
			}
		})
	}
}

// logIn is the provider's page that asks the user.
var logIn = page{200, "Log in"}

// Credentials that a server misreads if they are not escaped (RFC 6749 2.3.1).
const (
	oddID     = "client+id:/%2B&="
	oddSecret = "s+e:c/r%e&t=%2B"
)

// once returns the form of an exchange as the only one to send.
func once(form string) []string { return []string{form} }

// twice returns the form of an exchange to send it again.
func twice(form string) []string { return []string{form, form} }

// changed returns a function that returns the form of an exchange with another value in it.
func changed(name, value string) func(form string) []string {
	return func(form string) []string {
		values, _ := url.ParseQuery(form)
		values.Set(name, value)
		return []string{values.Encode()}
	}
}

// provider is the OpenID provider of github.com/zitadel/oidc, on Zoom's paths.
type provider struct {
	*testing.T
	*op.Provider
	public      bool // the app has no secret
	users       strictStorage
	meddle      func(form string) []string // see token
	answers     buffer                     // to the exchanges
	url         string
	certificate string // the file
}

// newProvider starts a provider that knows one app.
func newProvider(t *testing.T, client *storage.Client, meddle func(form string) []string) *provider {
	t.Helper()
	p := &provider{T: t, meddle: meddle, certificate: filepath.Join(t.TempDir(), "certificate.pem")}
	p.public = client.AuthMethod() == oidc.AuthMethodNone
	mux := http.NewServeMux()
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // as in front
	server.StartTLS()
	t.Cleanup(server.Close)
	p.url = server.URL
	save(t, p.certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))

	p.users.Storage = storage.NewStorageWithClients(storage.NewUserStore(p.url),
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
	mux.HandleFunc("GET /v2/", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "{}") // should the app call more of Zoom's API
	})
	return p
}

// authorize adds a scope. Zoom knows an app's scopes, so the app asks for none.
func (p *provider) authorize(w http.ResponseWriter, r *http.Request) {
	r.URL.RawQuery += "&scope=openid+profile"
	p.ServeHTTP(w, r)
}

// login asks a user to log in, once or, for a public client, each time, and sends the browser back to
// the provider.
func (p *provider) login(w http.ResponseWriter, r *http.Request) {
	if _, err := r.Cookie("session"); err != nil && r.Method != http.MethodPost {
		io.WriteString(w, `<!DOCTYPE html><html lang="en"><title>Log in</title><link rel="icon" href="data:,">`+
			`<main><h1>Log in</h1><form method="post"><button>Log in</button></form></main></html>`)
		return
	}
	id := r.FormValue("authRequestID")
	if err := p.users.CheckUsernamePassword("test-user2", "verysecure", id); err != nil {
		p.Error(err)
	}
	if !p.public {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "test-user2", Path: "/"})
	}
	back := op.AuthCallbackURL(p.Provider)(op.ContextWithIssuer(r.Context(), p.url), id)
	http.Redirect(w, r, back, http.StatusFound)
}

// token exchanges a code with each of the forms that meddle makes of the app's. The app gets
// the last answer.
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	want := "Basic" // which the provider doesn't insist on
	if p.public {
		want = ""
	}
	if got, _, _ := strings.Cut(r.Header.Get("Authorization"), " "); got != want {
		p.Errorf("an exchange's Authorization header: got %q, want %q", got, want)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.Error(err)
	}
	var answer *httptest.ResponseRecorder
	for _, form := range p.meddle(string(body)) {
		answer = p.answer(r, form)
		var refusal oidc.Error
		json.Unmarshal(answer.Body.Bytes(), &refusal)
		fmt.Fprint(&p.answers, answer.Code)
		if refusal.ErrorType != "" {
			fmt.Fprintf(&p.answers, " %s: %s", refusal.ErrorType, refusal.Description)
		}
		fmt.Fprintln(&p.answers)
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

// strictStorage is the storage of the library's example, for a server that requires PKCE.
type strictStorage struct{ *storage.Storage }

// CreateAuthRequest refuses a request without a code challenge by S256 (RFC 7636 4.4.1). The
// library requires one only of clients without a secret.
func (s strictStorage) CreateAuthRequest(
	ctx context.Context, r *oidc.AuthRequest, user string) (op.AuthRequest, error) {
	if r.CodeChallenge == "" || r.CodeChallengeMethod != oidc.CodeChallengeMethodS256 {
		return nil, oidc.ErrInvalidRequest().WithDescription("a code challenge by S256 is required")
	}
	return s.Storage.CreateAuthRequest(ctx, r, user)
}
