package e2e

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	devpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"zoom-oauth/internal/fakezoom"
)

// serve answers requests with handler until the end of the test, and returns its URL.
func serve(t *testing.T, handler http.Handler) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// serveTLS answers https requests with handler until the end of the test, and returns its URL.
func serveTLS(t *testing.T, handler http.Handler) string {
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // connections that the browser drops
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// certificate returns the name of a file with the certificate that serveTLS uses, and its key.
func certificate(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "certificate.pem")
	save(t, file, slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	return file
}

// front serves https under a host name that only the test's browser knows, and returns its URL.
func front(t *testing.T, host string, handler http.Handler) string {
	return strings.Replace(serveTLS(t, handler), "127.0.0.1", host, 1)
}

// proxy passes requests, changed by rewrite, on to the program that listens on address.
func proxy(address string, rewrite func(*httputil.ProxyRequest)) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: address})
			rewrite(r)
		},
		ErrorLog: log.New(io.Discard, "", 0), // visitors who left
	}
}

// These are for proxy. The first passes the Host header on. The others put the program's address
// there, like ngrok --host-header=rewrite, and the last one also removes the state.
func hostKept(r *httputil.ProxyRequest)    { r.Out.Host = r.In.Host }
func hostRewritten(*httputil.ProxyRequest) {}
func stateRemoved(r *httputil.ProxyRequest) {
	query := r.Out.URL.Query()
	query.Del("state")
	r.Out.URL.RawQuery = query.Encode()
}

// newZoom makes a Zoom of a stand-in, for behindTunnel.
type newZoom func(*fakezoom.Server) http.Handler

// unchanged is a newZoom that leaves the stand-in as it is.
func unchanged(zoom *fakezoom.Server) http.Handler { return zoom }

// answers returns a newZoom that answers one path by itself, and leaves the others to the stand-in.
func answers(path string, answer http.HandlerFunc) newZoom {
	return func(zoom *fakezoom.Server) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", zoom)
		mux.Handle(path, answer)
		return mux
	}
}

// behindTunnel runs the program behind an https front with another host name, as ngrok is. It returns
// the URLs at which a sign-in may begin: on "localhost", on "127.0.0.1", on the "tunnel", and in
// Zoom's "Marketplace".
func behindTunnel(
	t *testing.T, rewrite func(*httputil.ProxyRequest), zoom newZoom) map[string]string {
	t.Helper()
	address := freeAddress(t)
	tunnel := front(t, "abc.tunnel.test", proxy(address, rewrite))
	zoomURL := serve(t, zoom(standIn(tunnel)))
	a := start(t, address, settings(tunnel, zoomURL)...)
	// "Add" in the Marketplace leads to Zoom's question without a state.
	add := url.Values{"response_type": {"code"}, "client_id": {"client"}, "redirect_uri": {tunnel}}
	return map[string]string{
		"localhost":   localhost(a.site),
		"127.0.0.1":   a.site,
		"tunnel":      tunnel,
		"Marketplace": zoomURL + "/oauth/authorize?" + add.Encode(),
	}
}

// localhost returns the URL of a site on 127.0.0.1 with the name localhost, as people type it.
func localhost(site string) string { return strings.Replace(site, "127.0.0.1", "localhost", 1) }

// The program's cookies, as holds describes them. Their names end with a state.
var (
	plainCookie  = regexp.MustCompile(`^zoom-oauth-(again-)?[A-Z2-7]{26,} false true Lax$`)
	secureCookie = regexp.MustCompile(`^__Host-zoom-oauth-(again-)?[A-Z2-7]{26,} true true Lax$`)
)

// holds wants the browser to hold a number of cookies of one kind for a site.
func (b *tab) holds(site string, number int, kind *regexp.Regexp) {
	b.Helper()
	cookies := call(b, network.GetCookies, network.GetCookiesParams{URLs: []string{site}}).Cookies
	if len(cookies) != number {
		b.Errorf("cookies for %s: got %d, want %d", site, len(cookies), number)
	}
	for _, c := range cookies {
		if got := fmt.Sprint(c.Name, " ", c.Secure, c.HTTPOnly, " ", c.SameSite); !kind.MatchString(got) {
			b.Errorf("cookie (its name, Secure, HttpOnly, SameSite): got %s, want %v", got, kind)
		}
	}
}

// TestBrowserTunnel signs in through a tunnel. A sign-in that begins elsewhere takes a second try.
func TestBrowserTunnel(t *testing.T) {
	t.Parallel()
	for name, rewrite := range map[string]func(*httputil.ProxyRequest){
		"Host kept": hostKept, "Host rewritten": hostRewritten,
	} {
		for _, begin := range []string{"localhost", "127.0.0.1", "tunnel", "Marketplace"} {
			t.Run(begin+", "+name, func(t *testing.T) {
				urls, b := behindTunnel(t, rewrite, unchanged), newTab(t)
				b.opens(urls[begin], consent)
				if begin != "Marketplace" {
					b.holds(urls[begin], 1, secureCookie)
				}
				b.clicks(allow, profile)
				if got, want := eval[string](b, "location.href"), urls["tunnel"]+"/"; got != want {
					t.Errorf("ended at: got %s, want %s", got, want)
				}
				b.holds(urls["tunnel"], 0, secureCookie)
				b.reloads(profile)
			})
		}
	}
}

// TestBrowserPublicClient signs in without a tunnel and without a secret. The program listens on
// the redirect URL's host and port by itself. Zoom asks at each try: once if the sign-in begins
// where the program says, and twice if it begins on localhost, which has other cookies.
func TestBrowserPublicClient(t *testing.T) {
	t.Parallel()
	for _, begin := range []string{"127.0.0.1", "localhost"} {
		t.Run(begin, func(t *testing.T) {
			address := freeAddress(t)
			site := "http://" + address
			zoom := serve(t, fakezoom.New("client", "", site))
			a := start(t, address, settings(site, zoom, "clientSecret=", "address=")...)
			a.prints(t, "Open          "+site+"\n")
			b := newTab(t)
			b.opens(strings.Replace(site, "127.0.0.1", begin, 1), consent)
			if begin == "localhost" {
				b.clicks(allow, consent)
			}
			b.clicks(allow, profile)
			if got, want := eval[string](b, "location.href"), site+"/"; got != want {
				t.Errorf("ended at: got %s, want %s", got, want)
			}
			b.holds(site, 0, plainCookie)
		})
	}
}

// TestBrowserStateRemoved signs in through a front that removes the state. Each code starts a
// second try, until the browser ends that.
func TestBrowserStateRemoved(t *testing.T) {
	t.Parallel()
	site, b := behindTunnel(t, stateRemoved, unchanged)["tunnel"], newTab(t)
	b.opens(site, consent)
	b.presses(b.find(allow))
	b.eventually(`document.body?.innerText.includes("ERR_TOO_MANY_REDIRECTS")`)
}

// TestBrowserDemoForwarded signs in to a demo of which only the one port can be reached, under
// another name or number. The browser must not look for anything elsewhere.
func TestBrowserDemoForwarded(t *testing.T) {
	t.Parallel()
	for name, forward := range map[string]func(t *testing.T, address string) string{
		"by ssh or a container, from another port": func(t *testing.T, address string) string {
			return localhost(serve(t, proxy(address, hostKept)))
		},
		"by a cloud editor, as an https site": func(t *testing.T, address string) string {
			return front(t, "8000.editor.test", proxy(address, hostKept))
		},
		"by a cloud editor, as an https site, Host rewritten": func(t *testing.T, address string) string {
			return front(t, "8000.editor.test", proxy(address, hostRewritten))
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := start(t, freeAddress(t))
			site, b := forward(t, a.address), newTab(t)
			b.staysOn(site)
			b.opens(site, consent)
			b.holds(site, 1, plainCookie)
			b.clicks(decline, declined)
			b.clicks(toStart, consent)
			b.clicks(allow, profile)
			b.hidesCode()
			b.reloads(profile)
		})
	}
}

// slow returns a newZoom that takes 0.15 to 0.4 seconds for each answer. Like Zoom, it does what it
// is asked even if nobody waits for the answer any more, and counts that.
func slow(unheard *atomic.Int64) newZoom {
	return func(zoom *fakezoom.Server) http.Handler {
		var calls atomic.Int64
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.ParseForm() // now, while the browser is still there
			time.Sleep(time.Duration(150+calls.Add(1)*97%251) * time.Millisecond)
			zoom.ServeHTTP(w, r)
			if r.Context().Err() != nil {
				unheard.Add(1)
			}
		})
	}
}

// TestBrowserImpatient clicks on Allow, and on something else while Zoom takes its time.
func TestBrowserImpatient(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	allows := func(b *tab, allow point) { b.presses(allow) }
	reloads := func(b *tab, _ point) { call(b, devpage.Reload, devpage.ReloadParams{}) }
	stopsAndAllows := func(b *tab, allow point) {
		run(b, chromedp.Stop())
		time.Sleep(100 * ms)
		b.eventually("true") // the page, if it is still there, has heard of the Stop
		b.presses(allow)
	}
	var unheard atomic.Int64
	t.Cleanup(func() {
		if unheard.Load() == 0 {
			t.Error("Zoom's answers that came too late: got 0, want some")
		}
	})
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
		for _, begin := range []string{"localhost", "tunnel", "Marketplace"} {
			t.Run(test.name+", "+begin, func(t *testing.T) {
				t.Parallel()
				urls, b := behindTunnel(t, hostKept, slow(&unheard)), newTab(t)
				b.opens(urls[begin], consent)
				at := b.find(allow)
				b.goesOn(func() {
					b.presses(at)
					time.Sleep(test.after)
					test.then(b, at)
				})
				b.shows(profile)
				b.hidesCode()
			})
		}
	}
}

// TestBrowserManyTabs signs in in eight tabs at the same time. All take a second try.
func TestBrowserManyTabs(t *testing.T) {
	t.Parallel()
	urls, first := behindTunnel(t, hostKept, slow(new(atomic.Int64))), newTab(t)
	tabs := []*tab{first}
	for len(tabs) < 8 {
		tabs = append(tabs, openTab(t, first.ctx))
	}
	for _, b := range tabs {
		go chromedp.Run(b.ctx, chromedp.Navigate(urls["localhost"]))
	}
	for _, b := range tabs {
		b.shows(consent)
	}
	first.holds(urls["localhost"], len(tabs), secureCookie)
	for _, b := range tabs {
		b.presses(b.find(allow))
	}
	for _, b := range tabs {
		b.shows(profile)
		b.hidesCode()
	}
	first.holds(urls["tunnel"], 0, secureCookie)
}

// TestBrowserMarketplace adds the app in Zoom's Marketplace twice.
func TestBrowserMarketplace(t *testing.T) {
	t.Parallel()
	for name, adds := range map[string]func(first, second *tab, add string){
		"one after the other": func(first, second *tab, add string) {
			first.opens(add, consent)
			first.clicks(allow, profile)
			second.opens(add, profile)
		},
		"Zoom's first question answered last": func(first, second *tab, add string) {
			first.opens(add, consent)
			second.opens(add, consent)
			second.clicks(allow, profile)
			first.clicks(allow, profile)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			urls, first := behindTunnel(t, hostKept, slow(new(atomic.Int64))), newTab(t)
			second := openTab(t, first.ctx)
			adds(first, second, urls["Marketplace"])
			first.hidesCode()
			second.hidesCode()
			first.holds(urls["tunnel"], 0, secureCookie)
		})
	}
}
