package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the program itself, for the tests that need a process.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_PROGRAM") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// goodEnv is a .env in which nothing is wrong.
const goodEnv = "clientID=id\nclientSecret=SECRET\nredirectURL=https://abc.ngrok-free.app\naddress=localhost:0\n"

// program is the program as users run it: in a folder of its own, with these lines in .env if it
// isn't "", and with these settings in its environment and no others.
type program struct {
	*exec.Cmd
	stdout, stderr output
}

// newProgram returns a program that doesn't run yet.
func newProgram(t *testing.T, env string, environment []string, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.Command(os.Args[0], args...)}
	p.Dir = t.TempDir()
	p.Env = append([]string{"BE_THE_PROGRAM=1", "GOCOVERDIR=" + p.Dir}, environment...)
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	if env != "" {
		if err := os.WriteFile(filepath.Join(p.Dir, ".env"), []byte(env), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// begin starts the program, and returns the URL that it says to open.
func (p *program) begin(t *testing.T) string {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill() })
	return openURL(t, &p.stdout)
}

// openURL waits for the start message and returns the URL in it.
func openURL(t *testing.T, out *output) string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^  Open +(\S+)\n(?s:.*)^  Stop`)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if m := line.FindStringSubmatch(out.String()); m != nil {
			return m[1]
		}
	}
	t.Fatalf("got %q, want a start message", out)
	return ""
}

// inPlace moves the test to a folder of its own with this .env, and without the program's
// settings in the environment.
func inPlace(t *testing.T, env string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, s := range knownSettings {
		t.Setenv(s.name, "") // so that it is put back
		os.Unsetenv(s.name)
	}
	if err := os.WriteFile(".env", []byte(env), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSettings has ways to write a .env, all of which mean the same.
func TestSettings(t *testing.T) {
	want := settings{"localhost:0", zoomConfig{
		clientID: "id", clientSecret: "SECRET", redirectURL: "https://abc.ngrok-free.app",
		browserURL: "https://zoom.us", zoomURL: "https://zoom.us", apiURL: "https://api.zoom.us",
	}}
	for name, env := range map[string]string{
		"plain":                    goodEnv,
		"Windows line ends":        strings.ReplaceAll(goodEnv, "\n", "\r\n"),
		"byte order mark":          "\ufeff" + goodEnv,
		"no end of line":           strings.TrimSpace(goodEnv),
		"quotes":                   strings.NewReplacer("=id", `="id"`, "SECRET", "'SECRET'").Replace(goodEnv),
		"export":                   "export " + strings.ReplaceAll(strings.TrimSpace(goodEnv), "\n", "\nexport "),
		"comments":                 "# mine\n" + strings.NewReplacer("id\n", "id # the id\n\n  # more\n").Replace(goodEnv),
		"stray spaces":             strings.NewReplacer("=", " = ", "\n", "\t\n ").Replace(goodEnv),
		"spaces in quotes":         strings.Replace(goodEnv, "=id", `=" id "`, 1),
		"optional ones left blank": goodEnv + "zoomURL=\nzoomAPIURL=\n",
		"slashes behind Zoom":      goodEnv + "zoomURL=https://zoom.us/\nzoomAPIURL=https://api.zoom.us/\n",
		"names of other programs":  goodEnv + "CLIENT_ID=x\n",
	} {
		t.Run(name, func(t *testing.T) {
			inPlace(t, env)
			if got, err := readSettings(false); err != nil || got != want {
				t.Errorf("got %+v (%v), want %+v", got, err, want)
			}
		})
	}
	t.Run("the environment wins", func(t *testing.T) {
		inPlace(t, goodEnv)
		t.Setenv("clientID", "other")
		want := want
		want.zoom.clientID = "other"
		if got, err := readSettings(false); err != nil || got != want {
			t.Errorf("got %+v (%v), want %+v", got, err, want)
		}
	})
	t.Run("no .env, all in the environment", func(t *testing.T) {
		inPlace(t, goodEnv)
		os.Remove(".env")
		for line := range strings.Lines(goodEnv) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			t.Setenv(name, value)
		}
		if got, err := readSettings(false); err != nil || got != want {
			t.Errorf("got %+v (%v), want %+v", got, err, want)
		}
	})
	t.Run("the demo's", func(t *testing.T) {
		inPlace(t, goodEnv)
		if got, err := readSettings(true); err != nil || got != (settings{address: "localhost:8000"}) {
			t.Errorf("got %+v (%v), want just the tutorial's address", got, err)
		}
	})
}

// TestRedirectURLs has what is sent to Zoom as it stands.
func TestRedirectURLs(t *testing.T) {
	for _, want := range []string{"https://abc.ngrok-free.app/", "https://ABC.example:8443", "http://localhost:8000",
		"http://127.0.0.1:8000", "http://[::1]:8000"} {
		inPlace(t, strings.Replace(goodEnv, "https://abc.ngrok-free.app", want, 1))
		if got, err := readSettings(false); err != nil || got.zoom.redirectURL != want {
			t.Errorf("got %s (%v), want %s", got.zoom.redirectURL, err, want)
		}
	}
}

// TestExample fills in .env.example, with its optional lines, which name the defaults.
func TestExample(t *testing.T) {
	example, err := os.ReadFile(".env.example")
	if err != nil {
		t.Fatal(err)
	}
	inPlace(t, goodEnv)
	want, err := readSettings(false)
	if err != nil {
		t.Fatal(err)
	}
	want.address = defaultAddress
	inPlace(t, strings.NewReplacer("clientID=", "clientID=id", "clientSecret=", "clientSecret=SECRET",
		"redirectURL=", "redirectURL=https://abc.ngrok-free.app", "#address=", "address=",
		"#zoom", "zoom").Replace(string(example)))
	if got, err := readSettings(false); err != nil || got != want {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
}

// The lines for required settings that are missing.
const (
	noID     = "  clientID      is missing or blank. It must be your app's Client ID (marketplace.zoom.us, App Credentials).\n"
	noSecret = "  clientSecret  is missing or blank. It must be your app's Client Secret (in the same place).\n"
	noURL    = "  redirectURL   is missing or blank. It must be the address that ngrok shows, https://….ngrok-free.app or alike.\n"
)

// TestFirstMistakes has the whole of what the program says before .env is filled in.
func TestFirstMistakes(t *testing.T) {
	for name, c := range map[string]struct{ env, want string }{
		"no .env": {"", "zoom-oauth can't start: there is no .env in this folder, and the environment" +
			" doesn't have what is needed:\n\n" + noID + noSecret + noURL + "\n" +
			"To make a .env: cp .env.example .env\nThe README has the steps to fill it in\n"},
		"the example as it comes": {"clientID=\nclientSecret=\nredirectURL=\n", "zoom-oauth can't start. Correct this in .env" +
			" in this folder:\n\n" + noID + noSecret + noURL},
		"names of other programs": {"CLIENT_ID=SECRET\nclientsecret=SECRET\nredirectURL=https://abc.ngrok-free.app",
			"zoom-oauth can't start. Correct this in .env in this folder:\n\n" + noID + noSecret + "\n" +
				".env also has CLIENT_ID, clientsecret: is one of the settings above meant?\n"},
		"a secret for a name": {"clientID=id\nredirectURL=https://abc.ngrok-free.app\nSECRET" + strings.Repeat("x", 26) + "==",
			"zoom-oauth can't start. Correct this in .env in this folder:\n\n" + noSecret},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram(t, c.env, nil)
			p.fails(t)
			if got := p.stderr.String(); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

// TestBadSettings has a .env with one setting that is wrong, and what the program says of it.
func TestBadSettings(t *testing.T) {
	const noHTTPS, tooMuch = "doesn't begin with https://", "has more in it than https:// and a host"
	for name, c := range map[string]struct{ setting, value, says string }{
		"blank":                      {"clientID", `"   "`, "is missing or blank"},
		"just a comment":             {"clientSecret", "  # SECRET", "begins with a #, as comments do"},
		"a space":                    {"clientSecret", "SEC SECRET", "has a space or a line break in it"},
		"two lines":                  {"clientSecret", `"SECRET\nSECRET"`, "has a space or a line break in it"},
		"“curly quotes”":             {"clientSecret", "“SECRET”", "has a quote in it"},
		"a control byte":             {"clientID", "SECRET\x07", "has a character in it that no credential has"},
		"a URL that is none":         {"redirectURL", "SECRET SECRET", "is not a URL"},
		"a URL with a bad escape":    {"redirectURL", "https://abc%zz", "is not a URL"},
		"a URL that is not ASCII":    {"redirectURL", "https://büro.example", "is not a URL"},
		"a URL without a scheme":     {"redirectURL", "abc.ngrok-free.app", noHTTPS},
		"a URL with http":            {"redirectURL", "http://abc.ngrok-free.app", noHTTPS},
		"a URL with another scheme":  {"redirectURL", "ftp://abc.ngrok-free.app", noHTTPS},
		"a URL with HTTPS":           {"redirectURL", "HTTPS://abc.ngrok-free.app", tooMuch},
		"a URL without a host":       {"redirectURL", "https://:8000", "has no host, or a colon without a port"},
		"a URL with a colon":         {"redirectURL", "https://abc.ngrok-free.app:", "has no host, or a colon without a port"},
		"a URL with a path":          {"redirectURL", "https://abc.ngrok-free.app/SECRET", tooMuch},
		"a URL with two slashes":     {"redirectURL", "https://abc.ngrok-free.app//", tooMuch},
		"a URL with a question mark": {"redirectURL", "https://abc.ngrok-free.app?", tooMuch},
		"a URL with a fragment":      {"redirectURL", `"https://abc.ngrok-free.app#SECRET"`, tooMuch},
		"a URL with a user":          {"redirectURL", "https://me:SECRET@abc.ngrok-free.app", tooMuch},
		"Zoom over http":             {"zoomURL", "http://zoom.us", noHTTPS},
		"Zoom's API with a path":     {"zoomAPIURL", "https://api.zoom.us/v2", tooMuch},
	} {
		t.Run(name, func(t *testing.T) {
			line := regexp.MustCompile("(?m)^" + c.setting + "=.*$")
			env := goodEnv + "zoomURL=\nzoomAPIURL=\n"
			p := newProgram(t, line.ReplaceAllLiteralString(env, c.setting+"="+c.value), nil)
			p.fails(t, fmt.Sprintf("  %-13s %s. It must be ", c.setting, c.says))
			if n := strings.Count(p.stderr.String(), "It must be"); n != 1 {
				t.Errorf("names %d settings, want 1: %s", n, &p.stderr)
			}
		})
	}
	t.Run("blank in the environment", func(t *testing.T) {
		p := newProgram(t, goodEnv, []string{"clientID="})
		p.fails(t, "  clientID      is missing or blank (in the environment, which wins over .env). It must be")
	})
	t.Run("everything", func(t *testing.T) {
		p := newProgram(t, "redirectURL=SECRET\nzoomURL=SECRET\nzoomAPIURL=SECRET", nil)
		p.fails(t, noID, noSecret, "\n  redirectURL ", "\n  zoomURL ", "\n  zoomAPIURL ")
	})
}

// TestBadEnvFile has a .env that can't be read, and what the program says of it.
func TestBadEnvFile(t *testing.T) {
	line := func(n int) string {
		return fmt.Sprintf("can't read .env: line %d isn't of the form name=value, or opens a quote that isn't closed\n", n)
	}
	const notUTF8 = "can't read .env: it isn't in UTF-8; save it so"
	const utf16 = "c\x00l\x00i\x00e\x00n\x00t\x00=\x00S\x00E\x00C\x00R\x00E\x00T\x00"
	for name, c := range map[string]struct{ env, says string }{
		"a quote that isn't closed":        {"# mine\n\nclientID=id\nclientSecret=\"SECRET\nredirectURL=x\n", line(4)},
		"a single quote that isn't closed": {"clientSecret='SECRET", line(1)},
		"a quote that is closed too late":  {"clientID=\"id\nclientSecret=\"SECRET\"\n", line(1)},
		"a line without =":                 {"clientID=id\nSECRET\nredirectURL=x\n", line(2)},
		"a last line without =":            {"clientID=id\nSECRET", line(2)},
		"a name with a bad letter":         {"client-secret=SECRET\n", line(1)},
		"JSON":                             {`{"clientSecret":"SECRET"}`, line(1)},
		"PowerShell":                       {"$env:clientSecret = SECRET", line(1)},
		"what Windows calls Unicode":       {"\xff\xfe" + utf16, notUTF8},
		"the same without a mark":          {utf16, notUTF8},
	} {
		t.Run(name, func(t *testing.T) { newProgram(t, c.env, nil).fails(t, c.says) })
	}
	t.Run("a folder", func(t *testing.T) {
		p := newProgram(t, "", nil)
		if err := os.Mkdir(filepath.Join(p.Dir, ".env"), 0o700); err != nil {
			t.Fatal(err)
		}
		p.fails(t, "can't read .env: is a directory\n")
	})
}

// TestBadAddress has an address that can't be listened on, the system's reason, and what to do.
func TestBadAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	const form = "An address is a host:port of this machine."
	for name, c := range map[string]struct{ address, reason, advice string }{
		"in use":          {taken.Addr().String(), "address already in use", "Stop the program that uses it"},
		"another machine": {"192.0.2.1:8000", "cannot assign requested address", "That host isn't this machine."},
		"just a port":     {"8001", "missing port in address", form},
		"just a host":     {"localhost", "missing port in address", form},
		"a URL":           {"http://localhost:8001", "too many colons in address", form},
		"no such port":    {"localhost:99999", "invalid port", form},
		"no such name":    {"localhost:zoom", "unknown port", form},
	} {
		t.Run(name, func(t *testing.T) {
			address := []string{"address=" + c.address}
			p := newProgram(t, goodEnv, address)
			p.fails(t, "zoom-oauth can't listen on "+c.address+": ", c.reason, c.advice,
				"For example, set address=localhost:8001 in .env and start the tunnel with: ngrok http 8001\n")

			p = newProgram(t, "this is no .env", address, "-demo")
			p.fails(t, c.reason, c.advice, "For example, start the demo with: address=localhost:8001 make demo\n")
			if strings.Contains(p.stderr.String(), ".env") {
				t.Errorf("the demo speaks of .env: %s", &p.stderr)
			}
		})
	}
}

// TestPrivilegedPort has a user who may not listen on port 80, as the system says it.
func TestPrivilegedPort(t *testing.T) {
	refusal := &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}
	got := listenError(refusal, "localhost:80", true).Error()
	for _, words := range []string{"can't listen on localhost:80: bind: permission denied.\n", "from 1024 up", "address=localhost:8001 make demo"} {
		if !strings.Contains(got, words) {
			t.Errorf("got %q, want %q in it", got, words)
		}
	}
}

// fails runs the program, and fails the test unless it ends with status 1 and says these things
// on standard error, and no secret.
func (p *program) fails(t *testing.T, says ...string) {
	t.Helper()
	p.Run()
	if status := p.ProcessState.ExitCode(); status != 1 {
		t.Errorf("got the exit status %d, want 1", status)
	}
	for _, words := range says {
		if !strings.Contains(p.stderr.String(), words) {
			t.Errorf("got %q, want %q in it", &p.stderr, words)
		}
	}
	all := p.stdout.String() + p.stderr.String()
	if strings.Contains(all, "SECRET") || strings.Contains(all, "S\x00E") || p.stdout.String() != "" {
		t.Errorf("shows a secret, or an error on standard output: %q", all)
	}
}

// TestStartMessage reads what the program says when it starts.
func TestStartMessage(t *testing.T) {
	for name, c := range map[string]struct{ env, want string }{
		"behind a tunnel": {goodEnv, `
  Open          http://localhost:PORT
  Redirect URL  https://abc.ngrok-free.app  (as registered at Zoom, letter by letter)
  Stop          Ctrl+C

`},
		"without a tunnel": {strings.Replace(goodEnv, "https://abc.ngrok-free.app", "http://localhost:8000", 1), `
  Open          http://localhost:PORT
  Redirect URL  http://localhost:8000  (Zoom will refuse it: it takes only https)
  Stop          Ctrl+C

`},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram(t, c.env, nil)
			p.begin(t)
			if got := regexp.MustCompile(`:\d+\n`).ReplaceAllString(p.stdout.String(), ":PORT\n"); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestSiteURL has addresses to listen on, and what a browser opens.
func TestSiteURL(t *testing.T) {
	actual := &net.TCPAddr{IP: net.IPv6unspecified, Port: 8000}
	for address, want := range map[string]string{
		"localhost:8000":   "http://localhost:8000",
		"127.0.0.1:0":      "http://127.0.0.1:8000",
		":8000":            "http://localhost:8000",
		"0.0.0.0:8000":     "http://localhost:8000",
		"[::]:8000":        "http://localhost:8000",
		"[::1]:8000":       "http://[::1]:8000",
		"192.168.0.9:8000": "http://192.168.0.9:8000",
	} {
		if got := siteURL(address, actual); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}

// TestDemo signs in to the demo, declines, and stops it. It has real settings at hand, which a
// demo must not touch.
func TestDemo(t *testing.T) {
	p := newProgram(t, "clientID=\"this is no .env", []string{"address=localhost:0", "clientID=mine", "redirectURL=nonsense"}, "-demo")
	site := p.begin(t)
	if strings.Contains(p.stdout.String(), "Redirect") {
		t.Errorf("got %s, want no redirect URL, which nobody registered", &p.stdout)
	}

	b := newWorld(t, local).newBrowser(t)
	start := b.get(site)
	if location := start.header.Get("Location"); !strings.HasPrefix(location, "/oauth/authorize?client_id=demo&") {
		t.Errorf("redirects to %s, want the demo's own stand-in", location)
	}
	consent := b.get(start.next(t).String())
	for _, words := range []string{"<strong>Demo.</strong>", "Allow", "Decline"} {
		if !strings.Contains(consent.body, words) {
			t.Errorf("the consent page lacks %q", words)
		}
	}
	b.decline = true
	wantPage(t, b.visit(site), http.StatusForbidden, declinedTitle)
	b.decline = false
	profile := b.visit(site)
	wantProfile(t, profile)
	if !strings.Contains(profile.body, "<strong>Demo.</strong>") {
		t.Error("the profile doesn't say that this is a demo")
	}
	b.decline = true // nobody asks again
	wantProfile(t, b.visit(site))

	p.Process.Signal(os.Interrupt)
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGINT: %v, want exit status 0", err)
	}
	if !strings.HasSuffix(p.stdout.String(), "\nFinishing what is under way. Press Ctrl+C again to end at once.\n") {
		t.Errorf("got %s, want its last line to say that it ends", &p.stdout)
	}
}

// TestCommandLine has flags and arguments.
func TestCommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		status int
		says   string // a regular expression
	}{
		"help": {[]string{"-h"}, 0, `(?s)^zoom-oauth signs a visitor in .*README.*-demo.*-version.*` +
			`clientID.*clientSecret.*redirectURL.*address.*\(default localhost:8000\).*zoomURL.*\(default https://zoom\.us\)`},
		"version":      {[]string{"-version"}, 0, `^zoom-oauth \S+ go1\.\S+\n$`},
		"unknown flag": {[]string{"-x"}, 2, `flag provided but not defined: -x`},
		"an argument":  {[]string{"demo"}, 2, `^zoom-oauth takes no arguments, but got "demo"\.\n`},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram(t, "", nil, c.args...)
			p.Run()
			if c.status != 0 && p.stdout.String() != "" {
				t.Errorf("an error went to standard output: %s", &p.stdout)
			}
			out := p.stdout.String() + p.stderr.String()
			if status := p.ProcessState.ExitCode(); status != c.status || !regexp.MustCompile(c.says).MatchString(out) {
				t.Errorf("got status %d, want %d, and to print %s: %s", status, c.status, c.says, out)
			}
		})
	}
}

// serving starts the program against an upstream, and sends n callbacks on their way. It returns
// the channel of the statuses that they end with, when all have reached Zoom.
func serving(t *testing.T, n int, delay time.Duration) (*program, <-chan int) {
	t.Helper()
	w := newWorld(t, local)
	u := newUpstream(t, w)
	u.slowDown(delay)
	p := newProgram(t, "", environment(u))
	site := p.begin(t)
	statuses := make(chan int, n)
	for range n {
		b := w.newBrowser(t)
		callback := site + "/?code=c&state=" + b.get(site).state(t)
		go func() {
			res, err := b.client.Get(callback)
			if err != nil {
				statuses <- 0
				return
			}
			res.Body.Close()
			statuses <- res.StatusCode
		}()
	}
	for deadline := time.Now().Add(10 * time.Second); u.connections.Load() < int64(n); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d sign-ins reached Zoom", u.connections.Load(), n)
		}
	}
	return p, statuses
}

// environment returns settings for the program that make it talk to u.
func environment(u *upstream) []string {
	return []string{"clientID=id", "clientSecret=SECRET", "redirectURL=http://localhost:8000", "address=localhost:0",
		"zoomURL=" + u.url, "zoomAPIURL=" + u.url}
}

// TestStopFinishesWhatIsUnderWay stops the program in the middle of fifty sign-ins.
func TestStopFinishesWhatIsUnderWay(t *testing.T) {
	p, statuses := serving(t, 50, 500*time.Millisecond)
	p.Process.Signal(syscall.SIGTERM)
	for range 50 {
		if status := <-statuses; status != http.StatusOK {
			t.Errorf("a sign-in under way: got %d, want 200", status)
		}
	}
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, want exit status 0", err)
	}
}

// TestSecondSignalEndsAtOnce is impatient with the program.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	p, statuses := serving(t, 1, 3*time.Second)
	p.Process.Signal(syscall.SIGTERM)
	time.Sleep(200 * time.Millisecond)
	p.Process.Signal(syscall.SIGTERM)
	p.Wait()
	if status, _ := p.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() {
		t.Errorf("got %v, want the end by the second signal", p.ProcessState)
	}
	if status := <-statuses; status == http.StatusOK {
		t.Error("the sign-in under way was finished, so the test shows nothing")
	}
}

// TestUnaskedAnswersAreNotPrinted has Zoom say more than it was asked, which net/http would print.
func TestUnaskedAnswersAreNotPrinted(t *testing.T) {
	w := newWorld(t, local)
	u := newUpstream(t, w)
	u.set(tokenPath, func(c net.Conn, r *http.Request, body string) bool {
		answers(200, goodToken)(c, r, body)
		io.WriteString(c, body+r.Header.Get("Authorization")+goodToken)
		return true
	})
	p := newProgram(t, "", environment(u))
	site := p.begin(t)
	b := w.newBrowser(t)
	for range 2 { // the second meets the connection with the rest
		b.get(site + "/?code=CODE&state=" + b.get(site).state(t))
		u.set(tokenPath, nil)
	}
	p.Process.Signal(os.Interrupt)
	p.Wait()
	if p.stderr.String() != "" {
		t.Errorf("on standard error: %s", &p.stderr)
	}
	for _, secret := range []string{"CODE", "ACCESS", "REFRESH", "Basic", "verifier"} {
		if strings.Contains(p.stdout.String(), secret) {
			t.Errorf("printed %s: %s", secret, &p.stdout)
		}
	}
}

// server runs the program's server in the test's own process, and returns its host:port and what
// it prints.
func server(t *testing.T) (address string, printed *output) {
	t.Helper()
	inPlace(t, goodEnv)
	ctx, stop := context.WithCancel(t.Context())
	printed = &output{}
	ended := make(chan error)
	go func() { ended <- run(ctx, false, printed) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return strings.TrimPrefix(openURL(t, printed), "http://"), printed
}

// TestRawRequests sends what no browser sends, beside 400 connections that say almost nothing.
func TestRawRequests(t *testing.T) {
	address, printed := server(t)
	for range 400 {
		defer dial(t, address, "GET / HTTP/1.1\r\nHost: x").Close()
	}
	mega := strings.Repeat("a", 1<<20)
	for name, c := range map[string]struct{ request, want string }{
		"HTTP/1.0":               {"GET / HTTP/1.0\r\n\r\n", "302 Found"},
		"OPTIONS *":              {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"},
		"CONNECT":                {"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", "404 Not Found"},
		"an absolute URL":        {"GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", "302 Found"},
		"a Host that isn't ours": {"GET / HTTP/1.1\r\nHost: evil.example.com\r\n\r\n", "302 Found"},
		"no Host":                {"GET / HTTP/1.1\r\n\r\n", "400 Bad Request: missing required Host header"},
		"a megabyte of query":    {"GET /?" + mega + " HTTP/1.1\r\nHost: x\r\n\r\n", "431 Request Header Fields Too Large"},
		"64 KB of cookies":       {"GET / HTTP/1.1\r\nHost: x\r\nCookie: a=" + mega[:64<<10] + "\r\n\r\n", "431 Request Header Fields Too Large"},
		"a line break in state":  {"GET /?code=c&state=a%0d%0aSet-Cookie:%20x=y HTTP/1.1\r\nHost: x\r\n\r\n", "302 Found"},
		"not HTTP":               {"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "400 Bad Request"},
	} {
		t.Run(name, func(t *testing.T) {
			c2 := dial(t, address, "")
			defer c2.Close()
			c2.SetDeadline(time.Now().Add(5 * time.Second))
			go io.WriteString(c2, c.request)
			in := bufio.NewReader(c2)
			status, _ := in.ReadString('\n')
			if !strings.HasSuffix(strings.TrimSpace(status), c.want) {
				t.Errorf("got %q, want %s", status, c.want)
			}
			rest := make([]byte, 4096)
			n, _ := in.Read(rest)
			for _, reflected := range []string{"evil", "example.com", "x=y"} {
				if strings.Contains(string(rest[:n]), reflected) {
					t.Errorf("the answer repeats the request: %s", rest[:n])
				}
			}
		})
	}
	if strings.Contains(printed.String(), "code=") {
		t.Errorf("the log has a query: %s", printed)
	}
}

// TestSlowRequests has requests whose headers or body never come to their end.
func TestSlowRequests(t *testing.T) {
	address, _ := server(t)
	var done sync.WaitGroup
	for request, within := range map[string]time.Duration{
		"GET / HTTP/1.1\r\n": 10 * time.Second,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n": 15 * time.Second,
	} {
		c := dial(t, address, request)
		defer c.Close()
		done.Go(func() {
			c.SetReadDeadline(time.Now().Add(within))
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("not cut off within %v after %q: %v", within, request, err)
			}
		})
	}
	done.Wait()
}

// dial opens a connection and writes on it.
func dial(t *testing.T, address, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, text)
	return c
}

// TestReadmeHasTheProgramsWords looks up what the README's tables quote: messages in the program's
// source, and titles in the pages. Each title must be in the README, too.
func TestReadmeHasTheProgramsWords(t *testing.T) {
	readme, source, pages := read(t, "README.md"), read(t, "main.go"), read(t, "templates/problems.html")
	source = regexp.MustCompile(`"\s*\+\s*"`).ReplaceAllString(source, "")
	source = strings.NewReplacer("%d", "3", "%w", syscall.EADDRINUSE.Error(), "%s: ", "localhost:8000: bind: ").Replace(source)
	atStart, rest := table(t, readme, "### In the terminal, at the start")
	for _, m := range regexp.MustCompile("(?m)^\\| (`.*?`) \\|").FindAllStringSubmatch(atStart, -1) {
		for _, message := range strings.Split(strings.Trim(m[1], "`"), "`, `") {
			if !strings.Contains(source, message) {
				t.Errorf("main.go doesn't say %q", message)
			}
		}
	}

	var want, got []string
	for _, m := range regexp.MustCompile(`template "problem" "(.*?)"`).FindAllStringSubmatch(pages, -1) {
		if m[1] != "There is no such page" && m[1] != "Only GET is allowed here" { // which explain themselves
			want = append(want, m[1])
		}
	}
	onPages, _ := table(t, rest, "### On a page of the app's")
	for _, m := range regexp.MustCompile(`(?m)^\| \*(.*?)\* \|`).FindAllStringSubmatch(onPages, -1) {
		got = append(got, strings.Split(m[1], "*, *")...)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the README explains the pages %q, want %q", got, want)
	}
}

// table returns the part of the README below a heading, up to the next, and what follows.
func table(t *testing.T, readme, heading string) (part, rest string) {
	t.Helper()
	_, below, ok := strings.Cut(readme, heading+"\n")
	if !ok {
		t.Fatalf("the README has no heading %q", heading)
	}
	part, rest, _ = strings.Cut(below, "\n#")
	return part, "#" + rest
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
