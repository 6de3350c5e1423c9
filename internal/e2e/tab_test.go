package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	devpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long one step in the browser may take on a busy machine.
const patience = 20 * time.Second

// newBrowser starts Chromium with a fresh profile in dir. Names under .test lead to this
// machine, and no name leads anywhere else.
func newBrowser(dir string) (context.Context, func(), error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, nil, fmt.Errorf("the browser tests need Chromium: apt-get install chromium (%w)", err)
	}
	const names = "MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"
	ctx, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(dir),
		chromedp.Env("TMPDIR="+dir), // what it leaves behind goes with the profile
		chromedp.NoSandbox,          // which refuses to run as root, as in a container
		chromedp.Flag("headless", "new"),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("host-resolver-rules", names),
	)...)
	ctx, closeTab := chromedp.NewContext(ctx)
	end := func() { closeTab(); stop() }
	if err := chromedp.Do(ctx); err != nil {
		end()
		return nil, nil, fmt.Errorf("Chromium can't start: %w", err)
	}
	return ctx, end, nil
}

// closeBrowser ends the browser that the tests share, if there is one.
var closeBrowser = func() {}

// sharedBrowser starts the browser that the tests share.
var sharedBrowser = sync.OnceValues(func() (context.Context, error) {
	dir, err := os.MkdirTemp("", "zoom-oauth-chromium-")
	if err != nil {
		return nil, err
	}
	ctx, end, err := newBrowser(dir)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	closeBrowser = func() { end(); os.RemoveAll(dir) }
	return ctx, nil
})

// axe returns the script of axe-core, which knows the rules of WCAG.
var axe = sync.OnceValues(func() (string, error) {
	path := os.Getenv("AXE")
	if path == "" {
		return "", errors.New("AXE must name the file axe.min.js of the npm package axe-core: make e2e fetches it")
	}
	script, err := os.ReadFile(path)
	return string(script), err
})

// tab is one tab of the browser. It notes what the browser asks for and complains of.
type tab struct {
	*testing.T
	ctx context.Context

	mutex     sync.Mutex
	faults    []string
	requested []string                   // the URLs
	documents map[network.RequestID]bool // whose status the tests check themselves
	excused   string                     // the URL of a picture that is missing on purpose
}

// newTab opens a tab that shares no cookie with another test's.
func newTab(t *testing.T) *tab {
	t.Helper()
	browser, err := sharedBrowser()
	if err != nil {
		t.Fatal(err)
	}
	return openTab(t, browser, chromedp.WithNewBrowserContext())
}

// another opens a second tab of the same user.
func (b *tab) another() *tab {
	b.Helper()
	return openTab(b.T, b.ctx)
}

// openTab opens a tab on a desktop with the light scheme.
func openTab(t *testing.T, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	b := &tab{T: t, documents: map[network.RequestID]bool{}}
	ctx, closeTab := chromedp.NewContext(parent, append(options, chromedp.WithListener(b.listen))...)
	b.ctx = ctx
	t.Cleanup(closeTab)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	call(b, audits.Enable, cdp.Empty{})
	focused := emulation.SetFocusEmulationEnabledParams{Enabled: true} // whatever other tabs do
	call(b, emulation.SetFocusEmulationEnabled, focused)
	call(b, devpage.SetBypassCSP, devpage.SetBypassCSPParams{Enabled: false})
	b.as(desktop, "light")
	return b
}

// listen notes what the browser asks for, and what must not happen in any tab.
func (b *tab) listen(event any) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	note := func(format string, args ...any) { b.faults = append(b.faults, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.documents[e.RequestID] = e.Type == network.ResourceTypeDocument
		if strings.HasPrefix(e.Request.URL, "data:") {
			return
		}
		b.requested = append(b.requested, e.Request.URL)
		if !onThisMachine(e.Request.URL) {
			note("request outside this machine: %s", e.Request.URL)
		}
	case *runtime.EventConsoleAPICalled:
		text, _ := json.Marshal(e.Args)
		note("console.%s: %s", e.Type, text)
	case *runtime.EventExceptionThrown:
		note("exception: %s %s", e.ExceptionDetails.Text, e.ExceptionDetails.Exception.Description)
	case *log.EventEntryAdded:
		quiet := e.Entry.Level == log.EntryLevelVerbose || e.Entry.Level == log.EntryLevelInfo
		if !quiet && !b.documents[e.Entry.NetworkRequestID] {
			note("console %s: %s (%s)", e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	case *audits.EventIssueAdded:
		// A site that redirects without a click loses its cookies, but after an hour, and the
		// app's live for minutes. Everything that sends the browser to sign in is such a site.
		if e.Issue.Code != audits.InspectorIssueCodeBounceTrackingIssue {
			details, _ := json.Marshal(e.Issue.Details)
			note("issue: %s %s", e.Issue.Code, details)
		}
	}
}

// onThisMachine reports whether the host of a URL is one that newBrowser leads to this machine.
func onThisMachine(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	host := u.Hostname()
	return host == "localhost" || host == "127.0.0.1" || strings.HasSuffix(host, ".test")
}

// stayedOn wants every request so far to have gone to one site.
func (b *tab) stayedOn(site string) {
	b.Helper()
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for _, requested := range b.requested {
		if requested != site && !strings.HasPrefix(requested, site+"/") {
			b.Errorf("request: got %s, want %s and below only", requested, site)
		}
	}
}

// run does one thing in the tab.
func run[T any](b *tab, action chromedp.Action[T]) T {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		b.Fatal(err)
	}
	return value
}

// call sends one command of the DevTools protocol.
func call[P, R any](b *tab, command cdp.Command[P, R], params P) R {
	b.Helper()
	return run(b, func(ctx context.Context, t *chromedp.Target) (R, error) {
		return cdp.Call(ctx, t, command, params)
	})
}

// eval returns the value of a JavaScript expression, or of its promise. Like the browser's own
// console, it is not bound by the page's Content-Security-Policy.
func eval[T any](b *tab, expression string) T {
	b.Helper()
	return run(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// eventually waits until a JavaScript expression is true. It may have no value meanwhile, as
// when the browser is between two pages.
func (b *tab) eventually(expression string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for {
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if err == nil && yes {
			return
		}
		if ctx.Err() != nil {
			b.Fatalf("at %s: got %t (%v), want true: %s", b.place(), yes, err, expression)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// page is what the tests know a page by.
type page struct {
	status  int64
	heading string
}

// The pages that most tests meet.
var (
	consent   = page{200, "Allow this app to see your profile?"}
	profile   = page{200, "Jill Chill"}
	declined  = page{403, "You are not signed in"}
	lost      = page{400, "This sign-in can’t be finished here"}
	expired   = page{400, "This sign-in has expired"}
	unreached = page{502, "Zoom can’t be reached"}
	notFound  = page{404, "There is no such page"}
)

// heading is a JavaScript expression, the heading of the page.
const heading = `(document.querySelector("h1")?.innerText ?? document.body?.innerText)`

// place returns the page's address and heading, for a message.
func (b *tab) place() string {
	b.Helper()
	return eval[string](b, `location.href + " with the heading " + `+heading)
}

// leads does what makes the browser load a page, and wants that page.
func (b *tab) leads(step chromedp.Action[chromedp.Void], want page) {
	b.Helper()
	response := run(b, func(ctx context.Context, _ *chromedp.Target) (*network.Response, error) {
		return chromedp.RunResponse(ctx, step)
	})
	got := page{heading: eval[string](b, heading)}
	if response != nil {
		got.status = response.Status
	}
	if got != want {
		b.Fatalf("at %s: got %v, want %v", eval[string](b, "location.href"), got, want)
	}
}

// opens types an address, and wants a page.
func (b *tab) opens(address string, want page) {
	b.Helper()
	b.leads(chromedp.Navigate(address), want)
}

// reloads presses Reload, and wants a page.
func (b *tab) reloads(want page) {
	b.Helper()
	b.leads(chromedp.Reload(), want)
}

// clicks clicks on an element, and wants a page.
func (b *tab) clicks(selector string, want page) {
	b.Helper()
	at := b.find(selector)
	b.leads(chromedp.MouseClickXY(at.X, at.Y), want)
}

// point is a place on the screen.
type point struct{ X, Y float64 }

// find brings an element into view and returns its middle. The driver's own search misses that
// Back may bring up a page that the browser has kept.
func (b *tab) find(selector string) point {
	b.Helper()
	return eval[point](b, `(e => {
		e.scrollIntoView({block: "center", behavior: "instant"})
		const box = e.getBoundingClientRect()
		return {X: box.x + box.width / 2, Y: box.y + box.height / 2}
	})(document.querySelector(`+strconv.Quote(selector)+`))`)
}

// presses clicks on a place without waiting for a page. It looks for no element there, since the
// browser answers such a question only when the page that it is loading has come.
func (b *tab) presses(at point) {
	b.Helper()
	run(b, chromedp.MouseClickXY(at.X, at.Y))
}

// What there is to click on.
const (
	allow   = "button[name=decision][value=allow]"
	decline = "button[name=decision][value=decline]"
	toStart = `a[href="/"]`
)

// hidesCode wants the address bar to hold no authorization code.
func (b *tab) hidesCode() {
	b.Helper()
	if got := eval[string](b, "location.pathname + location.search + location.hash"); got != "/" {
		b.Errorf("the address bar: got %q, want %q", got, "/")
	}
}

// screen is what a page is shown on.
type screen struct {
	name          string
	width, height int64
	phone         bool
}

// The screens of the tests. WCAG 1.4.10 wants 320 px to do.
var (
	desktop = screen{"desktop", 1280, 800, false}
	phone   = screen{"phone", 390, 844, true}
	narrow  = screen{"narrow", 320, 568, true}
)

// as makes the tab a screen with a color scheme.
func (b *tab) as(s screen, scheme string) {
	b.Helper()
	var options []chromedp.EmulateViewportOption
	if s.phone {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait)
	}
	run(b, chromedp.EmulateViewport(s.width, s.height, options...))
	b.media("", scheme)
}

// media makes the tab show the page for a medium ("" is the screen) with a color scheme.
func (b *tab) media(medium, scheme string) {
	b.Helper()
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Media: medium, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}

// looks wants the page to be faultless on the present screen, and saves a screenshot.
func (b *tab) looks(name string) {
	b.Helper()
	for _, fault := range b.faultsNow() {
		b.Errorf("%s: %s", name, fault)
	}
	save(b.T, filepath.Join("screenshots", name+".png"), run(b, chromedp.FullScreenshot(100)))
}

// looksEverywhere wants the page to be faultless on every screen in both schemes, at 200 %
// zoom and with letters of twice the size.
func (b *tab) looksEverywhere(name string) {
	b.Helper()
	for _, s := range []screen{desktop, narrow} {
		for _, scheme := range []string{"light", "dark"} {
			b.as(s, scheme)
			b.looks(name + "-" + s.name + "-" + scheme)
		}
	}
	b.enlarges(name)
	b.as(desktop, "light")
}

// enlarges wants a window of 640 px to do at 200 % zoom, and with letters of twice the size.
func (b *tab) enlarges(name string) {
	b.Helper()
	run(b, chromedp.EmulateViewport(320, 400, chromedp.EmulateScale(2)))
	for _, fault := range eval[[]string](b, layout) {
		b.Errorf("%s at 200 %% zoom: %s", name, fault)
	}
	run(b, chromedp.EmulateViewport(640, 800))
	size := func(standard, fixed int64) {
		sizes := &devpage.FontSizes{Standard: standard, Fixed: fixed}
		call(b, devpage.SetFontSizes, devpage.SetFontSizesParams{FontSizes: sizes})
	}
	size(32, 26)
	for _, fault := range eval[[]string](b, layout) {
		b.Errorf("%s with letters of twice the size: %s", name, fault)
	}
	size(16, 13)
}

// quiet wants the browser to have had no cause to complain.
func (b *tab) quiet() {
	b.Helper()
	for _, fault := range b.noted() {
		b.Error(fault)
	}
}

// faultsNow returns what the browser complained of, and what is wrong with the page it shows.
func (b *tab) faultsNow() []string {
	b.Helper()
	return slices.Concat(eval[[]string](b, layout), b.accessibility(), b.noted())
}

// noted returns what the browser complained of since the last call.
func (b *tab) noted() []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	faults := slices.DeleteFunc(b.faults, func(fault string) bool {
		return b.excused != "" && strings.Contains(fault, b.excused)
	})
	b.faults = nil
	return faults
}

// layout is a JavaScript expression, a list of what is wider than the screen, or cut off. Only a
// pre may scroll sideways.
const layout = `(() => {
	const faults = [], width = document.documentElement.clientWidth
	const all = document.documentElement.scrollWidth
	if (all > width) faults.push("scrolls sideways: got " + all + " px, want " + width)
	for (const e of document.querySelectorAll("body *:not(pre *)")) {
		const box = e.getBoundingClientRect()
		if (box.width > 0 && (box.left < -0.5 || box.right > width + 0.5))
			faults.push("stands out of the screen: " + e.outerHTML.slice(0, 80))
		if (!e.matches("pre") && e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1)
			faults.push("is cut off: " + e.outerHTML.slice(0, 80))
	}
	return faults
})()`

// accessibility returns the violations that axe-core finds.
func (b *tab) accessibility() []string {
	b.Helper()
	script, err := axe()
	if err != nil {
		b.Fatal(err)
	}
	if !eval[bool](b, `"axe" in window`) {
		eval[int](b, script+";1")
	}
	return eval[[]string](b, `axe.run({
		runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
		resultTypes: ["violations"],
	}).then(found => found.violations.map(v => "axe: " + v.id + ": " + v.help + ": " +
		v.nodes.map(n => n.html.slice(0, 120) + " " + n.failureSummary).join("; ")))`)
}

// save writes a file below this directory.
func save(t *testing.T, path string, data []byte) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
