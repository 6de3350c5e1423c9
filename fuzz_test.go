package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// roundTripper is a Zoom that is well, without a network.
type roundTripper func(*http.Request) *http.Response

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// FuzzRoot sends / any query with any cookies, and checks what must hold for all of them.
func FuzzRoot(f *testing.F) {
	const state = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, seed := range [][2]string{
		{"", ""},
		{"code=c&state=" + state, "zoom-oauth-" + state + "=verifier"},
		{"code=c&state=" + state + ".1700000000", "zoom-oauth-" + state + ".1700000000=verifier." + state},
		{"code=c&state=" + state, "zoom-oauth-" + state + "=used"},
		{"code=c", "zoom-oauth-" + state + ".9999999999=verifier."},
		{"code=c&state=" + state + ".9999999999", ""},
		{"error=%3Cb%3E&error_description=%22%3E%3Ci%3E%27&state=" + state, "zoom-oauth-" + state + "=verifier"},
		{"error=%3Cp%3E&state=" + state, "zoom-oauth-" + state + "=verifier"},
		{"code=a&code=b", "zoom-oauth-=x; zoom-oauth-" + state},
		{"state=%0d%0aSet-Cookie:%20a=b&code=%00%ff", "a=\"b\"; =; ;;"},
		{"code=%zz;state", strings.Repeat("zoom-oauth-"+state+"=v; ", 20)},
	} {
		f.Add(seed[0], seed[1])
	}

	exchanges := 0
	app := newApp(config{clientID: "id", clientSecret: "secret", redirectURL: local, zoomURL: "http://zoom", zoomAPIURL: "http://api"},
		log.New(io.Discard, "", 0))
	app.zoom.client.Transport = roundTripper(func(r *http.Request) *http.Response {
		if r.URL.Path == "/oauth/token" {
			exchanges++
		}
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(goodAnswers[r.URL.Path]))}
	})

	// What the pages hold anyway may be in the query too.
	user, _ := app.zoom.signIn(f.Context(), "c", "v")
	var known strings.Builder
	for _, page := range []struct {
		name string
		data any
	}{{"profile", user}, {"declined", url.Values{"error": {"e"}, "error_description": {"d"}}}, {"declined", nil},
		{"malformed", nil}, {"nostate", nil}, {"nocookie", nil}} {
		if err := app.pages.ExecuteTemplate(&known, page.name, page.data); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, query, cookies string) {
		r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/", RawQuery: query}, Host: "localhost:8000",
			Header: http.Header{"Cookie": {cookies}}}
		w := httptest.NewRecorder()
		exchanges = 0
		app.ServeHTTP(w, r)

		if w.Code >= 500 {
			t.Errorf("got %d without a fault of Zoom's", w.Code)
		}
		parameters, _ := url.ParseQuery(query)
		matching := false
		for _, c := range r.Cookies() {
			matching = matching || c.Name == "zoom-oauth-"+parameters.Get("state") && c.Value != "" && c.Value != "used"
		}
		if exchanges > 0 && (!matching || parameters.Get("code") == "") {
			t.Errorf("exchanged %d codes without the cookie of the state", exchanges)
		}
		for _, values := range parameters {
			for _, value := range values {
				if strings.ContainsAny(value, `<>"`) && !strings.Contains(known.String(), value) && strings.Contains(w.Body.String(), value) {
					t.Errorf("the page has %q as it came", value)
				}
			}
		}
		for name, values := range w.Header() {
			for _, value := range values {
				if strings.ContainsAny(value, "\r\n\x00") {
					t.Errorf("the header %s has a control byte: %q", name, value)
				}
			}
		}
		set := w.Result().Cookies()
		if w.Code == http.StatusFound && len(set) == 0 {
			t.Error("a start without a cookie")
		}
		for _, c := range set {
			if !strings.HasPrefix(c.Name, "zoom-oauth-") {
				t.Errorf("sets the cookie %q", c.Name)
			}
		}
	})
}
