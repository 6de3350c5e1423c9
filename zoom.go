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
	"strings"
	"time"
)

// zoomClient calls Zoom for one Zoom app. It is safe for concurrent use.
//
// https://developers.zoom.us/docs/integrations/oauth/
type zoomClient struct {
	clientID     string
	clientSecret string // empty for a public client
	redirectURL  string // registered at Zoom
	oauthURL     string // of Zoom's OAuth server: https://zoom.us unless the settings differ
	apiURL       string // of Zoom's API: https://api.zoom.us unless the settings differ
	transport    http.RoundTripper
}

// newTransport returns a transport for calls to Zoom.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	// Longer than the five seconds that are lost to a name server which doesn't respond, but
	// shorter than zoomTimeout, so that the log can say which step timed out.
	t.DialContext = (&net.Dialer{Timeout: 6 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 6 * time.Second
	// With HTTP/2, all calls share a connection. Close it if it hangs, or all later calls fail.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 3 * time.Second, PingTimeout: 3 * time.Second}
	t.MaxResponseHeaderBytes = 64 << 10    // parts of the header go into the log and onto a page
	t.MaxIdleConnsPerHost = t.MaxIdleConns // the default, two, is too few when many sign in at once
	return t
}

// authorizeURL returns the URL at which Zoom asks the user to allow the app (RFC 6749 §4.1.1). It
// is the tutorial's ZOOM_AUTH with a state and PKCE (RFC 7636 §4.3), for example
//
//	https://zoom.us/oauth/authorize?response_type=code&client_id=CRI3gZbkREeCpTrXy81sqQ
//	&redirect_uri=https%3A%2F%2Fabc.ngrok-free.app&state=M2RKJOLEGVOF4NLUNNMVQFJC3F
//	&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256
//
// The code challenge is a hash of the code verifier. Zoom gets the code verifier from exchange.
func (z *zoomClient) authorizeURL(state, verifier string) string {
	hash := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(hash[:])
	return z.oauthURL + "/oauth/authorize?response_type=code" +
		"&client_id=" + url.QueryEscape(z.clientID) +
		"&redirect_uri=" + url.QueryEscape(z.redirectURL) +
		"&state=" + state +
		"&code_challenge=" + challenge +
		"&code_challenge_method=S256"
}

// tokens is Zoom's response to an authorization code (RFC 6749 §5.1).
type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"` // unused: this program doesn't call Zoom later
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope"`
}

// user has the fields of Zoom's response to /v2/users/me that the profile page shows. Any of them
// may be empty.
//
// https://developers.zoom.us/docs/api/users/#tag/users/GET/users/{userId}
type user struct {
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

// tokenPath is the path of the tutorial's ZOOM_GET_AUTHCODE.
const tokenPath = "/oauth/token"

// bearerTokenPattern matches an access token that is valid in a header (RFC 6750 §2.1).
var bearerTokenPattern = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// exchange exchanges an authorization code and its code verifier for tokens (RFC 6749 §4.1.3,
// RFC 7636 §4.5). If Zoom can't be reached or its response can't be used, it returns a *zoomError.
func (z *zoomClient) exchange(ctx context.Context, code, verifier string) (tokens, error) {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	form := url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {z.redirectURL},
		"code_verifier": {verifier},
	}
	if z.clientSecret == "" { // a public client only names itself (RFC 6749 §3.2.1)
		form.Set("client_id", z.clientID)
	} else { // like SetBasicAuth, but with both parts form-encoded first (RFC 6749 §2.3.1)
		credentials := url.QueryEscape(z.clientID) + ":" + url.QueryEscape(z.clientSecret)
		credentials = base64.StdEncoding.EncodeToString([]byte(credentials))
		header.Set("Authorization", "Basic "+credentials)
	}
	body := strings.NewReader(form.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, z.oauthURL+tokenPath, body)
	if err != nil {
		return tokens{}, err
	}
	req.Header = header
	var t tokens
	if _, err := z.call(req, &t); err != nil {
		return tokens{}, err
	}
	// The type is case-insensitive (RFC 6749 §5.1). Other types must not be used (§7.1).
	if !strings.EqualFold(t.TokenType, "bearer") || !bearerTokenPattern.MatchString(t.AccessToken) {
		return tokens{}, &zoomError{page: "response", detail: tokenPath + ": no bearer token"}
	}
	return t, nil
}

// get calls a path of Zoom's API, such as /v2/users/me, with an access token (RFC 6750 §2.1). It
// decodes the response into the struct that dst points to, and also returns it as it came. If Zoom
// can't be reached or its response can't be used, it returns a *zoomError.
func (z *zoomClient) get(ctx context.Context, accessToken, path string, dst any) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, z.apiURL+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	return z.call(req, dst)
}

// maxResponse is the length of the longest response that call accepts, in bytes.
const maxResponse = 1 << 20

// call sends a request to Zoom. If the response is a JSON object with the status 200, call decodes
// it into the struct that dst points to, and also returns it as it came. Otherwise it returns a
// *zoomError.
func (z *zoomClient) call(req *http.Request, dst any) ([]byte, error) {
	// Unlike http.Client, RoundTrip doesn't follow redirects, which could leak credentials.
	res, err := z.transport.RoundTrip(req)
	if err != nil {
		return nil, connectionError(req, err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols { // the deadline doesn't cover its body
		return nil, responseError(req, res, nil)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxResponse+1))
	if err != nil {
		return nil, connectionError(req, err)
	}
	isObject := json.Valid(body) && bytes.HasPrefix(bytes.TrimSpace(body), []byte("{"))
	if res.StatusCode != http.StatusOK || len(body) > maxResponse || !isObject {
		return nil, responseError(req, res, body)
	}
	json.Unmarshal(body, dst) // the JSON is valid; fields of an unexpected type stay empty
	return body, nil
}

// zoomError describes a failed call to Zoom. It holds no secret, so it may be logged and shown.
type zoomError struct {
	page   string // the page that explains it, in templates/problems.html
	detail string // for the log

	// For the page. Each may be empty.
	Number     int    // Zoom's number for the error
	Scopes     string // the Zoom app needs one of these
	TrackingID string // for Zoom's support
	RetryAfter string // when to call again, as in Zoom's header
}

// Error returns a line for the log.
func (e *zoomError) Error() string { return "zoom: " + e.page + ": " + e.detail }

// connectionError returns the error for a request without a complete response. It includes the text
// of timeouts, system errors and certificate errors. Other errors may quote what was received, even
// a token.
func connectionError(req *http.Request, err error) *zoomError {
	reason := "the connection broke, a proxy refused it, or the response was not HTTP"
	_, isNetError := errors.AsType[net.Error](err) // a timeout or a system error
	_, isCertificateError := errors.AsType[*tls.CertificateVerificationError](err)
	if isNetError || isCertificateError {
		reason = err.Error()
	}
	detail := fmt.Sprintf("%s: %q", req.URL, reason)
	if proxy, _ := http.ProxyFromEnvironment(req); proxy != nil {
		detail += ", through the proxy " + proxy.Hostname()
	}
	return &zoomError{page: "connection", detail: detail}
}

// errorResponse is an error as Zoom's OAuth server (RFC 6749 §5.2) or Zoom's API describes it.
type errorResponse struct {
	// The OAuth server's. The last two may quote the authorization code.
	Name        string `json:"error"` // such as invalid_grant
	ErrorCode   int    `json:"errorCode"`
	Reason      string `json:"reason"`
	Description string `json:"error_description"`

	// The API's.
	Code    int    `json:"code"`
	Message string `json:"message"`
}

var (
	// errorNamePattern matches the name of an OAuth error, such as invalid_grant.
	errorNamePattern = regexp.MustCompile(`^[a-z_]{1,50}$`)
	// scopesPattern finds the scopes in "… does not contain scopes:[user:read:user]".
	scopesPattern = regexp.MustCompile(`[a-z_]+:[a-z_:, ]+`)
)

// responseError returns the error for a response that can't be used. For the log, it includes what
// Zoom says, but none of the OAuth server's sentences, which may quote the authorization code.
func responseError(req *http.Request, res *http.Response, body []byte) *zoomError {
	var said errorResponse
	json.Unmarshal(body, &said) // leaves it empty if body isn't JSON
	number := cmp.Or(said.ErrorCode, said.Code)
	e := &zoomError{
		page:       said.page(res.StatusCode, number),
		Number:     number,
		Scopes:     scopesPattern.FindString(said.Message),
		TrackingID: res.Header.Get("x-zm-trackingid"),
		RetryAfter: res.Header.Get("Retry-After"),
	}
	contentType := res.Header.Get("Content-Type")
	e.detail = fmt.Sprintf("%s: HTTP %d %q", req.URL, res.StatusCode, contentType)
	if location, err := url.Parse(res.Header.Get("Location")); err == nil && location.Host != "" {
		e.detail += fmt.Sprintf(", redirect to %q", location.Host)
	}
	if len(body) > maxResponse {
		e.detail += ", longer than 1 MiB"
	}
	if errorNamePattern.MatchString(said.Name) {
		e.detail += ", " + said.Name
	}
	if number != 0 {
		e.detail += fmt.Sprintf(", error %d", number)
	}
	if said.Message != "" && req.URL.Path != tokenPath { // so it really is the API's
		e.detail += fmt.Sprintf(", %.200q", said.Message)
	}
	e.detail += fmt.Sprintf(", tracking ID %q", e.TrackingID)
	return e
}

// page returns the page, in templates/problems.html, that explains an error response with this HTTP
// status and this Zoom error number, or 0. Since not every error has a number, it also looks at how
// the text begins, and at the OAuth server's name for the error.
//
// https://developers.zoom.us/docs/integrations/oauth-error-messages/
func (said errorResponse) page(status, number int) string {
	text := strings.ToLower(cmp.Or(said.Reason, said.Description, said.Message))
	is := func(n int, prefix string) bool { return number == n || strings.HasPrefix(text, prefix) }
	switch {
	case status == http.StatusTooManyRequests:
		return "ratelimit"
	case is(4702, "invalid client"), number == 4704,
		is(4706, "client id or client secret is missing"), said.Name == "invalid_client":
		return "credentials"
	case is(4709, "redirect"):
		return "redirect"
	case is(4711, "invalid access token, does not contain scopes"):
		return "scope"
	case is(4738, "the token is disabled by admin"):
		return "admin"
	case is(4733, "code is expired"), is(4734, "invalid authorization code"),
		is(4741, "the token has been revoked"), said.Name == "invalid_grant":
		return "code"
	}
	return "response"
}
