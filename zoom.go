package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	zoomTimeout = 4 * time.Second // for each of the two calls of a sign-in
	maxAnswer   = 64 << 10        // bytes of an answer; a usual profile has 2,000
)

// zoom is an OAuth client of Zoom with the one API call it makes. It is safe for
// concurrent use and keeps nothing of a sign-in.
//
// https://developers.zoom.us/docs/integrations/oauth/
type zoom struct {
	config
	client *http.Client
}

// newZoom gives the client for the app and the endpoints that c names.
func newZoom(c config) *zoom {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // what is small on the wire stays small in memory
	transport.MaxResponseHeaderBytes = maxAnswer
	transport.MaxIdleConnsPerHost = transport.MaxIdleConns // there are only two hosts
	return &zoom{c, &http.Client{
		Transport: transport,
		Timeout:   zoomTimeout,
		// A redirect would carry credentials to another place.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// authorize gives the URL where the user allows the app, which brings back an
// authorization code (RFC 6749 4.1.1) that only the verifier's holder can exchange (RFC
// 7636 4.2 and 4.3).
func (z *zoom) authorize(state, verifier string) string {
	challenge := sha256.Sum256([]byte(verifier))
	return z.zoomURL + "/oauth/authorize?" + url.Values{
		"response_type":         {"code"},
		"client_id":             {z.clientID},
		"redirect_uri":          {z.redirectURL},
		"state":                 {state},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
	}.Encode()
}

// signIn exchanges an authorization code for an access token (RFC 6749 4.1.3, RFC 7636
// 4.5), reads the profile of the user who gave it, and drops the token. An error is a
// *zoomError.
func (z *zoom) signIn(ctx context.Context, code, verifier string) (*profile, error) {
	form := url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {z.redirectURL},
		"code_verifier": {verifier},
	}
	basic := url.QueryEscape(z.clientID) + ":" + url.QueryEscape(z.clientSecret) // RFC 6749 2.3.1
	token, _, err := z.call(ctx, http.MethodPost, z.zoomURL+"/oauth/token", form.Encode(), http.Header{
		"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(basic))},
		"Content-Type":  {"application/x-www-form-urlencoded"},
	})
	if err != nil {
		return nil, err
	}
	access, kind := token.Text("access_token"), cmp.Or(token.Text("token_type"), "bearer")
	if !visible.MatchString(access) || !strings.EqualFold(kind, "bearer") { // RFC 6749 7.1
		return nil, &zoomError{kind: "upstream", reason: "the token answer holds no bearer token"}
	}
	bearer := http.Header{"Authorization": {"Bearer " + access}} // RFC 6750 2.1
	user, body, err := z.call(ctx, http.MethodGet, z.zoomAPIURL+"/v2/users/me", "", bearer)
	if err != nil {
		return nil, err
	}
	return &profile{user, body, strings.Fields(token.Text("scope"))}, nil
}

// call sends a request and gives the JSON object of a good answer, field by field and as
// it came. Everything else is a *zoomError.
func (z *zoom) call(ctx context.Context, method, endpoint, form string, header http.Header) (object, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, endpoint, strings.NewReader(form))
	if err != nil {
		return nil, nil, brokenCall(endpoint, err)
	}
	req.Header = header
	// Zoom may close an idle connection just as a request goes out on it. net/http then
	// sends a GET once more on another one, but a POST only if it is called idempotent,
	// since the first may have arrived. Ours may go twice: a code works once. The key says
	// so to net/http, and without a value is not sent.
	header["Idempotency-Key"] = nil
	res, err := z.client.Do(req)
	if err != nil {
		return nil, nil, brokenCall(endpoint, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(http.MaxBytesReader(nil, res.Body, maxAnswer))
	if err != nil {
		return nil, nil, brokenCall(endpoint, err)
	}
	var answer object
	json.Unmarshal(body, &answer) // leaves nil if it is no object
	return answer, body, readError(endpoint, res, answer)
}

// object is a JSON object whose fields are read one by one, so that one that is missing,
// null or of another type costs only itself.
type object map[string]json.RawMessage

// Text gives the string of that name, without the space around it, or "".
func (o object) Text(name string) (s string) {
	json.Unmarshal(o[name], &s)
	return strings.TrimSpace(s)
}

// Number gives the whole number of that name, quoted or not, or 0.
func (o object) Number(name string) int {
	var n json.Number
	json.Unmarshal(o[name], &n)
	i, _ := n.Int64()
	return int(i)
}

// profile is Zoom's answer to /v2/users/me: its fields, the whole of it, and the scopes of
// the token that opened it.
//
// https://developers.zoom.us/docs/api/users/
type profile struct {
	object
	JSON   []byte
	Scopes []string
}

// What is taken over from Zoom's answers. Its sentences are not: they repeat the
// authorization code.
var (
	visible    = regexp.MustCompile(`^[!-~]+$`)
	trackingID = regexp.MustCompile(`^[\w.:;=+/-]{1,200}$`)
	retryAfter = regexp.MustCompile(`^[\w:, +-]{1,40}$`) // seconds or a date
	scopes     = regexp.MustCompile(`[a-z_]+(:[a-z_]+)+(, ?[a-z_]+(:[a-z_]+)+)*`)
)

// meanings tells Zoom's errors apart, by their code or their words.
//
// https://developers.zoom.us/docs/integrations/oauth-error-messages/, RFC 6749 5.2
var meanings = []struct {
	kind  string
	codes []int
	words *regexp.Regexp
}{
	{"credentials", []int{4702, 4704, 4706}, regexp.MustCompile(`(?i)invalid.client`)},
	{"redirect", []int{4709}, regexp.MustCompile(`(?i)redirect.ur[il]`)},
	{"scope", []int{4711}, regexp.MustCompile(`does not contain scopes`)},
	{"disabled", []int{4717}, regexp.MustCompile(`app has been disabled`)},
	{"code", []int{4733, 4734}, regexp.MustCompile(`(?i)code is expired|invalid authorization code|invalid.grant`)},
	{"admin", []int{4738}, regexp.MustCompile(`disabled by admin`)},
	{"revoked", []int{4741}, regexp.MustCompile(`token has been revoked`)},
	{"ratelimit", []int{http.StatusTooManyRequests}, regexp.MustCompile(`rate limit`)},
}

// zoomError is a call to Zoom that gave nothing to use. It holds no secret and none of
// Zoom's sentences, so it may be shown and logged.
type zoomError struct {
	kind       string   // one of meanings, or "timeout", or "upstream" for everything else
	reason     string   // for the log
	Code       int      // Zoom's; 0 without one
	Scopes     string   // those that Zoom misses, if it names them
	TrackingID string   // what Zoom's support asks for
	RetryAfter []string // when Zoom wants to be asked again, if it says
}

// Error gives the words for the log.
func (e *zoomError) Error() string { return "zoom: " + e.kind + ": " + e.reason }

// brokenCall gives the error of a call that got no whole answer.
func brokenCall(endpoint string, err error) error {
	e := &zoomError{kind: "upstream", reason: "connection broken, or no HTTP, or too much of it"}
	var timeout net.Error
	var network *net.OpError
	var certificate *tls.CertificateVerificationError
	switch { // other errors may quote what came
	case errors.As(err, &timeout) && timeout.Timeout():
		e.kind, e.reason = "timeout", "no whole answer in time"
	case errors.As(err, &network):
		e.reason = network.Error()
	case errors.As(err, &certificate):
		e.reason = certificate.Error()
	}
	e.reason = endpoint + ": " + e.reason
	return e
}

// readError gives the error that an answer reports by its status or, whatever its status,
// in its fields. An answer without fields is one.
func readError(endpoint string, res *http.Response, answer object) error {
	e := &zoomError{
		kind:       "upstream",
		Code:       cmp.Or(answer.Number("errorCode"), answer.Number("code")),
		TrackingID: trackingID.FindString(res.Header.Get("x-zm-trackingid")),
		RetryAfter: retryAfter.FindAllString(res.Header.Get("Retry-After"), 1),
	}
	e.reason = fmt.Sprintf("%s: HTTP %d, code %d, tracking id %q", endpoint, res.StatusCode, e.Code, e.TrackingID)
	words := strings.Join([]string{answer.Text("error"), answer.Text("reason"),
		answer.Text("error_description"), answer.Text("errorMessage"), answer.Text("message")}, "\n")
	e.Scopes = scopes.FindString(words)
	if res.StatusCode == http.StatusOK && answer != nil && e.Code == 0 && strings.TrimSpace(words) == "" {
		return nil
	}
	for _, m := range meanings {
		if slices.Contains(m.codes, e.Code) || slices.Contains(m.codes, res.StatusCode) || m.words.MatchString(words) {
			e.kind = m.kind
			break
		}
	}
	return e
}
