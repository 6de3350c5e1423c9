package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zoom-oauth/templates"
)

// TestMain lets the test binary be the program itself, for the tests that need a process.
func TestMain(m *testing.M) {
	if os.Getenv("BE_THE_PROGRAM") != "" {
		main()
		return
	}
	os.Setenv("NO_PROXY", "*") // a proxy of this machine's has no part in the tests
	os.Exit(m.Run())
}

// goodEnv is a .env in which nothing is wrong.
const goodEnv = "clientID=id\nclientSecret=SECRET\nredirectURL=" + tunnel + "\naddress=127.0.0.1:0\n"

// goodClient is goodEnv's.
var goodClient = zoomClient{
	clientID: "id", clientSecret: "SECRET", redirectURL: tunnel,
	oauthURL: "https://zoom.us", apiURL: "https://api.zoom.us",
}

// wantSettings fails the test unless the program, in place, has these settings.
func wantSettings(t *testing.T, address string, want zoomClient) {
	t.Helper()
	gotAddress, z, err := readSettings()
	if err != nil {
		t.Fatal(err)
	}
	got := *z
	got.transport = nil
	if gotAddress != address || got != want {
		t.Errorf("got %s, %+v; want %s, %+v", gotAddress, got, address, want)
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
		"slashes behind Zoom":      goodEnv + "zoomURL=https://zoom.us//\nzoomAPIURL=https://api.zoom.us/\n",
		"names of other programs":  goodEnv + "CLIENT_ID=x\n",
	} {
		t.Run(name, func(t *testing.T) {
			inPlace(t, env)
			wantSettings(t, "127.0.0.1:0", goodClient)
		})
	}
}

// TestEnvironmentWins has settings in the environment and in .env. An empty one hides nothing.
func TestEnvironmentWins(t *testing.T) {
	inPlace(t, goodEnv)
	t.Setenv("clientID", " other ")
	t.Setenv("clientSecret", " ")
	want := goodClient
	want.clientID = "other"
	wantSettings(t, "127.0.0.1:0", want)
}

// TestNoEnvFile has all settings in the environment.
func TestNoEnvFile(t *testing.T) {
	inPlace(t, "")
	for line := range strings.Lines(goodEnv) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		t.Setenv(name, value)
	}
	wantSettings(t, "127.0.0.1:0", goodClient)
}

// TestRedirectURLs checks what is sent to Zoom as it stands. Without a secret, only those by http
// will do.
func TestRedirectURLs(t *testing.T) {
	for _, redirectURL := range []string{
		tunnel + "/", "https://ABC.example:8443", "https://[2001:db8::1]:8443", "https://localhost:8000",
		"http://localhost:8000", "http://127.0.0.1:8000/", "http://[::1]:8000", "http://127.0.0.1",
	} {
		inPlace(t, strings.Replace(goodEnv, tunnel, redirectURL, 1))
		want := goodClient
		want.redirectURL = redirectURL
		wantSettings(t, "127.0.0.1:0", want)

		writeEnv(t, ".", "clientID=id\nredirectURL="+redirectURL)
		if _, _, err := readSettings(); (err == nil) != strings.HasPrefix(redirectURL, "http:") {
			t.Errorf("%s without a secret: got the error %v", redirectURL, err)
		}
		writeEnv(t, ".", "clientID=id\nclientSecret=<SECRET>\nredirectURL="+redirectURL)
		if _, _, err := readSettings(); err == nil {
			t.Errorf("%s with a bad secret: got no error", redirectURL)
		}
	}
}

// TestExample fills in .env.example, with its optional lines, which name the defaults.
func TestExample(t *testing.T) {
	fillIn := strings.NewReplacer("clientID=", "clientID=id", "clientSecret=", "clientSecret=SECRET",
		"redirectURL=", "redirectURL="+tunnel, "#address=", "address=", "#zoom", "zoom")
	env := fillIn.Replace(read(t, ".env.example"))
	inPlace(t, env)
	wantSettings(t, defaultAddress, goodClient)
}

// What the program says a setting must be.
const (
	noID = "  clientID      must be your app's Client ID, just as App Credentials at marketplace.zoom.us" +
		" shows it\n"
	noSecret = "  clientSecret  must be your app's Client Secret, just as App Credentials at marketplace.zoom.us" +
		" shows it\n"
	noURL = "  redirectURL   must be what ngrok shows, like https://abc.ngrok-free.app," +
		" or http://127.0.0.1:8000\n"
	noZoom = "  zoomURL       must be the https address of Zoom's OAuth server\n"
	noAPI  = "  zoomAPIURL    must be the https address of Zoom's API\n"
)

// settingsError returns what the program says about these lines, in the folder where it is.
func settingsError(lines string) string {
	folder, _ := os.Getwd()
	return "zoom-oauth can't start. Correct these settings:\n\n" + lines + "\n" +
		"They belong in the file .env in " + folder + ",\n" +
		"with exactly these names. To begin with, copy .env.example to .env; the README has the steps. If\n" +
		"Windows has named the file .env.txt, rename it to .env. Environment variables override the file"
}

// TestFirstMistakes checks the whole of what the program says before .env is filled in well.
func TestFirstMistakes(t *testing.T) {
	for name, c := range map[string]struct{ env, lines string }{
		"no .env":                 {"", noID + noSecret + noURL},
		"the example as it comes": {read(t, ".env.example"), noID + noSecret + noURL},
		"names of other programs": {"CLIENT_ID=SECRET\nclientsecret=SECRET\nredirectURL=" + tunnel, noID + noSecret},
		"a secret for a name":     {"clientID=id\nredirectURL=" + tunnel + "\nSECRET", noSecret},
		"all that can be wrong": {"redirectURL=SECRET\nzoomURL=SECRET\nzoomAPIURL=SECRET", noID + noSecret + noURL +
			noZoom + noAPI},
	} {
		t.Run(name, func(t *testing.T) {
			inPlace(t, c.env)
			_, _, err := readSettings()
			if want := settingsError(c.lines); err == nil || err.Error() != want {
				t.Errorf("got\n%v\nwant\n%s", err, want)
			}
		})
	}
}

// TestBadSettings checks what the program refuses, from .env and from the environment, and that it
// quotes nothing of it.
func TestBadSettings(t *testing.T) {
	for setting, c := range map[string]struct {
		says   string
		values []string
	}{
		"clientID": {noID, []string{
			"", "# SECRET", "SEC SECRET", "SEC\nSECRET", "“SECRET”", `"SECRET"`, "'SECRET", "`SECRET`",
			"SECRET\x07",
			"SECRET;", "SECRET,", "<SECRET>", "{SECRET}", "[SECRET]", "(SECRET)", "SECRET*", "SECRET\xfc", `SECRET\`,
		}},
		"clientSecret": {noSecret, []string{"SEC SECRET", "SECRET;", "<SECRET>", "SECRETÄ"}},
		"redirectURL": {noURL, []string{
			"SECRET", "SECRET SECRET", "https://abc%zz", "https://büro.example", "http://abc.example",
			"http://localhost.example", "http://127.0.0.1.example", "ftp://localhost", "HTTPS://abc.example",
			"https://",
			"https://:8000", "https://abc.example:", "https://abc.example/SECRET", "https://abc.example//",
			"https://abc.example?", "https://abc.example#SECRET", "https://me:SECRET@abc.example",
			"https://abc.example;", "https://abc.example,", "https://<your-domain>", "https://*.example",
			`"https://abc.example"`, "https://{abc}", "[https://abc.example]", "https://[:]",
			"https://[1.2.3.4]", "http://abc",
		}},
		"zoomURL":    {noZoom, []string{"http://zoom.us"}},
		"zoomAPIURL": {noAPI, []string{"https://zoom.us/v2"}},
	} {
		for _, value := range c.values {
			t.Run(setting+" "+value, func(t *testing.T) {
				inPlace(t, regexp.MustCompile("(?m)^"+setting+"=.*\n").ReplaceAllString(goodEnv, ""))
				t.Setenv(setting, " "+value+" ")
				_, _, err := readSettings()
				if want := settingsError(c.says); err == nil || err.Error() != want {
					t.Errorf("got\n%v\nwant\n%s", err, want)
				}
			})
		}
	}
}

// TestBadEnvFile checks what the program says of a .env that it can't read. It quotes nothing of it.
func TestBadEnvFile(t *testing.T) {
	const utf16 = "c\x00l\x00i\x00e\x00n\x00t\x00=\x00S\x00E\x00C\x00R\x00E\x00T\x00"
	for name, env := range map[string]string{
		"a quote that isn't closed":        "clientID=id\nclientSecret=\"SECRET\nredirectURL=x\n",
		"a single quote that isn't closed": "clientSecret='SECRET",
		"code":                             "clientID=\"SECRET\";\n",
		"a line without =":                 "clientID=id\nSECRET\nredirectURL=x\n",
		"a name with a bad letter":         "client-secret=SECRET\n",
		"JSON":                             `{"clientSecret":"SECRET"}`,
		"PowerShell":                       "$env:clientSecret = SECRET",
		"what Windows calls Unicode":       "\xff\xfe" + utf16,
		"the same without a mark":          utf16,
	} {
		t.Run(name, func(t *testing.T) {
			inPlace(t, env)
			const want = "zoom-oauth can't read .env: each line must be name=value or" +
				` name="value", with nothing after it, and the file must be saved as UTF-8`
			if _, _, err := readSettings(); err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
	inPlace(t, "")
	if err := os.Mkdir(".env", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readSettings(); err == nil || !strings.HasPrefix(err.Error(), "zoom-oauth can't read .env: ") {
		t.Errorf("a folder named .env: got %v, want that it can't be read", err)
	}
}

// TestRefusalToStart runs the program where it can't start. It says why, and nothing else, and ends
// with status 1.
func TestRefusalToStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, inUse := net.Listen("tcp", taken.Addr().String())
	_, elsewhere := net.Listen("tcp", "192.0.2.1:8000")
	const advice = "\nStop the program that uses this address, perhaps an earlier run of this one. Or set\n" +
		"address to another host:port of this machine, such as localhost:8001, and start the\n" +
		"tunnel with: ngrok http 8001. With -demo, address is read only from the environment\n"
	for name, c := range map[string]struct{ env, address, says string }{
		"bad settings":    {"clientID=id", "", noSecret + noURL},
		"bad .env":        {"SECRET", "", "clientID"},
		"in use":          {goodEnv, taken.Addr().String(), inUse.Error() + advice},
		"another machine": {goodEnv, "192.0.2.1:8000", elsewhere.Error() + advice},
		"just a port":     {goodEnv, "8001", "missing port in address" + advice},
		"a URL":           {goodEnv, "http://localhost:8001", "too many colons in address" + advice},
		"no such port":    {goodEnv, "localhost:99999", "invalid port" + advice},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram(t, c.env, []string{"address=" + c.address})
			p.Run()
			if status := p.ProcessState.ExitCode(); status != 1 || p.stdout.String() != "" {
				t.Errorf("got status %d and %q on standard output, want 1 and nothing", status, &p.stdout)
			}
			wantWords(t, p.stderr.String(), "zoom-oauth can't ", c.says)
			wantNone(t, p.stderr.String(), "SECRET")
		})
	}
}

// TestLocalhostIsTwoAddresses listens on localhost, where either address may be taken.
func TestLocalhostIsTwoAddresses(t *testing.T) {
	if probe, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("this machine has no ::1")
	} else {
		probe.Close()
	}
	var listeners []net.Listener
	var err error
	for range 10 { // since the port that is free on 127.0.0.1 may be taken on ::1
		if listeners, err = listen("localhost:0"); err == nil {
			break
		}
	}
	if err != nil || len(listeners) != 2 {
		t.Fatalf("got %v (%v), want two listeners", listeners, err)
	}
	_, port, _ := net.SplitHostPort(listeners[0].Addr().String())
	for i, want := range []string{"127.0.0.1:" + port, "[::1]:" + port} {
		if got := listeners[i].Addr().String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		_, err := listen("localhost:" + port) // where both, and then only the second one is taken
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is taken: got %v, want that it can't be listened on", want, err)
		}
		listeners[i].Close()
	}
}

// TestStartMessage checks what the program says when it has started.
func TestStartMessage(t *testing.T) {
	const (
		exactly  = "register exactly this at Zoom"
		noHost   = "Zoom refuses localhost, use 127.0.0.1"
		noSecret = "Zoom accepts http only without a clientSecret"
		noPort   = "this program listens on port 8000"
	)
	for name, c := range map[string]struct{ address, redirectURL, secret, open, note string }{
		"ngrok":                      {"localhost:8000", tunnel, "x", local, exactly},
		"any host":                   {":8000", tunnel, "x", local, exactly},
		"0.0.0.0":                    {"0.0.0.0:8000", tunnel, "x", local, exactly},
		"any free port":              {"localhost:0", tunnel, "x", local, exactly},
		"[::]":                       {"[::]:8000", tunnel, "x", local, exactly},
		"::1":                        {"[::1]:8000", tunnel, "x", "http://[::1]:8000", exactly},
		"public client":              {"localhost:8000", loopback, "", loopback, exactly},
		"public client, slash":       {"localhost:8000", loopback + "/", "", loopback, exactly},
		"public client on localhost": {"localhost:8000", local, "", local, noHost},
		"public client, other port":  {"localhost:8000", "http://127.0.0.1:8001", "", loopback, noPort},
		"public client, no port":     {"localhost:8000", "http://127.0.0.1", "", loopback, noPort},
		"with a secret":              {"localhost:8000", loopback, "x", local, noSecret},
		"with all that is wrong": {"localhost:8000", "http://localhost:1", "x", local,
			noSecret + "; " + noHost + "; " + noPort},
	} {
		t.Run(name, func(t *testing.T) {
			z := &zoomClient{redirectURL: c.redirectURL, clientSecret: c.secret}
			got := startMessage(z, c.address, &net.TCPAddr{Port: 8000})
			want := "\n  Open          " + c.open + "\n  Redirect URL  " + c.redirectURL + "  (" + c.note + ")" +
				"\n  Stop          Ctrl+C\n\n"
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// TestStartMessageOnPort80 has a redirect URL without a port, which means 80.
func TestStartMessageOnPort80(t *testing.T) {
	got := startMessage(&zoomClient{redirectURL: "http://127.0.0.1"}, "localhost:80", &net.TCPAddr{Port: 80})
	wantWords(t, got, "  Open          http://127.0.0.1:80\n", "  (register exactly this at Zoom)\n")
}

// TestDemo signs in to the demo, declines, and stops it. It has real settings at hand, which a
// demo must not touch, and a proxy, which must not come between the app and the stand-in.
func TestDemo(t *testing.T) {
	environment := []string{
		"address=127.0.0.1:0", "clientID=mine", "redirectURL=nonsense", "HTTP_PROXY=http://127.0.0.1:1",
	}
	p := newProgram(t, "clientID=\"this is no .env", environment, "-demo")
	site := p.begin(t)
	if got, want := p.stdout.String(), "\n  Open          "+site+"\n  Stop          Ctrl+C\n\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	b := newWorld(t, local).newBrowser(t)
	start := b.get(site)
	if to := start.header.Get("Location"); !strings.HasPrefix(to, "/oauth/authorize?") {
		t.Errorf("redirects to %s, want the demo's own stand-in", to)
	}
	question := b.get(start.next(t).String())
	wantWords(t, question.body, "Stand-in for Zoom", "Allow", "Decline")
	b.decline = true
	wantPage(t, b.visit(site), http.StatusForbidden, declinedTitle)
	b.decline = false
	profile := b.visit(site)
	wantProfile(t, profile)
	wantWords(t, profile.body, "<strong>Demo.</strong>")
	b.decline = true // nobody asks again
	wantProfile(t, b.visit(site))
	p.stop(t)
	wantWords(t, p.stdout.String(), "POST /oauth/authorize 302")
}

// stop ends the program as Ctrl+C does, and wants it to end well. Windows can't send Ctrl+C to
// another process, so there the program is killed.
func (p *program) stop(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		p.Process.Kill()
		p.Wait() // until all that it printed is here
		return
	}
	p.Process.Signal(os.Interrupt)
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGINT: %v, want exit status 0", err)
	}
	wantWords(t, p.stdout.String(), "\nFinishing what is under way. Press Ctrl+C again to end at once.\n")
}

// TestCommandLine checks that whatever isn't -demo is answered with how to use the program, and never
// repeated: it may be a secret.
func TestCommandLine(t *testing.T) {
	for _, arguments := range [][]string{
		{"-h"}, {"SECRET"}, {"-SECRET"}, {"-demo", "SECRET"}, {"-demo=SECRET"}, {"clientSecret=SECRET"},
	} {
		p := newProgram(t, goodEnv, nil, arguments...)
		p.Run()
		if status := p.ProcessState.ExitCode(); status != 2 || p.stdout.String() != "" {
			t.Errorf("%q: got status %d and %q on standard output, want 2 and nothing", arguments, status, &p.stdout)
		}
		const want = "Usage: zoom-oauth [-demo]\nWith -demo, a stand-in takes Zoom's place. " +
			"Otherwise .env must be filled in; see the README.\n"
		if got := p.stderr.String(); got != want {
			t.Errorf("%q: got %q, want %q", arguments, got, want)
		}
	}
}

// environment returns settings for a program that talks to u.
func environment(u *upstream) []string {
	return []string{
		"clientID=id", "clientSecret=SECRET", "redirectURL=" + local, "address=127.0.0.1:0",
		"zoomURL=" + u.url, "zoomAPIURL=" + u.url,
	}
}

// atServe serves an app on a network in memory, in a bubble where time passes at once, until stop is
// called. The channel then gets serve's error.
func atServe(t *testing.T, app *app) (network *memory, stop func(), ended <-chan error) {
	network = newMemory()
	ctx, stop := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- serve(ctx, app, []net.Listener{network, newMemory()}) }()
	return network, stop, failed
}

// callback is a callback as it comes on a connection.
const callback = "GET /?code=c&state=" + someFirst + " HTTP/1.1\r\nHost: x\r\n" +
	"Cookie: " + plain + someFirst + "=v\r\n\r\n"

// TestStop stops the server a second after a request. The request is finished if it ends in time,
// and cut off if it doesn't.
func TestStop(t *testing.T) {
	for name, c := range map[string]struct {
		request  string
		takes    time.Duration // for each of Zoom's two responses
		finished string        // the status, or "" if the request is cut off
	}{
		"a slow sign-in":           {callback, 4 * time.Second, "200 OK"},
		"a sign-in without end":    {callback, time.Hour, "502 Bad Gateway"},
		"a body that doesn't come": {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				logTo(t)
				app, u := inMemory(t)
				for _, path := range []string{tokenPath, userPath} {
					u.set(path, later(c.takes, answers(200, goodAnswer(path))))
				}
				network, stop, ended := atServe(t, app)
				connection, _ := network.dial(t.Context(), "", "")
				defer connection.Close()
				var response output
				go io.Copy(&response, connection)
				io.WriteString(connection, c.request)
				time.Sleep(time.Second)
				begin := time.Now()
				stop()
				err := <-ended
				if (err == nil) != (c.finished != "") || time.Since(begin) > zoomTimeout {
					t.Errorf("got the error %v after %v, want status %q", err, time.Since(begin), c.finished)
				}
				if err != nil {
					said, _, _ := strings.Cut(err.Error(), ":")
					wantWords(t, strings.Join(explained(t, "### In the terminal", "`"), "\n"), said)
				}
				wantWords(t, response.String(), c.finished)
			})
		})
	}
}

// TestTimeouts has connections on which nothing more comes, and checks when they are closed.
func TestTimeouts(t *testing.T) {
	for name, c := range map[string]struct {
		sent string
		ends time.Duration
	}{
		"a header that doesn't end":   {"GET / HTTP/1.1\r\n", 5 * time.Second},
		"a body that doesn't come":    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", 18 * time.Second},
		"a request, and no other":     {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 2 * time.Minute},
		"nothing, from the beginning": {"", 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				logTo(t)
				app, _ := inMemory(t)
				network, stop, ended := atServe(t, app)
				connection, _ := network.dial(t.Context(), "", "")
				begin := time.Now()
				go io.WriteString(connection, c.sent)
				io.Copy(io.Discard, connection)
				if took := time.Since(begin); took < c.ends || took > c.ends+time.Second {
					t.Errorf("closed after %v, want %v", took, c.ends)
				}
				connection.Close()
				stop()
				<-ended
			})
		})
	}
}

// TestUnreadPage has a visitor who doesn't read the page that was asked for.
func TestUnreadPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logTo(t)
		app, _ := inMemory(t)
		network, stop, ended := atServe(t, app)
		connection, _ := network.dial(t.Context(), "", "")
		io.WriteString(connection, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
		time.Sleep(2*zoomTimeout + time.Second)
		if page, err := io.ReadAll(connection); len(page) > 0 || err != nil {
			t.Errorf("got %q (%v), want a closed connection", page, err)
		}
		connection.Close()
		stop()
		<-ended
	})
}

// TestRawRequests sends what no browser sends, and the cookies of many other sites on localhost.
func TestRawRequests(t *testing.T) {
	logTo(t)
	network, stop, ended := atServe(t, newApp(&zoomClient{redirectURL: local}, templates.Parse(false)))
	for name, request := range map[string]string{
		"an absolute URL":       "GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
		"64 KB of cookies":      "GET / HTTP/1.1\r\nHost: x\r\nCookie: a=" + strings.Repeat("a", 64<<10) + "\r\n\r\n",
		"a line break in state": "GET /?code=c&state=a%0d%0aSet-Cookie:%20x=y HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		connection, err := network.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		go io.WriteString(connection, request)
		res, err := http.ReadResponse(bufio.NewReader(connection), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if res.StatusCode != http.StatusFound {
			t.Errorf("%s: got %s, want 302", name, res.Status)
		}
		wantNone(t, fmt.Sprint(res.Header), "example.com", "x=y") // nothing of the request
		connection.Close()
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestServerFails has a server that ends before it is told to.
func TestServerFails(t *testing.T) {
	network := newMemory()
	network.Close()
	err := serve(t.Context(), http.NotFoundHandler(), []net.Listener{newMemory(), network})
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("got the error %v, want %v", err, net.ErrClosed)
	}
}

// TestProxy has a proxy between the app and Zoom, as companies do. The log names it, without its
// password.
func TestProxy(t *testing.T) {
	w := newWorld(t, local)
	u := newUpstream(t, w)
	asked := make(chan string, 9)
	u.set("", func(c net.Conn, r *http.Request, body string) bool {
		asked <- r.Method + " " + r.Host
		return answers(407, "")(c, r, body)
	})
	for proxy, says := range map[string]string{
		parse(u.url).Host:  broken,
		addressOfNobody(t): `"proxyconnect tcp: dial tcp `,
	} {
		settings := append(environment(u), "zoomURL=https://zoom.invalid", "HTTPS_PROXY=http://me:SECRET@"+proxy)
		p := newProgram(t, "", settings)
		site := p.begin(t)
		b := w.newBrowser(t)
		wantPage(t, b.get(site+"/?code=c&state="+b.get(site).state(t)), http.StatusBadGateway, connectionTitle)
		p.stop(t)
		wantWords(t, p.stdout.String(), "zoom: connection: https://zoom.invalid/oauth/token: "+says,
			", through the proxy 127.0.0.1\n")
		wantNone(t, p.stdout.String()+p.stderr.String(), "SECRET", "me:")
	}
	if got := receive(t, asked); got != "CONNECT zoom.invalid:443" {
		t.Errorf("got %s, want CONNECT zoom.invalid:443", got)
	}
}

// TestReadmeExplainsTheStart checks that the README has the program's messages.
func TestReadmeExplainsTheStart(t *testing.T) {
	explained := strings.Join(explained(t, "### In the terminal", "`"), "\n")
	inPlace(t, "zoomURL=x\nzoomAPIURL=x")
	_, _, settings := readSettings()
	inPlace(t, "x")
	_, _, file := readSettings()
	_, address := listen("x")
	start := startMessage(&zoomClient{redirectURL: local, clientSecret: "x"}, local, &net.TCPAddr{Port: 1})
	said := fmt.Sprint(settings, "\n", file, "\n", address, "\n", start)
	messages := regexp.MustCompile(`must be [^,\n]*|zoom-oauth can't (read|listen)|(Zoom|this program) [^;)\d]*`)
	for _, message := range messages.FindAllString(said, -1) {
		wantWords(t, explained, strings.Trim(message, "; "))
	}
}

// explained returns what the tables below a heading of the README have in their left cells, between
// two marks.
func explained(t *testing.T, heading, mark string) (words []string) {
	t.Helper()
	_, below, ok := strings.Cut(read(t, "README.md"), heading)
	if !ok {
		t.Fatalf("the README has no heading %q", heading)
	}
	table, _, _ := strings.Cut(below, "\n#")
	for _, row := range regexp.MustCompile(`(?m)^\| (.*?) \|`).FindAllStringSubmatch(table, -1) {
		for i, part := range strings.Split(row[1], mark) {
			if i%2 == 1 {
				words = append(words, part)
			}
		}
	}
	if len(words) == 0 {
		t.Fatalf("the README has no table below %q", heading)
	}
	return words
}
