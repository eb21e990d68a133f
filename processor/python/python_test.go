package python_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/processortest"
	"github.com/elasticcode/flow/processor/python"
)

// prepare makes a checkout of the files and prepares its module.
func prepare(t testing.TB, module string, files map[string]string) (processor.Program, error) {
	t.Helper()
	return prepareWith(t, processor.Spec{Module: module}, files)
}

func prepareWith(t testing.TB, s processor.Spec, files map[string]string) (processor.Program, error) {
	t.Helper()
	s.Dir, s.CacheDir = processortest.Checkout(t, files), t.TempDir()
	return python.New(python.Config{Logger: testenv.Logger(t)}).Prepare(testenv.Context(t, time.Minute), s)
}

// start starts the only module m of a checkout.
func start(t testing.TB, source string) processor.Process {
	t.Helper()
	program, err := prepare(t, "m", map[string]string{"m.py": source})
	if err != nil {
		t.Fatal(err)
	}
	return startProgram(t, program)
}

func startProgram(t testing.TB, program processor.Program) processor.Process {
	t.Helper()
	p, err := program.Start(testenv.Context(t, time.Minute))
	if err != nil {
		if e, ok := errors.AsType[*processor.Error](err); ok {
			t.Log(e.Detail)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		for range p.Replies() { // until it has ended
		}
	})
	return p
}

// call runs a function; the arguments are JSON.
func call(t testing.TB, p processor.Process, function string, args ...string) processor.Reply {
	t.Helper()
	inv := processor.Invocation{ID: "call-" + function, Function: function, Attempt: 1}
	for _, a := range args {
		inv.Args = append(inv.Args, json.RawMessage(a))
	}
	if err := p.Send(inv); err != nil {
		t.Fatal(err)
	}
	timer := time.NewTimer(30 * time.Second)
	defer timer.Stop()
	select {
	case r, ok := <-p.Replies():
		if !ok {
			t.Fatalf("%s: %v", function, p.Err())
		}
		return r
	case <-timer.C:
		t.Fatalf("%s: no reply", function)
		return processor.Reply{}
	}
}

func TestResultsThatAreNotJSON(t *testing.T) {
	t.Parallel()
	p := start(t, `
import datetime, decimal, dataclasses, enum
def nan(): return {"a": [1, float("nan")]}
def aset(): return [{"x": {1}}]
def raw(): return b"x"
def when(): return datetime.datetime(2020, 1, 1)
def loop():
    a = []
    a.append(a)
    return a
def lazy(): return (i for i in range(3))
def surrogate(): return ["\ud800"]
def key(): return {(1, 2): 3}
def chosen(plugs): plugs["p"] = {1}
def module(): return datetime
@dataclasses.dataclass
class Point:
    x: int
    y: list
class Colour(enum.IntEnum):
    RED = 1
def fine(): return {"t": (1, 2), 3: None, "p": [Point(1, [Point(2, [])])], "c": Colour.RED}
`)
	for function, want := range map[string]string{
		"nan":       "the result['a'][1] is nan",
		"aset":      "the result[0]['x'] is of type set, which is not a JSON value: return a list",
		"raw":       "the result is of type bytes, which is not a JSON value: decode it",
		"when":      "isoformat",
		"loop":      "Circular",
		"lazy":      "generator",
		"surrogate": "the result[0] is a text with a lone surrogate",
		"key":       "a key of the result is of type tuple",
		"chosen":    "plugs['p'] is of type set",
		"module":    "is of type module",
	} {
		r := call(t, p, function)
		if r.Failure == nil || r.Failure.Error != model.FailureResult || !r.Failure.Permanent || !strings.Contains(r.Failure.Message, want) {
			t.Errorf("%s: %+v, want %q", function, r.Failure, want)
		}
	}
	if r := call(t, p, "fine"); string(r.Value) != `{"t":[1,2],"3":null,"p":[{"x":1,"y":[{"x":2,"y":[]}]}],"c":1}` {
		t.Errorf("fine: %s %+v", r.Value, r.Failure)
	}
}

func TestExceptions(t *testing.T) {
	t.Parallel()
	p := start(t, `
import flow
class Own(Exception):
    flow_permanent = True
class Later(Exception):
    flow_retry_after = 0.25
class Broken(Exception):
    def __str__(self): raise RuntimeError("no text")
def permanent(): raise flow.Permanent("never")
def own(): raise Own("mine")
def retry(): raise flow.RetryAfter(1.5, "busy")
def later(): raise Later()
def broken(): raise Broken()
def deep(): return deep()
def interrupt(): raise KeyboardInterrupt
def leave(): exit()
def chained():
    try:
        1 / 0
    except ZeroDivisionError as e:
        raise ValueError("outer") from e
async def soon(x):
    import asyncio
    await asyncio.sleep(0.001)
    if x == "bad":
        raise LookupError(x)
    if x == "exit":
        raise SystemExit(2)
    return x
def needs(a, b): pass
`)
	type outcome struct {
		error, message string
		permanent      bool
		after          int64
	}
	for function, want := range map[string]outcome{
		"permanent": {"Permanent", "never", true, 0},
		"own":       {"Own", "mine", true, 0},
		"retry":     {"RetryAfter", "busy", false, 1500},
		"later":     {"Later", "", false, 250},
		"broken":    {"Broken", "", false, 0},
		"deep":      {"RecursionError", "recursion", false, 0},
		"interrupt": {"KeyboardInterrupt", "", false, 0},
		"leave":     {"NameError", "exit", false, 0}, // site, which has exit(), is not loaded
		"chained":   {"ValueError", "outer", false, 0},
		"needs":     {"TypeError", "missing 2 required positional arguments: 'a' and 'b'", true, 0},
	} {
		r := call(t, p, function)
		f := r.Failure
		if f == nil || f.Error != want.error || !strings.Contains(f.Message, want.message) || f.Permanent != want.permanent || f.RetryAfterMS != want.after {
			t.Errorf("%s: %+v", function, f)
			continue
		}
		if strings.Contains(f.Trace, "host.py") {
			t.Errorf("%s: the trace shows the engine's own code:\n%s", function, f.Trace)
		}
	}
	if r := call(t, p, "chained"); !strings.Contains(r.Failure.Trace, "ZeroDivisionError") || !strings.Contains(r.Failure.Trace, "m.py") {
		t.Errorf("the trace is incomplete:\n%s", r.Failure.Trace)
	}
	if r := call(t, p, "soon", `"bad"`); r.Failure == nil || r.Failure.Error != "LookupError" || strings.Contains(r.Failure.Trace, "asyncio") {
		t.Errorf("async: %+v", r.Failure)
	}
	if r := call(t, p, "soon", `"exit"`); r.Failure == nil || r.Failure.Error != "SystemExit" {
		t.Errorf("async: %+v", r.Failure)
	}
	if r := call(t, p, "soon", `{"a":1}`); string(r.Value) != `{"a":1}` {
		t.Errorf("async: %s %+v", r.Value, r.Failure)
	}
}

func TestOutputBelongsToItsCall(t *testing.T) {
	t.Parallel()
	p := start(t, `
import logging, multiprocessing, os, subprocess, sys, threading
print("while importing")
logging.basicConfig(level=logging.INFO, format="%(message)s")
def child(): logging.info("child"); print("forked")
def mixed():
    print("one"); print("two", file=sys.stderr); logging.info("three")
    os.write(1, b"four\n"); sys.stdout.buffer.write(b"five\n")
    print("six", end="")
def program(): subprocess.run(["sh", "-c", "echo out; echo err >&2; printf end"])
def fork():
    p = multiprocessing.get_context("fork").Process(target=child)
    p.start(); p.join()
    return p.exitcode
def thread():
    t = threading.Thread(target=lambda: [print("line", i) for i in range(50)])
    t.start(); t.join()
def stdin(): return sys.stdin.read()
def closes(): sys.stdout.close()
def blank(): print()
def long(): print("x" * 200000)
def wrecked(): sys.stdout = None
`)
	text := func(r processor.Reply) map[string]string {
		out := map[string]string{}
		for _, l := range r.Log {
			out[l.Text] = l.Stream
		}
		if r.Failure != nil {
			t.Errorf("%s: %+v", r.ID, r.Failure)
		}
		return out
	}
	for range 3 {
		got := text(call(t, p, "mixed"))
		for line, stream := range map[string]string{"one": "stdout", "two": "stderr", "three": "stderr", "four": "stdout", "five": "stdout", "six": "stdout"} {
			if got[line] != stream {
				t.Errorf("line %q: %q, want %q in %v", line, got[line], stream, got)
			}
		}
		if got := text(call(t, p, "program")); got["out"] != "stdout" || got["err"] != "stderr" || got["end"] != "stdout" {
			t.Errorf("program: %v", got)
		}
		if got := text(call(t, p, "fork")); got["child"] != "stderr" || got["forked"] != "stdout" {
			t.Errorf("fork: %v", got)
		}
	}
	if got := text(call(t, p, "thread")); len(got) != 50 || got["line 49"] != "stdout" {
		t.Errorf("thread: %v", got)
	}
	if r := call(t, p, "stdin"); string(r.Value) != `""` {
		t.Errorf("stdin: %s", r.Value)
	}
	if r := call(t, p, "blank"); len(r.Log) != 1 || r.Log[0].Text != "" {
		t.Errorf("blank: %+v", r.Log)
	}
	if r := call(t, p, "long"); len(r.Log) == 0 || r.Failure != nil {
		t.Errorf("long: %d lines, %+v", len(r.Log), r.Failure)
	}
	for _, function := range []string{"closes", "wrecked"} {
		if r := call(t, p, function); r.Failure != nil {
			t.Errorf("%s: %+v", function, r.Failure)
		}
	}
	if r := call(t, p, "stdin"); r.Failure != nil {
		t.Errorf("after the streams were closed: %+v", r.Failure)
	}
}

func TestArgumentsOfTheOriginalsStyle(t *testing.T) {
	t.Parallel()
	p := start(t, `
def old(message, *args, plugs={}, output={}, **kwargs):
    output["x"] = 1
    plugs["p"] = message
    return [message, args, kwargs]
def own_plugs(plugs, /): return plugs
def wrapped(f): 
    import functools
    @functools.wraps(f)
    def inner(*a, **k): return f(*a, **k)
    return inner
@wrapped
def decorated(x, plugs): plugs["d"] = x
`)
	r := call(t, p, "old", `1`, `2`)
	if string(r.Value) != `[1,[2],{}]` || string(r.Plugs["p"]) != "1" {
		t.Errorf("old: %s %s %+v", r.Value, r.Plugs, r.Failure)
	}
	if r := call(t, p, "own_plugs", `5`); string(r.Value) != `5` {
		t.Errorf("own_plugs: %s %+v", r.Value, r.Failure)
	}
	if r := call(t, p, "decorated", `5`); string(r.Plugs["d"]) != `5` {
		t.Errorf("decorated: %+v", r)
	}
}

func TestModuleFlow(t *testing.T) {
	t.Parallel()
	program, err := prepare(t, "m", map[string]string{
		"m.py":    "import flow, flow_runtime\ndef which(): return [flow.NAME, flow_runtime.call().id]\n",
		"flow.py": "NAME = 'the user own'\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := call(t, startProgram(t, program), "which"); string(r.Value) != `["the user own","call-which"]` {
		t.Errorf("got %s %+v", r.Value, r.Failure)
	}
	program, err = prepare(t, "m", map[string]string{
		"m.py": "import flow\ndef which(): return flow.call().id\n", "flow/readme.txt": "a folder is no module",
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := call(t, startProgram(t, program), "which"); string(r.Value) != `"call-which"` {
		t.Errorf("got %s %+v", r.Value, r.Failure)
	}
}

func TestModulesThatDoNotLoad(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ source, message, detail string }{
		"syntax":  {"def f(:\n", "SyntaxError", "m.py"},
		"missing": {"import requestz\n", "requirements.txt", "import requestz"},
		"raises":  {"def f(): 1/0\nf()\n", "ZeroDivisionError", "in f"},
		"exits":   {"import sys\nprint('bye')\nsys.exit(1)\n", "SystemExit", "sys.exit"},
		"dies":    {"import os\nos.write(2, b'last words\\n')\nos._exit(4)\n", "exit status 4", "last words"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, err := prepare(t, "m", map[string]string{"m.py": test.source})
			if err != nil {
				t.Fatal(err)
			}
			_, err = program.Start(t.Context())
			var e *processor.Error
			if !errors.As(err, &e) || !strings.Contains(e.Message, test.message) || !strings.Contains(e.Detail, test.detail) {
				t.Errorf("got %v\n%+v", err, e)
			}
			if e != nil && (strings.Contains(e.Detail, "host.py") || strings.Contains(e.Detail, "importlib")) {
				t.Errorf("the detail shows the engine's own code:\n%s", e.Detail)
			}
		})
	}
}

func TestSlowImportHasAnEnd(t *testing.T) {
	t.Parallel()
	dir := processortest.Checkout(t, map[string]string{"m.py": "import time\nprint('waiting')\ntime.sleep(300)\n"})
	program, err := python.New(python.Config{StartTimeout: 500 * time.Millisecond}).Prepare(t.Context(), processor.Spec{Dir: dir, Module: "m", CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = program.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "did not load within") {
		t.Errorf("got %v", err)
	}
}

func TestCodeSeesNoOtherPackages(t *testing.T) {
	t.Parallel()
	p := start(t, `
import sys, os
def path(): return [sys.path, os.getcwd()]
def pip():
    import pip
`)
	if r := call(t, p, "pip"); r.Failure == nil || r.Failure.Error != "ModuleNotFoundError" {
		t.Errorf("the system's packages are there: %+v", r.Failure)
	}
	if r := call(t, p, "path"); strings.Contains(string(r.Value), "site-packages") || strings.Contains(string(r.Value), "host-") {
		t.Errorf("path: %s", r.Value)
	}
}

func TestInterpreters(t *testing.T) {
	t.Parallel()
	for interpreter, want := range map[string]string{
		"python-of-nobody": "there is no Python interpreter",
		"./python":         "relative path",
		"/bin/true":        "is not a Python interpreter",
		"/bin/false":       "does not run as a Python interpreter",
	} {
		_, err := prepareWith(t, processor.Spec{Module: "m", Interpreter: interpreter}, map[string]string{"m.py": ""})
		var e *processor.Error
		if !errors.As(err, &e) || e.Code != processor.CodeInterpreter || !e.Permanent || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", interpreter, err)
		}
	}
}

// TestOtherVersions runs the host on the interpreters of TEST_PYTHONS, a list of
// paths separated by colons, and on those that are on the PATH.
func TestOtherVersions(t *testing.T) {
	t.Parallel()
	names := filepath.SplitList(os.Getenv("TEST_PYTHONS"))
	for _, v := range []string{"8", "9", "10", "11", "12", "13", "14"} {
		names = append(names, "python3."+v)
	}
	for _, name := range names {
		program, err := prepareWith(t, processor.Spec{Module: "m", Interpreter: name}, map[string]string{"m.py": `
import sys, typing
from typing import List, Optional
import flow
def version(x: Optional[List[int]] = None, *, plugs={}) -> str:
    print("hello")
    plugs["p"] = flow.call().id
    return sys.version
async def soon(): return 1
`})
		var e *processor.Error
		if errors.As(err, &e) && e.Code == processor.CodeInterpreter {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		tasks, err := program.Describe(t.Context())
		if err != nil || len(tasks) != 2 || !strings.Contains(string(tasks[0].Arguments[0].Schema), "array") {
			t.Errorf("%s: %+v %v", name, tasks, err)
		}
		p := startProgram(t, program)
		r := call(t, p, "version")
		if r.Failure != nil || len(r.Log) != 1 || r.Plugs == nil {
			t.Errorf("%s: %+v", name, r)
		}
		t.Logf("%s: %s", name, r.Value)
		if r := call(t, p, "soon"); string(r.Value) != "1" {
			t.Errorf("%s: %+v", name, r.Failure)
		}
	}
}

func TestModulePathsAndNames(t *testing.T) {
	t.Parallel()
	files := map[string]string{"lib/deep/m.py": "def f(): return 1\n"}
	program, err := prepareWith(t, processor.Spec{Module: "deep.m", ModulePath: "lib"}, files)
	if err != nil {
		t.Fatal(err)
	}
	if r := call(t, startProgram(t, program), "f"); string(r.Value) != "1" {
		t.Errorf("%+v", r)
	}
	for _, s := range []processor.Spec{{Module: "deep.m", ModulePath: "none"}, {Module: "m", ModulePath: "../x"}, {Module: "a/b"}, {Module: "a..b"}, {}} {
		_, err := prepareWith(t, s, files)
		var e *processor.Error
		if !errors.As(err, &e) || e.Code != processor.CodeModule || !e.Permanent {
			t.Errorf("%+v: %v", s, err)
		}
	}
	got := strings.Join(append(python.Files("", "a.b"), python.Files("lib/", "c")...), " ")
	if got != "a/b.py a/b/__init__.py src/a/b.py src/a/b/__init__.py lib/c.py lib/c/__init__.py lib/src/c.py lib/src/c/__init__.py" {
		t.Errorf("files: %s", got)
	}
}
