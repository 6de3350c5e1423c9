// Zoom-oauth signs a visitor in with Zoom and shows their Zoom profile. It is OAuth 2.0's
// authorization code grant (RFC 6749 4.1) with PKCE (RFC 7636), on the standard library's
// net/http.
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
		fmt.Fprintf(os.Stderr, "zoom-oauth takes no arguments, but got %q.\n\n", flag.Arg(0))
		usage()
		os.Exit(2)
	}
	if *version {
		info, _ := debug.ReadBuildInfo()
		fmt.Println("zoom-oauth", info.Main.Version, info.GoVersion)
		return
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	log.SetOutput(io.Discard)    // net/http logs there what Zoom sends unasked
	if err := run(ctx, *demo, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// usage prints what the program is told, by flags and by settings.
func usage() {
	out := flag.CommandLine.Output()
	fmt.Fprint(out, "zoom-oauth signs a visitor in with Zoom and shows their Zoom profile.\n",
		"README.md has the steps, from an account at Zoom to the first sign-in.\n\nFlags:\n")
	flag.PrintDefaults()
	fmt.Fprint(out, "\nSettings, from the environment or else from .env in this folder:\n")
	for _, s := range knownSettings {
		fmt.Fprintf(out, "  %s\n    \t%s", s.name, s.meaning)
		if s.fallback != "" {
			fmt.Fprintf(out, " (default %s)", s.fallback)
		}
		fmt.Fprintln(out)
	}
}

// run serves the app until ctx is done, and writes the start message and the log to out. Its
// error is readSettings's or listen's, or what ended the server too soon.
func run(ctx context.Context, demo bool, out io.Writer) error {
	settings, err := readSettings(demo)
	if err != nil {
		return err
	}
	listener, err := listen(settings.address, demo)
	if err != nil {
		return err
	}
	site := siteURL(settings.address, listener.Addr())
	logger := log.New(out, "", log.LstdFlags)
	handler := newHandler(settings, site, demo, logger)

	fmt.Fprintf(out, "\n  Open          %s\n", site)
	if !demo {
		note := "as registered at Zoom, letter by letter"
		if strings.HasPrefix(settings.zoom.redirectURL, "http:") {
			note = "Zoom will refuse it: it takes only https"
		}
		fmt.Fprintf(out, "  Redirect URL  %s  (%s)\n", settings.zoom.redirectURL, note)
	}
	fmt.Fprint(out, "  Stop          Ctrl+C\n\n")

	return serve(ctx, listener, &http.Server{
		Handler:           handler,
		ErrorLog:          logger,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second, // of which each call to Zoom may take zoomTimeout
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,

		DisableGeneralOptionsHandler: true, // "OPTIONS *" is answered like the rest
	}, out)
}

// newHandler returns the app, which for a demo has a stand-in for Zoom beside it. The two send
// browsers to each other by relative URLs, so a demo works from wherever site can be reached:
// through a container's port, ssh or a cloud editor.
func newHandler(s settings, site string, demo bool, logger *log.Logger) http.Handler {
	if !demo {
		return newApp(newZoom(s.zoom), templates.Parse(false), logger)
	}
	standIn := fakezoom.New("demo", "secret", "/")
	app := newApp(newZoom(zoomConfig{
		clientID:     standIn.ClientID,
		clientSecret: standIn.ClientSecret,
		redirectURL:  standIn.RedirectURI,
		browserURL:   "",
		zoomURL:      site,
		apiURL:       site,
	}), templates.Parse(true), logger)
	return standIn.Beside(app)
}

// serve answers requests until ctx is done, then gives those in flight nine seconds to finish.
// Its error is what ended the server before that.
func serve(ctx context.Context, listener net.Listener, server *http.Server, out io.Writer) error {
	failed := make(chan error, 1)
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
	advice := "An address is a host:port of this machine."
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		advice = "Stop the program that uses it, perhaps an earlier run of this one," +
			" or use another port."
	case errors.Is(err, syscall.EACCES):
		advice = "Only an administrator may use that port. Use one from 1024 up."
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = "That host isn't this machine. Use localhost."
	}
	example := "set address=localhost:8001 in .env and start the tunnel with: ngrok http 8001"
	if demo {
		example = "start the demo with: address=localhost:8001 make demo"
	}
	if operation, ok := errors.AsType[*net.OpError](err); ok {
		err = operation.Err
	}
	return fmt.Errorf("zoom-oauth can't listen on %s: %w.\n%s\nFor example, %s",
		address, err, advice, example)
}

// siteURL returns the URL at which a browser on this machine finds a server that was told to
// listen on address and listens on actual.
func siteURL(address string, actual net.Addr) string {
	host, _, _ := net.SplitHostPort(address)
	_, port, _ := net.SplitHostPort(actual.String())
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// settings are what the program is told.
type settings struct {
	address string // the host:port to listen on
	zoom    zoomConfig
}

// setting describes one of them.
type setting struct {
	name     string              // in the environment and in .env
	fallback string              // its value if it is blank; if "", it mustn't be
	fault    func(string) string // returns what is wrong with a value, or ""
	meaning  string              // what it must be
}

// defaultAddress is where the tutorial listens.
const defaultAddress = "localhost:8000"

// knownSettings are all there are. The first three have the tutorial's names.
var knownSettings = []setting{
	{"clientID", "", credentialFault, "your app's Client ID (marketplace.zoom.us, App Credentials)"},
	{"clientSecret", "", credentialFault, "your app's Client Secret (in the same place)"},
	{"redirectURL", "", originFault, "the address that ngrok shows, https://….ngrok-free.app or alike"},
	{"address", defaultAddress, noFault, "the host:port to listen on"},
	{"zoomURL", "https://zoom.us", originFault, "the address of Zoom's sign-in"},
	{"zoomAPIURL", "https://api.zoom.us", originFault, "the address of Zoom's API"},
}

// readSettings returns the settings, from the environment or else from .env, and for a demo just
// the address, from the environment. Its error has a line for each setting that is missing or
// wrong, or is readEnvFile's. It holds no value.
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
		redirectURL:  values["redirectURL"],
		browserURL:   zoomURL,
		zoomURL:      zoomURL,
		apiURL:       strings.TrimSuffix(values["zoomAPIURL"], "/"),
	}}, nil
}

// read returns the setting's value, from the environment or else from .env, and what is wrong
// with it, if anything.
func (s setting) read(file map[string]string) (value, fault string) {
	value, inEnvironment := os.LookupEnv(s.name)
	if !inEnvironment {
		value = file[s.name]
	}
	value = cmp.Or(strings.TrimSpace(value), s.fallback)
	if value == "" {
		fault = "is missing or blank"
	} else {
		fault = s.fault(value)
	}
	if fault != "" && inEnvironment {
		fault += " (in the environment, which wins over .env)"
	}
	return value, fault
}

// settingsError returns the error that lists the faults of settings. It names what else is in
// .env, too, since that may be a setting under a wrong name, unless it is as long as a secret.
func settingsError(faults []string, file map[string]string) error {
	list := strings.Join(faults, "\n")
	if file == nil {
		return fmt.Errorf("zoom-oauth can't start: there is no .env in this folder, and the"+
			" environment doesn't have what is needed:\n\n%s\n\n"+
			"To make a .env: cp .env.example .env\nThe README has the steps to fill it in", list)
	}
	for _, s := range knownSettings {
		delete(file, s.name)
	}
	maps.DeleteFunc(file, func(name, _ string) bool { return len(name) > 30 })
	if len(file) > 0 {
		names := strings.Join(slices.Sorted(maps.Keys(file)), ", ")
		list += "\n\n.env also has " + names + ": is one of the settings above meant?"
	}
	return fmt.Errorf("zoom-oauth can't start. Correct this in .env in this folder:\n\n%s", list)
}

// readEnvFile returns what .env sets, or nil if there is no such file. Its error says what is
// wrong, without the parser's, which quotes the file.
func readEnvFile() (map[string]string, error) {
	data, err := os.ReadFile(".env")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return nil, fmt.Errorf("zoom-oauth can't read .env: %w", failed.Err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, errors.New("zoom-oauth can't read .env: it isn't in UTF-8;" +
			" save it so (what Windows calls Unicode is UTF-16)")
	}
	if values, err := parseEnv(data); err == nil {
		return values, nil
	}
	line := 1 // where the fault begins: behind the longest part that parses
	for i, c := range data {
		if c != '\n' {
			continue
		}
		if _, err := parseEnv(data[:i+1]); err == nil {
			line = 1 + bytes.Count(data[:i+1], []byte("\n"))
		}
	}
	return nil, fmt.Errorf("zoom-oauth can't read .env: line %d isn't of the form name=value,"+
		" or opens a quote that isn't closed", line)
}

// parseEnv returns what the text of a .env file sets.
func parseEnv(text []byte) (map[string]string, error) {
	values, err := godotenv.UnmarshalBytes(text)
	if _, ok := values[""]; ok && err == nil {
		err = errors.New("the last line has no =") // which the parser lets pass
	}
	return values, err
}

// credentialFault returns what keeps s from being a client ID or secret, or "".
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

// originFault returns what keeps s from being an origin (RFC 6454 4) with https, or with http on
// this machine, or "". A slash may follow.
func originFault(s string) string {
	u, err := url.Parse(s)
	if err != nil || !isVisibleASCII(s) {
		return "is not a URL"
	}
	origin := u.Scheme + "://" + u.Host
	switch {
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		return "doesn't begin with https://"
	case u.Hostname() == "" || strings.HasSuffix(u.Host, ":"):
		return "has no host, or a colon without a port"
	case s != origin && s != origin+"/":
		return "has more in it than https:// and a host"
	}
	return ""
}

// isLoopback reports whether host is this machine, by a name that never leaves it.
func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}

// noFault is for a value that is checked by its use.
func noFault(string) string { return "" }
