package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"zoom-oauth/internal/fakezoom"
)

// BenchmarkRoot measures a redirect to Zoom, and a callback with two calls of a Zoom in memory.
func BenchmarkRoot(b *testing.B) {
	w := newWorld(b, local)
	w.answers[tokenPath] = answer(200, `{"access_token":"T","token_type":"bearer"}`)
	w.answers[userPath] = answer(200, fakezoom.Jill)
	for path, status := range map[string]int{"/": http.StatusFound, "/?code=c&state=" + someFirst: http.StatusOK} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Cookie", plain+someFirst+"=verifier")
		b.Run(http.StatusText(status), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				recorder := httptest.NewRecorder()
				if w.app.ServeHTTP(recorder, r); recorder.Code != status {
					b.Fatalf("got %d, want %d", recorder.Code, status)
				}
			}
		})
	}
}
