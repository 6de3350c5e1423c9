package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"zoom-oauth/templates"
)

// zoomInMemory is a Zoom that is well, without a network. It counts the codes that it exchanges.
type zoomInMemory struct{ exchanges int }

// RoundTrip implements http.RoundTripper.
func (z *zoomInMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == tokenPath {
		z.exchanges++
	}
	body := io.NopCloser(strings.NewReader(goodAnswers[r.URL.Path]))
	return &http.Response{StatusCode: http.StatusOK, Body: body, Request: r}, nil
}

// FuzzRoot sends / any query with any cookies, and checks what must hold for all of them.
func FuzzRoot(f *testing.F) {
	for _, seed := range []struct{ query, cookies string }{
		{"", ""},
		{"code=c&state=" + someFirst, "zoom-oauth-" + someFirst + "=verifier"},
		{"code=c&state=" + someSecond, "zoom-oauth-" + someSecond + "=verifier"},
		{"code=c&state=" + someSecond, ""},
		{"code=c", strings.Repeat("zoom-oauth-"+someSecond+"=verifier; ", 3)},
		{"error=%3Cb%3E&error_description=%22%3E%3Ci%3E%27&state=" + someFirst, "zoom-oauth-" + someFirst + "=verifier"},
		{"code=a&code=b", "zoom-oauth-=x; zoom-oauth-" + someFirst},
		{"state=%0d%0aSet-Cookie:%20a=b&code=%00%ff", "a=\"b\"; =; ;;"},
		{"code=%zz;state", strings.Repeat("zoom-oauth-"+someFirst+"=v; ", 20)},
	} {
		f.Add(seed.query, seed.cookies)
	}

	zoom := &zoomInMemory{}
	client := newZoom(zoomConfig{clientID: "id", clientSecret: "secret", redirectURL: local})
	client.client.Transport = zoom
	app := newApp(client, templates.Parse(false), log.New(io.Discard, "", 0))
	plain := ""
	for _, query := range []string{"code=c&state=" + someFirst, "error=e&error_description=d&state=" + someFirst, "error=e",
		"code=c&state=" + someSecond} {
		r := httptest.NewRequest("GET", "/?"+query, nil)
		r.AddCookie(&http.Cookie{Name: "zoom-oauth-" + someFirst, Value: "verifier"})
		rec := httptest.NewRecorder()
		app.ServeHTTP(rec, r)
		plain += rec.Body.String()
	}
	f.Fuzz(func(t *testing.T, query, cookies string) {
		r := &http.Request{
			Method: http.MethodGet, URL: &url.URL{Path: "/", RawQuery: query},
			Header: http.Header{"Cookie": {cookies}},
		}
		rec := httptest.NewRecorder()
		zoom.exchanges = 0
		app.ServeHTTP(rec, r)
		if rec.Code >= 500 {
			t.Errorf("got %d without a fault of Zoom's", rec.Code)
		}
		if zoom.exchanges > 0 && !holdsCookieOfState(r) {
			t.Errorf("exchanged %d codes without the cookie of the state", zoom.exchanges)
		}
		checkHeader(t, rec)
		checkEscaping(t, r.URL.Query(), rec.Body.String(), plain)
	})
}

// holdsCookieOfState reports whether r brings a code, a state and a cookie for it.
func holdsCookieOfState(r *http.Request) bool {
	query := r.URL.Query()
	for _, c := range r.Cookies() {
		if c.Name == "zoom-oauth-"+query.Get("state") && c.Value != "" {
			return query.Get("code") != ""
		}
	}
	return false
}

// checkHeader fails the test if a header has a control byte in it, a cookie isn't ours, or a
// start comes without a cookie.
func checkHeader(t *testing.T, rec *httptest.ResponseRecorder) {
	for name, values := range rec.Header() {
		if strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
			t.Errorf("the header %s has a control byte: %q", name, values)
		}
	}
	cookies := rec.Result().Cookies()
	if rec.Code == http.StatusFound && len(cookies) == 0 {
		t.Error("a start without a cookie")
	}
	for _, c := range cookies {
		if !strings.HasPrefix(c.Name, "zoom-oauth-") {
			t.Errorf("sets the cookie %q", c.Name)
		}
	}
}

// checkEscaping fails the test if a page repeats markup of the query as it came. What the page has
// without that query, in plain, may be in the query, too.
func checkEscaping(t *testing.T, query url.Values, page, plain string) {
	for _, values := range query {
		for _, value := range values {
			if strings.ContainsAny(value, `<>"`) && !strings.Contains(plain, value) && strings.Contains(page, value) {
				t.Errorf("the page has %q as it came", value)
			}
		}
	}
}
