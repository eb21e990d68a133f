package api

import (
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"time"
)

// outer is around every request: it logs, survives panics, and answers requests
// for which there is no operation.
func (a *API) outer(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		seen := &observed{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				a.panicked(seen, r, p)
			}
			a.log.DebugContext(r.Context(), "request", "method", r.Method, "path", r.URL.Path,
				"status", seen.status, "bytes", seen.bytes, "duration", time.Since(began))
		}()
		h := seen.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		// A copy: net/http looks at the body of its own request to know whether
		// the connection can take another request.
		r = r.WithContext(r.Context())
		r.Body = &timedBody{ReadCloser: r.Body, control: http.NewResponseController(w)}
		handler, pattern := mux.Handler(r)
		if pattern == "" {
			noOperation(seen, r, handler)
			return
		}
		mux.ServeHTTP(seen, r)
	})
}

// panicked answers a request whose handler panicked. net/http's own way to
// abort an answer is left alone.
func (a *API) panicked(w *observed, r *http.Request, p any) {
	if p == http.ErrAbortHandler { //nolint:errorlint // it is compared by identity, as net/http does
		panic(p)
	}
	a.log.ErrorContext(r.Context(), "request panicked", "method", r.Method, "path", r.URL.Path,
		"err", fmt.Sprint(p), "stack", string(debug.Stack()))
	if w.status != 0 {
		// Part of an answer is out: cut it, so that nobody takes it for whole.
		panic(http.ErrAbortHandler)
	}
	write(w, problem(http.StatusInternalServerError, "something went wrong in the server", "the server's log says what"))
}

// noOperation answers what the mux would answer in plain text.
func noOperation(w http.ResponseWriter, r *http.Request, fallback http.Handler) {
	plain := &discarded{header: http.Header{}}
	fallback.ServeHTTP(plain, r)
	p := problem(http.StatusNotFound, "there is no such operation: "+r.Method+" "+r.URL.Path, "look at /v1/openapi.json for what there is")
	if plain.status == http.StatusMethodNotAllowed {
		allow := plain.header.Get("Allow")
		w.Header().Set("Allow", allow)
		p = problem(http.StatusMethodNotAllowed, r.Method+" is not possible on "+r.URL.Path, "possible are "+allow)
	}
	write(w, p)
}

// observed remembers what was answered.
type observed struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader notes the status.
func (o *observed) WriteHeader(status int) {
	if o.status == 0 {
		o.status = status
	}
	o.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes.
func (o *observed) Write(p []byte) (int, error) {
	if o.status == 0 {
		o.status = http.StatusOK
	}
	n, err := o.ResponseWriter.Write(p)
	o.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController find the connection.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// discarded takes an answer that is not sent.
type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }
func (d *discarded) WriteHeader(status int)      { d.status = status }

// timedBody takes the deadline for reading away when a body has been read. It
// would otherwise end the connection's background read, and with it the context
// of a request that waits for a result longer than that.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
	done    bool
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.finish()
	}
	return n, err
}

func (b *timedBody) Close() error {
	b.finish()
	return b.ReadCloser.Close()
}

func (b *timedBody) finish() {
	if !b.done {
		b.done = true
		_ = b.control.SetReadDeadline(time.Time{}) // a connection without deadlines needs none taken away
	}
}
