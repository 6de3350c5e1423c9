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

// program gives a process of the program in an empty folder, with these settings in its
// environment and no others.
func program(t *testing.T, settings map[string]string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"BE_THE_PROGRAM=1", "GOCOVERDIR=" + cmd.Dir}
	for name, value := range settings {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// emptyPlace moves the test to a folder with this .env, if it is not empty, and without the
// program's settings in the environment.
func emptyPlace(t *testing.T, env string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range []string{"clientID", "clientSecret", "redirectURL", "address", "zoomURL", "zoomAPIURL"} {
		t.Setenv(name, "") // so that it is put back
		os.Unsetenv(name)
	}
	if env != "" {
		if err := os.WriteFile(".env", []byte(env), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const good = "clientID=id\nclientSecret=SECRET\nredirectURL=https://abc.ngrok.app\naddress=localhost:0\n"

func TestSettings(t *testing.T) {
	usual := config{clientID: "id", clientSecret: "SECRET", redirectURL: "https://abc.ngrok.app",
		zoomURL: "https://zoom.us", zoomAPIURL: "https://api.zoom.us"}
	for name, c := range map[string]struct {
		env         string
		environment map[string]string
		want        config
	}{
		"in .env":           {good, nil, usual},
		"Windows line ends": {strings.ReplaceAll(good, "\n", "\r\n"), nil, usual},
		"byte order mark":   {"\ufeff" + good, nil, usual},
		"quotes":            {"clientID=\"id\"\nclientSecret='SECRET'\nredirectURL=\"https://abc.ngrok.app\"\naddress=localhost:0\n", nil, usual},
		"export":            {"export clientID=id\nexport clientSecret=SECRET\nexport redirectURL=https://abc.ngrok.app\nexport address=localhost:0\n", nil, usual},
		"comments":          {"# mine\nclientID=id # the id\n\n  # more\nclientSecret=SECRET\t# keep it\nredirectURL=https://abc.ngrok.app\naddress=localhost:0", nil, usual},
		"stray spaces":      {"  clientID = id  \n\tclientSecret= SECRET\t\nredirectURL =https://abc.ngrok.app \naddress= localhost:0 \n", nil, usual},
		"space in quotes":   {strings.Replace(good, "=id", "=\" id \"", 1), nil, usual},
		"the environment wins": {good, map[string]string{"clientID": "other"}, config{clientID: "other", clientSecret: "SECRET",
			redirectURL: "https://abc.ngrok.app", zoomURL: "https://zoom.us", zoomAPIURL: "https://api.zoom.us"}},
		"no .env at all": {"", map[string]string{"clientID": "id", "clientSecret": "SECRET", "redirectURL": "https://abc.ngrok.app", "address": "localhost:0"}, usual},
		"Zoom elsewhere": {good + "zoomURL=https://zoomgov.com/\nzoomAPIURL=http://127.0.0.1:9", nil, config{clientID: "id", clientSecret: "SECRET",
			redirectURL: "https://abc.ngrok.app", zoomURL: "https://zoomgov.com", zoomAPIURL: "http://127.0.0.1:9"}},
		"a slash behind the redirect URL": {strings.Replace(good, "ngrok.app", "ngrok.app/", 1), nil, config{clientID: "id", clientSecret: "SECRET",
			redirectURL: "https://abc.ngrok.app/", zoomURL: "https://zoom.us", zoomAPIURL: "https://api.zoom.us"}},
		"any host": {strings.Replace(good, "localhost:0", ":0", 1), nil, usual},
		"http on this machine": {strings.Replace(good, "https://abc.ngrok.app", "http://[::1]:8000", 1), nil, config{clientID: "id", clientSecret: "SECRET",
			redirectURL: "http://[::1]:8000", zoomURL: "https://zoom.us", zoomAPIURL: "https://api.zoom.us"}},
		"optional ones left blank": {good + "zoomURL=\nzoomAPIURL=\n", nil, usual},
	} {
		t.Run(name, func(t *testing.T) {
			emptyPlace(t, c.env)
			for name, value := range c.environment {
				t.Setenv(name, value)
			}
			got, listener, err := configure(t.Context(), false)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			if !regexp.MustCompile(`^localhost:[1-9]\d+$`).MatchString(got.address) {
				t.Errorf("address: got %q", got.address)
			}
			got.address = ""
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestBadSettings(t *testing.T) {
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	with := func(name, value string) string {
		return regexp.MustCompile("(?m)^"+name+"=.*$").ReplaceAllLiteralString(good+"zoomURL=\nzoomAPIURL=\n", name+"="+value)
	}
	for name, c := range map[string]struct {
		env  string
		want []string // the settings that the error names, each on a line with advice
	}{
		"nothing":                    {"address=localhost:0", []string{"clientID", "clientSecret", "redirectURL"}},
		"the example as it comes":    {"clientID=\nclientSecret=\nredirectURL=\naddress=localhost:0", []string{"clientID", "clientSecret", "redirectURL"}},
		"nothing but a comment":      {with("clientSecret", "  # SECRET"), []string{"clientSecret"}},
		"a comment for a value":      {with("clientSecret", "#SECRET"), []string{"clientSecret"}},
		"a host that is not ASCII":   {with("redirectURL", "https://büro.example"), []string{"redirectURL"}},
		"a colon without a port":     {with("redirectURL", "https://abc.ngrok.app:"), []string{"redirectURL"}},
		"nothing but spaces":         {with("clientID", `"   "`), []string{"clientID"}},
		"a secret of two lines":      {with("clientSecret", `"SECRET\nSECRET"`), []string{"clientSecret"}},
		"an id with a control byte":  {with("clientID", "SECRET\x07"), []string{"clientID"}},
		"no URL":                     {with("redirectURL", "SECRET"), []string{"redirectURL"}},
		"no scheme":                  {with("redirectURL", "abc.ngrok.app"), []string{"redirectURL"}},
		"no host":                    {with("redirectURL", "https://"), []string{"redirectURL"}},
		"only a port":                {with("redirectURL", "https://:8000"), []string{"redirectURL"}},
		"http":                       {with("redirectURL", "http://abc.ngrok.app"), []string{"redirectURL"}},
		"http on another machine":    {with("redirectURL", "http://192.168.0.1:8000"), []string{"redirectURL"}},
		"another scheme":             {with("redirectURL", "ftp://abc.ngrok.app"), []string{"redirectURL"}},
		"a path":                     {with("redirectURL", "https://abc.ngrok.app/callback"), []string{"redirectURL"}},
		"two slashes":                {with("redirectURL", "https://abc.ngrok.app//"), []string{"redirectURL"}},
		"a query":                    {with("redirectURL", "https://abc.ngrok.app?SECRET=1"), []string{"redirectURL"}},
		"an empty query":             {with("redirectURL", "https://abc.ngrok.app/?"), []string{"redirectURL"}},
		"a fragment":                 {with("redirectURL", `"https://abc.ngrok.app#SECRET"`), []string{"redirectURL"}},
		"a user":                     {with("redirectURL", "https://me:SECRET@abc.ngrok.app"), []string{"redirectURL"}},
		"bad escape":                 {with("redirectURL", "https://abc%zz"), []string{"redirectURL"}},
		"Zoom over http":             {with("zoomURL", "http://zoom.us"), []string{"zoomURL"}},
		"Zoom's API without a host":  {with("zoomAPIURL", "api.zoom.us/v2"), []string{"zoomAPIURL"}},
		"an address without a port":  {with("address", "localhost"), []string{"address"}},
		"an address that is no port": {with("address", "localhost:http:1"), []string{"address"}},
		"a port that is too high":    {with("address", "localhost:70000"), []string{"address"}},
		"a port that is taken":       {with("address", taken.Addr().String()), []string{"address"}},
		"everything": {"redirectURL=SECRET\naddress=SECRET\nzoomURL=SECRET\nzoomAPIURL=SECRET",
			[]string{"address", "clientID", "clientSecret", "redirectURL", "zoomURL", "zoomAPIURL"}},
	} {
		t.Run(name, func(t *testing.T) {
			emptyPlace(t, c.env)
			err := run(t.Context(), false, io.Discard)
			if err == nil {
				t.Fatal("the program ran")
			}
			var named []string
			for _, m := range regexp.MustCompile(`(?m)^  (\w+) +\w.{20,}$`).FindAllStringSubmatch(err.Error(), -1) {
				named = append(named, m[1])
			}
			if fmt.Sprint(named) != fmt.Sprint(c.want) {
				t.Errorf("the error names %v, want %v: %v", named, c.want, err)
			}
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
}

// TestDemoSaysWhereToSetTheAddress has a demo whose port is taken, and which reads no .env.
func TestDemoSaysWhereToSetTheAddress(t *testing.T) {
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	emptyPlace(t, "clientID=")
	t.Setenv("address", taken.Addr().String())
	err = run(t.Context(), true, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "or in the environment (a demo reads only that)") || !strings.Contains(err.Error(), "  address  ") {
		t.Errorf("got %v, want an error about address that says where to set it", err)
	}
}

// TestBlankEnvironmentWins has a variable that is set, but to nothing.
func TestBlankEnvironmentWins(t *testing.T) {
	emptyPlace(t, good)
	t.Setenv("clientID", "")
	if err := run(t.Context(), false, io.Discard); err == nil || !strings.Contains(err.Error(), "clientID") {
		t.Errorf("got %v, want an error about clientID", err)
	}
}

func TestDefaultAddress(t *testing.T) {
	emptyPlace(t, strings.Replace(good, "address=", "#address=", 1))
	c, listener, err := configure(t.Context(), false)
	if err != nil { // another program has the port, or something is wrong with another setting
		if !strings.Contains(err.Error(), "  address  ") || strings.Count(err.Error(), "\n") != 2 {
			t.Error(err)
		}
		return
	}
	defer listener.Close()
	if c.address != "localhost:8000" {
		t.Errorf("got %s, want localhost:8000", c.address)
	}
}

func TestMalformedEnv(t *testing.T) {
	for name, env := range map[string]string{
		"a quote that is not closed":     "clientSecret=\"SECRET\n",
		"a single quote too":             "clientSecret='SECRET",
		"a line without =":               "clientID=id\nSECRET\nredirectURL=x\n",
		"a name with a bad letter":       "client-secret=SECRET\n",
		"a quote closed on another line": "clientID=\"id\nclientSecret=\"SECRET\"\n",
		"UTF-16":                         "\xff\xfec\x00l\x00i\x00e\x00n\x00t\x00I\x00D\x00=\x00S\x00E\x00C\x00R\x00E\x00T\x00",
		"JSON":                           `{"clientSecret":"SECRET"}`,
		"PowerShell":                     "$env:clientSecret = SECRET",
	} {
		t.Run(name, func(t *testing.T) {
			emptyPlace(t, env)
			err := run(t.Context(), false, io.Discard)
			if err == nil || !strings.Contains(err.Error(), ".env") {
				t.Errorf("got %v, want an error about .env", err)
			}
			if strings.Contains(fmt.Sprint(err), "SECRET") || strings.Contains(fmt.Sprint(err), "S\x00E") {
				t.Errorf("the error shows the file: %v", err)
			}
		})
	}
	t.Run("a folder", func(t *testing.T) {
		emptyPlace(t, "")
		if err := os.Mkdir(".env", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := run(t.Context(), false, io.Discard); err == nil || !strings.Contains(err.Error(), ".env") {
			t.Errorf("got %v, want an error about .env", err)
		}
	})
}

func TestExample(t *testing.T) {
	example, err := os.ReadFile(".env.example")
	if err != nil {
		t.Fatal(err)
	}
	filled := strings.NewReplacer("clientID=", "clientID=id", "clientSecret=", "clientSecret=SECRET",
		"redirectURL=", "redirectURL=https://abc.ngrok.app", "#address=localhost:8000", "address=localhost:0",
		"#zoomURL", "zoomURL", "#zoomAPIURL", "zoomAPIURL").Replace(string(example))
	emptyPlace(t, filled)
	c, listener, err := configure(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	emptyPlace(t, good)
	byDefault, listener, err := configure(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if c.zoomURL != byDefault.zoomURL || c.zoomAPIURL != byDefault.zoomAPIURL {
		t.Errorf(".env.example says that %s and %s are the defaults, but %s and %s are", c.zoomURL, c.zoomAPIURL, byDefault.zoomURL, byDefault.zoomAPIURL)
	}
}

// started gives the address that a running program says to open, and reads on.
func started(t *testing.T, out io.Reader) (address string, rest *output) {
	t.Helper()
	lines := bufio.NewReader(out)
	rest = &output{}
	for range 10 {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		if _, address, ok := strings.Cut(line, "Open"); ok {
			go io.Copy(rest, lines)
			return strings.TrimSpace(address), rest
		}
	}
	t.Fatal("the program did not say what to open")
	return "", nil
}

func TestStartMessage(t *testing.T) {
	emptyPlace(t, good)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out output
	if err := run(ctx, false, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`(?m)^  Open +http://localhost:\d+$`, `(?m)^  Redirect URL +https://abc\.ngrok\.app  `, `(?m)^  Stop +Ctrl\+C$`} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("lacks %s: %s", want, &out)
		}
	}
	if strings.Contains(out.String(), "SECRET") {
		t.Errorf("shows the secret: %s", &out)
	}
}

// TestDemoSettings has real settings at hand, which a demo must not touch.
func TestDemoSettings(t *testing.T) {
	emptyPlace(t, good)
	t.Setenv("address", "localhost:0")
	t.Setenv("clientSecret", "SECRET")
	c, listener, err := configure(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if !c.demo || c.clientID == "id" || c.clientSecret == "SECRET" || c.redirectURL != "http://"+c.address {
		t.Errorf("got %+v, want the demo's own settings", c)
	}
	if !strings.HasPrefix(c.zoomURL, "http://127.0.0.1:") || c.zoomAPIURL != c.zoomURL {
		t.Errorf("goes to %s and %s, want the stand-in", c.zoomURL, c.zoomAPIURL)
	}
}

// TestDemo runs the program as make demo does.
func TestDemo(t *testing.T) {
	cmd := program(t, map[string]string{"address": "localhost:0", "clientID": "mine", "redirectURL": "nonsense"}, "-demo")
	if err := os.WriteFile(filepath.Join(cmd.Dir, ".env"), []byte("clientID=\"this is no .env"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	address, _ := started(t, out)

	w := newWorld(t, local) // only for its browser
	b := w.newBrowser(t)
	location := b.get(address).header.Get("Location")
	w.zoomURL = location[:strings.Index(location, "/oauth")]
	if !regexp.MustCompile(`^http://127\.0\.0\.1:\d+$`).MatchString(w.zoomURL) {
		t.Errorf("the demo goes to %s", w.zoomURL)
	}
	consent := b.get(location)
	for _, words := range []string{"Demo", "Allow", "Decline"} {
		if !strings.Contains(consent.body, words) {
			t.Errorf("the consent page lacks %q", words)
		}
	}
	b.decline = true
	isPage(t, b.visit(address), http.StatusForbidden, "You are not signed in")
	b.decline = false
	p := b.visit(address)
	signedIn(t, p)
	if !strings.Contains(p.body, "<strong>Demo.</strong>") {
		t.Error("the profile doesn't say that this is a demo")
	}
	b.decline = true // nobody asks again
	signedIn(t, b.visit(address))

	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGINT: %v, want exit status 0", err)
	}
}

func TestCommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"help":         {[]string{"-h"}, 0, `(?s)-demo.*-version`},
		"version":      {[]string{"-version"}, 0, `^zoom-oauth \S+ go1\.\S+\n$`},
		"unknown flag": {[]string{"-x"}, 2, `flag provided but not defined: -x`},
		"an argument":  {[]string{"demo"}, 2, `-demo`},
		"no settings":  {nil, 1, `(?m)^  clientID +must`},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := program(t, nil, c.args...)
			var stdout, stderr output
			cmd.Stdout = &stdout
			cmd.Stderr = &stderr
			cmd.Run()
			out := stderr.String()
			if c.status == 0 {
				out += stdout.String()
			} else if stdout.String() != "" {
				t.Errorf("an error went to standard output: %s", &stdout)
			}
			if status := cmd.ProcessState.ExitCode(); status != c.status || !regexp.MustCompile(c.want).MatchString(out) {
				t.Errorf("got status %d, want %d, and to print %s: %s", status, c.status, c.want, out)
			}
		})
	}
}

// serving starts the program against an upstream that takes a while for each call, with n
// sign-ins on their way. It gives the statuses that they end with.
func serving(t *testing.T, n int, delay time.Duration) (*exec.Cmd, <-chan int) {
	t.Helper()
	w := newWorld(t, local)
	u := newUpstream(t, w)
	u.slowDown(delay)
	cmd := program(t, map[string]string{"clientID": "id", "clientSecret": "SECRET", "redirectURL": "http://localhost:8000",
		"address": "localhost:0", "zoomURL": u.url, "zoomAPIURL": u.url})
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	address, _ := started(t, out)

	statuses := make(chan int, n)
	for range n {
		b := w.newBrowser(t)
		b.client.Timeout = 30 * time.Second
		start := b.get(address)
		state := strings.TrimPrefix(start.cookies[0].Name, "zoom-oauth-")
		go func() {
			res, err := b.client.Get(address + "/?code=c&state=" + state)
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
	return cmd, statuses
}

// TestUnaskedAnswersAreNotPrinted has Zoom say more than it was asked, which net/http would
// print.
func TestUnaskedAnswersAreNotPrinted(t *testing.T) {
	u := newUpstream(t, newWorld(t, local))
	u.set("/oauth/token", func(c net.Conn, r *http.Request, body string) bool {
		answers(200, goodToken)(c, r, body)
		io.WriteString(c, body+r.Header.Get("Authorization")+goodToken)
		return true
	})
	cmd := program(t, map[string]string{"clientID": "id", "clientSecret": "SECRET", "redirectURL": "http://localhost:8000",
		"address": "localhost:0", "zoomURL": u.url, "zoomAPIURL": u.url})
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problems output
	cmd.Stderr = &problems
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	address, printed := started(t, out)
	b := newWorld(t, local).newBrowser(t)
	state := strings.TrimPrefix(b.get(address).cookies[0].Name, "zoom-oauth-")
	b.get(address + "/?code=CODE&state=" + state)
	u.set("/oauth/token", nil)
	state = strings.TrimPrefix(b.get(address).cookies[0].Name, "zoom-oauth-")
	b.get(address + "/?code=CODE&state=" + state) // meets the connection with the rest
	cmd.Process.Signal(os.Interrupt)
	cmd.Wait()
	if problems.String() != "" {
		t.Errorf("on standard error: %s", &problems)
	}
	for _, secret := range []string{"CODE", "ACCESS", "REFRESH", "Basic", "verifier"} {
		if strings.Contains(printed.String(), secret) {
			t.Errorf("printed %s: %s", secret, printed)
		}
	}
}

func TestStopFinishesWhatIsInFlight(t *testing.T) {
	cmd, statuses := serving(t, 50, 500*time.Millisecond)
	cmd.Process.Signal(syscall.SIGTERM)
	for range 50 {
		if status := <-statuses; status != http.StatusOK {
			t.Errorf("a sign-in in flight: got %d, want 200", status)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v, want exit status 0", err)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	cmd, statuses := serving(t, 1, 3*time.Second)
	cmd.Process.Signal(syscall.SIGTERM)
	time.Sleep(200 * time.Millisecond)
	cmd.Process.Signal(syscall.SIGTERM)
	cmd.Wait()
	if status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() {
		t.Errorf("got %v, want the end by the second signal", cmd.ProcessState)
	}
	if status := <-statuses; status == http.StatusOK {
		t.Error("the sign-in in flight was finished, so the test shows nothing")
	}
}

// TestRawClients sends what no browser sends to the whole server.
func TestRawClients(t *testing.T) {
	emptyPlace(t, good)
	ctx, stop := context.WithCancel(t.Context())
	in, out := io.Pipe()
	ended := make(chan error)
	go func() { ended <- run(ctx, false, out) }()
	address, printed := started(t, in)
	address = strings.TrimPrefix(address, "http://")

	// 400 connections that say nothing more than this.
	for range 400 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x")
	}
	// Two that say no more than a part of their headers or body.
	var slow sync.WaitGroup
	for start, within := range map[string]time.Duration{
		"GET / HTTP/1.1\r\n": 10 * time.Second,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n": 15 * time.Second,
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, start)
		slow.Go(func() {
			c.SetReadDeadline(time.Now().Add(within))
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Errorf("not cut off within %v after %q: %v", within, start, err)
			}
		})
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
		"a megabyte of cookies":  {"GET / HTTP/1.1\r\nHost: x\r\nCookie: a=" + mega + "\r\n\r\n", "431 Request Header Fields Too Large"},
		"64 KB of cookies":       {"GET / HTTP/1.1\r\nHost: x\r\nCookie: a=" + mega[:64<<10] + "\r\n\r\n", "431 Request Header Fields Too Large"},
		"a line break in state":  {"GET /?code=c&state=a%0d%0aSet-Cookie:%20x=y HTTP/1.1\r\nHost: x\r\n\r\n", "302 Found"},
		"not HTTP":               {"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "400 Bad Request"},
	} {
		t.Run(name, func(t *testing.T) {
			c2, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer c2.Close()
			c2.SetDeadline(time.Now().Add(5 * time.Second))
			go io.WriteString(c2, c.request)
			answer := make([]byte, 4096)
			n, _ := io.ReadAtLeast(c2, answer, 12)
			if status, _, _ := strings.Cut(string(answer[:n]), "\r\n"); !strings.HasSuffix(status, c.want) {
				t.Errorf("got %q, want %s", status, c.want)
			}
			for _, reflected := range []string{"evil", "example.com", "x=y"} {
				if strings.Contains(string(answer[:n]), reflected) {
					t.Errorf("the answer repeats the request: %s", answer[:n])
				}
			}
		})
	}

	slow.Wait()
	if strings.Contains(printed.String(), "code=") {
		t.Errorf("the log has a query: %s", printed)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
