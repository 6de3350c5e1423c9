package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
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

// goodSettings are goodEnv's.
var goodSettings = settings{"localhost:0", zoomConfig{
	clientID: "id", clientSecret: "SECRET", redirectURL: tunnel,
	browserURL: "https://zoom.us", zoomURL: "https://zoom.us", apiURL: "https://api.zoom.us",
}}

// wantSettings fails the test unless the program, in place, has these settings.
func wantSettings(t *testing.T, demo bool, want settings) {
	t.Helper()
	if got, err := readSettings(demo); err != nil || got != want {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
}

// TestEnvFile checks ways to write a .env, all of which mean the same.
func TestEnvFile(t *testing.T) {
	quote := strings.NewReplacer("=id", `="id"`, "SECRET", "'SECRET'")
	comment := strings.NewReplacer("id\n", "id # the id\n\n  # more\n")
	spread := strings.NewReplacer("=", " = ", "\n", "\t\n ")
	for name, env := range map[string]string{
		"plain":                    goodEnv,
		"Windows line ends":        strings.ReplaceAll(goodEnv, "\n", "\r\n"),
		"byte order mark":          "\ufeff" + goodEnv,
		"no end of line":           strings.TrimSpace(goodEnv),
		"quotes":                   quote.Replace(goodEnv),
		"export":                   "export " + strings.ReplaceAll(goodEnv[:len(goodEnv)-1], "\n", "\nexport "),
		"comments":                 "# mine\n" + comment.Replace(goodEnv),
		"stray spaces":             spread.Replace(goodEnv),
		"spaces in quotes":         strings.Replace(goodEnv, "=id", `=" id "`, 1),
		"optional ones left blank": goodEnv + "zoomURL=\nzoomAPIURL=\n",
		"slashes behind Zoom":      goodEnv + "zoomURL=https://zoom.us/\nzoomAPIURL=https://api.zoom.us/\n",
		"names of other programs":  goodEnv + "CLIENT_ID=x\n",
	} {
		t.Run(name, func(t *testing.T) {
			inPlace(t, env)
			wantSettings(t, false, goodSettings)
		})
	}
}

// TestEnvironmentWins has a setting in the environment and in .env.
func TestEnvironmentWins(t *testing.T) {
	inPlace(t, goodEnv)
	t.Setenv("clientID", "other")
	want := goodSettings
	want.zoom.clientID = "other"
	wantSettings(t, false, want)
}

// TestNoEnvFile has all settings in the environment.
func TestNoEnvFile(t *testing.T) {
	inPlace(t, "")
	for line := range strings.Lines(goodEnv) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		t.Setenv(name, value)
	}
	wantSettings(t, false, goodSettings)
}

// TestSettingsOfTheDemo checks that a demo has just an address, and not from .env.
func TestSettingsOfTheDemo(t *testing.T) {
	inPlace(t, goodEnv)
	wantSettings(t, true, settings{address: "localhost:8000"})
	t.Setenv("address", " localhost:8001 ")
	wantSettings(t, true, settings{address: "localhost:8001"})
}

// TestRedirectURLs checks what is sent to Zoom as it stands.
func TestRedirectURLs(t *testing.T) {
	for _, redirectURL := range []string{
		tunnel + "/",
		"https://ABC.example:8443",
		"http://localhost:8000",
		"http://127.0.0.1:8000",
		"http://[::1]:8000",
	} {
		inPlace(t, strings.Replace(goodEnv, tunnel, redirectURL, 1))
		want := goodSettings
		want.zoom.redirectURL = redirectURL
		wantSettings(t, false, want)
	}
}

// TestExample fills in .env.example, with its optional lines, which name the defaults.
func TestExample(t *testing.T) {
	fillIn := strings.NewReplacer("clientID=", "clientID=id", "clientSecret=", "clientSecret=SECRET",
		"redirectURL=", "redirectURL="+tunnel, "#address=", "address=", "#zoom", "zoom")
	env := fillIn.Replace(read(t, ".env.example"))
	inPlace(t, env)
	want := goodSettings
	want.address = defaultAddress
	wantSettings(t, false, want)
}

// What the program says of settings.
const (
	noFile = "zoom-oauth can't start: there is no .env in this folder, and the environment" +
		" doesn't have what is needed:\n\n"
	correct = "zoom-oauth can't start. Correct these settings:\n\n"
	where   = "\nThose that aren't in the environment belong in .env in this folder\n"

	noID = "  clientID      is missing or blank." +
		" It must be your app's Client ID (marketplace.zoom.us, App Credentials).\n"
	noSecret = "  clientSecret  is missing or blank." +
		" It must be your app's Client Secret (marketplace.zoom.us, App Credentials).\n"
	noURL = "  redirectURL   is missing or blank." +
		" It must be the https address that ngrok shows, such as https://abc.ngrok-free.app.\n"

	howToBegin = "\nTo make a .env: cp .env.example .env\nThe README has the steps to fill it in\n"
)

// TestFirstMistakes checks the whole of what the program says before .env is filled in well.
func TestFirstMistakes(t *testing.T) {
	const url = "redirectURL=" + tunnel + "\n"
	for name, c := range map[string]struct{ env, want string }{
		"no .env":                 {"", noFile + noID + noSecret + noURL + howToBegin},
		"the example as it comes": {read(t, ".env.example"), correct + noID + noSecret + noURL + where},
		"names of other programs": {
			"CLIENT_ID=SECRET\nclientsecret=SECRET\n" + url,
			correct + noID + noSecret +
				"\n.env also has CLIENT_ID, clientsecret. Is a setting above meant?\n" + where,
		},
		"a secret for a name": {
			"clientID=id\n" + url + "SECRET" + strings.Repeat("x", 26) + "==",
			correct + noSecret + where,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := newProgram(t, c.env, nil).wantRefusal(t); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

// TestBadSettings checks what the program says of a .env with one setting that is wrong.
func TestBadSettings(t *testing.T) {
	const (
		noURL    = "is not a URL"
		noHTTPS  = "doesn't begin with https://"
		noHost   = "has no host, or a colon without a port"
		tooMuch  = "has more in it than https:// and a host"
		inPieces = "has a space or a line break in it"
	)
	for name, c := range map[string]struct{ setting, value, says string }{
		"blank":                    {"clientID", `"   "`, "is missing or blank"},
		"just a comment":           {"clientSecret", "  # SECRET", "begins with a #, as comments do"},
		"a space":                  {"clientSecret", "SEC SECRET", inPieces},
		"two lines":                {"clientSecret", `"SECRET\nSECRET"`, inPieces},
		"“curly quotes”":           {"clientSecret", "“SECRET”", "has a quote in it"},
		"a control byte":           {"clientID", "SECRET\x07", "has a character in it that no credential has"},
		"two words":                {"redirectURL", "SECRET SECRET", noURL},
		"a bad escape":             {"redirectURL", "https://abc%zz", noURL},
		"a host beyond ASCII":      {"redirectURL", "https://büro.example", noURL},
		"no scheme":                {"redirectURL", "abc.example", noHTTPS},
		"http":                     {"redirectURL", "http://abc.example", noHTTPS},
		"http, almost localhost":   {"redirectURL", "http://localhost.example", noHTTPS},
		"another scheme":           {"redirectURL", "ftp://localhost", noHTTPS},
		"HTTPS":                    {"redirectURL", "HTTPS://abc.example", noHTTPS},
		"no host":                  {"redirectURL", "https://:8000", noHost},
		"a colon without a port":   {"redirectURL", "https://abc.example:", noHost},
		"a path":                   {"redirectURL", "https://abc.example/SECRET", tooMuch},
		"two slashes":              {"redirectURL", "https://abc.example//", tooMuch},
		"a question mark":          {"redirectURL", "https://abc.example?", tooMuch},
		"a fragment":               {"redirectURL", `"https://abc.example#SECRET"`, tooMuch},
		"a user":                   {"redirectURL", "https://me:SECRET@abc.example", tooMuch},
		"Zoom over http":           {"zoomURL", "http://zoom.us", noHTTPS},
		"a path behind Zoom's API": {"zoomAPIURL", "https://api.zoom.us/v2", tooMuch},
	} {
		t.Run(name, func(t *testing.T) {
			line := regexp.MustCompile("(?m)^" + c.setting + "=.*$")
			env := goodEnv + "zoomURL=\nzoomAPIURL=\n"
			p := newProgram(t, line.ReplaceAllLiteralString(env, c.setting+"="+c.value), nil)
			said := p.wantRefusal(t, fmt.Sprintf("  %-13s %s. It must be ", c.setting, c.says))
			if n := strings.Count(said, "It must be"); n != 1 {
				t.Errorf("names %d settings, want 1: %s", n, said)
			}
		})
	}
}

// TestBadEnvironment checks that the program says why .env doesn't count.
func TestBadEnvironment(t *testing.T) {
	const why = " (in the environment, which wins over .env). It must be"
	p := newProgram(t, goodEnv, []string{"clientID=", "clientSecret=a SECRET"})
	p.wantRefusal(t, "  clientID      is missing or blank"+why,
		"  clientSecret  has a space or a line break in it"+why)
}

// TestAllFaultsAtOnce checks that one run tells all that is wrong.
func TestAllFaultsAtOnce(t *testing.T) {
	p := newProgram(t, "redirectURL=SECRET\nzoomURL=SECRET\nzoomAPIURL=SECRET", nil)
	p.wantRefusal(t, noID, noSecret, "\n  redirectURL ", "\n  zoomURL ", "\n  zoomAPIURL ")
}

// TestBadEnvFile checks what the program says of a .env that it can't read.
func TestBadEnvFile(t *testing.T) {
	const utf16 = "c\x00l\x00i\x00e\x00n\x00t\x00=\x00S\x00E\x00C\x00R\x00E\x00T\x00"
	const notUTF8 = "it isn't in UTF-8; save it as UTF-8"
	bad := func(line int) string {
		const format = "line %d isn't of the form name=value, or opens a quote that isn't closed"
		return fmt.Sprintf(format, line)
	}
	const openQuote = "# mine\n\nclientID=id\nclientSecret=\"SECRET\nredirectURL=x\n"
	for name, c := range map[string]struct{ env, says string }{
		"a quote that isn't closed":        {openQuote, bad(4)},
		"a single quote that isn't closed": {"clientSecret='SECRET", bad(1)},
		"a quote that is closed too late":  {"clientID=\"id\nclientSecret=\"SECRET\"\n", bad(1)},
		"a line without =":                 {"clientID=id\nSECRET\nredirectURL=x\n", bad(2)},
		"a last line without =":            {"clientID=id\nSECRET", bad(2)},
		"a name with a bad letter":         {"client-secret=SECRET\n", bad(1)},
		"JSON":                             {`{"clientSecret":"SECRET"}`, bad(1)},
		"PowerShell":                       {"$env:clientSecret = SECRET", bad(1)},
		"a line after a value of two":      {"clientID=\"i\nd\"\nSECRET\nredirectURL=x\n", bad(3)},
		"what Windows calls ANSI":          {"clientSecret=SECRET\xfc", notUTF8},
		"what Windows calls Unicode":       {"\xff\xfe" + utf16, notUTF8},
		"the same without a mark":          {utf16, notUTF8},
	} {
		t.Run(name, func(t *testing.T) {
			newProgram(t, c.env, nil).wantRefusal(t, "zoom-oauth can't read .env: "+c.says)
		})
	}
}

// TestEnvFolder has a folder where the file should be.
func TestEnvFolder(t *testing.T) {
	p := newProgram(t, "", nil)
	if err := os.Mkdir(filepath.Join(p.Dir, ".env"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.wantRefusal(t, "zoom-oauth can't read .env: is a directory")
}

// TestBadAddress checks what the program says of an address on which it can't listen: the system's
// reason, and what to do.
func TestBadAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	const (
		otherPort = "Stop the program that uses it, perhaps an earlier run of this one, or use another port."
		notHere   = "That host isn't this machine. Use localhost."
		form      = "An address is a host:port of this machine that no other program uses."
		example   = "set address=localhost:8001 in .env (or in the environment, if it is set there)" +
			" and start the tunnel with: ngrok http 8001"
		demos = "start the demo with: address=localhost:8001 make demo"
	)
	for name, c := range map[string]struct{ address, reason, advice string }{
		"in use":          {taken.Addr().String(), "address already in use", otherPort},
		"another machine": {"192.0.2.1:8000", "cannot assign requested address", notHere},
		"just a port":     {"8001", "missing port in address", form},
		"just a host":     {"localhost", "missing port in address", form},
		"a URL":           {"http://localhost:8001", "too many colons in address", form},
		"no such port":    {"localhost:99999", "invalid port", form},
		"no such name":    {"localhost:zoom", "unknown port", form},
	} {
		t.Run(name, func(t *testing.T) {
			start, advice := "zoom-oauth can't listen on "+c.address+": ", ".\n"+c.advice+"\nFor example, "
			address := []string{"address=" + c.address}
			p, demo := newProgram(t, goodEnv, address), newProgram(t, "", address, "-demo")
			p.wantRefusal(t, start, c.reason, advice+example)
			wantNone(t, demo.wantRefusal(t, start, c.reason, advice+demos), ".env")
		})
	}
}

// TestPrivilegedPort has a user who may not listen on port 80, as the system says it.
func TestPrivilegedPort(t *testing.T) {
	refusal := &net.OpError{Op: "listen", Err: os.NewSyscallError("bind", syscall.EACCES)}
	wantWords(t, listenError(refusal, "localhost:80", true).Error(),
		"can't listen on localhost:80: bind: permission denied.\n",
		"Only an administrator may use that port. Use one from 1024 up.\n")
}

// TestStartMessage checks what the program says when it starts.
func TestStartMessage(t *testing.T) {
	for redirectURL, note := range map[string]string{
		tunnel:                   "must be registered at Zoom exactly like this",
		"https://localhost:8000": "Zoom will refuse it: it takes only https, and not on this machine",
		local:                    "Zoom will refuse it: it takes only https, and not on this machine",
	} {
		p := newProgram(t, strings.Replace(goodEnv, tunnel, redirectURL, 1), nil)
		site := p.begin(t)
		want := "\n  Open          " + site +
			"\n  Redirect URL  " + redirectURL + "  (" + note + ")" +
			"\n  Stop          Ctrl+C\n\n"
		if got := p.stdout.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestServerFails has a server that ends before it is told to.
func TestServerFails(t *testing.T) {
	listener, err := listen("localhost:0", false)
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := serve(t.Context(), listener, &http.Server{}, io.Discard); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got the error %v, want %v", err, net.ErrClosed)
	}
}

// TestSiteURL checks what a browser opens for an address to listen on.
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
	environment := []string{"address=localhost:0", "clientID=mine", "redirectURL=nonsense"}
	p := newProgram(t, "clientID=\"this is no .env", environment, "-demo")
	site := p.begin(t)
	wantNone(t, p.stdout.String(), "Redirect") // nobody registered a redirect URL

	b := newWorld(t, local).newBrowser(t)
	start := b.get(site)
	if to := start.header.Get("Location"); !strings.HasPrefix(to, "/oauth/authorize?client_id=demo&") {
		t.Errorf("redirects to %s, want the demo's own stand-in", to)
	}
	question := b.get(start.next(t).String())
	wantWords(t, question.body, "<strong>Demo.</strong>", "Allow", "Decline")
	b.decline = true
	wantPage(t, b.visit(site), http.StatusForbidden, declinedTitle)
	b.decline = false
	profile := b.visit(site)
	wantProfile(t, profile)
	wantWords(t, profile.body, "<strong>Demo.</strong>")
	b.decline = true // nobody asks again
	wantProfile(t, b.visit(site))

	p.Process.Signal(os.Interrupt)
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGINT: %v, want exit status 0", err)
	}
	const last = "\nFinishing what is under way. Press Ctrl+C again to end at once.\n"
	if !strings.HasSuffix(p.stdout.String(), last) {
		t.Errorf("got %s, want its last line to say that it ends", &p.stdout)
	}
}

// TestCommandLine checks flags and arguments.
func TestCommandLine(t *testing.T) {
	const help = `(?s)^zoom-oauth signs a visitor in .*README.*-demo.*-version.*` +
		`clientID.*\(required\).*clientSecret.*\(required\).*redirectURL.*\(required\).*` +
		`address.*\(default localhost:8000\).*zoomURL.*\(default https://zoom\.us\).*zoomAPIURL`
	for name, c := range map[string]struct {
		argument string
		status   int
		says     string // a regular expression
	}{
		"help":         {"-h", 0, help},
		"version":      {"-version", 0, `^zoom-oauth \S+ go1\.\S+\n$`},
		"unknown flag": {"-x", 2, `flag provided but not defined: -x`},
		"an argument":  {"demo", 2, `^zoom-oauth takes no arguments, but got "demo"\.\n`},
		"a setting":    {"clientSecret=SECRET", 2, `^zoom-oauth takes no arguments, but got "clientSecret"\.\n`},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram(t, "", nil, c.argument)
			p.Run()
			if status := p.ProcessState.ExitCode(); status != c.status {
				t.Errorf("got the exit status %d, want %d", status, c.status)
			}
			if c.status != 0 && p.stdout.String() != "" {
				t.Errorf("an error went to standard output: %s", &p.stdout)
			}
			out := p.stdout.String() + p.stderr.String()
			if !regexp.MustCompile(c.says).MatchString(out) {
				t.Errorf("got %s, want %s", out, c.says)
			}
		})
	}
}

// environment returns settings for a program that talks to u.
func environment(u *upstream) []string {
	return []string{
		"clientID=id", "clientSecret=SECRET", "redirectURL=" + local, "address=localhost:0",
		"zoomURL=" + u.url, "zoomAPIURL=" + u.url,
	}
}

// underWay starts the program, and n sign-ins at a Zoom that takes its time. It returns when Zoom
// has heard of them all. Each then ends with a status, 0 if it got no answer.
func underWay(t *testing.T, n int) (p *program, statuses <-chan int) {
	t.Helper()
	w := newWorld(t, local)
	u := newUpstream(t, w)
	heard := make(chan string, 2*n)
	for path, answer := range goodAnswers {
		u.set(path, func(c net.Conn, r *http.Request, body string) bool {
			heard <- path
			time.Sleep(zoomTimeout / 4)
			return answers(200, answer)(c, r, body)
		})
	}
	p = newProgram(t, "", environment(u))
	site := p.begin(t)
	callbacks := map[string]*browser{}
	for range n {
		b := w.newBrowser(t)
		callbacks[site+"/?code=c&state="+b.get(site).state(t)] = b
	}
	ended := make(chan int, n)
	for callback, b := range callbacks {
		go func() {
			res, err := b.client.Get(callback)
			if err != nil {
				ended <- 0
				return
			}
			res.Body.Close()
			ended <- res.StatusCode
		}()
	}
	for range n {
		receive(t, heard)
	}
	return p, ended
}

// TestStopFinishesWhatIsUnderWay stops the program in the middle of slow sign-ins.
func TestStopFinishesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	const n = 20
	p, statuses := underWay(t, n)
	p.Process.Signal(syscall.SIGTERM)
	for range n {
		if status := receive(t, statuses); status != http.StatusOK {
			t.Errorf("a sign-in under way: got %d, want 200", status)
		}
	}
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, want exit status 0", err)
	}
}

// TestSecondSignalEndsAtOnce is impatient with the program.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	p, statuses := underWay(t, 1)
	go func() {
		for p.Process.Signal(syscall.SIGTERM) == nil {
			time.Sleep(50 * time.Millisecond)
		}
	}()
	p.Wait()
	if status, _ := p.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() {
		t.Errorf("got %v, want the end by the second signal", p.ProcessState)
	}
	if status := <-statuses; status == http.StatusOK {
		t.Error("the sign-in under way was finished, so the test shows nothing")
	}
}

// TestProxy has a proxy between the app and Zoom, as companies do.
func TestProxy(t *testing.T) {
	w := newWorld(t, local)
	u := newUpstream(t, w)
	asked := make(chan string, 9)
	u.set("", func(_ net.Conn, r *http.Request, _ string) bool {
		asked <- r.Method + " " + r.Host
		return false
	})
	p := newProgram(t, "", append(environment(u), "zoomURL=https://zoom.invalid", "HTTPS_PROXY="+u.url))
	site := p.begin(t)
	b := w.newBrowser(t)
	wantPage(t, b.get(site+"/?code=c&state="+b.get(site).state(t)), http.StatusBadGateway, brokenTitle)
	select {
	case got := <-asked:
		if want := "CONNECT zoom.invalid:443"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	default:
		t.Error("the proxy was not asked")
	}
}

// TestUnaskedAnswersAreNotPrinted has Zoom say more than it was asked, which net/http would print.
func TestUnaskedAnswersAreNotPrinted(t *testing.T) {
	w := newWorld(t, local)
	u := newUpstream(t, w)
	shown, hungUp := make(chan bool), make(chan error, 9)
	u.set(userPath, func(c net.Conn, r *http.Request, body string) bool {
		answers(200, goodProfile)(c, r, body)
		<-shown // and the connection is idle
		io.WriteString(c, r.Header.Get("Authorization")+goodToken)
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, err := io.Copy(io.Discard, c)
		hungUp <- err
		return false
	})
	p := newProgram(t, "", environment(u))
	site := p.begin(t)
	b := w.newBrowser(t)
	wantProfile(t, b.get(site+"/?code=c&state="+b.get(site).state(t)))
	close(shown)
	if err := receive(t, hungUp); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is still open, so the test shows nothing")
	}
	p.Process.Signal(os.Interrupt)
	p.Wait()
	if p.stderr.String() != "" {
		t.Errorf("on standard error: %s", &p.stderr)
	}
	wantNone(t, p.stdout.String(), "ACCESS", "REFRESH")
}

// TestRawRequests sends what no browser sends, beside 400 connections that say almost nothing.
func TestRawRequests(t *testing.T) {
	p := newProgram(t, goodEnv, nil)
	address := parse(p.begin(t)).Host
	for range 400 {
		dial(t, address, "GET / HTTP/1.1\r\nHost: x")
	}
	const (
		host    = " HTTP/1.1\r\nHost: x\r\n"
		example = " HTTP/1.1\r\nHost: example.com\r\n\r\n"

		found    = "302 Found"
		notFound = "404 Not Found"
		tooLarge = "431 Request Header Fields Too Large"
	)
	mega := strings.Repeat("a", 1<<20)
	for name, c := range map[string]struct{ request, want string }{
		"HTTP/1.0":               {"GET / HTTP/1.0\r\n\r\n", found},
		"OPTIONS *":              {"OPTIONS *" + host + "\r\n", notFound},
		"CONNECT":                {"CONNECT example.com:443" + example, notFound},
		"an absolute URL":        {"GET http://example.com/" + example, found},
		"a Host that isn't ours": {"GET /" + example, found},
		"no Host":                {"GET / HTTP/1.1\r\n\r\n", "400 Bad Request: missing required Host header"},
		"a megabyte of query":    {"GET /?" + mega + host + "\r\n", tooLarge},
		"16 KB of cookies":       {"GET /" + host + "Cookie: a=" + mega[:16<<10] + "\r\n\r\n", found},
		"64 KB of cookies":       {"GET /" + host + "Cookie: a=" + mega[:64<<10] + "\r\n\r\n", tooLarge},
		"a line break in state":  {"GET /?code=c&state=a%0d%0aSet-Cookie:%20x=y" + host + "\r\n", found},
		"not HTTP":               {"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "400 Bad Request"},
	} {
		t.Run(name, func(t *testing.T) {
			connection := dial(t, address, "")
			connection.SetDeadline(time.Now().Add(20 * time.Second))
			go io.WriteString(connection, c.request)
			in := bufio.NewReader(connection)
			status, _ := in.ReadString('\n')
			if !strings.HasSuffix(strings.TrimSpace(status), c.want) {
				t.Errorf("got %q, want %s", status, c.want)
			}
			rest := make([]byte, 4096)
			n, _ := in.Read(rest)
			wantNone(t, string(rest[:n]), "example.com", "x=y") // nothing of the request
		})
	}
	wantNone(t, p.stdout.String(), "code=")
}

// TestSlowRequests has requests whose header or body never comes to its end.
func TestSlowRequests(t *testing.T) {
	t.Parallel()
	p := newProgram(t, goodEnv, nil)
	address := parse(p.begin(t)).Host
	var done sync.WaitGroup
	for request, within := range map[string]time.Duration{
		"GET / HTTP/1.1\r\n": 8 * time.Second,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n": 15 * time.Second,
	} {
		c := dial(t, address, request)
		done.Go(func() {
			c.SetReadDeadline(time.Now().Add(within))
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("not cut off within %v after %q: %v", within, request, err)
			}
		})
	}
	done.Wait()
}

// TestReadmeQuotesTheProgram looks up the messages that the README explains in the source.
func TestReadmeQuotesTheProgram(t *testing.T) {
	source := regexp.MustCompile(`"\s*\+\s*"`).ReplaceAllString(read(t, "main.go"), "")
	fillIn := strings.NewReplacer("%s: ", "localhost:8000: bind: ", "%d", "3", "%w", syscall.EADDRINUSE.Error())
	source = fillIn.Replace(source)
	cells := explained(t, "### In the terminal, at the start")
	for _, cell := range cells {
		for _, message := range strings.Split(strings.Trim(cell, "`"), "`, `") {
			wantWords(t, source, message)
		}
	}
}

// TestReadmeExplainsThePages compares the titles that the README explains with those of the pages.
func TestReadmeExplainsThePages(t *testing.T) {
	want := map[string]bool{}
	problem := regexp.MustCompile(`template "problem" "(.*?)"`)
	for _, m := range problem.FindAllStringSubmatch(read(t, "templates/problems.html"), -1) {
		want[m[1]] = true
	}
	delete(want, notFoundTitle) // which explain themselves
	delete(want, notAllowedTitle)
	got := map[string]bool{}
	for _, cell := range explained(t, "### On a page of the app's") {
		for _, title := range strings.Split(strings.Trim(cell, "*"), "*, *") {
			got[title] = true
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// explained returns the left cells of the table that the README has below a heading.
func explained(t *testing.T, heading string) (cells []string) {
	t.Helper()
	_, below, ok := strings.Cut(read(t, "README.md"), heading+"\n")
	if !ok {
		t.Fatalf("the README has no heading %q", heading)
	}
	table, _, _ := strings.Cut(below, "\n#")
	rows := regexp.MustCompile("(?m)^\\| ([`*].*?) \\|").FindAllStringSubmatch(table, -1)
	for _, row := range rows {
		cells = append(cells, row[1])
	}
	if len(cells) == 0 {
		t.Fatalf("the README has no table below %q", heading)
	}
	return cells
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
