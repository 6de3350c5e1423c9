package e2e

import (
	"bytes"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/chromedp/chromedp"

	"zoom-oauth/internal/fakezoom"
)

// TestBrowserPicture shows the user's picture, or the initials where there is none.
func TestBrowserPicture(t *testing.T) {
	t.Parallel()
	files := http.FileServerFS(fstest.MapFS{
		"tall.svg": {Data: []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="40" height="400">` +
			`<rect width="40" height="400" fill="magenta"/></svg>`)},
		"text.svg": {Data: []byte("no picture")},
	})
	https, notHTTPS := front(t, "pictures.test", files), serve(t, files)
	var user atomic.Value
	user.Store(fakezoom.Jill)
	b := signIn(t, answersUser(&user), profile)
	shot := func() []byte { return run(b, chromedp.Screenshot(chromedp.CSS(".picture"))) }
	initials := shot()
	eval[chromedp.Void](b, `document.querySelector(".picture span").style.visibility = "hidden"`)
	if bytes.Equal(shot(), initials) {
		t.Error("without a picture: got no initials, want some")
	}
	show := func(url string) []byte {
		user.Store(`{"display_name": "Jill Chill", "pic_url": "` + url + `"}`)
		b.reloads(profile)
		return shot()
	}
	got, err := png.Decode(bytes.NewReader(show(https + "/tall.svg")))
	if err != nil {
		t.Fatal(err)
	}
	middle := color.NRGBAModel.Convert(got.At(got.Bounds().Dx()/2, got.Bounds().Dy()/2))
	if want := (color.NRGBA{255, 0, 255, 255}); middle != want {
		t.Errorf("in the middle: got %v, want the picture's %v", middle, want)
	}
	b.looks("picture")
	for _, url := range []string{https + "/gone.svg", https + "/text.svg", notHTTPS + "/tall.svg"} {
		if !bytes.Equal(show(url), initials) {
			t.Errorf("%s: got other pixels than without a picture, want the same", url)
		}
	}
	t.Cleanup(func() { b.noted() }) // the browser complains of a picture that is missing
}

// answersUser returns a newZoom that answers with a user's JSON, which may change.
func answersUser(user *atomic.Value) newZoom {
	return answers("/v2/users/me", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, user.Load())
	})
}

// TestBrowserOddProfiles shows users whose data are as long, short or foreign as they come.
func TestBrowserOddProfiles(t *testing.T) {
	t.Parallel()
	var user atomic.Value
	user.Store(fakezoom.Jill)
	b := signIn(t, answersUser(&user), profile)
	for _, test := range []struct{ name, heading, user string }{
		{"long-words", "LONG LONG", `{"first_name": "LONG", "last_name": "LONG", "dept": "LONG", "company": "LONG",
			"email": "LONG@LONG.example.com", "role_name": "LONG", "job_title": "LONG", "location": "LONG",
			"personal_meeting_url": "https://example.zoom.us/my/LONG"}`},
		{"right-to-left", "ליאור כהן", `{"first_name": "ליאור", "last_name": "כהן",
			"email": "lior@example.com", "role_name": "מנהל", "company": "דוגמה (API)", "location": "תל אביב"}`},
		{"emoji", "👩🏽‍💻 🏳️‍🌈", `{"first_name": "👩🏽‍💻", "last_name": "🏳️‍🌈",
			"email": "emoji@example.com"}`},
		{"empty", "Zoom user", `{}`},
		{"only-an-e-mail", "jchill@example.com", `{"email": "jchill@example.com"}`},
		{"markup", "<b>Jill</b> <script>alert(1)</script>", `{"first_name": "<b>Jill</b>", "company": "</dl></main>&amp;",
			"last_name": "<script>alert(1)</script>", "email": "\"><img src=x onerror=alert(1)>@example.com"}`},
	} {
		long := strings.NewReplacer("LONG", strings.Repeat("unbreakable", 12))
		user.Store(long.Replace(test.user))
		b.reloads(page{200, long.Replace(test.heading)})
		b.looksEverywhere("odd-" + test.name)
	}
}

// TestBrowserProblems looks at the page for each thing that may go wrong at Zoom. None has the
// status 502 or 504, because Cloudflare replaces pages with these by its own.
func TestBrowserProblems(t *testing.T) {
	t.Parallel()
	unusable := page{500, "Zoom’s answer could not be used"}
	unreached := page{503, "Zoom can’t be reached"}
	const token, me = "/oauth/token", "/v2/users/me"
	const lacksScope = `{"code": 4711, "message": "does not contain scopes:[user:read:user, user:read:user:admin]."}`
	tests := []struct {
		name   string
		path   string // of the call that goes wrong
		answer http.HandlerFunc
		want   page
	}{
		{"credentials", token, says(400, `{"error": "invalid_client"}`), page{500, "Zoom does not know this app"}},
		{"disabled", token, says(400, `{"errorCode": 4717}`), page{500, "This app is disabled at Zoom"}},
		{"redirect", token, says(400, `{"errorCode": 4709}`), page{500, "The redirect URL is not the registered one"}},
		{"admin", token, says(400, `{"errorCode": 4738}`), page{403, "Your Zoom account does not allow this app"}},
		{"expired", token, says(400, `{"errorCode": 4741}`), expired},
		{"ratelimit", token, says(429, `{"code": 429}`), page{503, "Too many requests to Zoom"}},
		{"response-error", token, says(400, `{"errorCode": 4799}`), unusable},
		{"response-html", token, says(200, `<h1>Welcome</h1>`), unusable},
		{"scope", me, says(400, lacksScope), page{500, "The app lacks a permission"}},
		{"connection", me, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, unreached},
		{"timeout", me, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, unreached},
	}
	var row atomic.Int64
	b := signIn(t, func(zoom *fakezoom.Server) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if test := tests[row.Load()]; test.path == r.URL.Path {
				test.answer(w, r)
				return
			}
			zoom.ServeHTTP(w, r)
		})
	}, tests[0].want)
	for i, test := range tests {
		row.Store(int64(i))
		b.clicks(toStart, test.want)
		b.hidesCode()
		b.looksEverywhere("problem-" + test.name)
	}
}

// says returns a handler that answers with a status and a body.
func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-zm-trackingid", "WEB_"+strings.Repeat("0123456789abcdef", 4))
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// signIn signs in through a tunnel at a Zoom, which leads to a page, and returns the tab.
func signIn(t *testing.T, zoom newZoom, want page) *tab {
	t.Helper()
	site, b := behindTunnel(t, hostKept, zoom)["tunnel"], newTab(t)
	b.opens(site, consent)
	b.clicks(allow, want)
	b.hidesCode()
	return b
}

// TestBrowserPrint prints the profile page.
func TestBrowserPrint(t *testing.T) {
	t.Parallel()
	b := openDemo(t)
	b.clicks(allow, profile)
	run(b, chromedp.EmulateViewport(718, 1000)) // what A4 leaves within its margins
	for _, scheme := range []string{"light", "dark"} {
		b.media("print", scheme)
		b.looks("profile-print-" + scheme)
		pdf := run(b, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4)))
		if !bytes.HasPrefix(pdf, []byte("%PDF-")) {
			t.Errorf("print: got %.20q..., want a PDF", pdf)
		}
		save(t, filepath.Join("screenshots", "profile-print-"+scheme+".pdf"), pdf)
	}
}

// TestBrowserReadme takes the two pictures of the README.
func TestBrowserReadme(t *testing.T) {
	t.Parallel()
	b := openDemo(t)
	run(b, chromedp.EmulateViewport(900, 300))
	b.takes("testdata/consent.png")
	b.clicks(allow, profile)
	b.takes("testdata/profile.png")
}

// takes saves a picture of the whole page, if there is none yet or UPDATE is set. Otherwise each run
// would change the pictures a little.
func (b *tab) takes(path string) {
	b.Helper()
	if _, err := os.Stat(path); err == nil && os.Getenv("UPDATE") == "" {
		return
	}
	picture := run(b, chromedp.FullScreenshot(100))
	if len(picture) > 150<<10 {
		b.Errorf("%s: got %d bytes, want at most 150 KB", path, len(picture))
	}
	save(b.T, path, picture)
}

// TestBrowserNoticesFaults opens a page with all the faults that the other tests must notice.
func TestBrowserNoticesFaults(t *testing.T) {
	t.Parallel()
	const faults = `<!DOCTYPE html><title>Faults</title><link rel="icon" href="data:,"><h1>Faults</h1>
		<p style="color: #ccc; background: #fff">pale</p><div style="width: 3000px">wide</div>
		<p style="width: 50px; overflow: hidden">unbreakableunbreakable</p>
		<script>alert(1)</script><img src="https://elsewhere.example/x.png">`
	site := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src https:; style-src 'unsafe-inline'")
		io.WriteString(w, faults)
	}))
	b := newTab(t)
	t.Cleanup(func() { b.noted() })
	b.opens(site, page{200, "Faults"})
	eval[chromedp.Void](b, `console.warn("careful"); setTimeout(() => { throw new Error("boom") })`)
	got := strings.Join(b.faultsNow(), "\n")
	for _, want := range []string{
		"console error: Executing inline script violates",
		"issue: ContentSecurityPolicyIssue",
		"request: https://elsewhere.example/x.png",
		"console.warning: ",
		"exception: Uncaught Error: boom",
		"scrolls sideways",
		"stands out of the screen",
		"is cut off",
		"axe: color-contrast",
		"axe: image-alt",
		"axe: html-has-lang",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %q among them", got, want)
		}
	}
}
