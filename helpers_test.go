package main

// There are two ways to set the app up for a test:
//
//   - newWorld: in this process and in memory, with a Zoom that does as it is told, and browsers. In
//     a synctest bubble, time passes at once. Take it unless the other one is needed.
//   - newProgram: as users run it, in a process and a folder of its own, on the system's network.

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zoom-oauth/internal/fakezoom"
)

// TestMain lets the test binary be the program itself, for newProgram.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_PROGRAM") != "" {
		main()
		return
	}
	os.Setenv("NO_PROXY", "*") // this machine's proxy has no part in the tests
	m.Run()
}

// The sites under which browsers reach the app, and Zoom.
const (
	local    = "http://localhost:8000"
	loopback = "http://127.0.0.1:8000"
	tunnel   = "https://abc.ngrok-free.app"
	zoomSite = "http://zoom.test"
)

// Zoom's paths that the app calls.
const (
	tokenPath = "/oauth/token"
	userPath  = "/v2/users/me"
)

// Credentials that break whatever doesn't encode them.
const (
	clientID     = "client id/%"
	clientSecret = "SECRET+:/%&ü"
)

// world is an app and the Zoom that it talks to. It is also the transport of its browsers.
type world struct {
	app         *app
	standIn     *fakezoom.Server
	answers     map[string]http.HandlerFunc // Zoom's, by path; they replace the stand-in's
	exchanges   atomic.Int64                // calls of Zoom's token endpoint
	connections atomic.Int64                // of the app to Zoom, so far
	log         *output
}

// newWorld returns a world whose app has this redirect URL. It ends with the test.
func newWorld(t testing.TB, redirectURL string) *world {
	w := &world{
		standIn: fakezoom.New(clientID, clientSecret, redirectURL),
		answers: map[string]http.HandlerFunc{},
		log:     &output{},
	}
	log.SetOutput(w.log)
	log.SetFlags(0)
	network := newMemory()
	server := &http.Server{Handler: http.HandlerFunc(w.serveZoom), ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(network)
	transport := newTransport()
	transport.DialContext = func(ctx context.Context, name, address string) (net.Conn, error) {
		w.connections.Add(1)
		return network.dial(ctx, name, address)
	}
	t.Cleanup(func() {
		log.SetOutput(os.Stderr)
		transport.CloseIdleConnections()
		server.Close()
	})
	w.app = newApp(&zoomClient{
		clientID: clientID, clientSecret: clientSecret, redirectURL: redirectURL,
		zoomURL: zoomSite, zoomAPIURL: zoomSite, transport: transport,
	})
	return w
}

// serveZoom answers as Zoom. It reads the body first, so that r's context ends when the app hangs up.
func (w *world) serveZoom(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if r.URL.Path == tokenPath {
		w.exchanges.Add(1)
	}
	if answer := w.answers[r.URL.Path]; answer != nil {
		answer(rw, r)
		return
	}
	w.standIn.ServeHTTP(rw, r)
}

// RoundTrip implements http.RoundTripper for browsers.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	received := r.Clone(r.Context())
	received.URL.Path = cmp.Or(r.URL.Path, "/")
	received.Body = cmp.Or(r.Body, io.ReadCloser(http.NoBody))
	recorder := httptest.NewRecorder()
	if r.URL.Host == "zoom.test" {
		w.serveZoom(recorder, received)
	} else {
		w.app.ServeHTTP(recorder, received)
	}
	return recorder.Result(), nil
}

// answer returns a handler that answers with this status and body. header is a list of names, each
// followed by its value.
func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			rw.Header().Set(header[i], header[i+1])
		}
		rw.WriteHeader(status)
		io.WriteString(rw, body)
	}
}

// slow makes Zoom wait before it answers at a path.
func (w *world) slow(path string, wait time.Duration) {
	w.answers[path] = func(rw http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(wait):
			w.standIn.ServeHTTP(rw, r)
		case <-r.Context().Done():
		}
	}
}

// memory is a network in memory. It implements net.Listener.
type memory struct {
	connections chan net.Conn
	closed      chan struct{}
	close       sync.Once
}

// newMemory returns a network in memory.
func newMemory() *memory {
	return &memory{connections: make(chan net.Conn), closed: make(chan struct{})}
}

// dial returns a connection to the program that accepts the listener's.
func (m *memory) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case m.connections <- far:
		return near, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

// Accept implements net.Listener.
func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.connections:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (m *memory) Close() error {
	m.close.Do(func() { close(m.closed) })
	return nil
}

// Addr implements net.Listener.
func (m *memory) Addr() net.Addr { return &net.TCPAddr{} }

// browser is a browser and the person who uses it.
type browser struct {
	t        testing.TB
	world    *world
	client   *http.Client
	decision string // what the person chooses when Zoom asks
	state    string // replaces the state that Zoom sends back, unless it is ""
	starts   int    // redirects to Zoom since the last visit
}

// newBrowser returns a browser without cookies, whose user will choose Allow.
func (w *world) newBrowser(t testing.TB) *browser {
	jar, _ := cookiejar.New(nil)
	notFollowed := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client := &http.Client{Transport: w, Jar: jar, CheckRedirect: notFollowed}
	return &browser{t: t, world: w, client: client, decision: "allow"}
}

// page is the response to a browser's request.
type page struct {
	url     *url.URL
	status  int
	header  http.Header
	body    string
	cookies []*http.Cookie // set by it
}

// heading matches a page's first heading.
var heading = regexp.MustCompile(`(?s)<h1[^>]*>(?:<bdi>)?(.*?)(?:</bdi>)?</h1>`)

// title returns the text of the page's first heading, or "".
func (p page) title() string {
	match := heading.FindStringSubmatch(p.body)
	if match == nil {
		return ""
	}
	return match[1]
}

// next returns the URL to which the page redirects.
func (p page) next(t testing.TB) *url.URL {
	t.Helper()
	next, err := p.url.Parse(p.header.Get("Location"))
	if err != nil || p.status != http.StatusFound {
		t.Fatalf("got %d %q to %v (%v), want a redirect", p.status, p.title(), next, err)
	}
	return next
}

// get loads a URL and follows no redirect.
func (b *browser) get(address string) page {
	b.t.Helper()
	return b.do(http.MethodGet, address, nil)
}

// do sends a request, with the browser's cookies and a form, and follows no redirect.
func (b *browser) do(method, address string, form url.Values) page {
	b.t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.send(req)
}

// send sends a request, with the browser's cookies, and follows no redirect.
func (b *browser) send(req *http.Request) page {
	b.t.Helper()
	res, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{req.URL, res.StatusCode, res.Header, string(body), res.Cookies()}
}

// visit opens a URL and goes on as follow does.
func (b *browser) visit(address string) page {
	b.t.Helper()
	b.starts = 0
	return b.follow(b.get(address))
}

// follow goes on from a page as a browser and its user do, to Zoom and back, until the app shows a
// page or, like a browser, until it has been redirected twenty times.
func (b *browser) follow(p page) page {
	b.t.Helper()
	for range 20 {
		if p = b.consent(p); p.status != http.StatusFound {
			return p
		}
		next := p.next(b.t)
		if next.Path == "/oauth/authorize" {
			b.starts++
		} else if b.state != "" {
			query := next.Query()
			query.Set("state", b.state)
			next.RawQuery = query.Encode()
		}
		p = b.get(next.String())
	}
	return p
}

// consent answers p if it is Zoom's question, and returns what follows, or else p itself.
func (b *browser) consent(p page) page {
	b.t.Helper()
	if p.status != http.StatusOK || p.url.Path != "/oauth/authorize" {
		return p
	}
	return b.do(http.MethodPost, p.url.String(), url.Values{"decision": {b.decision}})
}

// callback begins a sign-in, allows the app at Zoom, and returns the URL to which Zoom then sends
// the browser.
func (b *browser) callback() string {
	b.t.Helper()
	return b.consent(b.get(b.get(b.world.standIn.RedirectURI).next(b.t).String())).next(b.t).String()
}

// cookies returns the cookies that the browser holds for a site.
func (b *browser) cookies(site string) []*http.Cookie {
	u, _ := url.Parse(site)
	return b.client.Jar.Cookies(u)
}

// wantProfile fails the test unless p is Jill's profile.
func (b *browser) wantProfile(p page) {
	b.t.Helper()
	b.want(p, http.StatusOK, "Jill Chill")
}

// want fails the test unless p is a page with this status and title, and a link to /.
func (b *browser) want(p page, status int, title string) {
	b.t.Helper()
	if p.status != status || p.title() != title {
		b.t.Fatalf("got %d %q, want %d %q; the log:\n%s", p.status, p.title(), status, title, b.world.log)
	}
	if got := p.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		b.t.Errorf("%q has the Content-Type %q, want text/html; charset=utf-8", title, got)
	}
	if !strings.HasPrefix(p.body, "<!DOCTYPE html>\n<html lang=") {
		b.t.Errorf("%q begins with %.40q, want a doctype", title, p.body)
	}
	wantWords(b.t, p.body, `href="/"`)
}

// wantWords fails the test unless all the words are in text. Of a page, it shows only what differs
// from others.
func wantWords(t testing.TB, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("got %q, want %q in it", text[strings.Index(text, "<main>")+1:], w)
		}
	}
}

// wantNone fails the test if any of the words is in text.
func wantNone(t testing.TB, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(text, w) {
			t.Errorf("got %q, want no %q in it", text, w)
		}
	}
}

// output is what the app prints. It may be written and read at the same time.
type output struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.Write(p)
}

// String returns all that was written.
func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.String()
}

// program is the program in a process and a folder of its own.
type program struct {
	*exec.Cmd
	stdout, stderr output
}

// newProgram returns a program that doesn't run yet. It has this text in .env, unless that is "",
// and only these settings in its environment. It ends with the test.
func newProgram(t *testing.T, env string, environment []string, args ...string) *program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{Cmd: exec.CommandContext(t.Context(), self, args...)}
	p.Dir = t.TempDir()
	// Without GOCOVERDIR, a program that is built with -cover prints a warning.
	p.Env = append([]string{"BE_THE_PROGRAM=1", "GOCOVERDIR=" + p.Dir}, environment...)
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	t.Cleanup(func() { p.Wait() }) // before its folder is removed
	writeEnv(t, p.Dir, env)
	return p
}

// writeEnv writes a .env into a folder, unless its text is "".
func writeEnv(t *testing.T, folder, env string) {
	t.Helper()
	if env == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(folder, ".env"), []byte(env), 0o600); err != nil {
		t.Fatal(err)
	}
}

// begin starts the program, and returns the URL that it says to open.
func (p *program) begin(t *testing.T) string {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	started := regexp.MustCompile(`(?m)^  Open +(\S+)\n(?s:.*)^  Stop .*\n\n`)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if match := started.FindStringSubmatch(p.stdout.String()); match != nil {
			return match[1]
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("got %q and %q, want the start's message", &p.stdout, &p.stderr)
	return ""
}

// read returns the text of a file.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
