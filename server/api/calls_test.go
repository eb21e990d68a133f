package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

func TestSubmit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	in := client.Submission{Socket: "sample.do_this", Args: []json.RawMessage{value(`{"big": 12345678901234567890}`)}, DeadlineMS: 60_000}
	s, err := b.c.Submit(ctx, in)
	if err != nil || s.State != model.Queued || s.ID == "" || s.Tracking == "" {
		t.Fatalf("%+v, %v", s, err)
	}
	o := b.broker.last(t)
	e := o.Envelope
	if e.ID != s.ID || e.Tracking != s.Tracking || e.Socket != "sample.do_this" || e.Origin != "tester" || e.Network != "default" || e.Deadline == nil || o.Repeat {
		t.Fatalf("envelope %+v", e)
	}
	if string(e.Args[0]) != `{"big":12345678901234567890}` && string(e.Args[0]) != `{"big": 12345678901234567890}` {
		t.Errorf("the value was changed: %s", e.Args[0])
	}
	if o.Endpoint == nil || o.Endpoint.Queue.Name != "q1" || o.Endpoint.Module != "sample" {
		t.Errorf("endpoint %+v", o.Endpoint)
	}
}

func TestSubmitToFunction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	for _, in := range []client.Submission{{Task: "do_this"}, {Task: "sample.do_this"}} {
		in.Args = []json.RawMessage{value(`1`)}
		if _, err := b.c.Submit(ctx, in); err != nil {
			t.Fatal(err)
		}
		if o := b.broker.last(t); o.Endpoint != nil || o.Shared != "sample.do_this" || o.Module != "sample" || o.Task != "do_this" || o.Envelope.Socket != "" {
			t.Errorf("%+v", o)
		}
	}
	// A socket's name that no socket has may be a function's address.
	if err := b.c.Sockets().Delete(ctx, "sample.do_this"); err != nil {
		t.Fatal(err)
	}
	b.socket(t, "other", "do_this")
	if _, err := b.c.Submit(ctx, client.Submission{Socket: "sample.do_this", Args: []json.RawMessage{value(`1`)}}); err != nil {
		t.Fatal(err)
	}
	if o := b.broker.last(t); o.Shared != "sample.do_this" {
		t.Errorf("%+v", o)
	}
}

func TestSubmitIsChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	args := func(n int) (out []json.RawMessage) {
		for range n {
			out = append(out, value("1"))
		}
		return out
	}
	kwargs := func(names ...string) map[string]json.RawMessage {
		out := map[string]json.RawMessage{}
		for _, n := range names {
			out[n] = value("1")
		}
		return out
	}
	big := value(`"` + strings.Repeat("x", model.MaxPayload) + `"`)
	for name, c := range map[string]struct {
		in    client.Submission
		code  client.Code
		parts []string
	}{
		"nothing":           {client.Submission{}, client.CodeInvalid, []string{"names no socket"}},
		"both":              {client.Submission{Socket: "a", Task: "b"}, client.CodeInvalid, []string{"one of them"}},
		"unknown socket":    {client.Submission{Socket: "sample.do_tihs"}, client.CodeNotFound, []string{"sample.do_this"}},
		"unknown task":      {client.Submission{Task: "do_tihs"}, client.CodeNotFound, []string{"do_this"}},
		"too many":          {client.Submission{Socket: "sample.do_this", Args: args(2)}, client.CodeInvalid, []string{"at most 1", "do_this(message)"}},
		"missing":           {client.Submission{Socket: "sample.add_two", Args: args(1)}, client.CodeInvalid, []string{"needs a value for two"}},
		"unknown name":      {client.Submission{Socket: "sample.add_two", Args: args(1), Kwargs: kwargs("twwo")}, client.CodeInvalid, []string{`"twwo"`, "two"}},
		"twice":             {client.Submission{Socket: "sample.add_two", Args: args(1), Kwargs: kwargs("one", "two")}, client.CodeInvalid, []string{"twice"}},
		"unknown argument":  {client.Submission{Socket: "sample.add_two", Argument: "on", Args: args(1)}, client.CodeInvalid, []string{"one"}},
		"argument of many":  {client.Submission{Socket: "sample.add_two", Argument: "one", Args: args(2)}, client.CodeInvalid, []string{"exactly one"}},
		"argument, no join": {client.Submission{Task: "add_two", Argument: "one", Args: args(1)}, client.CodeInvalid, []string{"socket"}},
		"too large":         {client.Submission{Socket: "sample.do_this", Args: []json.RawMessage{big}}, client.CodeTooLarge, []string{"8388608"}},
		"far too large":     {client.Submission{Socket: "sample.do_this", Args: []json.RawMessage{big, big}}, client.CodeTooLarge, []string{"too large"}},
		"long id":           {client.Submission{Socket: "sample.do_this", Args: args(1), ID: strings.Repeat("i", 300)}, client.CodeInvalid, []string{"255"}},
		"past deadline":     {client.Submission{Socket: "sample.do_this", Args: args(1), DeadlineMS: -1}, client.CodeInvalid, []string{"past"}},
	} {
		t.Run(name, func(t *testing.T) {
			wants(t, second(b.c.Submit(context.Background(), c.in)), c.code, c.parts...)
		})
	}
	if len(b.broker.sent) > 0 {
		t.Errorf("%d calls were sent", len(b.broker.sent))
	}
	for name, in := range map[string]client.Submission{
		"by position": {Socket: "sample.add_two", Args: args(2)},
		"by name":     {Socket: "sample.add_two", Kwargs: kwargs("one", "two")},
		"mixed":       {Socket: "sample.add_two", Args: args(1), Kwargs: kwargs("two")},
	} {
		if _, err := b.c.Submit(context.Background(), in); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSubmitArgument(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	in := client.Submission{Socket: "sample.add_two", Argument: "two", Args: []json.RawMessage{value("2")}}
	s, err := b.c.Submit(ctx, in)
	if err != nil || s.State != model.Waiting || b.broker.last(t).Envelope.Argument != "two" {
		t.Fatalf("%+v, %v", s, err)
	}
	// It waits for the call that the argument becomes part of.
	b.results.put(result.Result{Call: s.ID, State: model.Succeeded, Joined: "j1"})
	b.results.put(result.Result{Call: "j1", State: model.Succeeded, Value: value("3")})
	out, err := b.c.Result(ctx, s.ID, time.Second)
	if err != nil || out.Joined != "j1" || string(out.Result) != "3" || out.State != model.Succeeded {
		t.Fatalf("%+v, %v", out, err)
	}
}

func TestSubmitTwice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	in := client.Submission{Socket: "sample.do_this", Args: []json.RawMessage{value("1")}, ID: "order 7"}
	first, err := b.c.Submit(ctx, in)
	if err != nil || b.broker.last(t).Repeat {
		t.Fatalf("a new id is no repeat: %v", err)
	}
	// Before it is recorded it is sent again, as the same call.
	again, err := b.c.Submit(ctx, in)
	if err != nil || again != first {
		t.Fatalf("%+v and %+v, %v", first, again, err)
	}
	call := b.broker.last(t).Envelope.Call(model.Succeeded)
	if err := b.store.RecordCalls(ctx, []model.Call{call}); err != nil {
		t.Fatal(err)
	}
	sent := len(b.broker.sent)
	again, err = b.c.Submit(ctx, in)
	if err != nil || again.ID != first.ID || again.State != model.Succeeded || len(b.broker.sent) != sent {
		t.Fatalf("%+v, %v, sent %d and %d", again, err, sent, len(b.broker.sent))
	}
	in.ID = first.ID // a UUID is the id itself
	if again, err = b.c.Submit(ctx, in); err != nil || again.ID != first.ID {
		t.Fatalf("%+v, %v", again, err)
	}
	in.Socket, in.Args = "sample.add_two", append(in.Args, value("2"))
	wants(t, second(b.c.Submit(ctx, in)), client.CodeConflict, "exists already")
}

func TestSubmitWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	in := client.Submission{Socket: "sample.do_this", Args: []json.RawMessage{value("1")}, ID: "0198c7d2-0000-7000-8000-000000000001"}
	out, err := b.c.SubmitWait(ctx, in, 20*time.Millisecond)
	if err != nil || out.Done() || out.State != model.Queued {
		t.Fatalf("%+v, %v", out, err)
	}
	done := make(chan client.Outcome, 1)
	go func() {
		out, err := b.c.SubmitWait(ctx, in, 30*time.Second)
		if err != nil {
			t.Error(err)
		}
		done <- out
	}()
	b.results.put(result.Result{Call: in.ID, State: model.Failed, Failure: &model.Failure{Error: "ValueError", Message: "no"}})
	if out := <-done; out.State != model.Failed || out.Failure == nil || out.Failure.Error != "ValueError" || out.ID != in.ID {
		t.Fatalf("%+v", out)
	}
	b.results.put(result.Result{Call: in.ID, State: model.Succeeded, Value: value("null")})
	if out, err = b.c.SubmitWait(ctx, in, time.Second); err != nil || string(out.Result) != "null" {
		t.Fatalf("a function that returned nothing: %+v, %v", out, err)
	}
}

// TestWaitEndsWithTheServer: who waits is answered when the server stops.
func TestWaitEndsWithTheServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	began := time.Now()
	time.AfterFunc(50*time.Millisecond, b.api.end)
	out, err := b.c.SubmitWait(context.Background(), client.Submission{Socket: "sample.do_this", Args: []json.RawMessage{value("1")}}, 100*time.Millisecond)
	if err != nil || out.Done() || time.Since(began) > 10*time.Second {
		t.Fatalf("%+v, %v", out, err)
	}
}

func TestSubmitBatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	var calls []client.Submission
	for i := range 300 {
		calls = append(calls, client.Submission{Socket: "sample.do_this", Args: []json.RawMessage{value(fmt.Sprint(i))}})
	}
	done, err := b.c.SubmitBatch(ctx, calls)
	if err != nil || len(done) != 300 || len(b.broker.sent) != 300 {
		t.Fatalf("%d of %d, %v", len(done), len(b.broker.sent), err)
	}
	for i, s := range done {
		if e := b.broker.sent[i].Envelope; e.ID != s.ID || string(e.Args[0]) != fmt.Sprint(i) {
			t.Fatalf("call %d out of order", i)
		}
	}
	calls[7].Socket = "nothing"
	wants(t, second(b.c.SubmitBatch(ctx, calls)), client.CodeNotFound, "call 8", "nothing")
	if len(b.broker.sent) != 300 {
		t.Error("part of a refused batch was sent")
	}
}

func TestSubmitFailures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	in := client.Submission{Socket: "sample.do_this", Args: []json.RawMessage{value("1")}}
	for _, c := range []struct {
		err    error
		code   client.Code
		status int
	}{
		{broker.ErrFull, client.CodeUnavailable, 429},
		{broker.ErrUnavailable, client.CodeUnavailable, 503},
		{broker.ErrBlocked, client.CodeUnavailable, 503},
		{broker.ErrTooLarge, client.CodeTooLarge, 413},
		{broker.ErrUnroutable, client.CodeUnavailable, 503},
		{context.DeadlineExceeded, client.CodeTimeout, 504},
		{fmt.Errorf("amqp://bob:secret@host: strange"), client.CodeInternal, 500},
	} {
		b.broker.failWith(&broker.PublishError{Errs: []error{c.err}})
		e := wants(t, second(b.c.Submit(ctx, in)), c.code)
		if e.Status != c.status || strings.Contains(e.Error()+e.Hint, "secret") {
			t.Errorf("%v: status %d: %v", c.err, e.Status, e)
		}
	}
}

// TestSubmitWithoutDatabase: calls are accepted while the database is away.
func TestSubmitWithoutDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.system(t)
	ctx := context.Background()
	in := client.Submission{Socket: "sample.do_this", Args: []json.RawMessage{value("1")}}
	must(t)(b.c.Submit(ctx, in))
	if err := b.store.Close(); err != nil {
		t.Fatal(err)
	}
	b.api.Changed() // so that the catalog has to look again
	must(t)(b.c.Submit(ctx, in))
	in.ID = "given"
	must(t)(b.c.Submit(ctx, in))
}

func TestCalls(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := testenv.Context(t, time.Minute)
	now := time.Now().UTC()
	record := func(id, parent string, state model.State) model.Call {
		c := model.Call{ID: id, Tracking: "run", Network: "default", Socket: "s", State: state, Created: now, Result: value("1")}
		if parent != "" {
			c.Parents = []string{parent}
		}
		return c
	}
	err := b.store.RecordCalls(ctx, []model.Call{record("a", "", model.Succeeded), record("b", "a", model.Succeeded), record("c", "b", model.Running)})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := b.c.Call(ctx, "b"); err != nil || c.Parents[0] != "a" {
		t.Fatalf("%+v, %v", c, err)
	}
	if page, err := b.c.Calls(ctx, client.CallFilter{Unfinished: true}); err != nil || len(page.Items) != 1 || page.Items[0].ID != "c" {
		t.Fatalf("%+v, %v", page, err)
	}
	if page, err := b.c.Calls(ctx, client.CallFilter{Run: "run", State: model.Succeeded, Ascending: true}); err != nil || len(page.Items) != 2 || page.Items[0].ID != "a" {
		t.Fatalf("%+v, %v", page, err)
	}
	for _, c := range []struct {
		f    client.CallFilter
		want int64
	}{
		{client.CallFilter{Since: now.Add(time.Microsecond)}, 0},
		{client.CallFilter{Since: now, Until: now.Add(time.Microsecond)}, 3},
		{client.CallFilter{Until: now}, 0},
		{client.CallFilter{Until: now.Add(time.Hour), State: model.Running, Exact: true}, 1},
	} {
		if page, err := b.c.Calls(ctx, c.f); err != nil || page.Total != c.want {
			t.Errorf("%+v: %d calls, want %d: %v", c.f, page.Total, c.want, err)
		}
	}
	wants(t, second(b.c.Calls(ctx, client.CallFilter{Since: now, Until: now})), client.CodeInvalid, "until=", "is not after since=", "no time is between", "give an earlier since")
	if tree, err := b.c.Tree(ctx, "b"); err != nil || len(tree) != 2 {
		t.Fatalf("%+v, %v", tree, err)
	}
	if run, err := b.c.Run(ctx, "run"); err != nil || len(run) != 3 {
		t.Fatalf("%+v, %v", run, err)
	}
	if out, err := b.c.Result(ctx, "a", 0); err != nil || string(out.Result) != "1" {
		t.Fatalf("%+v, %v", out, err)
	}
	if out, err := b.c.Result(ctx, "c", 0); err != nil || out.Done() {
		t.Fatalf("%+v, %v", out, err)
	}
	// The result store may know before the recorder.
	b.results.put(result.Result{Call: "d", State: model.Succeeded, Value: value("4")})
	if c, err := b.c.Call(ctx, "d"); err != nil || c.State != model.Succeeded || string(c.Result) != "4" {
		t.Fatalf("%+v, %v", c, err)
	}
	waits := record("f", "", model.Queued)
	again := record("g", "", model.Queued)
	again.Attempt = 3
	if err := b.store.RecordCalls(ctx, []model.Call{waits, again}); err != nil {
		t.Fatal(err)
	}
	b.results.put(result.Result{Call: "f", State: model.Succeeded, Value: value("5"), Attempt: 1, Started: now, Finished: now})
	b.results.put(result.Result{Call: "g", State: model.Dead, Attempt: 3, Finished: now}) // before a person ran it again
	if c, err := b.c.Call(ctx, "f"); err != nil || c.State != model.Succeeded || string(c.Result) != "5" || c.Attempt != 1 || !c.Finished.Equal(now) {
		t.Fatalf("%+v, %v", c, err)
	}
	if c, err := b.c.Call(ctx, "g"); err != nil || c.State != model.Queued || c.Finished != nil {
		t.Fatalf("%+v, %v", c, err)
	}
	// Who accepted a call knows it before both.
	b.broker.early = map[string]model.Call{"e": {ID: "e", Tracking: "run", Socket: "sample.do_this", State: model.Queued}}
	if c, err := b.c.Call(ctx, "e"); err != nil || c.State != model.Queued || c.Socket != "sample.do_this" {
		t.Fatalf("%+v, %v", c, err)
	}
	if out, err := b.c.Result(ctx, "e", 0); err != nil || out.Done() {
		t.Fatalf("%+v, %v", out, err)
	}
	began := time.Now()
	wants(t, second(b.c.Call(ctx, "nothing")), client.CodeNotFound, "call")
	wants(t, second(b.c.Result(ctx, "nothing", 0)), client.CodeNotFound)
	if took := time.Since(began); took > 5*recorderLag {
		t.Errorf("an unknown call is looked for during %s", took)
	}
	// And the recorder may know what the result store has lost.
	b.results.mu.Lock()
	b.results.down = result.ErrUnavailable
	b.results.mu.Unlock()
	time.AfterFunc(50*time.Millisecond, func() { _ = b.store.RecordCalls(ctx, []model.Call{record("c", "b", model.Succeeded)}) })
	if out, err := b.c.Result(ctx, "c", 10*time.Second); err != nil || !out.Done() {
		t.Fatalf("%+v, %v", out, err)
	}
}

func TestCheckArguments(t *testing.T) {
	t.Parallel()
	task := model.Task{Name: "f", Arguments: []model.Argument{
		{Name: "a", Kind: model.PositionalOnly},
		{Name: "b", Kind: model.PositionalOrKeyword, HasDefault: true},
		{Name: "rest", Kind: model.VarPositional},
		{Name: "c", Kind: model.KeywordOnly},
		{Name: "plugs", Kind: model.KeywordOnly},
		{Name: "more", Kind: model.VarKeyword},
	}}
	call := func(n int, names ...string) client.Submission {
		s := client.Submission{Args: make([]json.RawMessage, n), Kwargs: map[string]json.RawMessage{}}
		for _, name := range names {
			s.Kwargs[name] = value("1")
		}
		return s
	}
	for name, c := range map[string]struct {
		in client.Submission
		ok bool
	}{
		"least":           {call(1, "c"), true},
		"many":            {call(9, "c"), true},
		"extra name":      {call(1, "c", "anything"), true},
		"keyword missing": {call(1), false},
		"first missing":   {call(0, "c"), false},
		"only by place":   {call(0, "a", "c"), false},
		"engine's own":    {call(1, "c", "plugs"), false},
		"b twice":         {call(2, "b", "c"), false},
	} {
		if err := checkArguments(task, c.in); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
