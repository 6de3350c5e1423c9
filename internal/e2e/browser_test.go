package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	devpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"zoom-oauth/internal/fakezoom"
)

// openDemo runs the demo, and opens it in a tab.
func openDemo(t *testing.T) *tab {
	t.Helper()
	a, b := start(t, freeAddress(t)), newTab(t)
	b.opens(a.site, consent)
	return b
}

// TestBrowserDemo goes through the demo, and looks at each page. Nobody must take the stand-in's
// page for one of the app's.
func TestBrowserDemo(t *testing.T) {
	t.Parallel()
	const style = `(s => s.fontFamily + " on " + s.backgroundColor)(getComputedStyle(document.body))`
	b := openDemo(t)
	b.looksEverywhere("consent")
	zooms := eval[string](b, style)
	b.clicks(decline, declined)
	b.hidesCode()
	b.looksEverywhere("declined")
	b.clicks(toStart, consent)
	b.clicks(allow, profile)
	b.looksEverywhere("profile")
	if got := eval[string](b, style); got == zooms {
		t.Errorf("the app's style: got the stand-in's, %s, want another", got)
	}
	for range 3 {
		b.reloads(profile)
		b.hidesCode()
	}
	b.clicks(toStart, profile) // "Sign in again"
}

// TestBrowserBack goes back from the profile page: to the consent page, if the browser has kept
// it, or else through Zoom to the profile.
func TestBrowserBack(t *testing.T) {
	t.Parallel()
	b := openDemo(t)
	b.clicks(allow, profile)
	b.goesOn(b.goesBack)
	b.shows(profile)
	b.hidesCode()
}

// TestBrowserBackForwardCache signs in, leaves the site, and goes back when somebody else is signed
// in at Zoom. The browser has kept the page, in spite of no-store, and shows it. The page must then
// ask Zoom again.
func TestBrowserBackForwardCache(t *testing.T) {
	t.Parallel()
	var user atomic.Value
	user.Store(fakezoom.Jill)
	site, b := behindTunnel(t, hostKept, answersUser(&user))["tunnel"], newTab(t)
	// This runs before the page's own script, and finds out whether the page comes from the cache.
	notes := devpage.AddScriptToEvaluateOnNewDocumentParams{Source: `addEventListener("pageshow", event => {
		if (event.persisted) sessionStorage.kept = ` + heading + `
	})`}
	call(b, devpage.AddScriptToEvaluateOnNewDocument, notes)
	b.opens(site, consent)
	b.clicks(allow, profile)
	b.opens(front(t, "elsewhere.test", plainPage("Elsewhere", "")), page{200, "Elsewhere"})
	user.Store(`{"display_name": "Jack Hill"}`)
	b.goesBack()
	b.shows(page{200, "Jack Hill"})
	if got := eval[string](b, "String(sessionStorage.kept)"); got != profile.heading {
		t.Errorf("from the back/forward cache: got %q, want %q", got, profile.heading)
	}
	b.hidesCode()
}

// plainPage answers with a page that has a heading, and more HTML below it.
func plainPage(heading, more string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><title>%s</title><link rel="icon" href="data:,">`+
			`<main><h1>%[1]s</h1>%s</main></html>`, heading, more)
	}
}

// TestBrowserWithoutScript signs in with JavaScript off, so that the address bar keeps the code. A
// reload becomes a second try. When that is reloaded too, the app says to start again.
func TestBrowserWithoutScript(t *testing.T) {
	t.Parallel()
	b := openDemo(t)
	off := emulation.SetScriptExecutionDisabledParams{Value: true}
	call(b, emulation.SetScriptExecutionDisabled, off)
	b.clicks(decline, declined)
	b.clicks(toStart, consent)
	b.clicks(allow, profile)
	if got := eval[string](b, "location.search"); !strings.Contains(got, "code=") {
		t.Errorf("the address bar: got %q, want a code, because JavaScript is off", got)
	}
	b.reloads(profile)
	b.reloads(noCookie)
	b.clicks(toStart, profile)
}

// TestBrowserWithoutCookies signs in with a browser that keeps no cookies. Each sign-in ends on a
// page that says so.
func TestBrowserWithoutCookies(t *testing.T) {
	t.Parallel()
	a, dir := start(t, freeAddress(t)), t.TempDir()
	const blocked = `{"profile": {"default_content_setting_values": {"cookies": 2}}}`
	save(t, filepath.Join(dir, "Default", "Preferences"), []byte(blocked))
	browser, end, err := newBrowser(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	b := openTab(t, browser)
	b.opens(a.site, consent)
	b.clicks(allow, noCookie)
	b.looksEverywhere("problem-nocookie")
	b.hidesCode()
	b.clicks(toStart, noCookie)
	b.reloads(noCookie)
}

// TestBrowserKeyboard signs in with the keyboard alone. On the profile page, the Tab key leads to
// each link, and shows where it is.
func TestBrowserKeyboard(t *testing.T) {
	t.Parallel()
	b := openDemo(t)
	run(b, chromedp.KeyEvent(kb.Tab))
	b.leads(chromedp.KeyEvent(kb.Enter), profile) // the first thing to press is Allow
	for i := range eval[int](b, "document.links.length") {
		run(b, chromedp.KeyEvent(kb.Tab))
		got := eval[string](b, `(e => "link " + [...document.links].indexOf(e) + ", outline " +
			getComputedStyle(e).outlineStyle)(document.activeElement)`)
		if want := fmt.Sprintf("link %d, outline solid", i); got != want {
			t.Errorf("the Tab key: got %s, want %s", got, want)
		}
	}
	b.looks("profile-focus")
}
