package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"zoom-oauth/templates"
)

// zoomInMemory is a Zoom without a network. It is well, or has the same answer to everything.
type zoomInMemory struct {
	status    int // or 0 if it is well
	body      string
	exchanges int // calls of the token endpoint
}

// RoundTrip implements http.RoundTripper.
func (z *zoomInMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path == tokenPath {
		z.exchanges++
	}
	status, body := z.status, z.body
	if status == 0 {
		status, body = http.StatusOK, goodAnswer(r.URL.Path)
	}
	res := &http.Response{StatusCode: status, Request: r}
	res.Body = io.NopCloser(strings.NewReader(body))
	return res, nil
}

// FuzzRoot sends / any query with any cookies, and checks what must hold for all of them.
func FuzzRoot(f *testing.F) {
	const cookie, second = plain + someFirst + "=verifier", plain + someSecond + "=verifier"
	for _, seed := range []struct{ query, cookies string }{
		{"", ""},
		{"code=c&state=" + someFirst, cookie},
		{"code=c&state=" + someSecond, second},
		{"code=c&state=" + someSecond, ""},
		{"error=%3Cb%3E&error_description=%22%3E%3Ci%3E%27&state=" + someFirst, cookie},
		{"code=a&code=b", plain + "=x; " + plain + someFirst},
		{"state=%0d%0aSet-Cookie:%20a=b&code=%00%ff", "a=\"b\"; =; ;;"},
		{"code=%zz;state", strings.Repeat(cookie+"; ", 20)},
	} {
		f.Add(seed.query, seed.cookies)
	}

	zoom := &zoomInMemory{}
	z := &zoomClient{clientID: "id", clientSecret: "secret", redirectURL: local, transport: zoom}
	app := newApp(z, templates.Parse(false))
	logTo(f)
	known := map[string]bool{} // the pages that there are, whatever the query
	for _, usual := range []string{"code=c&state=" + someFirst, "error=e", "code=c&state=again-"} {
		known[answerTo(app, usual, cookie).Body.String()] = true
	}
	f.Fuzz(func(t *testing.T, query, cookies string) {
		zoom.exchanges = 0
		rec := answerTo(app, query, cookies)
		if rec.Code >= 500 {
			t.Errorf("got %d without a fault of Zoom's", rec.Code)
		}
		r := rootRequest(query, cookies)
		if zoom.exchanges > 0 && !holdsCookieOfState(r) {
			t.Errorf("exchanged %d codes without the cookie of the state", zoom.exchanges)
		}
		checkHeader(t, rec)
		if page := rec.Body.String(); rec.Code != http.StatusFound && query != "" && !known[page] {
			t.Errorf("the page depends on the query: %s", page)
		}
	})
}

// rootRequest returns a request for / with this query and these cookies.
func rootRequest(query, cookies string) *http.Request {
	return &http.Request{
		Method: http.MethodGet,
		URL:    &url.URL{Path: "/", RawQuery: query},
		Header: http.Header{"Cookie": {cookies}},
	}
}

// answerTo returns the app's answer to a rootRequest.
func answerTo(app *app, query, cookies string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	app.ServeHTTP(rec, rootRequest(query, cookies))
	return rec
}

// holdsCookieOfState reports whether r has a code, a state and the cookie of that state.
func holdsCookieOfState(r *http.Request) bool {
	query := r.URL.Query()
	for _, c := range r.Cookies() {
		if c.Name == plain+query.Get("state") && c.Value != "" {
			return query.Get("code") != ""
		}
	}
	return false
}

// checkHeader fails the test if a header has a control byte in it, a cookie isn't ours, or a
// start comes without a cookie.
func checkHeader(t *testing.T, rec *httptest.ResponseRecorder) {
	t.Helper()
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
		if !strings.HasPrefix(c.Name, plain) {
			t.Errorf("sets the cookie %q", c.Name)
		}
	}
}
