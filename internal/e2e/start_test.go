package e2e

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestStartLocalhost starts the program on localhost. It answers on each address that the name
// stands for, or says which of them another server has.
func TestStartLocalhost(t *testing.T) {
	t.Parallel()
	for _, host := range loopbacks() {
		t.Run(host, func(t *testing.T) {
			a := newApp(t, freeAddress(t), []string{"-demo"})
			address := net.JoinHostPort(host, port(a.address))
			other, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			if err := a.command.Start(); err != nil {
				t.Fatal(err)
			}
			a.ends(t, 1)
			want := "zoom-oauth can't listen: listen tcp " + address + ": "
			if got := a.output.String(); !strings.HasPrefix(got, want) {
				t.Errorf("with another server on %s: got %q, want %q at its beginning", address, got, want)
			}
		})
	}
	a := demo(t)
	for _, host := range loopbacks() {
		res, err := http.Get("http://" + net.JoinHostPort(host, port(a.address)) + "/healthz")
		if err != nil {
			t.Error(err)
			continue
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s: got %s, want 200", host, res.Status)
		}
	}
}
