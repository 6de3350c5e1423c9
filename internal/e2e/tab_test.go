package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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

// patience is how long a step in the browser may take on a busy machine.
const patience = 20 * time.Second

// newBrowser starts Chromium with the profile in dir, and returns its context and what ends it.
// Names that end in .test lead to this machine, and other names nowhere.
func newBrowser(dir string) (context.Context, func(), error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, nil, fmt.Errorf("the browser tests need Chromium: apt-get install chromium (%w)", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, nil, err
	}
	const names = "MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"
	ctx, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(dir),
		chromedp.Env("TMPDIR="+dir), // what it leaves behind goes with the profile
		chromedp.NoSandbox,          // which refuses to run as root, as in a container
		chromedp.Flag("headless", "new"),
		chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-features", // which would take half of the time, unseen
			"WebUIOmniboxPopup,WebUIOmniboxAimPopup,SpareRendererForSitePerProcess"),
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

// sharedBrowser starts the browser that most tests share. It returns the same one each time.
var sharedBrowser = sync.OnceValues(func() (context.Context, error) {
	ctx, end, err := newBrowser(filepath.Join(filepath.Dir(binary), "browser"))
	if err == nil {
		closeBrowser = end
	}
	return ctx, err
})

// closeBrowser ends the browser that the tests share, if there is one.
var closeBrowser = func() {}

// tab is a tab of a browser. It notes what the browser asks for and complains of. The browser must
// not have complained at the end of the test.
type tab struct {
	*testing.T
	ctx context.Context

	mutex     sync.Mutex
	faults    []string
	mayAsk    *regexp.Regexp             // matches the URLs that it may ask for
	documents map[network.RequestID]bool // the requests for pages, whose status the tests check
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

// openTab opens a tab on a desktop with the light scheme. If parent is the context of another tab,
// the two share their cookies.
func openTab(t *testing.T, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	b := &tab{T: t, documents: map[network.RequestID]bool{}, mayAsk: onThisMachine}
	ctx, closeTab := chromedp.NewContext(parent, append(options, chromedp.WithListener(b.listen))...)
	b.ctx = ctx
	t.Cleanup(func() {
		for _, fault := range b.noted() {
			t.Errorf("got the fault %s, want none", fault)
		}
		closeTab()
	})
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

// onThisMachine matches the URLs that newBrowser doesn't lead away from this machine.
var onThisMachine = regexp.MustCompile(`^(data:|https?://(localhost|127\.0\.0\.1|[\w.]+\.test)[:/])`)

// staysOn makes it a fault if the browser asks for something that isn't on this site.
func (b *tab) staysOn(site string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.mayAsk = regexp.MustCompile("^(data:|" + regexp.QuoteMeta(site) + "/)")
}

// listen notes what the browser asks for, and what must not happen in any tab.
func (b *tab) listen(event any) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	note := func(format string, args ...any) { b.faults = append(b.faults, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.documents[e.RequestID] = e.Type == network.ResourceTypeDocument
		if !b.mayAsk.MatchString(e.Request.URL) {
			note("request: %s", e.Request.URL)
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
		// A site that redirects without a click loses its cookies after an hour. The app's cookies
		// last for minutes only.
		if e.Issue.Code != audits.InspectorIssueCodeBounceTrackingIssue {
			details, _ := json.Marshal(e.Issue.Details)
			note("issue: %s %s", e.Issue.Code, details)
		}
	}
}

// noted returns what the browser has complained of since the last call.
func (b *tab) noted() []string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	faults := b.faults
	b.faults = nil
	return faults
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

// call sends a command of the DevTools protocol.
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

// eventually waits until a JavaScript expression is true. Until then it may also fail, as it does
// between two pages.
func (b *tab) eventually(expression string) {
	b.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithDeadline(b.ctx, deadline)
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		cancel()
		if err == nil && yes {
			return
		}
		if time.Now().After(deadline) {
			place := eval[string](b, `location.href + " with the heading " + `+heading)
			b.Fatalf("at %s: got %t (%v), want true: %s", place, yes, err, expression)
		}
	}
}

// load runs a script in the page, from the file that an environment variable names.
func (b *tab) load(variable string) {
	b.Helper()
	script, err := os.ReadFile(os.Getenv(variable))
	if err != nil {
		b.Fatalf("%s must name a script that make e2e fetches with npm (apt-get install npm): %v", variable, err)
	}
	eval[int](b, string(script)+";1")
}

// page is what the tests know a page by.
type page struct {
	status  int64
	heading string
}

// The pages that several tests meet.
var (
	consent  = page{200, "Allow this app to see your profile?"}
	profile  = page{200, "Jill Chill"}
	declined = page{403, "You are not signed in"}
	noCookie = page{400, "This sign-in can’t be finished here"}
	expired  = page{400, "This sign-in has expired"}
)

// heading is a JavaScript expression: the heading of the page.
const heading = `(document.querySelector("h1")?.innerText ?? document.body?.innerText)`

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

// shows waits until the tab shows a page.
func (b *tab) shows(want page) {
	b.Helper()
	b.eventually(`document.readyState === "complete" && ` + heading + ` === ` + strconv.Quote(want.heading))
}

// goesOn does something that makes the browser leave its page, and waits for the next page. If
// Zoom asks there, it clicks on Allow.
func (b *tab) goesOn(step func()) {
	b.Helper()
	left := eval[float64](b, "performance.timeOrigin")
	step()
	b.eventually(fmt.Sprintf(`document.readyState === "complete" && performance.timeOrigin !== %v`, left))
	if eval[string](b, heading) == consent.heading {
		b.Log("Zoom asked again")
		b.clicks(allow, profile)
	}
}

// goesBack presses Back. It doesn't wait for the page.
func (b *tab) goesBack() {
	b.Helper()
	eval[int](b, "setTimeout(() => history.back())") // later, because the present page goes away with it
}

// point is a place on the screen.
type point struct{ X, Y float64 }

// find scrolls to an element, and returns its middle. The driver's own search fails in a page that
// comes from the back/forward cache.
func (b *tab) find(selector string) point {
	b.Helper()
	return eval[point](b, `(e => {
		e.scrollIntoView({block: "center", behavior: "instant"})
		const box = e.getBoundingClientRect()
		return {X: box.x + box.width / 2, Y: box.y + box.height / 2}
	})(document.querySelector(`+strconv.Quote(selector)+`))`)
}

// presses clicks on a place. It doesn't wait for a page.
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
	width, height int64
	isPhone       bool
}

// The screens of the tests. The width of 320 px is from WCAG 1.4.10.
var (
	desktop = screen{1280, 800, false}
	narrow  = screen{320, 568, true}
)

// as makes the tab a screen with a color scheme.
func (b *tab) as(s screen, scheme string) {
	b.Helper()
	var options []chromedp.EmulateViewportOption
	if s.isPhone {
		options = append(options, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait)
	}
	run(b, chromedp.EmulateViewport(s.width, s.height, options...))
	b.media("screen", scheme)
}

// media makes the tab show the page for a medium and with a color scheme.
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
		b.Errorf("%s: got the fault %s, want none", name, fault)
	}
	save(b.T, filepath.Join("screenshots", name+".png"), run(b, chromedp.FullScreenshot(100)))
}

// looksEverywhere wants the page to be faultless on each screen in both schemes, and in a window
// of 640 px at 200 % zoom and with letters of twice the size.
func (b *tab) looksEverywhere(name string) {
	b.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.as(desktop, scheme)
		b.looks(name + "-desktop-" + scheme)
		b.as(narrow, scheme)
		b.looks(name + "-narrow-" + scheme)
	}
	if got := eval[int64](b, "innerWidth"); got != narrow.width {
		b.Errorf("%s: got a layout for %d px, want %d", name, got, narrow.width)
	}
	run(b, chromedp.EmulateViewport(320, 400, chromedp.EmulateScale(2)))
	faults := eval[[]string](b, layout)
	run(b, chromedp.EmulateViewport(640, 800))
	b.letters(32, 26)
	faults = append(faults, eval[[]string](b, layout)...)
	b.letters(16, 13)
	for _, fault := range faults {
		b.Errorf("%s, enlarged: got the fault %s, want none", name, fault)
	}
	b.as(desktop, "light")
}

// letters sets the sizes of the browser's fonts.
func (b *tab) letters(standard, fixed int64) {
	b.Helper()
	sizes := &devpage.FontSizes{Standard: standard, Fixed: fixed}
	call(b, devpage.SetFontSizes, devpage.SetFontSizesParams{FontSizes: sizes})
}

// faultsNow returns what the browser has complained of, and what is wrong with the page it shows.
func (b *tab) faultsNow() []string {
	b.Helper()
	if !eval[bool](b, `"axe" in window`) {
		b.load("AXE")
	}
	return slices.Concat(eval[[]string](b, layout), eval[[]string](b, accessibility), b.noted())
}

// layout is a JavaScript expression: what is wider than the screen or cut off.
const layout = `(() => {
	const faults = [], width = document.documentElement.clientWidth
	const all = document.documentElement.scrollWidth
	if (all > width) faults.push("scrolls sideways: got " + all + " px, want " + width)
	for (const e of document.querySelectorAll("body *")) {
		const box = e.getBoundingClientRect()
		if (box.width > 0 && (box.left < -0.5 || box.right > width + 0.5))
			faults.push("stands out of the screen: " + e.outerHTML.slice(0, 80))
		if (e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1)
			faults.push("is cut off: " + e.outerHTML.slice(0, 80))
	}
	return faults
})()`

// accessibility is a JavaScript expression: the rules of WCAG that axe-core finds broken.
const accessibility = `axe.run({
	runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
	resultTypes: ["violations"],
}).then(found => found.violations.map(v => "axe: " + v.id + ": " + v.help + ": " +
	v.nodes.map(n => n.html.slice(0, 120) + " " + n.failureSummary).join("; ")))`
