// Package processortest is the conformance suite of runtimes: what any
// implementation of processor.Runtime does, whatever the language of the code.
//
// A runtime's test brings a small module in its language, with these functions:
//
//	echo(*args, **kwargs)     returns {"args": […], "kwargs": {…}}
//	nap(seconds)              returns after so many seconds
//	fail(message)             fails with the message
//	leave(status)             ends the way programs of the language end themselves
//	crash()                   kills its own process with SIGKILL
//	say(lines, width)         prints so many lines of so many letters x
//	big(bytes)                returns a text so long
//	choose(name, value)       chooses the plug for the value, returns nothing
//	context()                 returns {"id", "tracking", "socket", "attempt"} of the call
//	variable(name)            returns the environment variable, or nothing
//	spawn()                   starts a program that sleeps, and returns its process id
//	daemon()                  the same in a session of its own, without the output of the call
//	linger(file)              starts a daemon, writes its process id to the file, and never returns
package processortest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/processor"
)

// Secret is an environment variable that TestMain of a runtime's test sets: the
// code must not see it.
const Secret = "PROCESSORTEST_SECRET"

// Suite says what is tested.
type Suite struct {
	// Runtime is the one that is tested.
	Runtime processor.Runtime
	// Files are the repository, by path. Those that begin with #! are executable.
	Files map[string]string
	// Module is the one with the functions, and Broken one that cannot be loaded.
	Module, Broken string
	// FailError and LeaveError are the types of the failures of fail and leave.
	FailError, LeaveError string
	// OneProcess says that all calls run in one process, which a crash ends.
	// Otherwise each call has a process of its own, and a crash is its failure.
	OneProcess bool
}

// patience bounds everything that is waited for.
const patience = 30 * time.Second

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	t.Helper()
	for _, test := range []struct {
		name string
		f    func(*testing.T, Suite)
	}{
		{"describe", testDescribe}, {"broken module", testBroken}, {"prepare at once", testPrepareAtOnce},
		{"values", testValues}, {"order", testOrder}, {"failures", testFailures}, {"unknown function", testUnknown},
		{"log", testLog}, {"log limit", testLogLimit}, {"result limit", testResultLimit}, {"large arguments", testLargeArguments},
		{"plugs", testPlugs}, {"context", testContext}, {"environment", testEnvironment},
		{"crash", testCrash}, {"kill", testKill}, {"kill the group", testKillGroup}, {"kill daemons", testKillDaemons},
		{"daemons end with the process", testDaemonsEnd}, {"close drains", testCloseDrains}, {"close gives up", testCloseGivesUp},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.f(t, s)
		})
	}
}

// Checkout writes files as a checkout of a repository.
func Checkout(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o444)
		if len(content) > 2 && content[:2] == "#!" {
			mode = 0o555
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (s Suite) prepare(t testing.TB, module string) (processor.Program, error) {
	t.Helper()
	return s.Runtime.Prepare(testenv.Context(t, patience), processor.Spec{
		Dir: Checkout(t, s.Files), Module: module, CacheDir: t.TempDir(), Commit: "abc",
	})
}

// process is a started process and how to talk to it.
type process struct {
	t testing.TB
	processor.Process
	sent int
}

func (s Suite) start(t testing.TB) *process {
	t.Helper()
	program, err := s.prepare(t, s.Module)
	if err != nil {
		t.Fatal(err)
	}
	p, err := program.Start(testenv.Context(t, patience))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		for range p.Replies() { // until it has ended
		}
	})
	return &process{t: t, Process: p}
}

// invocation makes an invocation; its arguments are encoded to JSON.
func (p *process) invocation(function string, args ...any) processor.Invocation {
	p.t.Helper()
	p.sent++
	inv := processor.Invocation{ID: function + "-" + string(rune('a'+p.sent%26)), Function: function, Attempt: 1}
	for _, a := range args {
		inv.Args = append(inv.Args, encode(p.t, a))
	}
	return inv
}

func (p *process) send(invs ...processor.Invocation) {
	p.t.Helper()
	if err := p.Send(invs...); err != nil {
		p.t.Fatal(err)
	}
}

// next waits for the next reply; ok is false when the process has ended.
func (p *process) next() (r processor.Reply, ok bool) {
	p.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case r, ok = <-p.Replies():
		return r, ok
	case <-timer.C:
		p.t.Fatal("no reply in time")
		return r, false
	}
}

// call runs one call.
func (p *process) call(function string, args ...any) processor.Reply {
	p.t.Helper()
	p.send(p.invocation(function, args...))
	r, ok := p.next()
	if !ok {
		p.t.Fatalf("%s: the process ended: %v", function, p.Err())
	}
	return r
}

// works checks that the process still answers.
func (p *process) works() {
	p.t.Helper()
	if r := p.call("echo", 1); r.Failure != nil {
		p.t.Errorf("the process works no more: %v", r.Failure)
	}
}

func encode(t testing.TB, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(t testing.TB, raw json.RawMessage) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return v
}
