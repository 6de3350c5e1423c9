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
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	zoomTimeout = 4 * time.Second // for each call
	maxAnswer   = 64 << 10        // bytes of an answer's header and of its body
)

// zoomConfig is what Zoom's client must be told.
type zoomConfig struct {
	clientID, clientSecret string // of the app at Zoom
	redirectURL            string // registered there; Zoom compares it letter by letter
	browserURL             string // Zoom's sign-in for browsers, such as https://zoom.us
	zoomURL                string // Zoom's sign-in for this program, usually the same
	apiURL                 string // Zoom's API, such as https://api.zoom.us
}

// zoom is Zoom's OAuth client, and calls its API. It keeps nothing of a sign-in, and is safe for
// concurrent use.
//
// https://developers.zoom.us/docs/integrations/oauth/
type zoom struct {
	zoomConfig
	authorizePrefix string // of every authorize URL
	client          *http.Client
}

// newZoom returns a client for the app that c describes.
func newZoom(c zoomConfig) *zoom {
	query := url.Values{
		"response_type":         {"code"},
		"client_id":             {c.clientID},
		"redirect_uri":          {c.redirectURL},
		"code_challenge_method": {"S256"},
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true) // see send
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		Protocols:              &protocols,
		DisableCompression:     true, // what is small on the wire stays small in memory
		MaxResponseHeaderBytes: maxAnswer,
		MaxIdleConnsPerHost:    100,
		IdleConnTimeout:        time.Minute,
		// When a call times out, net/http goes on with these two, unless they do as well.
		DialContext:         (&net.Dialer{Timeout: zoomTimeout}).DialContext,
		TLSHandshakeTimeout: zoomTimeout,
	}
	return &zoom{
		zoomConfig:      c,
		authorizePrefix: c.browserURL + "/oauth/authorize?" + query.Encode(),
		client: &http.Client{
			Transport: transport,
			Timeout:   zoomTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse // a redirect could take credentials elsewhere
			},
		},
	}
}

// authorizeURL returns where a user allows the app (RFC 6749 4.1.1). Zoom then sends the browser
// back to redirectURL, with the state and an authorization code that only who has the verifier
// can exchange (RFC 7636 4.2 and 4.3). The state must need no escaping.
func (z *zoom) authorizeURL(state, verifier string) string {
	hash := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(hash[:])
	return z.authorizePrefix + "&state=" + state + "&code_challenge=" + challenge
}

// answer is what all of Zoom's answers have in common: each may be an error instead, of its OAuth
// server (RFC 6749 5.2), with or without a number, or of its API.
//
// https://developers.zoom.us/docs/integrations/oauth-error-messages/
type answer struct {
	Error     any `json:"error"`
	ErrorCode int `json:"errorCode"`
	Code      int `json:"code"`

	JSON []byte `json:"-"` // all of it, as it came
}

// common returns what a has in common with other answers, for those that embed it.
func (a *answer) common() *answer { return a }

// number returns the number of the error, or 0.
func (a *answer) number() int { return cmp.Or(a.ErrorCode, a.Code) }

// token is Zoom's answer to an authorization code (RFC 6749 5.1). Its refresh token is left out,
// since this program doesn't call Zoom later.
type token struct {
	answer
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	Scope       string `json:"scope"`
}

// user is Zoom's answer to /v2/users/me, as far as the profile page shows it. Any field may be
// empty.
//
// https://developers.zoom.us/docs/api/users/
type user struct {
	answer
	FirstName       string `json:"first_name"`
	LastName        string `json:"last_name"`
	DisplayName     string `json:"display_name"`
	Email           string `json:"email"`
	Type            int    `json:"type"`
	Role            string `json:"role_name"`
	Company         string `json:"company"`
	TimeZone        string `json:"timezone"`
	Language        string `json:"language"`
	PersonalMeeting string `json:"personal_meeting_url"`
	Picture         string `json:"pic_url"`
}

// exchange trades an authorization code for an access token (RFC 6749 4.1.3, RFC 7636 4.5). Its
// errors are send's.
func (z *zoom) exchange(ctx context.Context, code, verifier string) (token, error) {
	form := url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {z.redirectURL},
		"code_verifier": {verifier},
	}
	body := strings.NewReader(form.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, z.zoomURL+"/oauth/token", body)
	if err != nil {
		return token{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(z.clientID), url.QueryEscape(z.clientSecret)) // RFC 6749 2.3.1
	var t token
	if err := z.send(req, &t); err != nil {
		return token{}, err
	}
	bearer := t.TokenType == "" || strings.EqualFold(t.TokenType, "bearer") // RFC 6749 7.1
	if !bearer || !isVisibleASCII(t.AccessToken) {
		return token{}, &zoomError{problem: badAnswer, detail: req.URL.String() + ": no bearer token"}
	}
	return t, nil
}

// get calls a path of Zoom's API for the user whom t stands for (RFC 6750 2.1), and stores what
// Zoom answers in into. Its errors are send's.
func (z *zoom) get(ctx context.Context, t token, path string, into reply) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, z.apiURL+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+t.AccessToken)
	return z.send(req, into)
}

// reply is a pointer to a struct that embeds answer.
type reply interface{ common() *answer }

// send sends a request and stores the JSON object that answers it in into. A field that is missing
// or of another type is left as it was. Its error is a *zoomError.
func (z *zoom) send(req *http.Request, into reply) error {
	// Zoom may close an idle connection just as a request goes out on it. net/http then sends a
	// GET again, but a POST only if it is marked as idempotent, as this key does, which without
	// a value isn't sent. A code works once, so an exchange may be sent twice. In HTTP/2
	// nothing would be sent again.
	req.Header["Idempotency-Key"] = nil
	res, err := z.client.Do(req)
	if err != nil {
		return noAnswer(req, err)
	}
	defer res.Body.Close()
	var body []byte
	if res.StatusCode != http.StatusSwitchingProtocols { // its body would be the bare connection
		body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	}
	if err != nil {
		return noAnswer(req, err)
	}
	a := into.common()
	a.JSON = bytes.TrimSpace(body)
	if !decode(a.JSON, into) || res.StatusCode != http.StatusOK || a.Error != nil || a.number() != 0 {
		return refused(res, a)
	}
	return nil
}

// decode stores a JSON object in into, and reports whether data is one, from its first byte on. A
// field of another type than into's is left as it was.
func decode(data []byte, into any) bool {
	err := json.Unmarshal(data, into)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		err = nil
	}
	return err == nil && bytes.HasPrefix(data, []byte("{"))
}

// problem is a reason why a call to Zoom failed.
type problem string

const (
	badCode        problem = "code"        // the authorization code was used or has expired
	badCredentials problem = "credentials" // the client ID or secret is wrong
	badRedirect    problem = "redirect"    // the redirect URL isn't the registered one
	missingScope   problem = "scope"       // the app may not make this call
	disabledApp    problem = "disabled"    // by Zoom
	unapprovedApp  problem = "admin"       // by the administrator of the user's account
	revokedToken   problem = "revoked"     // by a later authorization
	rateLimit      problem = "ratelimit"   // too many calls
	noConnection   problem = "connection"  // Zoom wasn't reached, or broke off
	timeout        problem = "timeout"     // no whole answer within zoomTimeout
	badAnswer      problem = "answer"      // anything else
)

// knownErrors tells Zoom's errors apart, by their number or by words, here in small letters.
var knownErrors = []struct {
	problem problem
	codes   []int
	words   []string
}{
	// First, since Zoom repeats the code here, and anyone may have written that.
	{badCode, []int{4733, 4734}, []string{"code is expired", "invalid authorization code"}},
	{badCredentials, []int{4702, 4704, 4706}, []string{"invalid client", "invalid_client"}},
	{badRedirect, []int{4709}, []string{"redirect uri", "redirect_uri", "redirect url"}},
	{missingScope, []int{4711}, []string{"does not contain scopes"}},
	{disabledApp, []int{4717}, []string{"app has been disabled"}},
	{unapprovedApp, []int{4738}, []string{"disabled by admin"}},
	{revokedToken, []int{4741}, []string{"token has been revoked"}},
	{rateLimit, []int{http.StatusTooManyRequests}, []string{"rate limit"}},
	{badCode, nil, []string{"invalid_grant"}},
}

// zoomError is a call to Zoom that failed. It holds no secret and none of Zoom's sentences, which
// repeat the authorization code, so it may be logged and shown.
type zoomError struct {
	problem    problem
	detail     string // for the log
	Code       int    // Zoom's number, 0 if there is none
	Scopes     string // those of which the app has none, if Zoom says
	TrackingID string // which Zoom's support asks for
	RetryAfter string // when to call again, if Zoom says, as HTTP has it (RFC 9110 10.2.3)
}

// Error returns a line for the log.
func (e *zoomError) Error() string { return fmt.Sprintf("zoom: %s: %s", e.problem, e.detail) }

// noAnswer returns the error of a request that got no whole answer.
func noAnswer(req *http.Request, err error) *zoomError {
	e := &zoomError{problem: noConnection, detail: "connection broken, or no HTTP"}
	if network, ok := errors.AsType[net.Error](err); ok && network.Timeout() {
		e.problem, e.detail = timeout, "no whole answer in time"
	} else if operation, ok := errors.AsType[*net.OpError](err); ok {
		e.detail = operation.Error()
	} else if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		e.detail = certificate.Error()
	} // any other error may quote what came
	e.detail = fmt.Sprintf("%s: %q", req.URL, e.detail)
	return e
}

// refused returns the error of an answer that is one, or of no use.
func refused(res *http.Response, a *answer) *zoomError {
	e := &zoomError{
		problem:    badAnswer,
		Code:       a.number(),
		Scopes:     missingScopes(a.JSON),
		TrackingID: trackingID(res.Header.Get("x-zm-trackingid")),
		RetryAfter: retryAfter(res.Header.Get("Retry-After")),
	}
	e.detail = fmt.Sprintf("%s: HTTP %d, code %d, tracking id %q",
		res.Request.URL, res.StatusCode, e.Code, e.TrackingID)
	text := strings.ToLower(string(a.JSON))
	contained := func(words string) bool { return strings.Contains(text, words) }
	for _, known := range knownErrors {
		if slices.Contains(known.codes, e.Code) || slices.Contains(known.codes, res.StatusCode) ||
			slices.ContainsFunc(known.words, contained) {
			e.problem = known.problem
			break
		}
	}
	return e
}

// The letters of identifiers, in two parts.
const (
	lowercase = "abcdefghijklmnopqrstuvwxyz"
	uppercase = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// missingScopes returns the scopes that an error names, such as "user:read:user,
// user:read:user:admin", or "".
func missingScopes(body []byte) string {
	_, list, _ := strings.Cut(string(body), "does not contain scopes:[")
	list, _, _ = strings.Cut(list, "]")
	return only(list, lowercase+"_:, ")
}

// trackingID returns a tracking ID if it looks like one, or "".
func trackingID(header string) string {
	if len(header) > 200 {
		return ""
	}
	return only(header, lowercase+uppercase+"0123456789_.:;=+/-")
}

// retryAfter returns the value of a Retry-After header if it is one that HTTP allows, seconds or
// a date (RFC 9110 10.2.3), the date if it is an ISO 8601 time, as Zoom sends it, else "".
func retryAfter(header string) string {
	if seconds, err := strconv.ParseUint(header, 10, 32); err == nil {
		return strconv.FormatUint(seconds, 10)
	}
	when, err := http.ParseTime(header)
	if err != nil {
		when, err = time.Parse(time.RFC3339, header)
	}
	if err != nil {
		return ""
	}
	return when.UTC().Format(http.TimeFormat)
}

// only returns s if it consists of these characters, else "".
func only(s, characters string) string {
	if strings.Trim(s, characters) != "" {
		return ""
	}
	return s
}

// isVisibleASCII reports whether s is not empty and all visible ASCII, without a space.
func isVisibleASCII(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c > '~' }) < 0
}
