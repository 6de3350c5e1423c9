// Zoom-oauth signs a visitor in with Zoom and shows their Zoom profile. It is OAuth 2.0's
// authorization code grant (RFC 6749 4.1) with PKCE (RFC 7636), on the standard library's net/http.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/joho/godotenv"

	"zoom-oauth/internal/fakezoom"
)

func main() {
	demo := flag.Bool("demo", false, "use a stand-in for Zoom: no account, no .env")
	version := flag.Bool("version", false, "print the version and exit")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if *version {
		info, _ := debug.ReadBuildInfo()
		fmt.Println("zoom-oauth", info.Main.Version, info.GoVersion)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx, *demo, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves until ctx is done, then gives the requests in flight nine seconds to finish. It
// writes the start message and the log to out. Its error is configure's, or what ended the
// server before its time.
func run(ctx context.Context, demo bool, out io.Writer) error {
	c, listener, err := configure(ctx, demo)
	if err != nil {
		return err
	}
	logger := log.New(out, "", log.LstdFlags)
	log.SetOutput(io.Discard) // net/http prints there what Zoom sends unasked
	server := &http.Server{
		Handler:           newApp(c, logger),
		ErrorLog:          logger,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      15 * time.Second, // of which each call to Zoom may take zoomTimeout
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,

		DisableGeneralOptionsHandler: true, // "OPTIONS *" is answered like the rest
	}
	fmt.Fprintf(out, "\n  Open          http://%s\n  Redirect URL  %s  (as registered, letter by letter)\n  Stop          Ctrl+C\n\n", c.address, c.redirectURL)
	context.AfterFunc(ctx, func() { listener.Close() }) // which ends Serve
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	grace, cancel := context.WithTimeout(context.Background(), 9*time.Second)
	defer cancel()
	server.Shutdown(grace)
	return nil
}

// config is what the program is told: the app at Zoom, with its redirect URL as it is written
// there, since Zoom compares it letter by letter; where Zoom is; and the host:port to listen
// on and then to open in a browser. A demo has a stand-in for Zoom.
type config struct {
	clientID, clientSecret, redirectURL, zoomURL, zoomAPIURL, address string

	demo bool
}

// configure reads the settings, from the environment or else from .env, and listens on the
// address. For a demo it uses only the address, and starts a stand-in for Zoom that ends
// with ctx. If settings are wrong, its error has a line for each, without the value.
func configure(ctx context.Context, demo bool) (c config, listener net.Listener, err error) {
	var file map[string]string
	if data, unread := os.ReadFile(".env"); !demo && !errors.Is(unread, os.ErrNotExist) {
		// The parser's error would quote the file.
		if file, err = godotenv.UnmarshalBytes(bytes.TrimPrefix(data, []byte("\ufeff"))); err != nil || unread != nil {
			return c, nil, errors.New("zoom-oauth can't read .env: it must be a readable text file in UTF-8 with name=value on each line and every quote closed")
		}
	}
	var problems []error
	set := func(value *string, name, fallback string, valid func(string) bool, advice string) {
		text, ok := os.LookupEnv(name)
		if !ok {
			text = file[name]
		}
		if *value = cmp.Or(strings.TrimSpace(text), fallback); !valid(*value) {
			problems = append(problems, fmt.Errorf("  %-13s %s", name, advice))
		}
	}
	set(&c.address, "address", "localhost:8000", func(address string) bool {
		listener, err = net.Listen("tcp", address)
		return err == nil
	}, "must be a host:port of this machine that no other program uses, such as localhost:8001")
	if !demo {
		site := "must be an https address with nothing after the host, or left out"
		set(&c.clientID, "clientID", "", visible.MatchString, "must be your app's Client ID (marketplace.zoom.us, App Credentials)")
		set(&c.clientSecret, "clientSecret", "", visible.MatchString, "must be your app's Client Secret (marketplace.zoom.us, App Credentials)")
		set(&c.redirectURL, "redirectURL", "", isOrigin, "must be the https address that ngrok shows, such as https://abc.ngrok.app, with nothing after the host")
		set(&c.zoomURL, "zoomURL", "https://zoom.us", isOrigin, site)
		set(&c.zoomAPIURL, "zoomAPIURL", "https://api.zoom.us", isOrigin, site)
	}
	if len(problems) > 0 {
		return c, nil, fmt.Errorf("zoom-oauth can't start. Fix this in .env in this folder (a copy of .env.example) or in the environment (a demo reads only that):\n\n%w", errors.Join(problems...))
	}
	host, _, _ := net.SplitHostPort(c.address)
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	c.address = net.JoinHostPort(cmp.Or(host, "localhost"), port)
	if demo {
		c.clientID, c.clientSecret, c.redirectURL, c.demo = "demo", "secret", "http://"+c.address, true
		c.zoomURL, err = fakezoom.Start(ctx, fakezoom.New(c.clientID, c.clientSecret, c.redirectURL))
		c.zoomAPIURL = c.zoomURL
	}
	c.zoomURL, c.zoomAPIURL = strings.TrimSuffix(c.zoomURL, "/"), strings.TrimSuffix(c.zoomAPIURL, "/")
	return c, listener, err
}

// isOrigin reports whether s is an origin (RFC 6454 4), with https, or http on this machine.
// A slash may follow.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && visible.MatchString(s) && u.Hostname() != "" && !strings.HasSuffix(u.Host, ":") && u.User == nil && strings.TrimPrefix(u.Path, "/") == "" && !strings.ContainsAny(s, "?#") &&
		(u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback()))
}
