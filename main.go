// Zoom-oauth signs a visitor in with Zoom and shows their Zoom profile. It uses OAuth 2.0's
// authorization code grant (RFC 6749 §4.1) with PKCE (RFC 7636). PKCE is explained below.
//
// It is a port of the tutorial "Zoom OAuth: How to Connect Your Web App to the Zoom Client". These
// are the tutorial's steps, and where this program has them:
//
//	.env                             main.go: readSettings, readEnvFile
//	app.listen(8000)                 main.go: run, serve, listenAddress, defaultAddress
//	app.get('/')                     handlers.go: newApp, root
//	res.redirect(ZOOM_AUTH)          handlers.go: start; zoom.go: authorizeURL
//	request.post(ZOOM_GET_AUTHCODE)  handlers.go: finish; zoom.go: exchange, call
//	request.get('/v2/users/me')      handlers.go: finish; zoom.go: get, call
//	JSON.stringify(body, null, 2)    handlers.go: finish; templates/profile.html
//	res.send(page)                   handlers.go: finish, show; templates/profile.html
//	'Something went wrong'           handlers.go: fail; zoom.go: zoomError, responseError,
//	                                 problemOf; templates/problems.html
//
// Unlike the tutorial, this program doesn't print the tokens.
//
// Four terms are new:
//
//	scope           a permission that the user gives the app, such as user:read:user
//	state           a random string that identifies a sign-in; Zoom sends it back with the code
//	code verifier   a random secret, new for each sign-in. The redirect to Zoom carries its hash,
//	                and the token request carries the secret itself. Zoom checks that they match.
//	                This is PKCE.
//	public client   a Zoom app without a client secret. This program accepts a public client only
//	                if its redirect URL is on your own machine, such as http://127.0.0.1:8000.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
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

func main() {
	demo := flag.Bool("demo", false, "use a stand-in for Zoom, which needs no account and no .env")
	flag.Parse()
	log.SetOutput(os.Stdout) // like the tutorial's console.log

	// Ctrl+C and SIGTERM don't end the program at once. They cancel ctx, which tells run to return.
	ctx, stopCatching := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first Ctrl+C, stop catching signals. A second Ctrl+C then ends the program at once.
	context.AfterFunc(ctx, stopCatching)
	if err := run(ctx, *demo); err != nil { // flag.Parse has set *demo
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves the app until ctx is done. It returns an error if the program can't start, if the
// server fails, or if requests take too long to finish when it stops.
func run(ctx context.Context, demo bool) error {
	a, address, err := setUp(demo)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("zoom-oauth can't listen: %w\nThe address must be a host:port of this "+
			"machine that no other program uses, such as 127.0.0.1:8001; see the README", err)
	}
	// [::] stands for all addresses of this machine. Show one that any browser can open.
	open := strings.Replace(listener.Addr().String(), "[::]", "127.0.0.1", 1)
	fmt.Printf("\n  Open          http://%s\n", open)
	if !demo {
		fmt.Printf("  Redirect URL  %s  (register exactly this at Zoom)\n", a.zoom.redirectURL)
	}
	fmt.Print("  Stop          Ctrl+C\n\n")
	return serve(ctx, a, listener) // the app answers the requests, in its method ServeHTTP
}

// setUp returns the app and the address to listen on. It returns an error if a setting is wrong.
func setUp(demo bool) (*app, string, error) {
	if demo {
		// cmp.Or returns its first argument that isn't empty.
		return newDemo(), cmp.Or(strings.TrimSpace(os.Getenv("address")), defaultAddress), nil
	}
	z, address, err := readSettings()
	if err != nil {
		return nil, "", err
	}
	return newApp(z), address, nil
}

// newDemo returns an app with a stand-in for Zoom, and with pages that say so. The stand-in is used
// twice: for the app's own calls to Zoom, and for the browser.
func newDemo() *app {
	z := &zoomClient{
		clientID:     "demo",
		clientSecret: "secret",
		redirectURL:  "/", // on this server
		zoomURL:      "",  // on this server, too, so the browser goes to its /oauth/authorize
	}
	standIn := fakezoom.New(z.clientID, z.clientSecret, z.redirectURL)
	z.transport = standIn // for the app's own calls, in memory
	a := newApp(z)
	a.pages = templates.Demo()
	a.mux.Handle("/oauth/authorize", standIn) // for the browser
	return a
}

// defaultAddress has the tutorial's port.
const defaultAddress = "127.0.0.1:8000"

// listenAddress returns the default for the address setting. For an http redirect URL, this is the
// URL's host and port, because the browser comes straight to this program. For an https one, this
// is defaultAddress, because the browser comes through a tunnel or a load balancer.
func listenAddress(redirectURL string) string {
	if address, ok := strings.CutPrefix(redirectURL, "http://"); ok {
		return strings.TrimRight(address, "/")
	}
	return defaultAddress
}

// readSettings returns a zoomClient for the Zoom app that the settings describe, and the address to
// listen on. It reads each setting from the environment or, if it is unset or blank there, from
// .env. It returns an error if .env can't be read, or if settings are wrong or missing. It leaves
// checking the address to net.Listen. The error omits the values, which may be secrets.
func readSettings() (*zoomClient, string, error) {
	inFile, err := readEnvFile()
	if err != nil {
		return nil, "", err
	}
	read := func(name, fallback string) string { // inFile[name] is "" if it isn't in the file
		return cmp.Or(strings.TrimSpace(os.Getenv(name)), strings.TrimSpace(inFile[name]), fallback)
	}
	z := &zoomClient{
		clientID:     read("clientID", ""),
		clientSecret: read("clientSecret", ""),
		redirectURL:  read("redirectURL", ""),
		zoomURL:      strings.TrimRight(read("zoomURL", "https://zoom.us"), "/"),
		zoomAPIURL:   strings.TrimRight(read("zoomAPIURL", "https://api.zoom.us"), "/"),
		transport:    newTransport(),
	}
	// No secret means a public client, which needs an http redirect URL. (urlRegexp matches an http
	// URL only if it is on this machine.)
	isPublicClient := z.clientSecret == "" && strings.HasPrefix(z.redirectURL, "http://")

	var mistakes string
	check := func(name string, isRight bool, mustBe string) {
		if !isRight {
			mistakes += fmt.Sprintf("  %-13s must be %s\n", name, mustBe)
		}
	}
	check("clientID", credentialRegexp.MatchString(z.clientID),
		"the Client ID exactly as Zoom shows it under App Credentials")
	check("clientSecret", credentialRegexp.MatchString(z.clientSecret) || isPublicClient,
		"the Client Secret exactly as Zoom shows it, or empty if redirectURL is http://…")
	check("redirectURL", urlRegexp.MatchString(z.redirectURL),
		"https://HOST or http://127.0.0.1:PORT, with nothing after it (no /callback)")
	check("zoomURL", urlRegexp.MatchString(z.zoomURL), "like https://zoom.us")
	check("zoomAPIURL", urlRegexp.MatchString(z.zoomAPIURL), "like https://api.zoom.us")
	if mistakes != "" {
		folder, _ := os.Getwd()
		return nil, "", fmt.Errorf(settingsAdvice, mistakes, folder)
	}
	return z, read("address", listenAddress(z.redirectURL)), nil
}

const settingsAdvice = `zoom-oauth can't start. Correct these settings:

%s
They belong in the file .env (not .env.txt) in %s,
with exactly these names, or in the environment, which overrides the file; see the README`

// credentialRegexp matches a client ID or a client secret, such as CRI3gZbkREeCpTrXy81sqQ. It
// doesn't match quotes, spaces, commas, semicolons or brackets, which may be pasted by mistake.
var credentialRegexp = regexp.MustCompile(`^[\w.~!$%&+/:=?@^|-]+$`)

// urlRegexp matches https://HOST, https://HOST:PORT and, for a server on this machine,
// http://127.0.0.1:PORT and http://[::1]:PORT. Each may end with a slash, but there is no path:
// redirectURL leads to /, and zoom.go adds its own paths to zoomURL and zoomAPIURL.
var urlRegexp = regexp.MustCompile(`^(https://[\w.-]+(:\d+)?|http://(127\.0\.0\.1|\[::1]):\d+)/?$`)

// readEnvFile returns the variables in the file .env, or none if there is no such file. Its error
// doesn't contain any of the file's text.
func readEnvFile() (map[string]string, error) {
	text, err := os.ReadFile(".env")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("zoom-oauth can't read .env: %w", err)
	}
	// If there is no .env, text is empty. Strip a byte order mark, which some Windows programs
	// write and godotenv rejects.
	variables, err := godotenv.Unmarshal(strings.TrimPrefix(string(text), "\ufeff"))
	if err != nil {
		return nil, errors.New(envFileAdvice) // without err, which quotes the file
	}
	return variables, nil
}

const envFileAdvice = `zoom-oauth can't read .env: each line must be name=value, name="value" or
a # comment, with only letters, digits, _ and . in the name, and the file must be saved as UTF-8`

// serve handles requests until ctx is done, and then waits for those in progress. It returns an
// error if the server fails, or if a request is still in progress after zoomTimeout.
func serve(ctx context.Context, handler http.Handler, listener net.Listener) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		// ReadTimeout and WriteTimeout go on while a handler works: when ReadTimeout expires, the
		// server cancels the request's context, and after WriteTimeout no page can be written. So
		// both must be longer than zoomTimeout, a handler's own limit (see handlers.go).
		ReadTimeout:  2 * zoomTimeout,
		WriteTimeout: 2 * zoomTimeout,
		// A load balancer in front of this server may keep a connection open for a minute. Keep it
		// longer, or this server could close it just when the load balancer sends a request.
		IdleTimeout: 2 * time.Minute,
	}
	// Serve blocks, so run it in a goroutine. It sends its error to the channel serveErr, a queue
	// with room for one, so that the goroutine can end even if nobody receives the error.
	serveErr := make(chan error, 1)
	go func() { serveErr <- server.Serve(listener) }()
	select { // wait for whichever comes first
	case err := <-serveErr:
		return err
	case <-ctx.Done():
		fmt.Println("\nFinishing the requests in progress. Press Ctrl+C again to end at once.")
		grace, cancel := context.WithTimeout(context.Background(), zoomTimeout)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			return fmt.Errorf("zoom-oauth cut off requests that were still in progress: %w", err)
		}
		return nil
	}
}
