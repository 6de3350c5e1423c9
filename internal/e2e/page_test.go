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
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"zoom-oauth/internal/fakezoom"
)

// signedIn returns a tab that has signed in a user with these fields.
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

// TestBrowserPicture shows the user's picture, and the initials where there is none.
func TestBrowserPicture(t *testing.T) {
	t.Parallel()
	pictures := front(t, "pictures.test", http.HandlerFunc(servePicture))
	user := map[string]any{"first_name": "Jill", "last_name": "Chill"}
	b := signedIn(t, user, profile)
	initials := b.picture()
	b.looks("picture-none")
	eval[chromedp.Void](b, `document.querySelector(".picture span").style.visibility = "hidden"`)
	if slices.Equal(initials.Pix, b.picture().Pix) {
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
			got := b.picture()
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

// servePicture answers with a picture, with something that only claims to be one, or with 404.
func servePicture(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/tall.png":
		w.Write(plainPNG(40, 400))
	case "/text.png":
		w.Header().Set("Content-Type", "image/png")
		io.WriteString(w, "no picture")
	default:
		http.NotFound(w, r)
	}
}

// magenta is in no page's style.
var magenta color.Color = color.NRGBA{255, 0, 255, 255}

// plainPNG returns a picture in magenta.
func plainPNG(width, height int) []byte {
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	draw.Draw(picture, picture.Bounds(), image.NewUniform(magenta), image.Point{}, draw.Src)
	var data bytes.Buffer
	png.Encode(&data, picture)
	return data.Bytes()
}

// picture returns the pixels where the profile page has the user's picture or the initials.
func (b *tab) picture() *image.NRGBA {
	b.Helper()
	shot, err := png.Decode(bytes.NewReader(run(b, chromedp.Screenshot(chromedp.CSS(".picture")))))
	if err != nil {
		b.Fatal(err)
	}
	pixels := image.NewNRGBA(shot.Bounds())
	draw.Draw(pixels, pixels.Bounds(), shot, shot.Bounds().Min, draw.Src)
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
		{"long words", long + " " + long, map[string]any{
			"first_name": long, "last_name": long, "email": long + "@" + long + ".example.com",
			"dept": long, "job_title": long, "location": long, "company": long, "role_name": long,
			"personal_meeting_url": "https://example.zoom.us/my/" + long,
		}},
		{"right to left", "ליאור כהן", map[string]any{
			"first_name": "ליאור", "last_name": "כהן", "email": "lior@example.com",
			"role_name": "מנהל", "company": "דוגמה (API)", "location": "תל אביב",
		}},
		{"emoji", "👩🏽‍💻 🏳️‍🌈", map[string]any{
			"first_name": "👩🏽‍💻", "last_name": "🏳️‍🌈", "email": "emoji@example.com",
		}},
		{"empty", "Zoom user", map[string]any{}},
		{"only an e-mail", "jchill@example.com", map[string]any{"email": "jchill@example.com"}},
		{"markup", "<b>Jill</b> <script>alert(1)</script>", map[string]any{
			"first_name": "<b>Jill</b>", "last_name": "<script>alert(1)</script>",
			"email": `"><img src=x onerror=alert(1)>@example.com`, "company": "</dl></main>&amp;",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := signedIn(t, test.user, page{200, test.heading})
			b.looksEverywhere("odd-" + strings.ReplaceAll(test.name, " ", "-"))
		})
	}
}

// TestBrowserZoomProblems looks at the page for each thing that Zoom may answer.
func TestBrowserZoomProblems(t *testing.T) {
	t.Parallel()
	unusable := page{502, "Zoom’s answer could not be used"}
	for _, test := range []struct {
		name   string
		status int // of Zoom's answer to the code
		answer string
		want   page
		text   string // in it
	}{
		{"credentials", 400, `{"error": "invalid_client"}`, page{502, "Zoom does not know this app"}, "clientSecret"},
		{"redirect", 400, `{"errorCode": 4709}`, page{502, "The redirect URL is not the registered one"}, "restart"},
		{"admin", 400, `{"errorCode": 4738}`, page{403, "Your Zoom account does not allow this app"}, "approve"},
		{"revoked", 400, `{"errorCode": 4741}`, expired, "signed in again"},
		{"ratelimit", 429, `{"code": 429}`, page{503, "Too many requests to Zoom"}, ": 30"},
		{"disabled", 400, `{"errorCode": 4717}`, unusable, "error 4717"},
		{"answer-odd", 200, `<h1>Welcome</h1>`, unusable, "does not expect"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := problem(t, test.name, test.want, func(zoom *fakezoom.Server) http.Handler {
				return with(zoom, "/oauth/token", func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("x-zm-trackingid", "WEB_"+strings.Repeat("0123456789abcdef", 4))
					w.Header().Set("Retry-After", "30")
					w.WriteHeader(test.status)
					io.WriteString(w, test.answer)
				})
			})
			if got := eval[string](b, "document.body.innerText"); !strings.Contains(got, test.text) {
				t.Errorf("got\n%s\nwant %q in it", got, test.text)
			}
		})
	}
}

// TestBrowserZoomTrouble looks at the pages that the stand-in for Zoom brings about by itself, or
// by not answering.
func TestBrowserZoomTrouble(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		want page
		zoom func(*fakezoom.Server) http.Handler
	}{
		{"scope", page{502, "The app lacks a permission"}, func(zoom *fakezoom.Server) http.Handler {
			zoom.Scope = "meeting:read:meeting"
			return zoom
		}},
		{"code", expired, func(zoom *fakezoom.Server) http.Handler {
			begin := time.Now()
			zoom.Now = func() time.Time { return begin.Add(time.Since(begin) * 1e6) } // minutes are over in no time
			return zoom
		}},
		{"connection", unreached, func(zoom *fakezoom.Server) http.Handler {
			return with(zoom, "/v2/users/me", func(http.ResponseWriter, *http.Request) {
				panic(http.ErrAbortHandler)
			})
		}},
		{"timeout", unreached, func(zoom *fakezoom.Server) http.Handler {
			return with(zoom, "/v2/users/me", func(_ http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
			})
		}},
	} {
		t.Run(test.name, func(t *testing.T) { problem(t, test.name, test.want, test.zoom) })
	}
}

// with returns a handler that answers one path by itself, and leaves the others to zoom.
func with(zoom http.Handler, path string, answer http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", zoom)
	mux.Handle(path, answer)
	return mux
}

// problem signs in with a Zoom made from the stand-in, looks at the page for what is wrong, and
// returns the tab.
func problem(t *testing.T, name string, want page, change func(*fakezoom.Server) http.Handler) *tab {
	t.Helper()
	address := freeAddress(t)
	zoom := standIn("http://" + address)
	signIns(t, address, zoom.RedirectURI, serve(t, change(zoom)))
	b := newTab(t)
	b.opens(zoom.RedirectURI, consent)
	b.clicks(allow, want)
	b.hidesCode()
	b.looksEverywhere("problem-" + name)
	return b
}

// TestBrowserRequestProblems looks at the pages for requests that lead nowhere.
func TestBrowserRequestProblems(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, path string
		want       page
	}{
		{"notfound", "/missing", notFound},
		{"stranger", "/?error=access_denied", declined},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := demo(t), newTab(t)
			b.opens("http://"+a.address+test.path, test.want)
			b.looksEverywhere("problem-" + test.name)
			b.clicks(toStart, consent)
			b.quiet()
		})
	}
	t.Run("method", func(t *testing.T) {
		a, b := demo(t), newTab(t)
		b.opens("http://"+a.address, consent)
		eval[chromedp.Void](b, `document.querySelector("form").action = "/"`)
		b.clicks(allow, notFound)
		b.quiet()
	})
}

// TestBrowserPrint prints the profile page, where nothing can be scrolled.
func TestBrowserPrint(t *testing.T) {
	t.Parallel()
	a, b := demo(t), newTab(t)
	b.opens("http://"+a.address, consent)
	b.clicks(allow, profile)
	const whole = `(e => e.scrollWidth <= e.clientWidth && e.scrollHeight <= e.clientHeight)` +
		`(document.querySelector("pre"))`
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
			if !eval[bool](b, whole) {
				t.Errorf("print, %d px: the JSON is cut off", width)
			}
		}
	}
}

// TestBrowserReadme takes the two pictures of the README, if one is missing or UPDATE is set.
func TestBrowserReadme(t *testing.T) {
	t.Parallel()
	a, b := demo(t), newTab(t)
	b.opens("http://"+a.address, consent)
	b.takes("consent")
	b.clicks(allow, profile)
	b.takes("profile")
	b.quiet()
}

// takes saves the whole page as a picture for the README. What is there already stays, so that
// a run leaves no changes.
func (b *tab) takes(name string) {
	b.Helper()
	const width = 900
	run(b, chromedp.EmulateViewport(width, 300))
	height := eval[int64](b, "document.documentElement.scrollHeight")
	run(b, chromedp.EmulateViewport(width, height))
	path := filepath.Join("testdata", name+".png")
	if _, err := os.Stat(path); err == nil && os.Getenv("UPDATE") == "" {
		return
	}
	data := run(b, chromedp.CaptureScreenshot())
	if len(data) > 150<<10 {
		b.Errorf("%s: got %d bytes, want at most 150 KB", path, len(data))
	}
	save(b.T, path, data)
}

// faults is a page that does all that the other tests must notice.
const faults = `<!DOCTYPE html><title>Faults</title><link rel="icon" href="data:,"><h1>Faults</h1>
	<p style="color: #ccc; background: #fff">pale</p><div style="width: 3000px">wide</div>
	<p style="width: 50px; overflow: hidden">unbreakableunbreakable</p>
	<script>alert(1)</script><img src="https://elsewhere.example/x.png">`

// TestBrowserNoticesFaults opens that page.
func TestBrowserNoticesFaults(t *testing.T) {
	t.Parallel()
	site := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src https:; style-src 'unsafe-inline'")
		io.WriteString(w, faults)
	}))
	b := newTab(t)
	b.opens(site, page{200, "Faults"})
	eval[chromedp.Void](b, `console.warn("careful"); setTimeout(() => { throw new Error("boom") })`)
	got := strings.Join(b.faultsNow(), "\n")
	for _, want := range []string{
		"console error: Executing inline script violates",
		"issue: ContentSecurityPolicyIssue",
		"request outside this machine: https://elsewhere.example/x.png",
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
