package e2e

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// nginxConf is a load balancer that speaks HTTP/2. It needs to know nothing of the app: each
// request goes to the next replica, and a GET to one that is dead goes to another. The sizes of its
// buffers are the default ones.
const nginxConf = `
daemon off;
pid nginx.pid;
error_log stderr error;
events {}
http {
	access_log off;
	client_body_temp_path body; proxy_temp_path proxy;
	fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	upstream replicas {
		%[3]s
	}
	server {
		listen %[1]s ssl http2;
		ssl_certificate %[2]s;
		ssl_certificate_key %[2]s;
		location / {
			proxy_pass http://replicas;
			proxy_set_header Host $http_host;
			proxy_connect_timeout 1s;
			proxy_next_upstream error timeout;
		}
	}
}
`

// behindNginx runs three replicas of the program behind nginx, and returns nginx's URL and them.
func behindNginx(t *testing.T) (site string, replicas []*app) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		t.Fatalf("the tests with replicas need nginx: apt-get install nginx-light (%v)", err)
	}
	address := freeAddress(t)
	site = "https://" + address
	zoom := standIn(site)
	zoomURL := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(50 * time.Millisecond)
		zoom.ServeHTTP(w, r)
	}))
	var servers string
	for range 3 {
		a := start(t, freeAddress(t), settings(site, zoomURL)...)
		replicas = append(replicas, a)
		servers += "server " + a.address + " fail_timeout=1s;\n"
	}

	configuration := fmt.Sprintf(nginxConf, address, certificate(t), servers)
	file := filepath.Join(t.TempDir(), "nginx.conf")
	save(t, file, []byte(configuration))
	launch(t, address, exec.Command(path, "-p", t.TempDir(), "-c", file, "-e", "stderr"))
	return site, replicas
}

// newClient returns a client that keeps cookies, as a browser does, and accepts any certificate.
func newClient() *http.Client {
	jar, _ := cookiejar.New(nil) // never fails
	return &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: true,
	}}
}

// signInByHTTP signs a user in, and allows the app if Zoom asks. It returns the profile page.
func signInByHTTP(client *http.Client, site string) (string, error) {
	res, err := client.Get(site)
	if err == nil && res.Request.URL.Path == "/oauth/authorize" {
		res.Body.Close()
		res, err = client.PostForm(res.Request.URL.String(), url.Values{"decision": {"allow"}})
	}
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK || !strings.Contains(string(body), profile.heading) {
		return "", fmt.Errorf("sign-in: got %s and\n%s\nwant the profile page", res.Status, body)
	}
	return string(body), nil
}

// TestReplicas signs users in, and in the middle kills a replica, which comes back a second later.
// Every user ends signed in without a click, even one whose code the killed one was exchanging:
// nginx has another replica exchange the same code. Zoom accepts it only once, and so the app starts
// a second try.
func TestReplicas(t *testing.T) {
	const users, atOnce = 300, 10
	site, replicas := behindNginx(t)
	if _, err := signInByHTTP(newClient(), site); err != nil { // from now on, Zoom doesn't ask
		t.Fatal(err)
	}
	var group sync.WaitGroup
	var done atomic.Int32
	third := make(chan struct{}) // is closed when a third of them are signed in
	for range atOnce {
		group.Go(func() {
			for range users / atOnce {
				client := newClient()
				if _, err := signInByHTTP(client, site); err != nil {
					t.Error(err)
				}
				client.CloseIdleConnections()
				if done.Add(1) == users/3 {
					close(third)
				}
			}
		})
	}
	<-third
	killed := replicas[1]
	killed.command.Process.Kill()
	killed.command.Wait()
	time.Sleep(time.Second)
	replicas[1] = start(t, killed.address, killed.command.Env...)
	group.Wait()

	for i, replica := range replicas { // the killed one is counted from its restart on
		served := strings.Count(replica.output.String(), "GET / 200")
		t.Logf("replica %d signed in %d", i, served)
		if served == 0 {
			t.Errorf("replica %d: got no sign-in, want some", i)
		}
	}
}

// TestReplicasManyCookies starts sixty sign-ins at once in one browser, as a page with sixty
// pictures from this site would. The cookies of all of them must not keep the next one from working.
func TestReplicasManyCookies(t *testing.T) {
	site, replicas := behindNginx(t)
	client := newClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	begin := func() {
		res, err := client.Get(site)
		if err != nil {
			t.Error(err)
			return
		}
		res.Body.Close()
		if res.StatusCode != http.StatusFound || res.ProtoMajor != 2 {
			t.Errorf("got %s %s, want HTTP/2.0 302", res.Proto, res.Status)
		}
	}
	begin() // opens the connection that the others share
	var group sync.WaitGroup
	for range 59 {
		group.Go(begin)
	}
	group.Wait()
	address, _ := url.Parse(site)
	if got := len(client.Jar.Cookies(address)); got != 60 {
		t.Errorf("got %d cookies, want 60", got)
	}
	client.CheckRedirect = nil
	if _, err := signInByHTTP(client, site); err != nil {
		t.Error(err)
	}

	// nginx has room for a response header of 4 KB.
	var cookies strings.Builder
	for i := range 150 {
		fmt.Fprintf(&cookies, "__Host-zoom-oauth-%026d=%s; ", i, strings.Repeat("v", 52))
	}
	res := replicas[0].get(t, "/", cookies.String())
	header, err := httputil.DumpResponse(res, false)
	if err != nil || res.StatusCode != http.StatusFound || len(header) >= 4000 {
		t.Errorf("with 150 cookies: got %s and a header of %d bytes (%v), want 302 and less than 4000",
			res.Status, len(header), err)
	}
}
