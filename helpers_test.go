package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
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
	"zoom-oauth/templates"
)

// The sites by which browsers reach the app of a world.
const (
	local    = "http://localhost:8000"
	loopback = "http://127.0.0.1:8000"
	tunnel   = "https://abc.ngrok-free.app"
)

// Credentials that break whatever doesn't encode them.
const (
	clientID     = "client id/%"
	clientSecret = "SECRET+:/%&ü"
)

// world is an app, the Zoom that it talks to, and the names by which browsers reach it.
type world struct {
	app       *app
	zoom      *fakezoom.Server
	log       *output
	addresses map[string]string // to dial, by host:port
	exchanges atomic.Int64      // calls of Zoom's token endpoint
}

// newWorld returns a world whose app has this redirect URL, and makes the log go there. It ends with
// the test.
func newWorld(t testing.TB, redirectURL string) *world {
	t.Helper()
	w := &world{
		zoom:      fakezoom.New(clientID, clientSecret, redirectURL),
		log:       logTo(t),
		addresses: map[string]string{},
	}
	zoomServer := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == tokenPath {
			w.exchanges.Add(1)
		}
		w.zoom.ServeHTTP(rw, r)
	}))
	t.Cleanup(zoomServer.Close)
	w.app = newApp(&zoomClient{
		clientID: clientID, clientSecret: clientSecret, redirectURL: redirectURL,
		oauthURL: zoomServer.URL, apiURL: zoomServer.URL, transport: newTransport(),
	}, templates.Parse(false))

	plain, secure := httptest.NewServer(w.app), httptest.NewTLSServer(w.app)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	w.addresses["localhost:8000"] = plain.Listener.Addr().String()
	w.addresses["127.0.0.1:8000"] = plain.Listener.Addr().String()
	w.addresses["abc.ngrok-free.app:443"] = secure.Listener.Addr().String()
	return w
}

// logTo makes the log go to the output that it returns, until the test ends.
func logTo(t testing.TB) *output {
	to := &output{}
	flags := log.Flags()
	log.SetOutput(to)
	log.SetFlags(0)
	t.Cleanup(func() {
		log.SetOutput(os.Stderr)
		log.SetFlags(flags)
	})
	return to
}

// parse returns a URL that is known to be one.
func parse(address string) *url.URL {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return u
}

// browser is a browser with a person who chooses Allow, unless told otherwise.
type browser struct {
	t       testing.TB
	client  *http.Client
	decline bool             // choose Decline
	mangle  func(url.Values) // what happens to Zoom's answer on its way back
	starts  int              // redirects to Zoom since the last visit
	asked   int              // times that Zoom asked since the last visit
}

// newBrowser returns a browser without cookies.
func (w *world) newBrowser(t testing.TB) *browser {
	jar, _ := cookiejar.New(nil)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the tests' own certificate
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if there, ok := w.addresses[address]; ok {
				address = there
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: t, client: &http.Client{
		Transport:     transport,
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// page is the answer to a request of a browser's.
type page struct {
	url     string
	status  int
	header  http.Header
	body    string
	cookies []*http.Cookie // set by it
}

// heading is a page's first heading.
var heading = regexp.MustCompile(`(?s)<h1[^>]*>(?:<bdi>)?(.*?)(?:</bdi>)?</h1>`)

// title returns the words of the page's first heading, or "".
func (p page) title() string {
	m := heading.FindStringSubmatch(p.body)
	if m == nil {
		return ""
	}
	return m[1]
}

// next returns the URL to which the page redirects.
func (p page) next(t testing.TB) *url.URL {
	t.Helper()
	next, err := parse(p.url).Parse(p.header.Get("Location"))
	if err != nil || p.status != http.StatusFound {
		t.Fatalf("got %d to %s (%v), want a redirect", p.status, next, err)
	}
	return next
}

// state returns the state with which the page sends the browser to Zoom.
func (p page) state(t testing.TB) string {
	t.Helper()
	return p.next(t).Query().Get("state")
}

// get loads one URL and follows no redirect.
func (b *browser) get(address string) page {
	b.t.Helper()
	return b.do(http.MethodGet, address, nil)
}

// do sends one request and follows no redirect.
func (b *browser) do(method, address string, form url.Values) page {
	b.t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{address, res.StatusCode, res.Header, string(body), res.Cookies()}
}

// visit opens a URL and goes on as follow does.
func (b *browser) visit(address string) page {
	b.t.Helper()
	b.starts, b.asked = 0, 0
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
		} else if b.mangle != nil {
			query := next.Query()
			b.mangle(query)
			next.RawQuery = query.Encode()
		}
		p = b.get(next.String())
	}
	return p
}

// consent answers p if it is Zoom's question, and returns what follows, or else p itself.
func (b *browser) consent(p page) page {
	b.t.Helper()
	if p.status != http.StatusOK || !strings.Contains(p.url, "/oauth/authorize") {
		return p
	}
	b.asked++
	decision := "allow"
	if b.decline {
		decision = "decline"
	}
	return b.do(http.MethodPost, p.url, url.Values{"decision": {decision}})
}

// callback starts a sign-in and returns the URL to which Zoom would send the browser back with
// this code.
func (b *browser) callback(code string) string {
	b.t.Helper()
	return local + "/?" + url.Values{"code": {code}, "state": {b.get(local).state(b.t)}}.Encode()
}

// hold puts a cookie into the browser.
func (b *browser) hold(site, name, value string) {
	b.client.Jar.SetCookies(parse(site), []*http.Cookie{{Name: name, Value: value}})
}

// cookies returns the cookies that the browser holds for a site.
func (b *browser) cookies(site string) []*http.Cookie {
	return b.client.Jar.Cookies(parse(site))
}

// wantProfile fails the test unless p is Jill's profile.
func wantProfile(t testing.TB, p page) {
	t.Helper()
	if p.status != http.StatusOK || p.title() != "Jill Chill" {
		t.Fatalf("got %d %q, want 200 and the profile", p.status, p.title())
	}
	wantHTML(t, p)
}

// wantPage fails the test unless p is a page with this status and title, and a link to /.
func wantPage(t testing.TB, p page, status int, title string) {
	t.Helper()
	if p.status != status || p.title() != title {
		t.Errorf("got %d %q, want %d %q", p.status, p.title(), status, title)
	}
	wantWords(t, p.body, `href="/"`)
	wantHTML(t, p)
}

// wantHTML fails the test unless p is HTML and says so.
func wantHTML(t testing.TB, p page) {
	t.Helper()
	if got := p.header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("%q has the Content-Type %q, want text/html; charset=utf-8", p.title(), got)
	}
	if !strings.HasPrefix(p.body, "<!DOCTYPE html>\n<html lang=") {
		t.Errorf("%q begins with %.40q, want a doctype", p.title(), p.body)
	}
}

// wantWords fails the test unless all the words are in text.
func wantWords(t testing.TB, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("got %q, want %q in it", text, w)
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

// The answers of a Zoom that is well.
const (
	userPath  = "/v2/users/me"
	goodToken = `{"access_token":"ACCESS.TOKEN==","token_type":"bearer",` +
		`"refresh_token":"REFRESH.TOKEN","expires_in":3599,"scope":"user:read:user"}`
	goodProfile = `{"first_name":"Jill","last_name":"Chill"}`
)

// goodAnswer returns the answer of a Zoom that is well to a request for a path. To what the tests
// don't know it is an empty object, so that an app that calls more of Zoom's API goes on.
func goodAnswer(path string) string {
	switch path {
	case tokenPath:
		return goodToken
	case userPath:
		return goodProfile
	}
	fmt.Printf("the tests' Zoom answers %s with {}\n", path)
	return "{}"
}

// upstream is a Zoom that may do anything on a connection. It answers well unless told otherwise.
type upstream struct {
	url         string
	connections atomic.Int64 // accepted so far
	mutex       sync.Mutex
	behaviours  map[string]behaviour // by path
}

// behaviour answers a request on the bare connection, and reports whether that stays open.
type behaviour func(c net.Conn, r *http.Request, body string) bool

// newUpstream starts an upstream, and makes the app of w talk to it.
func newUpstream(t testing.TB, w *world) *upstream {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	u := &upstream{url: "http://" + listener.Addr().String(), behaviours: map[string]behaviour{}}
	standIn := w.app.zoom.oauthURL // which asks the user
	u.behaviours["/oauth/authorize"] = func(c net.Conn, r *http.Request, body string) bool {
		return answers(302, "", "Location: "+standIn+r.RequestURI)(c, r, body)
	}
	go u.accept(listener)
	w.app.zoom.oauthURL, w.app.zoom.apiURL = u.url, u.url
	return u
}

// accept answers the requests that come on a listener's connections, until it is closed.
func (u *upstream) accept(listener net.Listener) {
	for {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		u.connections.Add(1)
		go u.serve(c)
	}
}

// serve answers the requests that come on a connection.
func (u *upstream) serve(c net.Conn) {
	defer c.Close()
	for in := bufio.NewReader(c); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(r.Body)
		u.mutex.Lock()
		answer := u.behaviours[r.URL.Path]
		u.mutex.Unlock()
		if answer == nil {
			answer = answers(200, goodAnswer(r.URL.Path))
		}
		if !answer(c, r, string(body)) {
			return
		}
	}
}

// set sets the behaviour of a path, or the good one again if b is nil.
func (u *upstream) set(path string, b behaviour) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.behaviours[path] = b
}

// answers returns a behaviour that answers as HTTP has it, with these header lines among others.
func answers(status int, body string, header ...string) behaviour {
	return func(c net.Conn, _ *http.Request, _ string) bool {
		lines := strings.Join(append(header, ""), "\r\n")
		const format = "HTTP/1.1 %d x\r\nContent-Length: %d\r\n%s\r\n%s"
		_, err := fmt.Fprintf(c, format, status, len(body), lines, body)
		return err == nil
	}
}

// says returns a behaviour that writes raw bytes and hangs up.
func says(text string) behaviour {
	return func(c net.Conn, _ *http.Request, _ string) bool {
		io.WriteString(c, text)
		return false
	}
}

// keepsSaying returns a behaviour that writes raw bytes, and then more of them for ever, with
// pauses.
func keepsSaying(start, more string, pause time.Duration) behaviour {
	return func(c net.Conn, _ *http.Request, _ string) bool {
		for _, err := io.WriteString(c, start); err == nil; _, err = io.WriteString(c, more) {
			time.Sleep(pause)
		}
		return false
	}
}

// later returns a behaviour that waits before it does as another one. It gives up if the app hangs up.
func later(pause time.Duration, then behaviour) behaviour {
	return func(c net.Conn, r *http.Request, body string) bool {
		c.SetReadDeadline(time.Now().Add(pause))
		if _, err := io.Copy(io.Discard, c); err == nil {
			return false
		}
		c.SetReadDeadline(time.Time{})
		return then(c, r, body)
	}
}

// memory is a network in memory, for tests that run in a synctest bubble, where time passes as soon
// as everybody waits. It implements net.Listener.
type memory struct {
	connections chan net.Conn
	closed      chan struct{}
	close       sync.Once
}

// newMemory returns a network in memory.
func newMemory() *memory {
	return &memory{connections: make(chan net.Conn), closed: make(chan struct{})}
}

// dial returns a connection to whoever accepts the listener's.
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

// inMemory returns an app in memory that talks to an upstream in memory.
func inMemory(t *testing.T) (*app, *upstream) {
	network := newMemory()
	u := &upstream{behaviours: map[string]behaviour{}}
	go u.accept(network)
	transport := newTransport()
	transport.DialContext = network.dial
	t.Cleanup(func() {
		network.Close()
		transport.CloseIdleConnections()
		time.Sleep(time.Minute) // so that everybody notices
	})
	return newApp(&zoomClient{
		clientID: "id", clientSecret: "SECRET", redirectURL: local,
		oauthURL: "http://zoom.test", apiURL: "http://zoom.test", transport: transport,
	}, templates.Parse(false)), u
}

// output is what the app prints. It may be written and read at once.
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

// program is the program as users run it, in a process and a folder of its own.
type program struct {
	*exec.Cmd
	stdout, stderr output
}

// newProgram returns a program that doesn't run yet. It has this text in .env, unless that is "",
// and of all settings only these in its environment. It ends with the test, or after 30 seconds.
func newProgram(t *testing.T, env string, environment []string, args ...string) *program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	p := &program{Cmd: exec.CommandContext(ctx, self, args...)}
	p.Dir = t.TempDir()
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

// startLines matches what the program says when it has started. Its group is the URL to open.
var startLines = regexp.MustCompile(`(?m)^  Open +(\S+)\n(?s:.*)^  Stop .*\n\n`)

// begin starts the program, and returns the URL that it says to open.
func (p *program) begin(t *testing.T) string {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if m := startLines.FindStringSubmatch(p.stdout.String()); m != nil {
			return m[1]
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("got %q and %q, want the start's words", &p.stdout, &p.stderr)
	return ""
}

// inPlace moves the test to a folder of its own. It has this text in .env, unless that is "", and
// no settings in its environment.
func inPlace(t *testing.T, env string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range []string{
		"clientID", "clientSecret", "redirectURL", "address", "zoomURL", "zoomAPIURL",
	} {
		t.Setenv(name, "") // which counts as none
	}
	writeEnv(t, ".", env)
}

// receive returns what comes on a channel, and fails the test if nothing comes.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	var value T
	select {
	case value = <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
	}
	return value
}

// read returns the text of a file, with \n at the end of each line.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}
