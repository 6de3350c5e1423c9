package e2e

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"sync/atomic"
	"testing"

	"github.com/chromedp/cdproto/network"

	"zoom-oauth/internal/fakezoom"
)

// front serves https under a host name that only the test's browser knows, and returns its URL.
func front(t *testing.T, host string, handler http.Handler) string {
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // connections that the browser opens ahead and drops
	server.StartTLS()
	t.Cleanup(server.Close)
	return "https://" + host + ":" + port(server.URL)
}

// proxy returns a handler that passes requests on to a program at address, changed by rewrite.
func proxy(address string, rewrite func(*httputil.ProxyRequest)) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: address})
			rewrite(r)
		},
		ErrorLog: log.New(io.Discard, "", 0), // visitors who left
	}
}

// hostKept is a rewrite for proxy that passes the Host header on.
func hostKept(r *httputil.ProxyRequest) { r.Out.Host = r.In.Host }

// hostRewritten is one that leaves there what proxy writes, like ngrok --host-header=rewrite.
func hostRewritten(*httputil.ProxyRequest) {}

// stateDropped is one that takes the state off.
func stateDropped(r *httputil.ProxyRequest) {
	query := r.Out.URL.Query()
	query.Del("state")
	r.Out.URL.RawQuery = query.Encode()
}

// urls are those of the program, of a tunnel to it, and of its Zoom.
type urls struct{ app, tunnel, zoom string }

// behindTunnel runs the program behind an https front with another host name, as ngrok is, and
// with the Zoom that a function makes for that redirect URL.
func behindTunnel(
	t *testing.T, rewrite func(*httputil.ProxyRequest), newZoom func(redirectURL string) http.Handler,
) urls {
	t.Helper()
	address := freeAddress(t)
	tunnel := front(t, "abc.tunnel.test", proxy(address, rewrite))
	zoom := serve(t, newZoom(tunnel))
	signIns(t, address, tunnel, zoom)
	return urls{"http://" + address, tunnel, zoom}
}

// usualZoom is a Zoom for behindTunnel.
func usualZoom(redirectURL string) http.Handler { return standIn(redirectURL) }

// The names of the program's cookies, which end in a state.
var (
	plainCookie  = regexp.MustCompile(`^zoom-oauth-(again-)?[A-Z2-7]{26,}$`)
	secureCookie = regexp.MustCompile(`^__Host-zoom-oauth-(again-)?[A-Z2-7]{26,}$`)
)

// holds wants the browser to hold a number of cookies for a site, with names of one kind, and
// Secure if that is secureCookie.
func (b *tab) holds(site string, number int, name *regexp.Regexp) {
	b.Helper()
	cookies := call(b, network.GetCookies, network.GetCookiesParams{URLs: []string{site}}).Cookies
	if len(cookies) != number {
		b.Errorf("cookies for %s: got %d, want %d", site, len(cookies), number)
	}
	for _, c := range cookies {
		if !name.MatchString(c.Name) || c.Secure != (name == secureCookie) {
			b.Errorf("cookie: got %s, Secure %t; want %v, %t", c.Name, c.Secure, name, name == secureCookie)
		}
		if !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax {
			b.Errorf("cookie: got HttpOnly %t, SameSite %s; want true, Lax", c.HTTPOnly, c.SameSite)
		}
	}
}

// TestBrowserTunnel signs in through a tunnel.
func TestBrowserTunnel(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name             string
		begunOnLocalhost bool
		rewrite          func(*httputil.ProxyRequest)
	}{
		{"begun on localhost", true, hostKept},
		{"begun on the tunnel", false, hostKept},
		{"begun on localhost, Host rewritten", true, hostRewritten},
		{"begun on the tunnel, Host rewritten", false, hostRewritten},
	} {
		t.Run(test.name, func(t *testing.T) {
			u, b := behindTunnel(t, test.rewrite, usualZoom), newTab(t)
			if test.begunOnLocalhost {
				b.opens(u.app, consent)
				b.holds(u.app, 1, secureCookie)
				b.holds(u.tunnel, 0, secureCookie)
			} else {
				b.opens(u.tunnel, consent)
				b.holds(u.tunnel, 1, secureCookie)
			}
			b.clicks(allow, profile)
			b.hidesCode()
			if got := eval[string](b, "location.origin"); got != u.tunnel {
				t.Errorf("ended on: got %s, want %s", got, u.tunnel)
			}
			b.holds(u.tunnel, 0, secureCookie)
			b.reloads(profile)
			b.quiet()
		})
	}
}

// TestBrowserPublicClient signs in without a tunnel and without a secret. Zoom then asks at each
// try: once if the sign-in begins where the program says, and twice if it begins on another host
// name, which doesn't share its cookies.
func TestBrowserPublicClient(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		begin    func(*app, *testing.T) string
		consents int64
	}{
		{"begun where it says", (*app).opensAt, 1},
		{"begun on localhost", func(a *app, _ *testing.T) string { return "http://" + a.address }, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := freeAddress(t)
			redirectURL := "http://127.0.0.1:" + port(address)
			var consents atomic.Int64
			zoom := fakezoom.New("client", "", redirectURL)
			a := signIns(t, address, redirectURL, serve(t, counted(zoom, &consents)), "clientSecret=")
			b := newTab(t)
			b.opens(test.begin(a, t), consent)
			for range test.consents - 1 {
				b.clicks(allow, consent)
			}
			b.clicks(allow, profile)
			if got := consents.Load(); got != test.consents {
				t.Errorf("consents: got %d, want %d", got, test.consents)
			}
			if got := eval[string](b, "location.href"); got != redirectURL+"/" {
				t.Errorf("ended on: got %s, want %s/", got, redirectURL)
			}
			b.holds(redirectURL, 0, plainCookie)
			b.quiet()
		})
	}
}

// counted returns a handler that leaves everything to zoom, and counts the clicks on Allow.
func counted(zoom http.Handler, consents *atomic.Int64) http.Handler {
	return with(zoom, "POST /oauth/authorize", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("decision") == "allow" {
			consents.Add(1)
		}
		zoom.ServeHTTP(w, r)
	})
}

// TestBrowserStateDropped signs in through a front that loses the state, whatever it is. Each code
// starts a second try, until the browser has had enough. No more than ten cookies are left of them.
func TestBrowserStateDropped(t *testing.T) {
	t.Parallel()
	u, b := behindTunnel(t, stateDropped, usualZoom), newTab(t)
	b.opens(u.tunnel, consent)
	b.presses(b.find(allow))
	b.eventually(`document.body?.innerText.includes("ERR_TOO_MANY_REDIRECTS")`)
	b.holds(u.tunnel, 10, secureCookie)
	b.quiet()
}

// TestBrowserDemoForwarded signs in to a demo of which only the one port can be reached, under
// another name or number. The browser must not look for anything elsewhere.
func TestBrowserDemoForwarded(t *testing.T) {
	t.Parallel()
	site := func(rewrite func(*httputil.ProxyRequest)) func(*testing.T, string) string {
		return func(t *testing.T, address string) string {
			return front(t, "8000.editor.test", proxy(address, rewrite))
		}
	}
	for _, test := range []struct {
		name    string
		forward func(t *testing.T, address string) (site string)
	}{
		{"by ssh or a container, from another port", forward},
		{"by a cloud editor, as an https site", site(hostKept)},
		{"by a cloud editor, as an https site, Host rewritten", site(hostRewritten)},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := demo(t), newTab(t)
			site := test.forward(t, a.address)
			b.opens(site, consent)
			b.holds(site, 1, plainCookie)
			b.clicks(decline, declined)
			b.clicks(toStart, consent)
			b.clicks(allow, profile)
			b.hidesCode()
			b.reloads(profile)
			b.stayedOn(site)
			b.quiet()
		})
	}
}

// forward passes connections from a free port on to address, as ssh -L does, and returns the
// port's URL.
func forward(t *testing.T, address string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	pass := func(to, from net.Conn) {
		defer to.Close()
		io.Copy(to, from)
	}
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return // the listener is closed
			}
			far, err := net.Dial("tcp", address)
			if err != nil {
				near.Close()
				continue
			}
			go pass(far, near)
			go pass(near, far)
		}
	}()
	return "http://localhost:" + port(listener.Addr().String())
}
