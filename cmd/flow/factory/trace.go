package factory

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

// traced returns an HTTP client that tells what it asked and what came back.
// It shows neither headers nor bodies: they hold tokens and people's data.
func traced(w io.Writer) *http.Client {
	return &http.Client{Transport: tracer{w: w, next: http.DefaultTransport}}
}

type tracer struct {
	w    io.Writer
	next http.RoundTripper
}

// RoundTrip sends the request and writes one line about it.
func (t tracer) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	res, err := t.next.RoundTrip(r)
	took := time.Since(began).Round(10 * time.Microsecond)
	if err != nil {
		fmt.Fprintf(t.w, "debug: %s %s: %v after %s\n", r.Method, r.URL.Redacted(), err, took)
		return res, err
	}
	fmt.Fprintf(t.w, "debug: %s %s: %s after %s\n", r.Method, r.URL.Redacted(), res.Status, took)
	return res, nil
}
