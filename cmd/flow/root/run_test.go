package root

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

// runner is a fake that runs every call at once: fn gives the outcome.
func runner(t *testing.T, fn func(client.Submission) client.Outcome) *api {
	t.Helper()
	a := newAPI(t)
	a.handle("POST /v1/calls", func(w http.ResponseWriter, r *http.Request) {
		var s client.Submission
		if err := json.NewDecoder(r.Body).Decode(&s); err != nil {
			problem(w, 400, client.Problem{Code: client.CodeUsage, Detail: err.Error()})
			return
		}
		out := fn(s)
		out.ID, out.Tracking = s.ID, s.ID
		giveJSON(w, out)
	})
	return a
}

func succeeded(result string) client.Outcome {
	return client.Outcome{Submitted: client.Submitted{State: model.Succeeded}, Result: json.RawMessage(result)}
}

func failed(e, message, trace string) client.Outcome {
	return client.Outcome{Submitted: client.Submitted{State: model.Failed}, Failure: &model.Failure{Error: e, Message: message, Trace: trace}}
}

func TestTaskRunSends(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "data.json")
	if err := os.WriteFile(file, []byte("{from: file}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args  []string
		stdin string
		want  string // the submission without its id
	}{
		{[]string{"--socket", "s", "--data", "['some data']"}, "", `{"socket":"s","args":[["some data"]]}`},
		{[]string{"-s", "s", "-d", "hello"}, "", `{"socket":"s","args":["hello"]}`},
		{[]string{"-s", "s", "-d", ""}, "", `{"socket":"s","args":[""]}`},
		{[]string{"-s", "s", "-d", "@" + file}, "", `{"socket":"s","args":[{"from":"file"}]}`},
		{[]string{"-s", "s", "-d", "@-"}, "[1]\n", `{"socket":"s","args":[[1]]}`},
		{[]string{"-s", "s", "-nd"}, "ignored", `{"socket":"s"}`},
		{[]string{"-s", "s"}, "HI THERE!\n", `{"socket":"s","args":["HI THERE!"]}`},
		{[]string{"-s", "s"}, "[1]\n\n", `{"socket":"s","args":["[1]\n"]}`},
		{[]string{"-n", "m.f", "--args", "[1, 'two', {a: b}]"}, "", `{"task":"m.f","args":[1,"two",{"a":"b"}]}`},
		{[]string{"-s", "s", "--kwargs", "{one: 1}"}, "ignored", `{"socket":"s","kwargs":{"one":1}}`},
		{[]string{"-s", "s", "-d", "1", "--kwargs", "{one: 1}"}, "", `{"socket":"s","args":[1],"kwargs":{"one":1}}`},
		{[]string{"-s", "s", "-a", "one", "-d", "1"}, "", `{"socket":"s","args":[1],"argument":"one"}`},
		{[]string{"-s", "s", "-a", "one"}, "text", `{"socket":"s","args":["text"],"argument":"one"}`},
		{[]string{"-s", "s", "-nd", "--deadline", "1m"}, "", `{"socket":"s","deadline_ms":60000}`},
	} {
		a := runner(t, func(client.Submission) client.Outcome { return succeeded(`"ok"`) })
		s := surroundings{}
		if c.stdin != "" {
			s.stdin = strings.NewReader(c.stdin)
		}
		got := a.runWith(s, append([]string{"task", "run"}, c.args...)...)
		if got.code != 0 || got.out != "ok\n" || got.err != "" {
			t.Errorf("%q: %+v", c.args, got)
		}
		var sent map[string]json.RawMessage
		if err := json.Unmarshal([]byte(a.last().Body), &sent); err != nil {
			t.Fatal(err)
		}
		if len(sent["id"]) != 38 {
			t.Errorf("%q: the call's id is %s", c.args, sent["id"])
		}
		delete(sent, "id")
		var want map[string]json.RawMessage
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprintf("%s", sent) != fmt.Sprintf("%s", want) {
			t.Errorf("%q sent %s, want %s", c.args, sent, want)
		}
	}
}

func TestTaskRunPrints(t *testing.T) {
	t.Parallel()
	for result, want := range map[string]string{
		`"Do this: ['some data']"`:            "Do this: ['some data']\n",
		`"two\nlines \u00e9"`:                 "two\nlines é\n",
		`{"a": 1, "b": [1.50, "<x>"]}`:        "{\"a\":1,\"b\":[1.50,\"<x>\"]}\n",
		`null`:                                "null\n",
		`12345678901234567890`:                "12345678901234567890\n",
		``:                                    "null\n",
		`"\u001b[1mas it is\u001b[0m \u0000"`: "\x1b[1mas it is\x1b[0m \x00\n",
	} {
		a := runner(t, func(client.Submission) client.Outcome { return succeeded(result) })
		if got := a.run("task", "run", "-s", "s", "-nd"); got.out != want || got.err != "" || got.code != 0 {
			t.Errorf("result %s: %+v, want %q", result, got, want)
		}
	}
	a := runner(t, func(client.Submission) client.Outcome { return succeeded(`"text"`) })
	if got := a.run("task", "run", "-s", "s", "-nd", "-f", "json"); got.out != "\"text\"\n" {
		t.Errorf("as JSON: %+v", got)
	}
}

func TestTaskRunFailure(t *testing.T) {
	t.Parallel()
	a := runner(t, func(client.Submission) client.Outcome {
		return failed("ValueError", "no\x1b[2J", "Traceback (most recent call last):\n  File \"a.py\", line 1\nValueError: no\n")
	})
	got := a.run("task", "run", "-s", "s", "-nd", "--id", "0190c0de-0000-7000-8000-000000000000")
	golden(t, "task-run-failed", got)
	a = runner(t, func(client.Submission) client.Outcome {
		return client.Outcome{Submitted: client.Submitted{State: model.Cancelled}}
	})
	if got := a.run("task", "run", "-s", "s", "-nd"); got.code != 8 || got.out != "" || !strings.Contains(got.err, "is cancelled") {
		t.Errorf("cancelled: %+v", got)
	}
	a = newAPI(t)
	a.refuse("POST /v1/calls", 404, client.Problem{Code: client.CodeNotFound, Detail: `socket "doubl" was not found`, Suggestions: []string{"double"}, Hint: "flow ls sockets"})
	if got := a.run("task", "run", "-s", "doubl", "-nd"); got.code != 3 || got.err != "error: socket \"doubl\" was not found\ndid you mean \"double\"?\nnext: flow ls sockets\n" {
		t.Errorf("unknown socket: %+v", got)
	}
}

func TestTaskRunNoWait(t *testing.T) {
	t.Parallel()
	a := runner(t, func(client.Submission) client.Outcome {
		return client.Outcome{Submitted: client.Submitted{State: model.Queued}}
	})
	got := a.run("task", "run", "-s", "s", "-nd", "--no-wait", "--id", do1)
	if got.out != do1+"\n" || got.code != 0 || strings.Contains(a.last().Line, "wait") {
		t.Errorf("%+v after %v", got, a.last())
	}
}

func TestTaskRunLines(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int64
	a := runner(t, func(s client.Submission) client.Outcome {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		if string(s.Args[0]) == `"13"` {
			return failed("ValueError", "unlucky", "")
		}
		return succeeded(string(s.Args[0]))
	})
	var in, want strings.Builder
	for i := range 500 {
		fmt.Fprintln(&in, i)
		if i != 13 {
			fmt.Fprintln(&want, i)
		}
	}
	got := a.runWith(surroundings{stdin: strings.NewReader(in.String())}, "task", "run", "-s", "s", "--lines")
	if got.out != want.String() {
		t.Errorf("results are not those of the lines in order: %.200s", got.out)
	}
	if got.code != 8 || !strings.Contains(got.err, "line 14: call ") || !strings.Contains(got.err, "error: 1 of 500 calls failed") {
		t.Errorf("exit %d, %s", got.code, got.err)
	}
	if most.Load() > 64 {
		t.Errorf("%d calls at the same time", most.Load())
	}
}

// A line is a call as soon as it is there: the input need not end first.
func TestTaskRunLinesStreams(t *testing.T) {
	t.Parallel()
	ran := make(chan string, 1)
	a := runner(t, func(s client.Submission) client.Outcome {
		ran <- string(s.Args[0])
		return succeeded(string(s.Args[0]))
	})
	in, typed := io.Pipe()
	done := make(chan outcomeOf)
	go func() { done <- outcomeOf(a.runWith(surroundings{stdin: in}, "task", "run", "-s", "s", "-l")) }()
	for _, line := range []string{"one", "two"} {
		fmt.Fprintln(typed, line)
		if got := <-ran; got != `"`+line+`"` {
			t.Errorf("ran with %s", got)
		}
	}
	typed.Close()
	if got := <-done; got.out != "one\ntwo\n" || got.code != 0 {
		t.Errorf("%+v", got)
	}
}

type outcomeOf ran

func TestTaskRunLinesStopsAtAnError(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.refuse("POST /v1/calls", 401, client.Problem{Code: client.CodeUnauthorized, Detail: "the token is not valid", Hint: "flow --config"})
	got := a.runWith(surroundings{stdin: strings.NewReader("1\n2\n")}, "task", "run", "-s", "s", "-l")
	if got.code != 4 || !strings.HasPrefix(got.err, "error: line 1: the token is not valid\n") {
		t.Errorf("%+v", got)
	}
}

func TestTaskRunLinesNoWait(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	var mu sync.Mutex
	var sizes []int
	a.handle("POST /v1/calls/batch", func(w http.ResponseWriter, r *http.Request) {
		var b client.Batch
		_ = json.NewDecoder(r.Body).Decode(&b)
		var out client.BatchSubmitted
		for _, s := range b.Calls {
			out.Calls = append(out.Calls, client.Submitted{ID: s.ID, State: model.Queued})
		}
		mu.Lock()
		sizes = append(sizes, len(b.Calls))
		mu.Unlock()
		giveJSON(w, out)
	})
	in := strings.Repeat("line\n", 1200) + "last"
	got := a.runWith(surroundings{stdin: strings.NewReader(in)}, "task", "run", "-s", "s", "-l", "--no-wait")
	if ids := strings.Fields(got.out); len(ids) != 1201 || got.code != 0 {
		t.Errorf("%d ids, exit %d: %s", len(ids), got.code, got.err)
	}
	if len(sizes) > 5 {
		t.Errorf("batches of %v", sizes)
	}
}

func TestTaskRunTimeout(t *testing.T) {
	t.Parallel()
	a := runner(t, func(client.Submission) client.Outcome {
		return client.Outcome{Submitted: client.Submitted{State: model.Running}}
	})
	a.give("GET /v1/calls/"+do1+"/result", client.Outcome{Submitted: client.Submitted{ID: do1, State: model.Running}})
	got := a.run("task", "run", "-s", "s", "-nd", "--timeout", "30ms", "--id", do1)
	golden(t, "task-run-timeout", got)
}

func TestTaskRunInterrupted(t *testing.T) {
	t.Parallel()
	a := runner(t, func(client.Submission) client.Outcome {
		return client.Outcome{Submitted: client.Submitted{State: model.Running}}
	})
	ctx, interrupt := context.WithCancel(t.Context())
	a.handle("GET /v1/calls/"+do1+"/result", func(w http.ResponseWriter, r *http.Request) {
		interrupt()
		<-r.Context().Done()
	})
	got := a.runWith(surroundings{ctx: ctx}, "task", "run", "-s", "s", "-nd", "--id", do1)
	golden(t, "task-run-interrupted", got)
}

// The server dies and comes back while the call runs: the result is still printed,
// and the call was submitted under one id.
func TestTaskRunSurvivesTheServer(t *testing.T) {
	t.Parallel()
	cut := func(w http.ResponseWriter) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	}
	var submits, asks atomic.Int64
	a := newAPI(t)
	a.handle("POST /v1/calls", func(w http.ResponseWriter, _ *http.Request) {
		if submits.Add(1) == 1 {
			cut(w) // accepted or not? nobody knows
			return
		}
		giveJSON(w, client.Outcome{Submitted: client.Submitted{ID: do1, State: model.Queued}})
	})
	a.handle("GET /v1/calls/"+do1+"/result", func(w http.ResponseWriter, _ *http.Request) {
		switch asks.Add(1) {
		case 1:
			cut(w)
		case 2:
			problem(w, 503, client.Problem{Code: client.CodeUnavailable, Detail: "the broker does not answer"})
		default:
			giveJSON(w, client.Outcome{Submitted: client.Submitted{ID: do1, State: model.Succeeded}, Result: json.RawMessage(`"late"`)})
		}
	})
	got := a.run("task", "run", "-s", "s", "-nd")
	if got.out != "late\n" || got.code != 0 || !strings.Contains(got.err, "asking again") {
		t.Errorf("%+v", got)
	}
	ids := map[string]bool{}
	for _, r := range a.asked("POST /v1/calls") {
		ids[r.Body] = true
	}
	if len(ids) != 1 {
		t.Errorf("submitted as %v", ids)
	}
}

func TestTaskRunWithoutServer(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.server.Close()
	got := a.run("task", "run", "-s", "s", "-nd")
	if got.code != 6 || !strings.Contains(got.err, "cannot reach the Flow server") || !strings.Contains(got.err, "next: start one with 'flow up'") {
		t.Errorf("%+v", got)
	}
}
