package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// TestNobodyPicksUp has a Zoom that connections don't reach. A visitor who has gone must not leave
// one behind that is still being tried minutes later.
func TestNobodyPicksUp(t *testing.T) {
	t.Parallel()
	address := fullAddress(t)
	dial := newZoom(zoomConfig{}).client.Transport.(*http.Transport).DialContext
	if dial == nil {
		t.Fatal("connections to Zoom have no time-out of their own")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*zoomTimeout)
	defer cancel()
	if c, err := dial(ctx, "tcp", address); err == nil {
		c.Close()
		t.Error("got a connection, so the test shows nothing")
	}
	if ctx.Err() != nil {
		t.Errorf("still tries after %v, want %v", 2*zoomTimeout, zoomTimeout)
	}
}

// fullAddress returns an address whose queue of connections is full. Linux drops what comes then.
func fullAddress(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	loopback := &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if err := errors.Join(syscall.Bind(fd, loopback), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + strconv.Itoa(name.(*syscall.SockaddrInet4).Port)
	for {
		c, err := net.DialTimeout("tcp", address, 300*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { c.Close() })
	}
}
