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

// Zoom's paths. The tutorial has the first two in ZOOM_AUTH and ZOOM_GET_AUTHCODE.
const (
	authorizePath = "/oauth/authorize"
	tokenPath     = "/oauth/token"
	userPath      = "/v2/users/me"
)

const (
	zoomTimeout = 4 * time.Second // for each call; all of a sign-in's must fit into nine seconds
	maxAnswer   = 64 << 10        // bytes of a response's header, and of its body
)

// zoomConfig is what a zoom must be told.
type zoomConfig struct {
	clientID, clientSecret string // of the app at Zoom
	redirectURL            string // registered there; Zoom compares it exactly
	browserURL             string // where a browser finds Zoom's OAuth server: https://zoom.us
	zoomURL                string // where this program finds it: the same, except in a demo
	apiURL                 string // where this program finds Zoom's API: https://api.zoom.us
}

// zoom is a client of Zoom's OAuth server and of its API. It remembers nothing of a sign-in, and is
// safe for concurrent use.
//
// https://developers.zoom.us/docs/integrations/oauth/
type zoom struct {
	zoomConfig
	authorizeStart string // of every authorize URL, which is the same for all
	client         *http.Client
}

// newZoom returns a client for the app at Zoom that c describes.
func newZoom(c zoomConfig) *zoom {
	query := url.Values{
		"response_type":         {"code"},
		"client_id":             {c.clientID},
		"redirect_uri":          {c.redirectURL},
		"code_challenge_method": {"S256"},
	}
	var http1 http.Protocols
	http1.SetHTTP1(true)
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		Protocols:              &http1, // see send
		MaxResponseHeaderBytes: maxAnswer,
		MaxIdleConnsPerHost:    100, // with the usual 2, a crowd would dial for almost every call
		IdleConnTimeout:        time.Minute,
		// Without these two, net/http goes on dialing when a call has timed out.
		DialContext:         (&net.Dialer{Timeout: zoomTimeout}).DialContext,
		TLSHandshakeTimeout: zoomTimeout,
	}
	return &zoom{
		zoomConfig:     c,
		authorizeStart: c.browserURL + authorizePath + "?" + query.Encode(),
		client: &http.Client{
			Transport: transport,
			Timeout:   zoomTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse // a redirect could take credentials elsewhere
			},
		},
	}
}

// authorizeURL returns the URL at which Zoom asks whether the user allows the app (RFC 6749
// §4.1.1). It then sends the browser back to redirectURL with the state and an authorization code.
//
// The verifier is a secret of this program and the browser. Zoom is told only its hash, the code
// challenge, and wants to see the verifier itself when the code is exchanged (RFC 7636 §4.2 and
// §4.3), so that the code is of no use to anyone else. Neither needs escaping in a URL.
func (z *zoom) authorizeURL(state, verifier string) string {
	hash := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(hash[:])
	return z.authorizeStart + "&state=" + state + "&code_challenge=" + challenge
}

// response has the fields by which any response of Zoom's may report an error: one of its OAuth
// server (RFC 6749 §5.2), with or without a number, or one of its API. A struct that embeds it has
// the method base, by which send finds these fields in a response of any type.
//
// https://developers.zoom.us/docs/integrations/oauth-error-messages/
type response struct {
	Error     any `json:"error"` // usually a string
	ErrorCode int `json:"errorCode"`
	Code      int `json:"code"`

	JSON []byte `json:"-"` // the whole response, set by send
}

// base returns r itself.
func (r *response) base() *response { return r }

// number returns the number of the error, or 0.
func (r *response) number() int { return cmp.Or(r.ErrorCode, r.Code) }

// anyResponse is a pointer to a struct that embeds response.
type anyResponse interface{ base() *response }

// token is Zoom's response to an authorization code (RFC 6749 §5.1). The refresh token is ignored,
// since this program doesn't call Zoom later.
type token struct {
	response
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	Scope       string `json:"scope"`
}

// user is Zoom's response to userPath, as far as the profile page shows it. Any field may be empty.
//
// https://developers.zoom.us/docs/api/users/
type user struct {
	response
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

// exchange trades an authorization code for an access token (RFC 6749 §4.1.3, RFC 7636 §4.5). Its
// error is a *zoomError, unless the request can't be made.
func (z *zoom) exchange(ctx context.Context, code, verifier string) (token, error) {
	form := url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {z.redirectURL},
		"code_verifier": {verifier},
	}
	body := strings.NewReader(form.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, z.zoomURL+tokenPath, body)
	if err != nil {
		return token{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	// Both must be form-encoded first (RFC 6749 §2.3.1).
	req.SetBasicAuth(url.QueryEscape(z.clientID), url.QueryEscape(z.clientSecret))
	var t token
	if err := z.send(req, &t); err != nil {
		return token{}, err
	}
	bearer := t.TokenType == "" || strings.EqualFold(t.TokenType, "bearer") // RFC 6749 §7.1
	if !bearer || !isVisibleASCII(t.AccessToken) {
		detail := req.URL.String() + ": no bearer token"
		return token{}, &zoomError{problem: badAnswer, detail: detail}
	}
	return t, nil
}

// get calls a path of Zoom's API with an access token (RFC 6750 §2.1), and decodes the response
// into dst. Its error is a *zoomError, unless the request can't be made.
func (z *zoom) get(ctx context.Context, t token, path string, dst anyResponse) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, z.apiURL+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+t.AccessToken)
	return z.send(req, dst)
}

// send sends a request and decodes the JSON object that Zoom responds with into dst. Its error is a
// *zoomError.
func (z *zoom) send(req *http.Request, dst anyResponse) error {
	// Zoom may close an idle connection just as a request goes out on it. net/http then sends a
	// GET again, but a POST only if it has this key; a nil value says so and isn't sent. To send
	// a code twice is safe, since Zoom accepts it once. Over HTTP/2, net/http would not send
	// again when a connection breaks.
	req.Header["Idempotency-Key"] = nil
	res, err := z.client.Do(req)
	if err != nil {
		return noResponse(req, err)
	}
	defer res.Body.Close()
	var body []byte
	if res.StatusCode != http.StatusSwitchingProtocols { // whose body would never end
		body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer)) // cut off, it is no JSON
	}
	if err != nil {
		return noResponse(req, err)
	}
	r := dst.base()
	r.JSON = bytes.TrimSpace(body)
	isObject := decode(r.JSON, dst) // which sets the other fields of r, too
	if !isObject || res.StatusCode != http.StatusOK || r.Error != nil || r.number() != 0 {
		return failed(res, r)
	}
	return nil
}

// decode decodes a JSON object into dst, and reports whether data is one. Fields of another type
// than dst's are skipped.
func decode(data []byte, dst any) bool {
	err := json.Unmarshal(data, dst)
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

// knownErrors tells Zoom's errors apart, by their number or by words, here in lower case.
var knownErrors = []struct {
	problem problem
	codes   []int
	words   []string
}{
	// First, since here Zoom quotes the authorization code, in which anyone may have written words.
	{badCode, []int{4733, 4734}, []string{"code is expired", "invalid authorization code"}},
	{badCredentials, []int{4702, 4704, 4706}, []string{"invalid client", "invalid_client"}},
	{badRedirect, []int{4709}, []string{"redirect uri", "redirect_uri", "redirect url"}},
	{missingScope, []int{4711}, []string{"does not contain scopes"}},
	{disabledApp, []int{4717}, []string{"app has been disabled"}},
	{unapprovedApp, []int{4738}, []string{"disabled by admin"}},
	{revokedToken, []int{4741}, []string{"token has been revoked"}},
	{rateLimit, []int{http.StatusTooManyRequests}, []string{"rate limit"}},
	{badCode, nil, []string{"invalid_grant"}}, // last, since other errors may come with it
}

// zoomError is a call to Zoom that failed. It holds no secret, and of Zoom's sentences, which may
// quote the authorization code, only the names of scopes. So it may be logged and shown.
type zoomError struct {
	problem problem
	detail  string // for the log

	// For the pages. Each may be empty.
	Code       int    // Zoom's number
	Scopes     string // of which the app needs one
	TrackingID string // for Zoom's support
	RetryAfter string // when to call again, in the form of the header (RFC 9110 §10.2.3)
}

// Error returns a line for the log.
func (e *zoomError) Error() string { return fmt.Sprintf("zoom: %s: %s", e.problem, e.detail) }

// noResponse returns the error of a request without a whole response. It quotes err only if that
// can't quote what Zoom sent.
func noResponse(req *http.Request, err error) *zoomError {
	e := &zoomError{problem: noConnection, detail: "connection broken, or no HTTP"}
	if network, ok := errors.AsType[net.Error](err); ok && network.Timeout() {
		e.problem, e.detail = timeout, "no whole response in time"
	} else if operation, ok := errors.AsType[*net.OpError](err); ok {
		e.detail = operation.Error()
	} else if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		e.detail = certificate.Error()
	}
	e.detail = fmt.Sprintf("%s: %q", req.URL, e.detail)
	return e
}

// failed returns the error of a response that reports one, or that can't be used.
func failed(res *http.Response, r *response) *zoomError {
	e := &zoomError{
		problem:    badAnswer,
		Code:       r.number(),
		Scopes:     missingScopes(r.JSON),
		TrackingID: trackingID(res.Header.Get("x-zm-trackingid")),
		RetryAfter: retryAfter(res.Header.Get("Retry-After")),
	}
	e.detail = fmt.Sprintf("%s: HTTP %d, code %d, tracking id %q",
		res.Request.URL, res.StatusCode, e.Code, e.TrackingID)
	text := strings.ToLower(string(r.JSON))
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

// missingScopes returns the scopes that an error names, such as "user:read:user,
// user:read:user:admin", or "".
func missingScopes(body []byte) string {
	_, list, _ := strings.Cut(string(body), "does not contain scopes:[")
	list, _, _ = strings.Cut(list, "]")
	if !consistsOf(list, "abcdefghijklmnopqrstuvwxyz_:, ") {
		return ""
	}
	return list
}

// trackingID returns the header if it looks like a tracking ID, or "".
func trackingID(header string) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if len(header) > 200 || !consistsOf(header, letters+"0123456789_.:;=+/-") {
		return ""
	}
	return header
}

// retryAfter returns the header if it has seconds or an HTTP date, as it must (RFC 9110 §10.2.3).
// An ISO 8601 time, which Zoom sends, becomes an HTTP date, and anything else "".
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

// consistsOf reports whether s has no other characters than these.
func consistsOf(s, characters string) bool {
	return strings.Trim(s, characters) == "" // else a character that is not among them is left
}

// isVisibleASCII reports whether s is not empty and all visible ASCII, without a space.
func isVisibleASCII(s string) bool {
	return s != "" && strings.IndexFunc(s, func(c rune) bool { return c <= ' ' || c > '~' }) < 0
}
