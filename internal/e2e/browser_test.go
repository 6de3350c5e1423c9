package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"zoom-oauth/internal/fakezoom"
)

// TestBrowserDemo clicks through the demo on every screen.
func TestBrowserDemo(t *testing.T) {
	t.Parallel()
	for _, s := range []screen{desktop, phone, narrow} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(s.name+" "+scheme, func(t *testing.T) {
				a, b := demo(t), newTab(t)
				b.as(s, scheme)
				b.opens("http://"+a.address, consent)
				if got := eval[int64](b, "innerWidth"); got != s.width {
					t.Errorf("laid out for %d px, want %d", got, s.width)
				}
				b.looks("consent-" + s.name + "-" + scheme)
				b.clicks(allow, profile)
				b.looks("profile-" + s.name + "-" + scheme)
				b.hidesCode()
				b.clicks(toStart, profile) // "Sign in again"; Zoom asks only once
				b.enlarges("profile")
			})
		}
	}
}

// hidesCode wants the address bar to hold no authorization code.
func (b *tab) hidesCode() {
	b.Helper()
	if got := eval[string](b, "location.pathname + location.search + location.hash"); got != "/" {
		b.Errorf("the address bar: got %q, want %q", got, "/")
	}
}

// TestBrowserDeclined declines, then tries again.
func TestBrowserDeclined(t *testing.T) {
	t.Parallel()
	a, b := demo(t), newTab(t)
	b.opens("http://"+a.address, consent)
	b.enlarges("consent")
	b.as(desktop, "light")
	b.clicks(decline, declined)
	b.hidesCode()
	b.looksEverywhere("declined")
	b.clicks(toStart, consent)
	b.clicks(allow, profile)
	b.faultless()
}

// TestBrowserReload reloads the profile page, which is a sign-in afresh.
func TestBrowserReload(t *testing.T) {
	t.Parallel()
	a, b := demo(t), newTab(t)
	b.opens("http://"+a.address, consent)
	b.clicks(allow, profile)
	for range 3 {
		b.reloads(profile)
		b.hidesCode()
	}
	b.faultless()
}

// TestBrowserBack goes back from the profile page: to the consent page, if the browser has
// kept it, or through Zoom to the profile.
func TestBrowserBack(t *testing.T) {
	t.Parallel()
	a, b := demo(t), newTab(t)
	b.opens("http://"+a.address, consent)
	b.clicks(allow, profile)
	eval[int](b, "setTimeout(() => history.back())") // later, since this page goes away with it
	b.eventually(`document.readyState === "complete" && (
		location.pathname === "/oauth/authorize" && document.querySelector("` + allow + `") !== null ||
		location.search === "" && performance.getEntriesByType("navigation")[0].type === "back_forward")`)
	if eval[bool](b, `document.querySelector("`+allow+`") !== null`) {
		t.Log("Back led to the consent page")
		b.clicks(allow, profile)
	}
	if got := eval[string](b, `document.querySelector("h1").innerText`); got != profile.heading {
		t.Errorf("after Back: got %q, want %q", got, profile.heading)
	}
	b.hidesCode()
	b.faultless()
}

// TestBrowserTwoTabs starts a sign-in in each of two tabs before either goes on.
func TestBrowserTwoTabs(t *testing.T) {
	t.Parallel()
	a, first := demo(t), newTab(t)
	second := first.another()
	first.opens("http://"+a.address, consent)
	second.opens("http://"+a.address, consent)
	first.clicks(allow, profile)
	second.clicks(allow, profile)
	for _, b := range []*tab{first, second} {
		b.hidesCode()
		b.faultless()
	}
}

// TestBrowserWithoutScript signs in with JavaScript off, where the address bar keeps the
// code, and reloads.
func TestBrowserWithoutScript(t *testing.T) {
	t.Parallel()
	a, b := demo(t), newTab(t)
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.opens("http://"+a.address, consent)
	b.clicks(decline, declined)
	b.clicks(toStart, consent)
	b.clicks(allow, profile)
	if got := eval[string](b, "location.search"); !strings.Contains(got, "code=") {
		t.Errorf("the address bar: got %q, want a code: is JavaScript off?", got)
	}
	b.reloads(profile)
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false}) // axe-core needs it
	b.faultless()
}

// TestBrowserWithoutCookies signs in with a browser that keeps no cookie. That ends on a page
// that says so, each time.
func TestBrowserWithoutCookies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	save(t, filepath.Join(dir, "Default", "Preferences"), []byte(`{"profile": {"default_content_setting_values": {"cookies": 2}}}`))
	browser, end, err := newBrowser(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	a, b := demo(t), openTab(t, browser)
	b.opens("http://"+a.address, consent)
	b.clicks(allow, nocookie)
	b.looksEverywhere("nocookie")
	b.hidesCode()
	b.clicks(toStart, nocookie)
	b.reloads(nocookie)
	b.faultless()
}

// TestBrowserTunnel signs in through a tunnel: an https front with another host name.
func TestBrowserTunnel(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name              string
		startsOnLocalhost bool
		rewritesHost      bool // like ngrok --host-header=rewrite
	}{
		{"started on localhost", true, false},
		{"started on the tunnel", false, false},
		{"started on localhost, Host rewritten", true, true},
		{"started on the tunnel, Host rewritten", false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := freeAddress(t)
			tunnel := front(t, "abc.tunnel.test", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(&url.URL{Scheme: "http", Host: address})
				if !test.rewritesHost {
					r.Out.Host = r.In.Host
				}
			}})
			signIns(t, address, tunnel, serve(t, standIn(tunnel)))
			b := newTab(t)
			begin := tunnel
			if test.startsOnLocalhost {
				begin = "http://" + address
			}
			b.opens(begin, consent)
			b.clicks(allow, profile)
			b.hidesCode()
			if got := eval[string](b, "location.origin"); got != tunnel {
				t.Errorf("ended on: got %s, want %s", got, tunnel)
			}
			cookies := call(b, network.GetCookies, network.GetCookiesParams{URLs: []string{tunnel}}).Cookies
			if len(cookies) == 0 {
				t.Error("the tunnel's cookies: got none, want at least one")
			}
			for _, c := range cookies {
				safe := strings.HasPrefix(c.Name, "__Host-") && c.Secure
				if !safe && !test.rewritesHost || !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax {
					t.Errorf("cookie: got %s, Secure %v, HttpOnly %v, SameSite %s; want __Host-..., true, true, Lax", c.Name, c.Secure, c.HTTPOnly, c.SameSite)
				}
			}
			b.reloads(profile)
			b.faultless()
		})
	}
}

// front serves https under a host name that only the test's browser knows, and gives its URL.
func front(t *testing.T, host string, handler http.Handler) string {
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // connections that the browser opens ahead and drops
	server.StartTLS()
	t.Cleanup(server.Close)
	return "https://" + host + ":" + port(server.URL)
}

// TestBrowserPicture shows the user's picture, and the initials where there is none.
func TestBrowserPicture(t *testing.T) {
	t.Parallel()
	pictures := front(t, "pictures.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/tall.png":
			w.Write(plainPNG(40, 400))
		case "/text.png":
			w.Header().Set("Content-Type", "image/png")
			io.WriteString(w, "no picture")
		default:
			http.NotFound(w, r)
		}
	}))
	const element = chromedp.CSS(".picture")
	user := map[string]any{"first_name": "Jill", "last_name": "Chill"}
	b := signedIn(t, user, profile)
	initials := decode(t, run(b, chromedp.Screenshot(element)))
	b.looks("picture-none")
	eval[chromedp.Void](b, `document.querySelector(".picture span").style.visibility = "hidden"`)
	if slices.Equal(initials.Pix, decode(t, run(b, chromedp.Screenshot(element))).Pix) {
		t.Error("without a picture: got no initials, want some")
	}
	for _, test := range []struct {
		name, url string
		shown     bool
	}{
		{"tall", pictures + "/tall.png", true},
		{"missing", pictures + "/gone.png", false},
		{"broken", pictures + "/text.png", false},
		{"not https", "http://pictures.test/tall.png", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			user := maps.Clone(user)
			user["pic_url"] = test.url
			b := signedIn(t, user, profile)
			b.excused = pictures + "/gone.png"
			got := decode(t, run(b, chromedp.Screenshot(element)))
			if middle := got.At(got.Bounds().Dx()/2, got.Bounds().Dy()/2); test.shown && middle != magenta {
				t.Errorf("in the middle: got %v, want the picture's %v", middle, magenta)
			}
			if !test.shown && !slices.Equal(got.Pix, initials.Pix) {
				t.Error("got other pixels than without a picture")
			}
			b.looks("picture-" + strings.ReplaceAll(test.name, " ", "-"))
		})
	}
}

// signedIn gives a tab that has signed in a user with these fields.
func signedIn(t *testing.T, user map[string]any, want page) *tab {
	t.Helper()
	address := freeAddress(t)
	zoom := standIn("http://" + address)
	body, err := json.Marshal(user)
	if err != nil {
		t.Fatal(err)
	}
	zoom.Profile = string(body)
	signIns(t, address, zoom.RedirectURI, serve(t, zoom))
	b := newTab(t)
	b.opens(zoom.RedirectURI, consent)
	b.clicks(allow, want)
	return b
}

// magenta is in no page's style.
var magenta color.Color = color.NRGBA{255, 0, 255, 255}

// plainPNG gives a picture of one color.
func plainPNG(width, height int) []byte {
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	draw.Draw(picture, picture.Bounds(), image.NewUniform(magenta), image.Point{}, draw.Src)
	var data bytes.Buffer
	png.Encode(&data, picture)
	return data.Bytes()
}

// decode gives the pixels of a screenshot.
func decode(t *testing.T, data []byte) *image.NRGBA {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	pixels := image.NewNRGBA(picture.Bounds())
	draw.Draw(pixels, pixels.Bounds(), picture, picture.Bounds().Min, draw.Src)
	return pixels
}

// TestBrowserOddProfiles shows users whose data are as long, short or foreign as they come.
func TestBrowserOddProfiles(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("unbreakable", 12)
	for _, test := range []struct {
		name, heading string
		user          map[string]any
	}{
		{"long words", long + " " + long, map[string]any{"first_name": long, "last_name": long, "email": long + "@" + long + ".example.com",
			"dept": long, "job_title": long, "location": long, "company": long, "role_name": long,
			"personal_meeting_url": "https://example.zoom.us/my/" + long}},
		{"right to left", "ליאור כהן", map[string]any{"first_name": "ליאור", "last_name": "כהן", "email": "lior@example.com",
			"dept": "הנדסה", "job_title": "מפתח (API)", "location": "תל אביב"}},
		{"emoji", "👩🏽‍💻 🏳️‍🌈", map[string]any{"first_name": "👩🏽‍💻", "last_name": "🏳️‍🌈", "email": "emoji@example.com"}},
		{"empty", "Zoom user", map[string]any{}},
		{"only an e-mail", "jchill@example.com", map[string]any{"email": "jchill@example.com"}},
		{"markup", "<b>Jill</b> <script>alert(1)</script>", map[string]any{"first_name": "<b>Jill</b>", "last_name": "<script>alert(1)</script>",
			"email": `"><img src=x onerror=alert(1)>@example.com`, "dept": "</dl></main>&amp;"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := signedIn(t, test.user, page{200, test.heading})
			b.looksEverywhere("odd-" + strings.ReplaceAll(test.name, " ", "-"))
		})
	}
}

// TestBrowserZoomProblems looks at the page for each thing that Zoom may report.
func TestBrowserZoomProblems(t *testing.T) {
	t.Parallel()
	// answers gives a Zoom whose token endpoint gives one answer.
	answers := func(status int, body string) func(*fakezoom.Server) http.Handler {
		return func(zoom *fakezoom.Server) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/oauth/token" {
					zoom.ServeHTTP(w, r)
					return
				}
				w.Header().Set("x-zm-trackingid", "WEB_"+strings.Repeat("0123456789abcdef", 4))
				w.Header().Set("Retry-After", "30")
				w.WriteHeader(status)
				io.WriteString(w, body)
			})
		}
	}
	whole := func(zoom *fakezoom.Server) http.Handler { return zoom }
	for _, test := range []struct {
		name    string
		want    page
		zoom    func(*fakezoom.Server) http.Handler
		setting string
	}{
		{"credentials", page{500, "Zoom does not know this app"}, whole, "clientSecret=wrong"},
		{"scope", page{500, "The app lacks a permission"}, func(zoom *fakezoom.Server) http.Handler {
			zoom.Scope = "meeting:read:meeting"
			return zoom
		}, ""},
		{"code", page{400, "This sign-in has expired"}, func(zoom *fakezoom.Server) http.Handler {
			begin := time.Now()
			zoom.Now = func() time.Time { return begin.Add(time.Since(begin) * 1e6) } // a minute is over in no time
			return zoom
		}, ""},
		{"upstream", page{502, "Zoom’s answer could not be used"}, whole, "zoomAPIURL=http://" + freeAddress(t)},
		{"redirect", page{500, "The redirect URL is not the registered one"}, answers(400, `{"errorCode": 4709, "reason": "Redirect URI mismatch."}`), ""},
		{"disabled", page{500, "Zoom has disabled this app"}, answers(400, `{"errorCode": 4717, "errorMessage": "The app has been disabled."}`), ""},
		{"admin", page{403, "Your Zoom account does not allow this app"}, answers(400, `{"errorCode": 4738, "reason": "disabled by admin"}`), ""},
		{"revoked", page{400, "A later sign-in took over"}, answers(400, `{"errorCode": 4741, "reason": "The token has been revoked."}`), ""},
		{"ratelimit", page{503, "Too many requests to Zoom"}, answers(429, `{"code": 429, "message": "You have reached the maximum rate limit."}`), ""},
		{"timeout", page{504, "Zoom did not answer in time"}, func(zoom *fakezoom.Server) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v2/users/me" {
					<-r.Context().Done()
					return
				}
				zoom.ServeHTTP(w, r)
			})
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := freeAddress(t)
			zoom := standIn("http://" + address)
			signIns(t, address, zoom.RedirectURI, serve(t, test.zoom(zoom)), test.setting)
			b := newTab(t)
			b.opens(zoom.RedirectURI, consent)
			b.clicks(allow, test.want)
			b.hidesCode()
			b.looksEverywhere("problem-" + test.name)
		})
	}
}

// TestBrowserRequestProblems looks at the pages for addresses that lead nowhere.
func TestBrowserRequestProblems(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, path string
		want       page
	}{
		{"notfound", "/missing", page{404, "There is no such page"}},
		{"malformed", "/?code=a&code=b", page{400, "That link is broken"}},
		{"stranger", "/?error=access_denied", declined},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := demo(t), newTab(t)
			b.opens("http://"+a.address+test.path, test.want)
			b.looksEverywhere("problem-" + test.name)
			b.clicks(toStart, consent)
			b.faultless()
		})
	}
	t.Run("nostate", func(t *testing.T) {
		a, b := demo(t), newTab(t)
		b.opens("http://"+a.address+"/?code=a", consent) // as the Marketplace calls it
		b.opens("http://"+a.address+"/?code=a", page{400, "Zoom’s answer belongs to no sign-in"})
		b.looksEverywhere("problem-nostate")
	})
	t.Run("prefetch", func(t *testing.T) {
		a, b := demo(t), newTab(t)
		call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Sec-Purpose": "prefetch"}})
		b.opens("http://"+a.address, page{403, "Not loaded ahead of time"})
		call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{}})
		b.looksEverywhere("problem-prefetch")
		b.clicks(toStart, consent)
	})
	t.Run("method", func(t *testing.T) {
		a, b := demo(t), newTab(t)
		b.opens("http://"+a.address, consent)
		eval[chromedp.Void](b, `document.querySelector("form").action = "http://`+a.address+`/"`)
		b.clicks(allow, page{405, "Only GET is allowed here"})
		b.looksEverywhere("problem-method")
	})
}

// TestBrowserKeyboard walks through the profile page with the Tab key, and scrolls the JSON
// with the arrows.
func TestBrowserKeyboard(t *testing.T) {
	t.Parallel()
	a, b := demo(t), newTab(t)
	b.opens("http://"+a.address, consent)
	run(b, chromedp.KeyEvent(kb.Tab))
	b.leads(chromedp.KeyEvent(kb.Enter), profile) // the first thing to press is Allow
	run(b, chromedp.EmulateViewport(narrow.width, narrow.height))

	stops := map[string]bool{}
	for range 20 {
		run(b, chromedp.KeyEvent(kb.Tab))
		stop := eval[struct {
			Name  string
			Shown bool
		}](b, `(() => {
			const e = document.activeElement, s = getComputedStyle(e)
			return {
				Name: e.matches("pre") ? "pre" : e.innerText,
				Shown: e === document.body || s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0,
			}
		})()`)
		if !stop.Shown {
			t.Errorf("focus on %q can't be seen", stop.Name)
		}
		stops[stop.Name] = true
		if stop.Name == "pre" {
			break
		}
	}
	for _, want := range []string{"Sign in again", "pre"} {
		if !stops[want] {
			t.Fatalf("the Tab key: got %v, want %s among them", stops, want)
		}
	}
	b.looks("profile-focus")
	run(b, chromedp.KeyEvent(kb.ArrowRight))
	b.eventually(`document.querySelector("pre").scrollLeft > 0`)
	run(b, chromedp.KeyEvent(kb.ArrowDown))
	b.eventually(`document.querySelector("pre").scrollTop > 0`)
}

// TestBrowserPrint prints the profile page, where nothing can be scrolled.
func TestBrowserPrint(t *testing.T) {
	t.Parallel()
	a, b := demo(t), newTab(t)
	b.opens("http://"+a.address, consent)
	b.clicks(allow, profile)
	for _, scheme := range []string{"light", "dark"} {
		b.media("", scheme)
		pdf := run(b, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4)))
		if !bytes.HasPrefix(pdf, []byte("%PDF-")) {
			t.Errorf("print: got %.20q..., want a PDF", pdf)
		}
		save(t, filepath.Join("screenshots", "profile-print-"+scheme+".pdf"), pdf)
		b.media("print", scheme)
		for _, width := range []int64{718, narrow.width} { // what A4 leaves within its margins, and narrow paper
			run(b, chromedp.EmulateViewport(width, 1000))
			b.looks(fmt.Sprintf("profile-print-%d-%s", width, scheme))
			if !eval[bool](b, `(e => e.scrollWidth <= e.clientWidth && e.scrollHeight <= e.clientHeight)(document.querySelector("pre"))`) {
				t.Errorf("print, %d px: the JSON is cut off", width)
			}
		}
	}
}

// TestBrowserReadme takes the two pictures of the README, if one is missing or UPDATE is set.
func TestBrowserReadme(t *testing.T) {
	t.Parallel()
	zoom := fakezoom.New("demo", "secret", "http://localhost:8000") // what make demo shows
	a, b := demo(t), newTab(t)
	query := url.Values{"response_type": {"code"}, "client_id": {"demo"}, "redirect_uri": {zoom.RedirectURI}, "state": {"0"}}
	b.opens(serve(t, zoom)+"/oauth/authorize?"+query.Encode(), consent)
	b.takes("consent", `document.querySelector("main").getBoundingClientRect().bottom + 40`)
	b.opens("http://"+a.address, consent)
	b.clicks(allow, profile)
	b.takes("profile", `document.querySelector("#response").getBoundingClientRect().top`)
	b.faultless()
}

// takes saves the top of the page, down to a JavaScript expression, as a picture for the
// README. What is there already stays, so that a run leaves no changes.
func (b *tab) takes(name, bottom string) {
	b.Helper()
	const width = 900
	run(b, chromedp.EmulateViewport(width, 800))
	run(b, chromedp.EmulateViewport(width, int64(eval[float64](b, bottom))))
	path := filepath.Join("testdata", name+".png")
	if _, err := os.Stat(path); err == nil && os.Getenv("UPDATE") == "" {
		return
	}
	data := run(b, chromedp.CaptureScreenshot())
	if len(data) > 80_000 {
		b.Errorf("%s: got %d bytes, want at most 80,000", path, len(data))
	}
	save(b.T, path, data)
}

// TestBrowserNoticesFaults opens a page that does all that the other tests must notice.
func TestBrowserNoticesFaults(t *testing.T) {
	t.Parallel()
	site := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src https:; style-src 'unsafe-inline'")
		io.WriteString(w, `<!DOCTYPE html><title>Faults</title><link rel="icon" href="data:,"><h1>Faults</h1>
			<p style="color: #ccc; background: #fff">pale</p><div style="width: 3000px">wide</div>
			<p style="width: 50px; overflow: hidden">unbreakableunbreakable</p>
			<script>alert(1)</script><img src="https://elsewhere.example/x.png">`)
	}))
	b := newTab(t)
	b.opens(site, page{200, "Faults"})
	eval[chromedp.Void](b, `console.warn("careful"); setTimeout(() => { throw new Error("boom") })`)
	got := strings.Join(b.faultsNow(), "\n")
	for _, want := range []string{
		"console error: Executing inline script violates", "issue: ContentSecurityPolicyIssue",
		"request outside this machine: https://elsewhere.example/x.png", "console.warning: ", "exception: Uncaught Error: boom",
		"scrolls sideways", "stands out of the screen", "is cut off", "axe: color-contrast", "axe: image-alt", "axe: html-has-lang",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %q among them", got, want)
		}
	}
}
