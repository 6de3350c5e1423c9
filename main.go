// Zoom-oauth signs a visitor in with Zoom and shows their Zoom profile. It uses OAuth 2.0's
// authorization code grant (RFC 6749 §4.1) with PKCE (RFC 7636).
//
// It is a port of the tutorial "Zoom OAuth: How to Connect Your Web App to the Zoom Client". These
// are the tutorial's steps:
//
//	.env                                  readSettings in main.go
//	app.listen(8000)                      defaultAddress, listen and serve in main.go
//	app.get('/')                          root in handlers.go
//	res.redirect(ZOOM_AUTH)               start in handlers.go, authorizeURL in zoom.go
//	request.post(ZOOM_GET_AUTHCODE)       finish in handlers.go, exchange in zoom.go
//	request.get('/v2/users/me')           finish in handlers.go, get in zoom.go
//	JSON.stringify(body, null, 2)         finish in handlers.go
//	res.send(page)                        show in handlers.go, templates/profile.html
//	res.send('Something went wrong')      fail in handlers.go, templates/problems.html
//
// The tokens aren't printed. These terms are new:
//
//	state           a random name for a sign-in, which Zoom sends back with the code
//	code verifier   a random secret of a sign-in, without which its code is useless (PKCE)
//	second try      a sign-in that starts over, since its cookie is missing or its code is used up
//	public client   a Zoom app without a client secret, for use on one's own machine
package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/joho/godotenv"

	"zoom-oauth/internal/fakezoom"
	"zoom-oauth/templates"
)

const usage = "Usage: zoom-oauth [-demo]\n" +
	"With -demo, a stand-in takes Zoom's place. Otherwise .env must be filled in; see the README."

func main() {
	demo := len(os.Args) == 2 && strings.TrimLeft(os.Args[1], "-") == "demo"
	if len(os.Args) > 1 && !demo {
		fmt.Fprintln(os.Stderr, usage) // don't repeat the arguments: they may be secrets
		os.Exit(2)
	}
	log.SetOutput(os.Stdout) // like console.log

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, func() {
		stop() // a second signal ends the program at once
		// serve needs zoomTimeout at most. After that, exit even if run doesn't return: a write to
		// stdout blocks for as long as nobody reads it, as after Ctrl+S in a terminal.
		time.Sleep(zoomTimeout + time.Second/2)
		os.Exit(1)
	})
	if err := run(ctx, demo); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves the app until ctx is done. It returns an error if the program can't start or go on, or
// has to cut off a request in the end.
func run(ctx context.Context, demo bool) error {
	address, a, err := setUp(demo)
	if err != nil {
		return err
	}
	listeners, err := listen(address)
	if err != nil {
		return err
	}
	// Package x509 loads the system's certificates once, and remembers a failure. Load them before
	// a crowd of visitors can use up the file descriptors.
	go x509.SystemCertPool()

	fmt.Print(startMessage(a.zoom, address, listeners[0].Addr()))
	return serve(ctx, a, listeners)
}

// setUp returns the address to listen on, and the app. In a demo, the app's Zoom is a stand-in. It
// returns an error if the settings are wrong.
func setUp(demo bool) (address string, a *app, err error) {
	if !demo {
		address, z, err := readSettings()
		if err != nil {
			return "", nil, err
		}
		return address, newApp(z, templates.Parse(demo)), nil
	}
	standIn := fakezoom.New("demo", "secret", "/")
	// oauthURL and apiURL stay empty, so that all URLs are just paths. The browser, which needs
	// /oauth/authorize, completes them with the host and port at which it reached this server.
	a = newApp(&zoomClient{
		clientID:     "demo",
		clientSecret: "secret",
		redirectURL:  "/",
		transport:    standIn, // which the app calls in memory
	}, templates.Parse(demo))
	a.mux.Handle("/oauth/authorize", standIn)
	return cmp.Or(strings.TrimSpace(os.Getenv("address")), defaultAddress), a, nil
}

// defaultAddress has the tutorial's port.
const defaultAddress = "localhost:8000"

// readSettings returns the address to listen on, and a zoomClient for the Zoom app that the
// settings describe. It reads each setting from the environment or, if it is missing or empty
// there, from .env. It returns an error if .env can't be read, or one with a line for each of the
// zoomClient's settings that is missing or wrong. Neither quotes values, which may be secrets.
func readSettings() (address string, z *zoomClient, err error) {
	file, err := readEnvFile()
	if err != nil {
		return "", nil, err
	}
	read := func(name, fallback string) string {
		return cmp.Or(strings.TrimSpace(os.Getenv(name)), strings.TrimSpace(file[name]), fallback)
	}
	address = read("address", defaultAddress)
	z = &zoomClient{
		clientID:     read("clientID", ""),
		clientSecret: read("clientSecret", ""),
		redirectURL:  read("redirectURL", ""),
		oauthURL:     strings.TrimRight(read("zoomURL", "https://zoom.us"), "/"),
		apiURL:       strings.TrimRight(read("zoomAPIURL", "https://api.zoom.us"), "/"),
		transport:    newTransport(),
	}
	// A public client has no secret, and a redirect URL on this machine, with http.
	isPublic := z.clientSecret == "" && strings.HasPrefix(z.redirectURL, "http:")
	err = errors.Join(
		check("clientID", credentialPattern.MatchString(z.clientID),
			"your app's Client ID, just as App Credentials at marketplace.zoom.us shows it"),
		check("clientSecret", credentialPattern.MatchString(z.clientSecret) || isPublic,
			"your app's Client Secret, just as App Credentials at marketplace.zoom.us shows it"),
		check("redirectURL", isOrigin(z.redirectURL),
			"what ngrok shows, like https://abc.ngrok-free.app, or http://127.0.0.1:8000"),
		check("zoomURL", isOrigin(z.oauthURL),
			"the https address of Zoom's OAuth server"),
		check("zoomAPIURL", isOrigin(z.apiURL), "the https address of Zoom's API"),
	)
	if err != nil {
		folder, _ := os.Getwd()
		err = fmt.Errorf(settingsAdvice, err, folder)
	}
	return address, z, err
}

const settingsAdvice = `zoom-oauth can't start. Correct these settings:

%w

They belong in the file .env in %s,
with exactly these names. To begin with, copy .env.example to .env; the README has the steps. If
Windows has named the file .env.txt, rename it to .env. Environment variables override the file`

// check returns nil if a setting is right, and otherwise an error that says what it must be.
func check(name string, isRight bool, mustBe string) error {
	if isRight {
		return nil
	}
	return fmt.Errorf("  %-13s must be %s", name, mustBe)
}

// The patterns reject what is left of a <placeholder> or pasted along with a value: quotes, spaces,
// commas, semicolons.
var (
	// credentialPattern matches a client ID or a client secret, such as CRI3gZbkREeCpTrXy81sqQ.
	credentialPattern = regexp.MustCompile(`^[\w.~!$%&+/:=?@^|-]+$`)
	// originPattern matches https://abc.ngrok-free.app and, on this machine, http://127.0.0.1:8000.
	originPattern = regexp.MustCompile(`^(https://([\w.-]+|\[[0-9A-Fa-f:.]+\])` +
		`|http://(localhost|127\.\d+\.\d+\.\d+|\[::1\]))(:\d+)?/?$`)
)

// isOrigin reports whether s is a URL that matches originPattern. The pattern alone also matches
// some strings that aren't URLs, such as https://[:].
func isOrigin(s string) bool {
	_, err := url.Parse(s)
	return err == nil && originPattern.MatchString(s)
}

// readEnvFile returns the variables in the file .env, or none if there is no such file. Its error
// doesn't quote the file.
func readEnvFile() (map[string]string, error) {
	text, err := os.ReadFile(".env")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("zoom-oauth can't read .env: %w", err)
	}
	// godotenv.Load isn't used, since it rejects a byte order mark.
	settings, err := godotenv.UnmarshalBytes(bytes.TrimPrefix(text, []byte("\ufeff")))
	if err != nil { // isn't wrapped, since it quotes the file
		return nil, errors.New("zoom-oauth can't read .env: each line must be name=value or" +
			` name="value", with nothing after it, and the file must be saved as UTF-8`)
	}
	return settings, nil
}

// listen listens on an address, host:port. For localhost it listens on both 127.0.0.1 and ::1,
// since browsers try either. Its error gives the reason, and says what to do.
func listen(address string) ([]net.Listener, error) {
	const advice = "zoom-oauth can't listen: %w\n" +
		"Stop the program that uses this address, perhaps an earlier run of this one. Or set\n" +
		"address to another host:port of this machine, such as localhost:8001, and start the\n" +
		"tunnel with: ngrok http 8001. With -demo, address is read only from the environment"
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf(advice, err)
	}
	hosts := []string{host}
	if host == "localhost" {
		hosts = []string{"127.0.0.1"}
		// Add ::1 if this machine has it, that is, if a listener can get any free port of it.
		if probe, err := net.Listen("tcp", "[::1]:0"); err == nil {
			probe.Close()
			hosts = append(hosts, "::1")
		}
	}
	var listeners []net.Listener
	for _, host := range hosts {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
		if err != nil {
			return nil, fmt.Errorf(advice, err)
		}
		listeners = append(listeners, listener)
		_, port, _ = net.SplitHostPort(listener.Addr().String()) // for 0, the system's choice
	}
	return listeners, nil
}

// startMessage returns what the program prints once it listens: the URL to open in a browser on
// this machine and, unless this is a demo, the redirect URL with what to do about it.
func startMessage(z *zoomClient, address string, actual net.Addr) string {
	host, _, _ := net.SplitHostPort(address)
	_, port, _ := net.SplitHostPort(actual.String())
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = "localhost"
	}
	redirect, _ := url.Parse(z.redirectURL) // just a path in a demo
	isLocal := redirect.Scheme == "http"    // which is allowed on this machine only
	if isLocal && z.clientSecret == "" {
		// Zoom asks a public client's user at each try. No second try is needed if the sign-in
		// begins on the host where it ends.
		host = redirect.Hostname()
	}
	var notes []string // not errors, since OAuth servers other than Zoom may accept these
	if isLocal {
		if z.clientSecret != "" {
			notes = append(notes, "Zoom accepts http only without a clientSecret")
		}
		if redirect.Hostname() == "localhost" {
			notes = append(notes, "Zoom refuses localhost, use 127.0.0.1")
		}
		if cmp.Or(redirect.Port(), "80") != port {
			notes = append(notes, "this program listens on port "+port)
		}
	}
	message := "\n  Open          http://" + net.JoinHostPort(host, port) + "\n"
	if redirect.Host != "" {
		note := cmp.Or(strings.Join(notes, "; "), "register exactly this at Zoom")
		message += "  Redirect URL  " + z.redirectURL + "  (" + note + ")\n"
	}
	return message + "  Stop          Ctrl+C\n\n"
}

// serve handles requests until ctx is done, and then waits for those under way. It returns an error
// if the server fails before ctx is done, or if it has to cut off a request in the end.
func serve(ctx context.Context, handler http.Handler, listeners []net.Listener) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       2 * zoomTimeout, // longer than zoomTimeout, or it would cancel a sign-in
		WriteTimeout:      2 * zoomTimeout, // longer than zoomTimeout, or it would cut off the page
		IdleTimeout:       2 * time.Minute, // longer than a load balancer's, often one minute
	}
	failed := make(chan error, len(listeners)) // buffered, so that no goroutine blocks
	for _, listener := range listeners {
		go func() { failed <- server.Serve(listener) }()
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	fmt.Println("\nFinishing what is under way. Press Ctrl+C again to end at once.")
	grace, cancel := context.WithTimeout(context.Background(), zoomTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return fmt.Errorf("zoom-oauth cut off requests that were still under way: %w", err)
	}
	return nil
}
