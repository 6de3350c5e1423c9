package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	devpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"zoom-oauth/internal/fakezoom"
)

// slowZoom is a stand-in for Zoom that takes 0.15 to 0.4 seconds for each call, and keeps count.
type slowZoom struct {
	*testing.T
	zoom *fakezoom.Server

	calls     atomic.Int64
	unheard   atomic.Int64 // calls whose answer nobody waited for
	allowed   atomic.Int64 // times that somebody clicked on Allow
	exchanged atomic.Int64 // codes
	refused   atomic.Int64 // codes
}

// at makes it know the app at redirectURL, for behindTunnel. At the end of the test it wants no
// code to have been refused.
func (z *slowZoom) at(redirectURL string) http.Handler {
	z.zoom = standIn(redirectURL)
	z.Cleanup(func() { // after the last call, since serve's own cleanup comes first
		z.Logf("Allow was clicked %d times, %d codes were exchanged, %d of Zoom's %d answers came too late",
			z.allowed.Load(), z.exchanged.Load(), z.unheard.Load(), z.calls.Load())
		if z.exchanged.Load() == 0 || z.refused.Load() > 0 {
			z.Errorf("codes: got %d exchanged, %d refused; want some, 0", z.exchanged.Load(), z.refused.Load())
		}
	})
	return z
}

// ServeHTTP answers in a while, even if nobody waits any more, as Zoom does.
func (z *slowZoom) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	allowed := r.PostFormValue("decision") == "allow" // read while the browser is still there
	takes := 150 + z.calls.Add(1)*97%251
	time.Sleep(time.Duration(takes) * time.Millisecond)
	answer := &statusWriter{w, http.StatusOK}
	z.zoom.ServeHTTP(answer, r)

	switch {
	case allowed:
		z.allowed.Add(1)
	case r.URL.Path == "/oauth/token" && answer.status == http.StatusOK:
		z.exchanged.Add(1)
	case r.URL.Path == "/oauth/token":
		z.refused.Add(1)
	}
	if r.Context().Err() != nil {
		z.unheard.Add(1)
	}
}

// statusWriter is a ResponseWriter that remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// beginnings are where a sign-in may begin.
var beginnings = []struct {
	where string
	url   func(urls) string
}{
	{"on localhost", func(u urls) string { return u.app }},
	{"on the tunnel", func(u urls) string { return u.tunnel }},
	{"in the Marketplace", func(u urls) string { return addURL(u.zoom, u.tunnel) }},
}

// addURL returns where "Add" in Zoom's Marketplace leads: to Zoom's question, without a state.
func addURL(zoomURL, redirectURL string) string {
	query := url.Values{"response_type": {"code"}, "client_id": {"client"}, "redirect_uri": {redirectURL}}
	return zoomURL + "/oauth/authorize?" + query.Encode()
}

// TestBrowserImpatient clicks on Allow, and on something else while Zoom takes its time.
func TestBrowserImpatient(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	allows := func(b *tab, allow point) { b.presses(allow) }
	reloads := func(b *tab, _ point) { call(b, devpage.Reload, devpage.ReloadParams{}) }
	stopsAndAllows := func(b *tab, allow point) {
		b.stops()
		b.presses(allow)
	}
	var unheard atomic.Int64
	for _, test := range []struct {
		name  string
		after time.Duration
		then  func(b *tab, allow point)
	}{
		{"Allow again after 300 ms", 300 * ms, allows},
		{"Allow again after 600 ms", 600 * ms, allows},
		{"Allow again after 900 ms", 900 * ms, allows},
		{"Reload after 200 ms", 200 * ms, reloads},
		{"Reload after 500 ms", 500 * ms, reloads},
		{"Stop after 200 ms, Allow", 200 * ms, stopsAndAllows},
		{"Stop after 500 ms, Allow", 500 * ms, stopsAndAllows},
	} {
		for _, begin := range beginnings {
			t.Run(test.name+", begun "+begin.where, func(t *testing.T) {
				t.Parallel()
				zoom := &slowZoom{T: t}
				u, b := behindTunnel(t, hostKept, zoom.at), newTab(t)
				b.opens(begin.url(u), consent)
				b.hurries(test.after, test.then)
				b.shows(profile)
				b.hidesCode()
				b.quiet()
				unheard.Add(zoom.unheard.Load())
			})
		}
	}
	t.Cleanup(func() {
		if unheard.Load() == 0 {
			t.Error("Zoom's answers that came too late: got 0, want some; was nobody impatient?")
		}
	})
}

// hurries clicks on Allow, does something else before the next page comes, and waits for that
// page. If Zoom asks again, it clicks on Allow again.
func (b *tab) hurries(after time.Duration, then func(b *tab, allow point)) {
	b.Helper()
	asked := eval[float64](b, "performance.timeOrigin")
	at := b.find(allow)
	b.presses(at)
	time.Sleep(after)
	then(b, at)
	b.eventually(fmt.Sprintf(`document.readyState === "complete" && performance.timeOrigin !== %v`, asked))
	if eval[string](b, heading) == consent.heading {
		b.Log("Zoom asked again")
		b.clicks(allow, profile)
	}
}

// stops presses Stop, and gives the page the time to hear of it, unless the page is gone.
func (b *tab) stops() {
	b.Helper()
	run(b, chromedp.Stop())
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	const moment = "new Promise(done => setTimeout(done, 100))"
	chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](moment, chromedp.EvalAwaitPromise))
}

// shows waits until the tab shows a page.
func (b *tab) shows(want page) {
	b.Helper()
	b.eventually(`document.readyState === "complete" && ` + heading + ` === ` + strconv.Quote(want.heading))
}

// TestBrowserManyTabs signs in in eight tabs at the same time.
func TestBrowserManyTabs(t *testing.T) {
	t.Parallel()
	for _, begin := range beginnings[:2] {
		t.Run("begun "+begin.where, func(t *testing.T) {
			t.Parallel()
			u, first := behindTunnel(t, hostKept, (&slowZoom{T: t}).at), newTab(t)
			tabs := []*tab{first}
			for len(tabs) < 8 {
				tabs = append(tabs, first.another())
			}
			for _, b := range tabs {
				go chromedp.Run(b.ctx, chromedp.Navigate(begin.url(u)))
			}
			for _, b := range tabs {
				b.shows(consent)
			}
			for _, b := range tabs {
				b.presses(b.find(allow))
			}
			for _, b := range tabs {
				b.shows(profile)
				b.hidesCode()
				b.quiet()
			}
		})
	}
}

// TestBrowserMarketplace adds the app in Zoom's Marketplace twice.
func TestBrowserMarketplace(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		does func(first, second *tab, add string)
	}{
		{"one after the other", func(first, second *tab, add string) {
			first.opens(add, consent)
			first.clicks(allow, profile)
			second.opens(add, profile)
		}},
		{"Zoom's first question answered last", func(first, second *tab, add string) {
			first.opens(add, consent)
			second.opens(add, consent)
			second.clicks(allow, profile)
			first.clicks(allow, profile)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u, first := behindTunnel(t, hostKept, (&slowZoom{T: t}).at), newTab(t)
			second := first.another()
			test.does(first, second, addURL(u.zoom, u.tunnel))
			for _, b := range []*tab{first, second} {
				b.hidesCode()
				b.quiet()
			}
			first.holds(u.tunnel, 0, secureCookie)
		})
	}
}
