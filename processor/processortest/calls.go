package processortest

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
)

func testDescribe(t *testing.T, s Suite) {
	program, err := s.prepare(t, s.Module)
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := program.Describe(testenv.Context(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, task := range tasks {
		names[task.Name] = true
		if task.Module != s.Module || task.Commit != "abc" {
			t.Errorf("task %s: module %q, commit %q", task.Name, task.Module, task.Commit)
		}
		if task.Name == "echo" && (task.Doc == "" || task.Source == "" || !task.AcceptsKeyword("anything")) {
			t.Errorf("task echo is badly described: %+v", task)
		}
	}
	for _, want := range []string{"echo", "nap", "fail", "leave", "crash", "say", "big", "choose", "context", "variable", "spawn"} {
		if !names[want] {
			t.Errorf("function %s is not described", want)
		}
	}
}

func testBroken(t *testing.T, s Suite) {
	for _, module := range []string{s.Broken, "there_is.no_such_module"} {
		program, err := s.prepare(t, module)
		if err == nil {
			_, err = program.Describe(testenv.Context(t, patience))
		}
		var e *processor.Error
		if !errors.As(err, &e) || e.Code != processor.CodeModule || !e.Permanent {
			t.Errorf("%s: got %v, want a permanent error of code module", module, err)
		}
	}
}

func testPrepareAtOnce(t *testing.T, s Suite) {
	spec := processor.Spec{Dir: Checkout(t, s.Files), Module: s.Module, CacheDir: t.TempDir()}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := s.Runtime.Prepare(testenv.Context(t, patience), spec); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func testValues(t *testing.T, s Suite) {
	p := s.start(t)
	for _, v := range []any{
		nil, true, 0, -7, 1.5, 1e300, "", "text", "two\nlines", `"quoted"`, "ünïcödé 🐚 \u2028", " spaces ", "<&>", "null",
		[]any{}, []any{1, []any{"a", nil}}, map[string]any{}, map[string]any{"a": map[string]any{"b": []any{1}}, "ü": "x"},
	} {
		r := p.call("echo", v)
		if r.Failure != nil {
			t.Errorf("%v: %v", v, r.Failure)
			continue
		}
		want := decode(t, encode(t, map[string]any{"args": []any{v}, "kwargs": map[string]any{}}))
		if got := decode(t, r.Value); !reflect.DeepEqual(got, want) {
			t.Errorf("%v came back as %s", v, r.Value)
		}
		if r.Started.IsZero() || r.Finished.Before(r.Started) {
			t.Errorf("it ran from %v to %v", r.Started, r.Finished)
		}
	}
	inv := p.invocation("echo", 1)
	inv.Kwargs = map[string]json.RawMessage{"name": json.RawMessage(`{"x":"y"}`)}
	p.send(inv)
	if r, _ := p.next(); !reflect.DeepEqual(decode(t, r.Value), decode(t, json.RawMessage(`{"args":[1],"kwargs":{"name":{"x":"y"}}}`))) {
		t.Errorf("keyword arguments came back as %s %v", r.Value, r.Failure)
	}
	if r := p.call("nap", 0); r.Failure != nil || len(r.Value) == 0 {
		t.Errorf("a function without a result gives %q, %v", r.Value, r.Failure)
	}
}

func testOrder(t *testing.T, s Suite) {
	p := s.start(t)
	const n = 40
	var invs []processor.Invocation
	for i := range n {
		inv := p.invocation("echo", i)
		if i%10 == 3 {
			inv = p.invocation("fail", "in between")
		}
		inv.ID = string(rune('A' + i))
		invs = append(invs, inv)
	}
	p.send(invs[:1]...)
	p.send(invs[1:]...)
	for i := range n {
		r, ok := p.next()
		if !ok || r.ID != invs[i].ID {
			t.Fatalf("reply %d is for %q, want %q", i, r.ID, invs[i].ID)
		}
		if failed := r.Failure != nil; failed != (i%10 == 3) {
			t.Errorf("reply %d: %s %v", i, r.Value, r.Failure)
		}
	}
}

func testFailures(t *testing.T, s Suite) {
	p := s.start(t)
	r := p.call("fail", "the reason")
	if r.Failure == nil || r.Failure.Error != s.FailError || r.Value != nil {
		t.Fatalf("got %+v", r)
	}
	if !strings.Contains(r.Failure.Message+r.Failure.Trace, "the reason") || r.Failure.Trace == "" {
		t.Errorf("the failure does not give the reason and a trace: %+v", r.Failure)
	}
	if r := p.call("leave", 3); r.Failure == nil || r.Failure.Error != s.LeaveError || !strings.Contains(r.Failure.Message, "3") {
		t.Errorf("leave: %+v", r.Failure)
	}
	p.works()
}

func testUnknown(t *testing.T, s Suite) {
	p := s.start(t)
	r := p.call("ecko")
	if r.Failure == nil || r.Failure.Error != model.FailureNoTask || !r.Failure.Permanent || !strings.Contains(r.Failure.Message, "echo") {
		t.Errorf("got %+v", r.Failure)
	}
	p.works()
}

func testLog(t *testing.T, s Suite) {
	p := s.start(t)
	p.send(p.invocation("say", 2, 3), p.invocation("echo", 1), p.invocation("say", 1, 5))
	for i, want := range [][]string{{"xxx", "xxx"}, nil, {"xxxxx"}} {
		r, _ := p.next()
		var got []string
		for _, line := range r.Log {
			got = append(got, line.Text)
			if line.Time.IsZero() || line.Stream != "stdout" && line.Stream != "stderr" {
				t.Errorf("line %+v", line)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("log of call %d: %q, want %q", i, got, want)
		}
	}
}

func testLogLimit(t *testing.T, s Suite) {
	p := s.start(t)
	r := p.call("say", 3000, 99)
	size := 0
	for _, line := range r.Log[:max(0, len(r.Log)-1)] {
		size += len(line.Text) + 1
	}
	if size > model.MaxLogBytes || size < model.MaxLogBytes-200 {
		t.Errorf("%d bytes were kept", size)
	}
	if len(r.Log) == 0 || !strings.Contains(r.Log[len(r.Log)-1].Text, "2345 more lines were dropped") {
		t.Errorf("the last line does not say how many were dropped: %+v", r.Log[max(0, len(r.Log)-1):])
	}
	p.works()
}

func testResultLimit(t *testing.T, s Suite) {
	p := s.start(t)
	if r := p.call("big", model.MaxPayload-100); r.Failure != nil || len(r.Value) < model.MaxPayload-100 {
		t.Errorf("a result just below the limit: %d bytes, %v", len(r.Value), r.Failure)
	}
	for _, n := range []int{model.MaxPayload + 1, 3 * model.MaxPayload} {
		r := p.call("big", n)
		if r.Failure == nil || r.Failure.Error != model.FailureTooLarge || !r.Failure.Permanent {
			t.Errorf("%d bytes: %+v", n, r.Failure)
		}
	}
	p.works()
}

// testLargeArguments sends more than pipes hold before it reads any reply.
func testLargeArguments(t *testing.T, s Suite) {
	p := s.start(t)
	const n, size = 8, 1 << 20
	for range n {
		p.send(p.invocation("echo", strings.Repeat("x", size)))
	}
	for range n {
		r, ok := p.next()
		if !ok || r.Failure != nil || len(r.Value) < size {
			t.Fatalf("got %d bytes, %v", len(r.Value), r.Failure)
		}
	}
}

func testPlugs(t *testing.T, s Suite) {
	p := s.start(t)
	r := p.call("choose", "left", map[string]any{"a": []any{1}})
	if r.Failure != nil || len(r.Plugs) != 1 || string(r.Value) != "null" {
		t.Fatalf("got %+v", r)
	}
	if got := decode(t, r.Plugs["left"]); !reflect.DeepEqual(got, map[string]any{"a": []any{1.0}}) {
		t.Errorf("the plug carries %v", got)
	}
	if r := p.call("echo", 1); r.Plugs != nil {
		t.Errorf("a function that chose nothing has plugs %v", r.Plugs)
	}
}

func testContext(t *testing.T, s Suite) {
	p := s.start(t)
	inv := p.invocation("context")
	inv.ID, inv.Tracking, inv.Socket, inv.Attempt = "the-id", "the-run", "the.socket", 2
	p.send(inv)
	r, _ := p.next()
	want := map[string]any{"id": "the-id", "tracking": "the-run", "socket": "the.socket", "attempt": 2.0}
	if r.Failure != nil || !reflect.DeepEqual(decode(t, r.Value), want) {
		t.Errorf("got %s %v", r.Value, r.Failure)
	}
}

func testEnvironment(t *testing.T, s Suite) {
	if os.Getenv(Secret) == "" {
		t.Fatalf("TestMain has to set %s", Secret)
	}
	p := s.start(t)
	if r := p.call("variable", Secret); r.Failure != nil || string(r.Value) != "null" {
		t.Errorf("the code sees the engine's environment: %s %v", r.Value, r.Failure)
	}
	if r := p.call("variable", "PATH"); r.Failure != nil || string(r.Value) == "null" {
		t.Errorf("the code has no PATH: %v", r.Failure)
	}
}
