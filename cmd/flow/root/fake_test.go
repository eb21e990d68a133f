package root

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/contextfile"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/model"
)

var writeGolden = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	time.Local = time.UTC // tables show times in the reader's zone
	goleak.VerifyTestMain(m)
}

// api is a fake of the server's API: it knows a few objects, answers from a
// table, and remembers what it was asked.
type api struct {
	t      *testing.T
	server *httptest.Server

	mu       sync.Mutex // guards the fields below
	requests []request
	answers  map[string]http.HandlerFunc // by "METHOD /path"
}

type request struct {
	Line string // "POST /v1/queues?network=default"
	Body string
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{t: t, answers: map[string]http.HandlerFunc{}}
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	a.mu.Lock()
	a.requests = append(a.requests, request{Line: r.Method + " " + r.URL.RequestURI(), Body: strings.TrimSpace(string(body))})
	answer := a.answers[r.Method+" "+r.URL.Path]
	a.mu.Unlock()
	if answer == nil {
		problem(w, http.StatusNotFound, client.Problem{Code: client.CodeNotFound, Detail: "nothing is at " + r.URL.Path})
		return
	}
	answer(w, r)
}

// handle answers a request ("GET /v1/queues").
func (a *api) handle(what string, answer http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[what] = answer
}

// give answers a request with a value, as JSON.
func (a *api) give(what string, v any) {
	a.handle(what, func(w http.ResponseWriter, r *http.Request) { giveJSON(w, v) })
}

// list answers a request with one page of items.
func list[T any](a *api, what string, items ...T) {
	if items == nil {
		items = []T{}
	}
	a.give(what, model.Page[T]{Items: items, Total: int64(len(items))})
}

// echo answers a creation or change with what was sent, over a base object.
func echo[T any](a *api, what string, base T) {
	a.handle(what, func(w http.ResponseWriter, r *http.Request) {
		out := base
		if err := json.NewDecoder(r.Body).Decode(&out); err != nil && !errors.Is(err, io.EOF) {
			problem(w, http.StatusBadRequest, client.Problem{Code: client.CodeUsage, Detail: err.Error()})
			return
		}
		giveJSON(w, out)
	})
}

// refuse answers a request with a problem.
func (a *api) refuse(what string, status int, p client.Problem) {
	a.handle(what, func(w http.ResponseWriter, r *http.Request) { problem(w, status, p) })
}

func giveJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func problem(w http.ResponseWriter, status int, p client.Problem) {
	p.Status = status
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p)
}

// last returns the last request.
func (a *api) last() request {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.requests) == 0 {
		return request{}
	}
	return a.requests[len(a.requests)-1]
}

// asked returns the requests whose line begins like this.
func (a *api) asked(line string) []request {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []request
	for _, r := range a.requests {
		if strings.HasPrefix(r.Line, line) {
			out = append(out, r)
		}
	}
	return out
}

// ran is what a command did.
type ran struct {
	out, err string
	code     int
}

// surroundings are a person's: an own home, stdin, no terminal.
type surroundings struct {
	stdin io.Reader // nil: nothing is piped
	env   map[string]string
	ctx   context.Context
}

// run runs a command line against the fake.
func (a *api) run(args ...string) ran { return a.runWith(surroundings{}, args...) }

func (a *api) runWith(s surroundings, args ...string) ran {
	a.t.Helper()
	env := map[string]string{"FLOW_SERVER": a.server.URL, "FLOW_TOKEN": "flow_test", "XDG_CONFIG_HOME": a.t.TempDir()}
	maps.Copy(env, s.env)
	ctx := s.ctx
	if ctx == nil {
		ctx = a.t.Context()
	}
	var out, errs syncBuffer
	f := newFactory(env, s.stdin, &out, &errs)
	code := Run(ctx, f, args)
	return ran{out: out.String(), err: errs.String(), code: code}
}

func newFactory(env map[string]string, stdin io.Reader, out, errs io.Writer) *factory.Factory {
	f := factory.New()
	f.In, f.Piped = stdin, stdin != nil
	if stdin == nil {
		f.In = strings.NewReader("")
	}
	f.Out, f.Err = out, errs
	f.InTTY, f.OutTTY, f.ErrTTY = false, false, false
	f.Env = func(name string) string { return env[name] }
	return f
}

// syncBuffer may be written to by a command while a test reads it.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// golden compares what a command did with a file.
func golden(t *testing.T, name string, got ran) {
	t.Helper()
	text := got.out
	if got.err != "" {
		text += "--- stderr\n" + got.err
	}
	if got.code != 0 {
		text += fmt.Sprintf("--- exit %d\n", got.code)
	}
	path := filepath.Join("testdata", name+".txt")
	if *writeGolden {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("%s:\n%s\nwant:\n%s", name, text, want)
	}
}

func (a *api) saveContext(dir, name string, c contextfile.Context) {
	a.t.Helper()
	if err := contextfile.Save(filepath.Join(dir, "flow", "config.json"), name, c); err != nil {
		a.t.Fatal(err)
	}
}
