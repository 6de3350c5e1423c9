package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	users    = 300 // who sign in
	atOnce   = 10
	zoomTime = 50 * time.Millisecond // that Zoom takes for each call
)

// nginxConf is a load balancer in front of the replicas (%[2]s). It needs to know nothing of
// the app: each request goes to the next replica, and a GET to one that is dead goes to
// another one.
const nginxConf = `
daemon off;
pid nginx.pid;
error_log stderr error;
events {}
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	upstream replicas {
		%[2]s
	}
	server {
		listen %[1]s;
		location / {
			proxy_pass http://replicas;
			proxy_set_header Host $http_host;
			proxy_connect_timeout 1s;
			proxy_next_upstream error timeout;
		}
	}
}
`

// TestReplicas signs users in through nginx with three replicas behind it. In the middle one
// of them is killed, and comes back a second later. Every user ends signed in without a click, even
// one who was just on the killed one: nginx asks another replica to exchange the same code, which
// Zoom accepts only once, and the app then starts a second try.
func TestReplicas(t *testing.T) {
	balancer := freeAddress(t)
	zoom := standIn("http://" + balancer)
	zoomURL := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(zoomTime)
		zoom.ServeHTTP(w, r)
	}))
	var replicas [3]*app
	var servers []string
	for i := range replicas {
		replicas[i] = start(t, freeAddress(t), nil, settings(zoom.RedirectURI, zoomURL)...)
		servers = append(servers, "server 127.0.0.1:"+port(replicas[i].address)+" fail_timeout=1s;")
	}
	t.Cleanup(func() {
		for _, replica := range replicas {
			replica.stop(t, 0)
		}
	})
	startNginx(t, balancer, fmt.Sprintf(nginxConf, "127.0.0.1:"+port(balancer), strings.Join(servers, "\n\t\t")))
	consentOnce(t, zoom.RedirectURI, zoomURL)

	signInAll(t, zoom.RedirectURI, func() {
		replicas[1].command.Process.Kill()
		replicas[1].command.Wait()
		time.Sleep(time.Second)
		replicas[1] = start(t, replicas[1].address, nil, settings(zoom.RedirectURI, zoomURL)...)
	})
	for i, replica := range replicas { // the killed one is counted from its restart on
		served := strings.Count(replica.output.String(), "GET / 200")
		t.Logf("replica %d signed in %d", i, served)
		if served == 0 {
			t.Errorf("replica %d: got no sign-in, want some", i)
		}
	}
}

// signInAll signs all users in, and does something else when a third of them are.
func signInAll(t *testing.T, site string, meanwhile func()) {
	t.Helper()
	var group sync.WaitGroup
	var done atomic.Int32
	third := make(chan struct{})
	begin := time.Now()
	for range atOnce {
		group.Go(func() {
			for range users / atOnce {
				if err := signIn(site); err != nil {
					t.Error(err)
				}
				if done.Add(1) == users/3 {
					close(third)
				}
			}
		})
	}
	<-third
	meanwhile()
	group.Wait()
	took := time.Since(begin).Round(time.Millisecond)
	t.Logf("%d users signed in within %v", done.Load(), took)
}

// signIn signs a user in as a browser does.
func signIn(site string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	client := &http.Client{Jar: jar, Timeout: 30 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	res, err := client.Get(site)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || !strings.Contains(string(body), "Jill Chill") {
		return fmt.Errorf("sign-in: got %s and\n%s\nwant the profile page", res.Status, body)
	}
	return nil
}

// consentOnce allows the app. After that Zoom sends everybody straight back.
func consentOnce(t *testing.T, site, zoomURL string) {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	res, err := client.PostForm(addURL(zoomURL, site), url.Values{"decision": {"allow"}})
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusFound {
		t.Fatalf("consent: got %s, want a redirect", res.Status)
	}
}

// startNginx runs nginx with a configuration, and waits until it serves.
func startNginx(t *testing.T, address, configuration string) {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		t.Fatalf("TestReplicas needs nginx: apt-get install nginx-light (%v)", err)
	}
	dir := t.TempDir()
	save(t, filepath.Join(dir, "nginx.conf"), []byte(configuration))
	var output buffer
	nginx := exec.Command(path, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	nginx.Stdout, nginx.Stderr = &output, &output
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		nginx.Process.Signal(os.Interrupt)
		nginx.Wait()
		if t.Failed() {
			t.Logf("nginx printed:\n%s", &output)
		}
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		res, err := http.Get("http://" + address + "/healthz")
		if err == nil {
			res.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not answer: %v\n%s", err, &output)
		}
	}
}
