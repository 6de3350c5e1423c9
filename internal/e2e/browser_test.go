package e2e

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	devpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestBrowserDemo clicks through the demo on every screen. Nobody must take the stand-in's page for
// one of the app's.
func TestBrowserDemo(t *testing.T) {
	t.Parallel()
	const style = `(s => s.fontFamily + " on " + s.backgroundColor)(getComputedStyle(document.body))`
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
				zooms := eval[string](b, style)
				b.clicks(allow, profile)
				b.looks("profile-" + s.name + "-" + scheme)
				if got := eval[string](b, style); got == zooms {
					t.Errorf("the app's style: got %s, want another one than the stand-in's", got)
				}
				b.hidesCode()
				b.clicks(toStart, profile) // "Sign in again"; Zoom asks only once
				b.enlarges("profile")
			})
		}
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
	b.quiet()
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
	b.quiet()
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
	if eval[string](b, heading) == consent.heading {
		t.Log("Back led to the consent page")
		b.clicks(allow, profile)
	}
	if got := eval[string](b, heading); got != profile.heading {
		t.Errorf("after Back: got %q, want %q", got, profile.heading)
	}
	b.hidesCode()
	b.quiet()
}

// TestBrowserBackForwardCache signs in, leaves the site, and goes back when somebody else is signed in
// at Zoom. The browser has kept the page, in spite of no-store, and shows it; the page must then ask
// Zoom again.
func TestBrowserBackForwardCache(t *testing.T) {
	t.Parallel()
	var strangerIsIn atomic.Bool
	u, b := behindTunnel(t, hostKept, func(redirectURL string) http.Handler {
		zoom := standIn(redirectURL)
		return with(zoom, "/v2/users/me", func(w http.ResponseWriter, r *http.Request) {
			if strangerIsIn.Load() {
				io.WriteString(w, `{"first_name": "Jack", "last_name": "Hill"}`)
				return
			}
			zoom.ServeHTTP(w, r)
		})
	}), newTab(t)
	// This runs before the page's own script, and finds out whether it is the cache that brings the page back.
	notes := devpage.AddScriptToEvaluateOnNewDocumentParams{Source: `addEventListener("pageshow", event => {
		if (event.persisted) sessionStorage.kept = ` + heading + `
	})`}
	call(b, devpage.AddScriptToEvaluateOnNewDocument, notes)
	b.opens(u.tunnel, consent)
	b.clicks(allow, profile)
	b.opens(front(t, "elsewhere.test", http.HandlerFunc(elsewhere)), page{200, "Elsewhere"})
	strangerIsIn.Store(true)
	eval[int](b, "setTimeout(() => history.back())") // later, since this page goes away with it
	b.shows(page{200, "Jack Hill"})
	if got := eval[string](b, "String(sessionStorage.kept)"); got != profile.heading {
		t.Errorf("from the back/forward cache: got %q, want %q", got, profile.heading)
	}
	b.hidesCode()
	b.quiet()
}

// elsewhere answers with a page of another site.
func elsewhere(w http.ResponseWriter, r *http.Request) {
	io.WriteString(w, `<!DOCTYPE html><html lang="en"><title>Elsewhere</title><link rel="icon" href="data:,">`+
		`<main><h1>Elsewhere</h1></main></html>`)
}

// TestBrowserTwoTabs starts a sign-in in each of two tabs before either goes on.
func TestBrowserTwoTabs(t *testing.T) {
	t.Parallel()
	a, first := demo(t), newTab(t)
	second := first.another()
	site := "http://" + a.address
	first.opens(site, consent)
	second.opens(site, consent)
	first.holds(site, 2, plainCookie)
	first.clicks(allow, profile)
	first.holds(site, 1, plainCookie)
	second.clicks(allow, profile)
	first.holds(site, 0, plainCookie)
	for _, b := range []*tab{first, second} {
		b.hidesCode()
		b.quiet()
	}
}

// TestBrowserWithoutScript signs in with JavaScript off, where the address bar keeps the code. A
// reload makes a second try of it. A reload of that one is refused, and says so.
func TestBrowserWithoutScript(t *testing.T) {
	t.Parallel()
	a, b := demo(t), newTab(t)
	off := emulation.SetScriptExecutionDisabledParams{Value: true}
	call(b, emulation.SetScriptExecutionDisabled, off)
	b.opens("http://"+a.address, consent)
	b.clicks(decline, declined)
	b.clicks(toStart, consent)
	b.clicks(allow, profile)
	if got := eval[string](b, "location.search"); !strings.Contains(got, "code=") {
		t.Errorf("the address bar: got %q, want a code: is JavaScript off?", got)
	}
	b.reloads(profile)
	b.reloads(lost)
	b.clicks(toStart, profile)
	b.quiet()
}

// TestBrowserWithoutCookies signs in with a browser that keeps no cookie. That ends on a page
// that says so, each time.
func TestBrowserWithoutCookies(t *testing.T) {
	t.Parallel()
	a := demo(t) // which ends after the browser, whose unused connections it would wait for
	dir := t.TempDir()
	blocked := `{"profile": {"default_content_setting_values": {"cookies": 2}}}`
	save(t, filepath.Join(dir, "Default", "Preferences"), []byte(blocked))
	browser, end, err := newBrowser(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	b := openTab(t, browser)
	b.opens("http://"+a.address, consent)
	b.clicks(allow, lost)
	b.looksEverywhere("problem-lost")
	b.hidesCode()
	b.clicks(toStart, lost)
	b.reloads(lost)
	b.quiet()
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
