package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers with the handler.
func serve(t *testing.T, h http.HandlerFunc) (*httptest.Server, *Client) {
	t.Helper()
	srv := httptest.NewServer(h)
	c := New(Config{Server: srv.URL, Token: "flow_secret", UserAgent: "test/1"})
	t.Cleanup(func() {
		c.Close()
		srv.Close()
	})
	return srv, c
}

// fails returns err as an *Error, and checks that it tells no token.
func fails(t *testing.T, err error, code Code) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("got %v (code %s), want code %s", err, CodeOf(err), code)
	}
	if s := fmt.Sprintf("%v %+v %s", e, e, e.Hint); strings.Contains(s, "secret") {
		t.Errorf("tells a secret: %s", s)
	}
	return e
}

func TestRequest(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body string
	_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		got, body = r, string(data)
		_, _ = io.WriteString(w, `{"id":"1","name":"a/b","network":"lab"}`)
	})
	q, err := c.In("lab").Queues().Create(context.Background(), model.Queue{Object: model.Object{Name: "q"}, MaxMessages: 3})
	if err != nil || q.ID != "1" {
		t.Fatalf("%+v, %v", q, err)
	}
	if got.Header.Get("Authorization") != "Bearer flow_secret" || got.Header.Get("User-Agent") != "test/1" {
		t.Errorf("header %v", got.Header)
	}
	if got.URL.String() != "/v1/queues?network=lab" || body != `{"name":"q","max_messages":3}` {
		t.Errorf("%s %s", got.URL, body)
	}
	if _, err = c.Queues().Get(context.Background(), "a/b?c"); err != nil || got.URL.EscapedPath() != "/v1/queues/a%2Fb%3Fc" {
		t.Errorf("%s, %v", got.URL.EscapedPath(), err)
	}
	if _, err = c.Networks().List(context.Background(), ListOptions{Limit: 5}); err != nil || got.URL.RawQuery != "limit=5" {
		t.Errorf("%s, %v", got.URL.RawQuery, err)
	}
	p := model.Processor{Object: model.Object{Name: "p", Network: "other"}, GitRepo: "/r", Ref: "v1", RefKind: "tag", Status: model.StatusRunning}
	if _, err = c.Processors().Create(context.Background(), p); err != nil || body != `{"name":"p","gitrepo":"/r","tag":"v1","module":""}` || got.URL.RawQuery != "network=other" {
		t.Errorf("%s %s, %v", got.URL, body, err)
	}
}

func TestAllReadsEveryPage(t *testing.T) {
	t.Parallel()
	_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("cursor") {
		case "":
			_, _ = io.WriteString(w, `{"items":[{"name":"a"},{"name":"b"}],"next":"x","total":3}`)
		case "x":
			_, _ = io.WriteString(w, `{"items":[{"name":"c"}],"total":3}`)
		}
	})
	all, err := c.Sockets().All(context.Background())
	if err != nil || len(all) != 3 || all[2].Name != "c" {
		t.Fatalf("%+v, %v", all, err)
	}
}

func TestConnectionIsReused(t *testing.T) {
	t.Parallel()
	var conns atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"version":"1"}`)
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	c := New(Config{Server: srv.URL})
	t.Cleanup(func() {
		c.Close()
		srv.Close()
	})
	for range 10 {
		if _, err := c.Version(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for ten requests", n)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	for _, server := range []string{addr, "http://" + addr, "http://bob:secret@" + addr + "/base/"} {
		c := New(Config{Server: server, Token: "flow_secret"})
		_, err := c.Version(context.Background())
		e := fails(t, err, CodeUnreachable)
		if !strings.Contains(e.Message, addr) || !strings.Contains(e.Message, "connection refused") || !strings.Contains(e.Hint, "flow up") {
			t.Errorf("%q, hint %q", e.Message, e.Hint)
		}
		if !IsUnreachable(err) || !IsTemporary(err) || IsNotFound(err) {
			t.Error("not recognised")
		}
		if err := c.Events(context.Background(), EventFilter{}, nil); !IsUnreachable(err) {
			t.Errorf("events: %v", err)
		}
	}
	for _, server := range []string{"ftp://host", "http://", "http://bob:secret@%zz"} {
		fails(t, second(New(Config{Server: server}).Version(context.Background())), CodeUsage)
	}
}

func second[T any](_ T, err error) error { return err }

func TestProblems(t *testing.T) {
	t.Parallel()
	var status atomic.Int32
	answer := func(w http.ResponseWriter, contentType, body string) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, body)
	}
	_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/queues/html":
			answer(w, "text/html", "<h1>nginx</h1>")
		case "/v1/queues/strange":
			answer(w, "application/json", `{"surprise":1}`)
		case "/v1/queues/cut":
			answer(w, "application/json", `{"name":"x`)
		default:
			data, _ := json.Marshal(Problem{
				Title: "Not Found", Status: 404, Code: CodeNotFound, Detail: `there is no queue "x"`, Hint: "look", Suggestions: []string{"y", "z"},
			})
			answer(w, "application/problem+json", string(data))
		}
	})
	ctx := context.Background()
	status.Store(404)
	err := second(c.Queues().Get(ctx, "x"))
	e := fails(t, err, CodeNotFound)
	if !IsNotFound(err) || e.Status != 404 || e.Hint != "look" || e.Error() != `there is no queue "x" (did you mean y or z?)` {
		t.Errorf("%+v", e)
	}
	for code, want := range map[int]Code{404: CodeUnreachable, 502: CodeUnavailable, 401: CodeUnauthorized, 500: CodeInternal, 504: CodeTimeout, 413: CodeTooLarge, 403: CodeForbidden} {
		status.Store(int32(code))
		if e := fails(t, second(c.Queues().Get(ctx, "html")), want); e.Hint == "" || strings.Contains(e.Message, "nginx") {
			t.Errorf("%d: %+v", code, e)
		}
		fails(t, second(c.Queues().Get(ctx, "strange")), want)
	}
	status.Store(200)
	fails(t, second(c.Queues().Get(ctx, "cut")), CodeInternal)
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}))
	c := New(Config{Server: srv.URL, Timeout: 50 * time.Millisecond})
	t.Cleanup(func() {
		close(stop)
		c.Close()
		srv.Close()
	})
	began := time.Now()
	e := fails(t, second(c.Version(context.Background())), CodeTimeout)
	if time.Since(began) > 5*time.Second || !errors.Is(e, context.DeadlineExceeded) {
		t.Errorf("after %s: %+v", time.Since(began), e)
	}
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := second(c.Version(ctx)); !errors.Is(err, context.Canceled) || CodeOf(err) != "" {
		t.Errorf("a request that was given up: %v", err)
	}
}

func TestResultAsksAgain(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	_, c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 { // a server that stops answers early
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"id":"1","tracking":"t","state":"running"}`)
			return
		}
		_, _ = io.WriteString(w, `{"id":"1","tracking":"t","state":"succeeded","result":[1, 2]}`)
	})
	out, err := c.SubmitWait(context.Background(), Submission{Socket: "s"}, 2*time.Minute)
	if err != nil || !out.Done() || string(out.Result) != "[1, 2]" || asked.Load() != 3 {
		t.Fatalf("%+v, asked %d times, %v", out, asked.Load(), err)
	}
}

func TestEventsResume(t *testing.T) {
	t.Parallel()
	var conns atomic.Int32
	after := make(chan string, 3)
	_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		after <- r.URL.Query().Get("after")
		switch conns.Add(1) {
		case 1: // two events, then the connection breaks
			_, _ = io.WriteString(w, "event: ready\ndata: {}\n\n: alive\n\nid: 1-0\nevent: message\ndata: {\"channel\":\"c\",\"id\":\"1-0\",\"time\":\"2026-01-01T00:00:00Z\",\"data\":{\"n\":1}}\n\n")
			_, _ = io.WriteString(w, "id: 2-0\ndata: {\"channel\":\"c\",\"id\":\"2-0\",\ndata: \"time\":\"2026-01-01T00:00:00Z\",\"data\":{\"n\":2}}\n\nevent: mess")
		case 2: // the server is being restarted
			w.WriteHeader(http.StatusBadGateway)
		default:
			_, _ = io.WriteString(w, "event: ready\ndata: {}\n\nevent: message\ndata: {\"channel\":\"c\",\"id\":\"3-0\",\"time\":\"2026-01-01T00:00:00Z\",\"data\":{\"n\":3}}\n\n")
		}
	})
	var got []string
	ready, lost := 0, 0
	enough := errors.New("enough")
	err := c.Events(context.Background(), EventFilter{
		Ready: func() { ready++ },
		Lost:  func(error) { lost++ },
	}, func(e Event) error {
		if got = append(got, string(e.Data)); len(got) == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || strings.Join(got, "") != `{"n":1}{"n":2}{"n":3}` || ready != 1 || lost != 2 {
		t.Fatalf("%v, %v, ready %d times, lost %d times", err, got, ready, lost)
	}
	for _, want := range []string{"", "2-0", "2-0"} {
		if a := <-after; a != want {
			t.Errorf("resumed after %q, want %q", a, want)
		}
	}
}

func TestPlanNotModified(t *testing.T) {
	t.Parallel()
	_, c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("version") == "v1" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = io.WriteString(w, `{"version":"v1","assignments":[]}`)
	})
	plan, changed, err := c.Plan(context.Background(), "n", "", 0)
	if err != nil || !changed || plan.Version != "v1" {
		t.Fatalf("%+v, %t, %v", plan, changed, err)
	}
	if _, changed, err = c.Plan(context.Background(), "n", "v1", time.Second); err != nil || changed {
		t.Fatalf("%t, %v", changed, err)
	}
}

func FuzzReadSSE(f *testing.F) {
	f.Add("event: a\ndata: b\n\n: c\n\ndata\nid:\n\n")
	f.Fuzz(func(t *testing.T, s string) {
		n := 0
		if err := readSSE(strings.NewReader(s), func(sseMessage) error { n++; return nil }); err == nil {
			t.Fatal("a stream has no good end")
		}
		if n > strings.Count(s, "\n") {
			t.Fatalf("%d messages in %d lines", n, strings.Count(s, "\n"))
		}
	})
}
