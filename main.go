// Zoom-oauth signs a visitor in with Zoom and shows their Zoom profile. It uses OAuth 2.0's
// authorization code grant (RFC 6749 §4.1) with PKCE (RFC 7636).
//
// It is a port of the tutorial "Zoom OAuth: How to Connect Your Web App to the Zoom Client", whose
// handler for / is app.root in handlers.go, and whose three URLs are used by authorizeURL, exchange
// and get in zoom.go.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/joho/godotenv"

	"zoom-oauth/internal/fakezoom"
	"zoom-oauth/templates"
)

func main() {
	demo := flag.Bool("demo", false, "use a stand-in for Zoom: no account, no .env")
	version := flag.Bool("version", false, "print the version and exit")
	flag.Usage = usage
	flag.Parse()
	if flag.NArg() > 0 {
		argument, _, _ := strings.Cut(flag.Arg(0), "=") // what follows may be a secret
		fmt.Fprintf(os.Stderr, "zoom-oauth takes no arguments, but got %q.\n\n", argument)
		usage()
		os.Exit(2)
	}
	if *version {
		info, _ := debug.ReadBuildInfo()
		fmt.Println("zoom-oauth", info.Main.Version, info.GoVersion)
		return
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from then on a signal ends the program at once
	log.SetOutput(io.Discard)    // where net/http logs bytes that no request has asked for
	if err := run(ctx, *demo, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// usage prints the flags and the settings.
func usage() {
	out := flag.CommandLine.Output()
	fmt.Fprint(out, "zoom-oauth signs a visitor in with Zoom and shows their Zoom profile.\n",
		"README.md has the steps, from an account at Zoom to the first sign-in.\n\nFlags:\n")
	flag.PrintDefaults()
	fmt.Fprint(out, "\nSettings, from the environment or else from .env in this folder",
		" (a demo reads just\naddress, from the environment):\n")
	for _, s := range knownSettings {
		note := "required"
		if s.fallback != "" {
			note = "default " + s.fallback
		}
		fmt.Fprintf(out, "  %s\n    \t%s (%s)\n", s.name, s.meaning, note)
	}
}

// run serves the app until ctx is done, and writes the start message and the log to out. Its
// error is readSettings's or listen's, or what ended the server too soon.
func run(ctx context.Context, demo bool, out io.Writer) error {
	s, err := readSettings(demo)
	if err != nil {
		return err
	}
	listener, err := listen(s.address, demo)
	if err != nil {
		return err
	}
	site := siteURL(s.address, listener.Addr())
	logger := log.New(out, "", log.LstdFlags)
	handler := newHandler(s, demo, listener.Addr(), logger)

	fmt.Fprintf(out, "\n  Open          %s\n", site)
	if !demo {
		note := "must be registered at Zoom exactly like this"
		if u, err := url.Parse(s.zoom.redirectURL); err == nil && isLoopback(u.Hostname()) {
			note = "Zoom will refuse it: it takes only https, and not on this machine"
		}
		fmt.Fprintf(out, "  Redirect URL  %s  (%s)\n", s.zoom.redirectURL, note)
	}
	fmt.Fprint(out, "  Stop          Ctrl+C\n\n")

	return serve(ctx, listener, &http.Server{
		Handler:           handler,
		ErrorLog:          logger,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second, // more than the calls to Zoom take, see zoomTimeout
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,

		DisableGeneralOptionsHandler: true, // "OPTIONS *" is answered like the rest
	}, out)
}

// newHandler returns the app. In a demo, a stand-in for Zoom answers beside it, at the server's own
// address. The two send browsers to each other by relative URLs, so that a demo also works through
// a container's port, ssh or a cloud editor.
func newHandler(s settings, demo bool, own net.Addr, logger *log.Logger) http.Handler {
	if !demo {
		return newApp(newZoom(s.zoom), templates.Parse(false), logger)
	}
	ownURL := siteURL(own.String(), own)           // a name might lead elsewhere
	standIn := fakezoom.New("demo", "secret", "/") // whose redirect URL is relative, too
	app := newApp(newZoom(zoomConfig{
		clientID:     standIn.ClientID,
		clientSecret: standIn.ClientSecret,
		redirectURL:  standIn.RedirectURI,
		browserURL:   "", // relative
		zoomURL:      ownURL,
		apiURL:       ownURL,
	}), templates.Parse(true), logger)
	return standIn.Beside(app)
}

// serve answers requests until ctx is done, then gives those in flight nine seconds to finish.
// Its error is what ended the server before that.
func serve(ctx context.Context, listener net.Listener, server *http.Server, out io.Writer) error {
	failed := make(chan error, 1) // with room, since nobody may be left to receive
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	fmt.Fprintln(out, "\nFinishing what is under way. Press Ctrl+C again to end at once.")
	grace, cancel := context.WithTimeout(context.Background(), 9*time.Second)
	defer cancel()
	server.Shutdown(grace) // what isn't finished by then is cut off
	return nil
}

// listen opens a TCP address. Its error has the system's own reason and what to do about it.
func listen(address string, demo bool) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, listenError(err, address, demo)
	}
	return listener, nil
}

// listenError returns the error for an address that net.Listen can't open.
func listenError(err error, address string, demo bool) error {
	advice := "An address is a host:port of this machine that no other program uses."
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		advice = "Stop the program that uses it, perhaps an earlier run of this one," +
			" or use another port."
	case errors.Is(err, syscall.EACCES):
		advice = "Only an administrator may use that port. Use one from 1024 up."
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = "That host isn't this machine. Use localhost."
	}
	example := "set address=localhost:8001 in .env (or in the environment, if it is set there)" +
		" and start the tunnel with: ngrok http 8001"
	if demo {
		example = "start the demo with: address=localhost:8001 make demo"
	}
	if operation, ok := errors.AsType[*net.OpError](err); ok {
		err = operation.Err
	}
	return fmt.Errorf("zoom-oauth can't listen on %s: %w.\n%s\nFor example, %s",
		address, err, advice, example)
}

// siteURL returns the URL to open in a browser on this machine. Its host is that of address, the
// setting; its port is that of actual, since the setting may ask for any free port.
func siteURL(address string, actual net.Addr) string {
	host, _, _ := net.SplitHostPort(address)
	_, port, _ := net.SplitHostPort(actual.String())
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// settings holds the values that the program runs with.
type settings struct {
	address string // the host:port to listen on
	zoom    zoomConfig
}

// knownSetting describes a setting.
type knownSetting struct {
	name     string              // in the environment and in .env
	fallback string              // the default; a setting without one is required
	meaning  string              // what the value must be
	fault    func(string) string // returns what is wrong with a value, or ""; may be nil
}

// defaultAddress has the tutorial's port.
const defaultAddress = "localhost:8000"

// knownSettings lists every setting. The first three have the tutorial's names.
var knownSettings = []knownSetting{
	{"clientID", "",
		"your app's Client ID (marketplace.zoom.us, App Credentials)", credentialFault},
	{"clientSecret", "",
		"your app's Client Secret (marketplace.zoom.us, App Credentials)", credentialFault},
	{"redirectURL", "",
		"the https address that ngrok shows, such as https://abc.ngrok-free.app", originFault},
	{"address", defaultAddress,
		"the host:port to listen on", nil},
	{"zoomURL", "https://zoom.us",
		"the https address of Zoom's OAuth server", originFault},
	{"zoomAPIURL", "https://api.zoom.us",
		"the https address of Zoom's API", originFault},
}

// readSettings returns the settings, from the environment or else from .env, and for a demo just
// the address, from the environment. Its error has a line for each setting that is missing or
// wrong, or is readEnvFile's. It never quotes a value.
func readSettings(demo bool) (settings, error) {
	if demo {
		address := strings.TrimSpace(os.Getenv("address"))
		return settings{address: cmp.Or(address, defaultAddress)}, nil
	}
	file, err := readEnvFile()
	if err != nil {
		return settings{}, err
	}
	values := map[string]string{}
	var faults []string
	for _, s := range knownSettings {
		value, fault := s.read(file)
		values[s.name] = value
		if fault != "" {
			line := fmt.Sprintf("  %-13s %s. It must be %s.", s.name, fault, s.meaning)
			faults = append(faults, line)
		}
	}
	if faults != nil {
		return settings{}, settingsError(faults, file)
	}
	zoomURL := strings.TrimSuffix(values["zoomURL"], "/")
	return settings{values["address"], zoomConfig{
		clientID:     values["clientID"],
		clientSecret: values["clientSecret"],
		redirectURL:  values["redirectURL"], // as it is, since Zoom compares it exactly
		browserURL:   zoomURL,
		zoomURL:      zoomURL,
		apiURL:       strings.TrimSuffix(values["zoomAPIURL"], "/"),
	}}, nil
}

// read returns the setting's value, from the environment or else from file, and what is wrong
// with it, or "".
func (s knownSetting) read(file map[string]string) (value, fault string) {
	value, inEnvironment := os.LookupEnv(s.name)
	if !inEnvironment {
		value = file[s.name]
	}
	value = cmp.Or(strings.TrimSpace(value), s.fallback)
	switch {
	case value == "":
		fault = "is missing or blank"
	case s.fault != nil:
		fault = s.fault(value)
	}
	if fault != "" && inEnvironment {
		fault += " (in the environment, which wins over .env)"
	}
	return value, fault
}

// settingsError returns the error that lists the faults of settings. It also names what else file
// has, since that may be a setting under a wrong name. A name of more than 24 characters is left
// out: it may be a secret that was pasted without its name.
func settingsError(faults []string, file map[string]string) error {
	list := strings.Join(faults, "\n")
	if file == nil {
		return fmt.Errorf("zoom-oauth can't start: there is no .env in this folder, and the"+
			" environment doesn't have what is needed:\n\n%s\n\n"+
			"To make a .env: cp .env.example .env\nThe README has the steps to fill it in", list)
	}
	var others []string
	for _, name := range slices.Sorted(maps.Keys(file)) {
		isName := func(s knownSetting) bool { return s.name == name }
		if len(name) <= 24 && !slices.ContainsFunc(knownSettings, isName) {
			others = append(others, name)
		}
	}
	if others != nil {
		list += "\n\n.env also has " + strings.Join(others, ", ") + ". Is a setting above meant?"
	}
	return fmt.Errorf("zoom-oauth can't start. Correct these settings:\n\n%s\n\n"+
		"Those that aren't in the environment belong in .env in this folder", list)
}

// readEnvFile returns what .env sets, or nil if there is no such file. Its error doesn't wrap the
// parser's, which would quote the file.
func readEnvFile() (map[string]string, error) {
	data, err := os.ReadFile(".env")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("zoom-oauth can't read .env: %w;"+
			" it must be a file that you may read", failed.Err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, errors.New("zoom-oauth can't read .env: it isn't in UTF-8;" +
			" save it as UTF-8 (\"Unicode\" on Windows means UTF-16)")
	}
	values, err := parseEnv(data)
	if err != nil {
		return nil, fmt.Errorf("zoom-oauth can't read .env: line %d isn't of the form"+
			" name=value, or opens a quote that isn't closed", faultyLine(data))
	}
	return values, nil
}

// faultyLine returns the number of the line at which the text of a .env file can't be parsed, since
// the parser doesn't say: it is the one after the longest part, in whole lines, that can be.
func faultyLine(text []byte) int {
	part, faulty := 0, 1
	for n, line := range bytes.SplitAfter(text, []byte("\n")) {
		part += len(line)
		if _, err := parseEnv(text[:part]); err == nil {
			faulty = n + 2
		}
	}
	return faulty
}

// parseEnv returns what the text of a .env file sets.
func parseEnv(text []byte) (map[string]string, error) {
	values, err := godotenv.UnmarshalBytes(text)
	if _, nameless := values[""]; err == nil && nameless {
		err = errors.New("the last line has no =") // which the parser lets pass
	}
	return values, err
}

// credentialFault returns why s can't be a client ID or secret, or "".
func credentialFault(s string) string {
	switch {
	case strings.HasPrefix(s, "#"):
		return "begins with a #, as comments do"
	case strings.ContainsAny(s, " \t\r\n"):
		return "has a space or a line break in it"
	case strings.ContainsAny(s, "\"'“”‘’"):
		return "has a quote in it"
	case !isVisibleASCII(s):
		return "has a character in it that no credential has"
	}
	return ""
}

// originFault returns why s isn't an origin (RFC 6454 §4) with https, or "". A slash may follow.
// On this machine http will do, too: for tests, and for OAuth servers other than Zoom.
func originFault(s string) string {
	u, err := url.Parse(s)
	if err != nil || !isVisibleASCII(s) {
		return "is not a URL"
	}
	origin := u.Scheme + "://" + u.Host // whose scheme is in lower case
	local := strings.HasPrefix(s, "http://") && isLoopback(u.Hostname())
	switch {
	case !strings.HasPrefix(s, "https://") && !local:
		return "doesn't begin with https://"
	case u.Hostname() == "" || strings.HasSuffix(u.Host, ":"):
		return "has no host, or a colon without a port"
	case s != origin && s != origin+"/":
		return "has more in it than https:// and a host"
	}
	return ""
}

// isLoopback reports whether host always means this machine.
func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
