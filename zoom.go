package main

import (
	"bytes"
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

const zoomTimeout = 4 * time.Second // for each call of a sign-in
const maxAnswer = 64 << 10          // bytes; a usual profile has less than 1,000

// zoom is an OAuth client of Zoom with the API calls it makes. It is safe for
// concurrent use and keeps nothing of a sign-in.
//
// https://developers.zoom.us/docs/integrations/oauth/
type zoom struct {
	config
	authorizeURL string // without what differs from sign-in to sign-in
	client       *http.Client
}

// newZoom gives the client for the app and the endpoints that c names.
func newZoom(c config) *zoom {
	authorizeURL := c.zoomURL + "/oauth/authorize?" + url.Values{
		"response_type":         {"code"},
		"client_id":             {c.clientID},
		"redirect_uri":          {c.redirectURL},
		"code_challenge_method": {"S256"},
	}.Encode()
	var protocols http.Protocols
	protocols.SetHTTP1(true) // see Idempotency-Key below
	return &zoom{c, authorizeURL, &http.Client{
		Timeout: zoomTimeout,
		// A redirect would carry credentials to another place.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			Protocols:              &protocols,
			DisableCompression:     true, // what is small on the wire stays small in memory
			MaxResponseHeaderBytes: maxAnswer,
			MaxIdleConnsPerHost:    100,
			IdleConnTimeout:        time.Minute,
			// The client's Timeout ends only the wait for these two.
			DialContext:         (&net.Dialer{Timeout: zoomTimeout}).DialContext,
			TLSHandshakeTimeout: zoomTimeout,
		},
	}}
}

// authorize gives the URL where the user allows the app, which brings back an
// authorization code (RFC 6749 4.1.1) that only the verifier's holder can exchange (RFC
// 7636 4.2 and 4.3). The state goes into it as it is, so it must need no escaping.
func (z *zoom) authorize(state, verifier string) string {
	challenge := sha256.Sum256([]byte(verifier))
	return z.authorizeURL + "&state=" + state + "&code_challenge=" + base64.RawURLEncoding.EncodeToString(challenge[:])
}

// signIn exchanges an authorization code for an access token (RFC 6749 4.1.3, RFC 7636
// 4.5), reads the profile of the user who gave it, and drops the token. It fails as call does.
func (z *zoom) signIn(ctx context.Context, code, verifier string) (*answer, *zoomError) {
	basic := url.QueryEscape(z.clientID) + ":" + url.QueryEscape(z.clientSecret) // RFC 6749 2.3.1
	token, failure := z.call(ctx, http.MethodPost, z.zoomURL+"/oauth/token", http.Header{
		"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(basic))},
		"Content-Type":  {"application/x-www-form-urlencoded"},
	}, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {z.redirectURL},
		"code_verifier": {verifier},
	})
	if failure != nil {
		return nil, failure
	}
	user, failure := z.call(ctx, http.MethodGet, z.zoomAPIURL+"/v2/users/me", http.Header{
		"Authorization": {"Bearer " + token.AccessToken}, // RFC 6750 2.1
	}, nil)
	if failure != nil {
		return nil, failure
	}
	user.Scope = token.Scope
	return user, nil
}

// call sends a request and reads the answer: to a POST one with an access token, to a GET
// any that is no error. Its failure is brokenCall's or refusal's.
func (z *zoom) call(ctx context.Context, method, endpoint string, header http.Header, form url.Values) (*answer, *zoomError) {
	req, err := http.NewRequestWithContext(ctx, method, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, brokenCall(endpoint, err)
	}
	req.Header = header
	// Zoom may close an idle connection just as a request goes out on it. net/http then
	// sends a GET again on the next connection, but a POST only if it is called idempotent,
	// since the first may have arrived. Ours may go again: a code works once. The key says
	// so to net/http, and without a value is not sent. In HTTP/2 neither goes again if the
	// connection just breaks.
	header["Idempotency-Key"] = nil
	res, err := z.client.Do(req)
	if err != nil {
		return nil, brokenCall(endpoint, err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		res.Body = http.NoBody // else it is the bare connection, without a time-out
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, res.Body, maxAnswer))
	if err != nil {
		return nil, brokenCall(endpoint, err)
	}
	a := &answer{JSON: bytes.TrimSpace(body)}
	err = json.Unmarshal(body, a)
	_, mistyped := errors.AsType[*json.UnmarshalTypeError](err)
	object := bytes.HasPrefix(a.JSON, []byte("{")) && (err == nil || mistyped)
	bearer := visible.MatchString(a.AccessToken) && strings.EqualFold(cmp.Or(a.TokenType, "bearer"), "bearer") // RFC 6749 7.1
	if res.StatusCode != http.StatusOK || !object || a.Error != nil || cmp.Or(a.Code, a.ErrorCode) != 0 || form != nil && !bearer {
		return nil, refusal(endpoint, res, a)
	}
	return a, nil
}

// answer is what Zoom says: an access token (RFC 6749 5.1), an error (5.2), or a user
// (https://developers.zoom.us/docs/api/users/). A field that is missing, null or of another
// type stays empty and costs no other.
type answer struct {
	AccessToken     string `json:"access_token"`
	TokenType       string `json:"token_type"`
	FirstName       string `json:"first_name"`
	LastName        string `json:"last_name"`
	DisplayName     string `json:"display_name"`
	Role            string `json:"role_name"`
	TimeZone        string `json:"timezone"`
	PersonalMeeting string `json:"personal_meeting_url"`
	Picture         string `json:"pic_url"`

	Scope, Email, Company, Language string
	Type, Code, ErrorCode           int
	Error                           any

	JSON []byte `json:"-"` // all of it, as it came
}

// The forms of what is taken over from the settings and from Zoom's answers. Zoom's sentences
// are not: they repeat the authorization code.
var (
	visible    = regexp.MustCompile(`^[!"$-~][!-~]*$`) // no space, and no # at the start, which is a comment
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
	// First, since Zoom repeats the code, which anyone may have written.
	{"code", []int{4733, 4734}, regexp.MustCompile(`(?i)code is expired|invalid authorization code`)},
	{"credentials", []int{4702, 4704, 4706}, regexp.MustCompile(`(?i)invalid.client`)},
	{"redirect", []int{4709}, regexp.MustCompile(`(?i)redirect.ur[il]`)},
	{"scope", []int{4711}, regexp.MustCompile(`does not contain scopes`)},
	{"disabled", []int{4717}, regexp.MustCompile(`app has been disabled`)},
	{"admin", []int{4738}, regexp.MustCompile(`disabled by admin`)},
	{"revoked", []int{4741}, regexp.MustCompile(`token has been revoked`)},
	{"ratelimit", []int{http.StatusTooManyRequests}, regexp.MustCompile(`rate limit`)},
	{"code", nil, regexp.MustCompile(`invalid_grant`)},
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

// brokenCall gives the failure of a call that got no whole answer: "timeout" or "upstream".
func brokenCall(endpoint string, err error) *zoomError {
	e := &zoomError{kind: "upstream", reason: "connection broken, or no HTTP, or too much of it, or the visitor left"}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		e.kind, e.reason = "timeout", "no whole answer in time"
	} else if network, ok := errors.AsType[*net.OpError](err); ok {
		e.reason = network.Error()
	} else if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		e.reason = certificate.Error()
	} // other errors may quote what came
	e.reason = fmt.Sprintf("%s: %q", endpoint, e.reason)
	return e
}

// refusal gives the failure of an answer that is of no use: one of meanings or "upstream".
func refusal(endpoint string, res *http.Response, a *answer) *zoomError {
	e := &zoomError{kind: "upstream", Code: cmp.Or(a.ErrorCode, a.Code), Scopes: scopes.FindString(string(a.JSON)),
		TrackingID: trackingID.FindString(res.Header.Get("x-zm-trackingid")),
		RetryAfter: retryAfter.FindAllString(res.Header.Get("Retry-After"), 1)}
	e.reason = fmt.Sprintf("%s: HTTP %d, code %d, tracking id %q", endpoint, res.StatusCode, e.Code, e.TrackingID)
	for _, m := range meanings {
		if slices.Contains(m.codes, e.Code) || slices.Contains(m.codes, res.StatusCode) || m.words.Match(a.JSON) {
			e.kind = m.kind
			break
		}
	}
	return e
}
