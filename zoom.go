package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// zoomClient calls Zoom for one Zoom app. It is safe for concurrent use.
//
// https://developers.zoom.us/docs/integrations/oauth/
type zoomClient struct {
	clientID     string
	clientSecret string            // empty for a public client
	redirectURL  string            // registered at Zoom
	zoomURL      string            // of Zoom's OAuth server, such as https://zoom.us
	zoomAPIURL   string            // of Zoom's API, such as https://api.zoom.us
	transport    http.RoundTripper // sends the requests
}

// authorizeURL returns the URL at which Zoom asks the user to allow the app (RFC 6749 §4.1.1). It
// is the tutorial's ZOOM_AUTH with a state and PKCE (RFC 7636 §4.3), for example
//
//	https://zoom.us/oauth/authorize?response_type=code&client_id=CRI3gZbkREeCpTrXy81sqQ
//	&redirect_uri=https%3A%2F%2Fabc.ngrok-free.app&state=M2RKJOLEGVOF4NLUNNMVQFJC3F
//	&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256
//
// The code challenge is a hash of the code verifier. Zoom gets the code verifier itself later, with
// the code, and checks that it has this hash.
func (z *zoomClient) authorizeURL(state, verifier string) string {
	hash := sha256.Sum256([]byte(verifier))
	challenge := base64.RawURLEncoding.EncodeToString(hash[:]) // [:] makes the array a slice
	return z.zoomURL + "/oauth/authorize?response_type=code" +
		"&client_id=" + url.QueryEscape(z.clientID) +
		"&redirect_uri=" + url.QueryEscape(z.redirectURL) +
		"&state=" + state +
		"&code_challenge=" + challenge +
		"&code_challenge_method=S256"
}

// tokens is Zoom's response to a token request (RFC 6749 §5.1). The names in the JSON are those in
// the tags, which are in backquotes.
type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"` // unused: this program doesn't call Zoom later
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope"`
}

// exchange exchanges an authorization code and its code verifier for tokens, as the tutorial does
// with ZOOM_GET_AUTHCODE (RFC 6749 §4.1.3, RFC 7636 §4.5). It returns a *zoomError if Zoom can't
// be reached or its response can't be used.
func (z *zoomClient) exchange(ctx context.Context, code, verifier string) (tokens, error) {
	form := url.Values{ // each name has a list of values
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {z.redirectURL},
		"code_verifier": {verifier},
	}
	if z.clientSecret == "" { // a public client has only its ID (RFC 6749 §3.2.1)
		form.Set("client_id", z.clientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, z.zoomURL+"/oauth/token",
		strings.NewReader(form.Encode()))
	if err != nil {
		return tokens{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if z.clientSecret != "" {
		// The ID and the secret are form-encoded, so that a colon in one of them isn't mistaken for
		// the colon between them (RFC 6749 §2.3.1).
		req.SetBasicAuth(url.QueryEscape(z.clientID), url.QueryEscape(z.clientSecret))
	}
	// The last three arguments are secrets, which z.call keeps out of its error.
	response, err := z.call(req, z.clientSecret, verifier, code)
	if err != nil {
		return tokens{}, err
	}
	var t tokens
	json.Unmarshal(response, &t) // a field that isn't of the expected type stays empty
	// z.get sends the token as "Authorization: Bearer …", so any other type is of no use (RFC
	// 6749 §7.1). The type is case-insensitive (§5.1).
	if !strings.EqualFold(t.TokenType, "bearer") || t.AccessToken == "" {
		return tokens{}, &zoomError{problem: "unusable", detail: req.URL.Path + ": no bearer token"}
	}
	return t, nil
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

// get sends a GET request for a path of Zoom's API, such as /v2/users/me, with an access token
// (RFC 6750 §2.1), and returns the JSON object in Zoom's response. It returns a *zoomError if Zoom
// can't be reached or its response can't be used.
func (z *zoomClient) get(ctx context.Context, accessToken, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, z.zoomAPIURL+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	return z.call(req)
}

// maxResponse limits the length of a response, in bytes.
const maxResponse = 1 << 20

// call sends a request to Zoom, and returns the JSON object in Zoom's response. It returns a
// *zoomError if there is no complete response, or if it isn't a 200 with a JSON object of at most
// maxResponse bytes. In what the error quotes from the response, the secrets are replaced, and so
// is what the Authorization header of the request carries.
func (z *zoomClient) call(req *http.Request, secrets ...string) ([]byte, error) {
	// Unlike http.Client, RoundTrip doesn't follow redirects, so no other server gets the
	// credentials.
	res, err := z.transport.RoundTrip(req)
	if err != nil {
		return nil, connectionError(req, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxResponse+1)) // +1 to detect a longer body
	if err != nil {
		return nil, connectionError(req, err)
	}
	isObject := json.Valid(body) && bytes.HasPrefix(bytes.TrimSpace(body), []byte("{"))
	if res.StatusCode != http.StatusOK || len(body) > maxResponse || !isObject {
		return nil, responseError(res, body, secrets)
	}
	return body, nil
}

// zoomError describes a failed call to Zoom.
type zoomError struct {
	problem string // the page that explains it, in templates/problems.html
	detail  string // for the log, in Zoom's words if there are any

	// These are for the page. They are capitalized, because templates can't use other fields.
	Number     int    // Zoom's number for the error, or 0
	Scopes     string // Zoom wants one of these; empty unless a scope is missing
	TrackingID string // for Zoom's support
}

// Error makes *zoomError an error. It returns a line for the log.
func (e *zoomError) Error() string { return "zoom: " + e.problem + ": " + e.detail }

// connectionError returns the error for a request without a complete response. It includes the text
// of err only if err is from package net, a timeout or a certificate error. Any other text may
// quote what Zoom sent, such as a token.
func connectionError(req *http.Request, err error) *zoomError {
	reason := "the connection broke, a proxy refused it, or the response was not HTTP"
	// AsType looks for an error of the type in brackets.
	_, isNetError := errors.AsType[net.Error](err) // from package net, or a timeout
	_, isCertificateError := errors.AsType[*tls.CertificateVerificationError](err)
	if isNetError || isCertificateError {
		reason = err.Error()
	}
	detail := fmt.Sprintf("%s: %q", req.URL, reason)
	if proxy, _ := http.ProxyFromEnvironment(req); proxy != nil {
		detail += ", through the proxy " + proxy.Hostname()
	}
	return &zoomError{problem: "connection", detail: detail}
}

// responseError returns the error for a response that can't be used. If the status isn't a success,
// it includes the response's text, with the secrets replaced. The text of a success is left out,
// because it may contain a token.
func responseError(res *http.Response, body []byte, secrets []string) *zoomError {
	// The log gets the body and, for a redirect, where it leads.
	text := strings.TrimSpace(res.Header.Get("Location") + " " + string(body))
	// The credentials are what follows Basic or Bearer.
	_, credentials, _ := strings.Cut(res.Request.Header.Get("Authorization"), " ")
	for _, secret := range append([]string{credentials}, secrets...) {
		if len(secret) > 5 { // an empty or very short one would garble the text
			text = strings.ReplaceAll(text, secret, "[secret]")
		}
	}
	e := &zoomError{problem: "unusable", TrackingID: res.Header.Get("x-zm-trackingid")}
	e.detail = fmt.Sprintf("%s: HTTP %d %.100q, %d bytes, tracking ID %.100q, ",
		res.Request.URL, res.StatusCode, res.Header.Get("Content-Type"), len(body), e.TrackingID)
	switch {
	case res.StatusCode >= 300: // not a success
		// The OAuth server calls the number errorCode, and the API calls it code. Fields without
		// tags match JSON names in upper or lower case. They stay 0 if body isn't JSON.
		var numbers struct{ ErrorCode, Code int }
		json.Unmarshal(body, &numbers)
		e.Number = cmp.Or(numbers.ErrorCode, numbers.Code)
		e.Scopes = scopesIn(string(body))
		e.problem = problemOf(res.StatusCode, e.Number, string(body))
		e.detail += fmt.Sprintf("%.500q", text)
	case len(body) == 0:
		e.detail += "empty"
	case len(body) > maxResponse:
		e.detail += "longer than 1 MiB"
	default:
		e.detail += "not a 200 with a JSON object"
	}
	return e
}

// scopesIn returns the scopes in an error's text, which is JSON. Here, they are a:b and c:d:
//
//	{"code":4711,"message":"Invalid access token, does not contain scopes:[a:b, c:d]."}
//
// Some of Zoom's errors have each scope in quotes, which JSON writes as \". NewReplacer takes pairs
// of old and new strings.
func scopesIn(text string) string {
	_, after, _ := strings.Cut(text, "scopes:")
	scopes, _, _ := strings.Cut(after, "]")
	return strings.TrimSpace(strings.NewReplacer("[", "", `"`, "", `\`, "").Replace(scopes))
}

// problemOf returns the name of the page that explains an error response, from the response's
// status, Zoom's number for the error, which may be 0, and the response's text.
//
// https://developers.zoom.us/docs/integrations/oauth-error-messages/
func problemOf(status, number int, text string) string {
	// Make invalid_client and Invalid client the same.
	text = strings.ToLower(strings.ReplaceAll(text, "_", " "))
	// matches reports whether the error has the number n, or a JSON string that begins with s.
	// (Some errors have no number.)
	matches := func(n int, s string) bool { return number == n || strings.Contains(text, `"`+s) }
	switch {
	case status == http.StatusTooManyRequests:
		return "ratelimit"
	case matches(4717, "the app has been disabled"):
		return "disabled"
	case matches(4702, "invalid client"), matches(4704, "invalid client secret"),
		matches(4706, "client id or client secret is missing"):
		return "credentials"
	case matches(4709, "redirect uri"), matches(4709, "invalid redirect url"):
		return "redirect"
	case matches(4711, "invalid access token, does not contain scopes"):
		return "scope"
	case matches(4738, "the token is disabled by admin"):
		return "admin"
	case matches(4733, "code is expired"), matches(4741, "the token has been revoked"),
		matches(4734, "invalid authorization code"), matches(4734, "invalid grant"):
		return "expired"
	}
	return "unusable"
}

// newTransport returns a copy of the default transport with shorter timeouts, and with more
// connections that are kept open for later calls.
func newTransport() *http.Transport {
	// DefaultTransport is declared as an interface. What is in it is an *http.Transport.
	t := http.DefaultTransport.(*http.Transport).Clone()
	// A name server that doesn't answer costs five seconds before the next one is asked. Six leave
	// time for that. Each limit is below zoomTimeout, so the log can usually say whether it was
	// dialing or the handshake that timed out.
	t.DialContext = (&net.Dialer{Timeout: 6 * time.Second}).DialContext
	t.TLSHandshakeTimeout = 6 * time.Second
	// With HTTP/2, calls share a connection. If nothing arrives on it for five seconds, send a
	// ping, and if no answer arrives within three, close it. Otherwise, later calls would hang.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 3 * time.Second}
	t.MaxIdleConnsPerHost = t.MaxIdleConns // the default, two, is too few when many sign in at once
	// Package x509 loads the system's certificates once, at the first handshake. If that fails, say
	// because too many files are open, all later handshakes fail, too. So load them now, in the
	// background.
	go x509.SystemCertPool()
	return t
}
