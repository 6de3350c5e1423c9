package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// goodEnv is a .env in which nothing is wrong.
const goodEnv = "clientID=id\nclientSecret=SECRET\nredirectURL=" + tunnel + "\naddress=127.0.0.1:0\n"

// goodClient is the client that goodEnv describes.
var goodClient = zoomClient{
	clientID: "id", clientSecret: "SECRET", redirectURL: tunnel,
	zoomURL: "https://zoom.us", zoomAPIURL: "https://api.zoom.us",
}

// inPlace moves the test to a folder of its own, which has this text in .env, unless that is "", and
// to an environment without settings.
func inPlace(t *testing.T, env string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range []string{"clientID", "clientSecret", "redirectURL", "address", "zoomURL", "zoomAPIURL"} {
		t.Setenv(name, "") // which counts as none
	}
	writeEnv(t, ".", env)
}

// wantSettings fails the test unless the program, in place, has these settings.
func wantSettings(t *testing.T, address string, want zoomClient) {
	t.Helper()
	z, gotAddress, err := readSettings()
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
	for name, env := range map[string]string{
		"plain":                    goodEnv,
		"Windows line ends":        strings.ReplaceAll(goodEnv, "\n", "\r\n"),
		"byte order mark":          "\ufeff" + goodEnv,
		"quotes and comments":      "# mine\n" + strings.Replace(goodEnv, "=id\n", "=\"id\" # the id\n\n", 1),
		"stray spaces":             strings.NewReplacer("=id", `=" id "`, "=", " = ", "\n", "\t\n ").Replace(goodEnv),
		"optional ones left blank": goodEnv + "zoomURL=\nzoomAPIURL=\n",
		"slashes behind Zoom":      goodEnv + "zoomURL=https://zoom.us//\nzoomAPIURL=https://api.zoom.us/\n",
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
	t.Setenv("clientID", " ot.h~e!r$%&+/:=?@^| ")
	t.Setenv("clientSecret", " ")
	want := goodClient
	want.clientID = "ot.h~e!r$%&+/:=?@^|"
	wantSettings(t, "127.0.0.1:0", want)
}

// TestRedirectURLs checks what is sent to Zoom as it stands, and where the program then listens.
// Without a secret, only those with http will do.
func TestRedirectURLs(t *testing.T) {
	for redirectURL, address := range map[string]string{
		tunnel + "/":               "127.0.0.1:8000",
		"https://ABC.example:8443": "127.0.0.1:8000",
		"https://localhost":        "127.0.0.1:8000",
		"http://127.0.0.1:9000":    "127.0.0.1:9000",
		"http://127.0.0.1:8000/":   "127.0.0.1:8000",
		"http://[::1]:8000":        "[::1]:8000",
	} {
		env := "clientID=id\nclientSecret=SECRET\nredirectURL=" + redirectURL + "\n"
		inPlace(t, env)
		want := goodClient
		want.redirectURL = redirectURL
		wantSettings(t, address, want)

		writeEnv(t, ".", env+"address=:1")
		wantSettings(t, ":1", want)
		writeEnv(t, ".", strings.Replace(env, "SECRET", "", 1))
		if _, _, err := readSettings(); (err == nil) != strings.HasPrefix(redirectURL, "http:") {
			t.Errorf("%s without a secret: got the error %v", redirectURL, err)
		}
		writeEnv(t, ".", strings.Replace(env, "SECRET", "<SECRET>", 1))
		if _, _, err := readSettings(); err == nil {
			t.Errorf("%s with a bad secret: got no error", redirectURL)
		}
	}
}

// TestExample fills in .env.example, with its optional lines, which name the defaults.
func TestExample(t *testing.T) {
	fillIn := strings.NewReplacer("clientID=", "clientID=id", "clientSecret=", "clientSecret=SECRET",
		"redirectURL=", "redirectURL="+tunnel, "#address=", "address=", "#zoom", "zoom")
	inPlace(t, fillIn.Replace(read(t, ".env.example")))
	wantSettings(t, "127.0.0.1:8000", goodClient)
}

// What the program says a setting must be.
const (
	noID     = "  clientID      must be the Client ID exactly as Zoom shows it under App Credentials\n"
	noSecret = "  clientSecret  must be the Client Secret exactly as Zoom shows it, or empty if redirectURL is" +
		" http://…\n"
	noURL  = "  redirectURL   must be https://HOST or http://127.0.0.1:PORT, with nothing after it (no /callback)\n"
	noZoom = "  zoomURL       must be like https://zoom.us\n"
	noAPI  = "  zoomAPIURL    must be like https://api.zoom.us\n"
)

// TestBadSettings checks the whole of what the program says of settings that are missing or wrong,
// in .env or in the environment. It doesn't quote them.
func TestBadSettings(t *testing.T) {
	for name, c := range map[string]struct{ env, setting, value, says string }{
		"no .env":                 {"", "", "", noID + noSecret + noURL},
		"the example":             {read(t, ".env.example"), "", "", noID + noSecret + noURL},
		"names of other programs": {"CLIENT_ID=x\nclientsecret=SECRET\nredirectURL=" + tunnel, "", "", noID + noSecret},
		"all that can be wrong": {"redirectURL=SECRET\nzoomURL=SECRET\nzoomAPIURL=SECRET", "", "",
			noID + noSecret + noURL + noZoom + noAPI},
		"no tunnel, localhost": {"clientID=id\nredirectURL=" + local, "", "", noURL},
		"in the environment":   {goodEnv, "clientID", " <SECRET> ", noID},
		"Zoom's URL":           {goodEnv, "zoomURL", "http://zoom.us", noZoom},
		"Zoom's API's URL":     {goodEnv, "zoomAPIURL", "https://zoom.us/v2", noAPI},
	} {
		t.Run(name, func(t *testing.T) {
			inPlace(t, c.env)
			if c.setting != "" {
				t.Setenv(c.setting, c.value)
			}
			folder, _ := os.Getwd()
			want := "zoom-oauth can't start. Correct these settings:\n\n" + c.says + "\n" +
				"They belong in the file .env (not .env.txt) in " + folder + ",\n" +
				"with exactly these names, or in the environment, which overrides the file; see the README"
			if _, _, err := readSettings(); err == nil || err.Error() != want {
				t.Errorf("got\n%v\nwant\n%s", err, want)
			}
		})
	}
}

// TestBadValues checks what can be neither a credential nor a redirect URL.
func TestBadValues(t *testing.T) {
	for _, value := range []string{
		"", "SEC SECRET", "SEC\nSECRET", "“SECRET”", `"SECRET"`, "'SECRET", "`SECRET`", "SECRET\x07", "SECRET;",
		"SECRET,", "<SECRET>", "{SECRET}", "[SECRET]", "(SECRET)", "SECRET*", "SECRET\xfc", `SECRET\`,
	} {
		if credentialRegexp.MatchString(value) {
			t.Errorf("%q passes for a credential", value)
		}
	}
	for _, value := range []string{
		"", "SECRET", "https://abc%zz", "https://büro.example", "http://abc.example:8000", "http://localhost:8000",
		"http://127.0.0.1", "http://127.0.0.2:8000", "http://127.0.0.1:8000.example", "http://127a0.0.1:8000",
		"ftp://127.0.0.1:8000", "HTTPS://abc.example", "https://", "https://:8000", "https://abc.example:",
		"https://abc.example/callback", "https://abc.example//", "https://abc.example?", "https://abc.example#a",
		"https://me:SECRET@abc.example", "https://abc.example;", "https://<your-domain>", `"https://abc.example"`,
		"https://[:]", "xhttps://abc.example", "https://abc.example\nx",
	} {
		if urlRegexp.MatchString(value) {
			t.Errorf("%q passes for a redirect URL", value)
		}
	}
}

// TestBadEnvFile checks what the program says of a .env that it can't read. It quotes nothing of it.
func TestBadEnvFile(t *testing.T) {
	for name, env := range map[string]string{
		"a quote that isn't closed":  "clientID=id\nclientSecret=\"SECRET\nredirectURL=x\n",
		"a line without =":           "clientID=id\nSECRET\nredirectURL=x\n",
		"a name with a bad letter":   "my-var=SECRET\n",
		"PowerShell":                 "$env:clientSecret = SECRET",
		"what Windows calls Unicode": "\xff\xfec\x00l\x00i\x00e\x00n\x00t\x00=\x00S\x00E\x00C\x00",
	} {
		inPlace(t, env)
		const want = "zoom-oauth can't read .env: each line must be name=value, name=\"value\" or\n" +
			"a # comment, with only letters, digits, _ and . in the name, and the file must be saved as UTF-8"
		if _, _, err := readSettings(); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
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
// with status 1, or 2 if the command line is wrong.
func TestRefusalToStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, inUse := net.Listen("tcp", taken.Addr().String())
	const advice = "\nThe address must be a host:port of this machine that no other program uses, such as " +
		"127.0.0.1:8001; see the README\n"
	for name, c := range map[string]struct {
		address  string
		argument string
		status   int
		says     string
	}{
		"bad settings":    {"", "", 1, noID + noSecret},
		"in use":          {taken.Addr().String(), "-demo", 1, inUse.Error() + advice},
		"just a port":     {"9103", "-demo", 1, "listen tcp: address 9103: missing port in address" + advice},
		"an unknown flag": {"", "-clientSecret=SECRET", 2, "  -demo\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProgram(t, "redirectURL="+tunnel, []string{"address=" + c.address}, c.argument)
			p.Run()
			if status := p.ProcessState.ExitCode(); status != c.status || p.stdout.String() != "" {
				t.Errorf("got status %d and %q on standard output, want %d and nothing", status, &p.stdout, c.status)
			}
			wantWords(t, p.stderr.String(), c.says)
			wantNone(t, p.stderr.String(), "SECRET")
		})
	}
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
	wantWords(t, p.stdout.String(), "\nFinishing the requests in progress. Press Ctrl+C again to end at once.\n")
}

// wantStart fails the test unless the program has printed this. Of a host that means all addresses,
// it prints one that a browser can open.
func wantStart(t *testing.T, p *program, want string) {
	t.Helper()
	if got := p.stdout.String(); got != want || !strings.Contains(got, "  http://127.0.0.1:") {
		t.Errorf("got %q, want %q, with the host 127.0.0.1", got, want)
	}
}

// TestDemo signs in to the demo. It has settings at hand, which a demo must ignore, and a proxy, which
// must not come between the app and the stand-in.
func TestDemo(t *testing.T) {
	environment := []string{
		"address=:0", "clientID=mine", "redirectURL=nonsense", "HTTP_PROXY=http://" + nobody,
	}
	p := newProgram(t, "clientID=\"this is no .env", environment, "-demo")
	site := p.begin(t)
	wantStart(t, p, "\n  Open          "+site+"\n  Stop          Ctrl+C\n\n")
	b := newWorld(t, local).newBrowser(t)
	b.client.Transport, b.world.log = &http.Transport{}, &p.stdout
	start := b.get(site)
	if to := start.header.Get("Location"); !strings.HasPrefix(to, "/oauth/authorize?") {
		t.Errorf("redirects to %s, want the demo's own stand-in", to)
	}
	wantWords(t, b.get(start.next(t).String()).body, "Stand-in for Zoom", "Allow", "Decline")
	profile := b.visit(site)
	b.wantProfile(profile)
	wantWords(t, profile.body, "<strong>Demo.</strong>")
	p.stop(t)
	wantWords(t, p.stdout.String(), "POST /oauth/authorize 302", "GET / 200")
}

// atServe serves an app in memory. The function that it returns stops that, and returns serve's error.
func atServe(t *testing.T, app *app) (*memory, func() error) {
	stdout := os.Stdout
	os.Stdout, _ = os.Open(os.DevNull)
	t.Cleanup(func() { os.Stdout = stdout })
	network := newMemory()
	ctx, stop := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- serve(ctx, app, network) }()
	return network, func() error { stop(); return <-failed }
}

// unfinished is a request whose body doesn't come.
const unfinished = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"

// TestStop stops the server a second after a request. The request is finished if it ends in time,
// and cut off if it doesn't.
func TestStop(t *testing.T) {
	for name, c := range map[string]struct {
		takes    time.Duration // for each of Zoom's two responses
		finished string        // the status, or "" for a request that is unfinished
	}{
		"a slow sign-in":           {4 * time.Second, "200 OK"},
		"a sign-in without end":    {time.Hour, "503 Service Unavailable"},
		"a body that doesn't come": {0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, local)
				b := w.newBrowser(t)
				req := httptest.NewRequest(http.MethodGet, b.callback(), nil)
				req.AddCookie(b.cookies(local)[0])
				w.slow(tokenPath, c.takes)
				w.slow(userPath, c.takes)
				network, end := atServe(t, w.app)
				connection, _ := network.dial(t.Context(), "", "")
				defer connection.Close()
				var response output
				go io.Copy(&response, connection)
				if c.finished == "" {
					io.WriteString(connection, unfinished)
				} else {
					req.Write(connection)
				}
				time.Sleep(time.Second)
				begin := time.Now()
				err := end()
				if (err == nil) != (c.finished != "") || time.Since(begin) > zoomTimeout {
					t.Errorf("got the error %v after %v, want status %q", err, time.Since(begin), c.finished)
				}
				wantWords(t, w.log.String()+response.String(), c.finished)
			})
		})
	}
}

// TestTimeouts has connections on which nothing more comes, or whose page nobody reads, and checks
// when they are closed.
func TestTimeouts(t *testing.T) {
	for name, c := range map[string]struct {
		sent   string
		unread time.Duration // for how long nobody reads
		closed time.Duration // after this time
	}{
		"a header that doesn't end": {"GET / HTTP/1.1\r\n", 0, 5 * time.Second},
		"a body that doesn't come":  {unfinished, 0, 18 * time.Second},
		"a request, and no other":   {"GET /x HTTP/1.1\r\nHost: x\r\n\r\n", 0, 2 * time.Minute},
		"a page that nobody reads":  {"GET /x HTTP/1.1\r\nHost: x\r\n\r\n", 19 * time.Second, 19 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network, end := atServe(t, newWorld(t, local).app)
				connection, _ := network.dial(t.Context(), "", "")
				begin := time.Now()
				io.WriteString(connection, c.sent)
				time.Sleep(c.unread)
				io.Copy(io.Discard, connection)
				if took := time.Since(begin).Truncate(time.Second); took != c.closed {
					t.Errorf("closed after %v, want %v", took, c.closed)
				}
				end()
			})
		})
	}
}

// TestServerFails has a server that ends before it is told to.
func TestServerFails(t *testing.T) {
	network := newMemory()
	network.Close()
	if err := serve(t.Context(), http.NotFoundHandler(), network); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got the error %v, want %v", err, net.ErrClosed)
	}
}

// TestProxy has a proxy between the program and Zoom, as companies do. The log names it, without its
// password.
func TestProxy(t *testing.T) {
	refusing := httptest.NewServer(answer(http.StatusProxyAuthRequired, ""))
	defer refusing.Close()
	for proxy, says := range map[string]string{
		strings.TrimPrefix(refusing.URL, "http://"): broken,
		nobody: `"proxyconnect tcp: dial tcp `,
	} {
		environment := []string{"zoomURL=https://zoom.invalid", "HTTPS_PROXY=http://me:SECRET@" + proxy}
		p := newProgram(t, strings.Replace(goodEnv, tunnel, loopback, 1), environment)
		site := p.begin(t)
		wantStart(t, p, "\n  Open          "+site+"\n  Redirect URL  "+loopback+"  (register exactly this at Zoom)"+
			"\n  Stop          Ctrl+C\n\n")
		b := newWorld(t, loopback).newBrowser(t)
		b.client.Transport, b.world.log = &http.Transport{}, &p.stdout
		state := b.get(site).next(t).Query().Get("state")
		b.want(b.get(site+"/?code=c&state="+state), http.StatusServiceUnavailable, connectionTitle)
		p.stop(t)
		wantWords(t, p.stdout.String(), "zoom: connection: https://zoom.invalid/oauth/token: "+says,
			", through the proxy 127.0.0.1\n")
		wantNone(t, p.stdout.String()+p.stderr.String(), "SECRET", "me:")
	}
}

// TestReadmeExplainsTheStart checks that the README has the program's messages.
func TestReadmeExplainsTheStart(t *testing.T) {
	table := sectionOfReadme(t, "### In the terminal")
	inPlace(t, "zoomURL=x\nzoomAPIURL=x")
	_, _, settings := readSettings()
	said := fmt.Sprintf("%v\n%s", settings, envFileAdvice)
	for _, message := range regexp.MustCompile(`must be [^,\n]*`).FindAllString(said, -1) {
		wantWords(t, table, "`"+message)
	}
	wantWords(t, table, "`zoom-oauth can't listen`", "`zoom-oauth can't read .env`")
}

// sectionOfReadme returns what stands below a heading of the README, up to the next heading.
func sectionOfReadme(t *testing.T, heading string) string {
	t.Helper()
	_, below, _ := strings.Cut(read(t, "README.md"), heading+"\n")
	section, _, _ := strings.Cut(below, "\n#")
	if section == "" {
		t.Fatalf("the README has no section %q", heading)
	}
	return section
}
