package processortest

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/processor"
)

// testCrash has the code kill itself between two calls.
func testCrash(t *testing.T, s Suite) {
	p := s.start(t)
	first, crash, last := p.invocation("say", 1, 1), p.invocation("crash"), p.invocation("echo", 1)
	p.send(first, crash, last)
	if r, ok := p.next(); !ok || r.ID != first.ID || r.Failure != nil {
		t.Fatalf("the call before the crash: %+v", r)
	}
	r, ok := p.next()
	if !s.OneProcess {
		if !ok || r.Failure == nil || !strings.Contains(r.Failure.Message, "signal 9") {
			t.Errorf("the crash: %+v", r)
		}
		p.works()
		return
	}
	if ok {
		t.Fatalf("the process answered %+v after it was killed", r)
	}
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "signal 9") || !strings.Contains(err.Error(), "crash") {
		t.Errorf("the end is explained as: %v", err)
	}
	if id, _ := interrupted(t, p); id != crash.ID {
		t.Errorf("call %q was interrupted, want %q", id, crash.ID)
	}
	if err := p.Send(last); err == nil {
		t.Error("a process that has ended takes calls")
	}
}

func interrupted(t *testing.T, p *process) (string, int) {
	t.Helper()
	i, ok := p.Process.(processor.Interrupted)
	if !ok {
		t.Fatal("the process does not tell what it was at")
	}
	id, log := i.Interrupted()
	return id, len(log)
}

func testKill(t *testing.T, s Suite) {
	p := s.start(t)
	p.works()
	nap := p.invocation("nap", 300)
	p.send(nap, p.invocation("echo", 1))
	p.Kill()
	if r, ok := p.next(); ok {
		t.Fatalf("a killed process answered %+v", r)
	}
	if p.Err() == nil {
		t.Error("the end of a killed process is not explained")
	}
	p.Kill() // again, which does nothing
}

// testKillGroup checks that what the code started dies with it.
func testKillGroup(t *testing.T, s Suite) {
	if !s.OneProcess {
		t.Skip("each call ends with its group")
	}
	p := s.start(t)
	r := p.call("spawn")
	var pid int
	if err := json.Unmarshal(r.Value, &pid); err != nil || pid < 2 {
		t.Fatalf("spawn: %s %v", r.Value, r.Failure)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the program does not run: %v", err)
	}
	p.Kill()
	for ok := true; ok; {
		_, ok = p.next()
	}
	awaitGone(t, pid)
}

// daemon starts one, and returns its process id.
func (p *process) daemon() int {
	p.t.Helper()
	if runtime.GOOS != "linux" {
		p.t.Skip("only Linux shows the environment of processes, by which daemons are found")
	}
	r := p.call("daemon")
	var pid int
	if err := json.Unmarshal(r.Value, &pid); err != nil || pid < 2 {
		p.t.Fatalf("daemon: %s %v", r.Value, r.Failure)
	}
	if gone(pid) {
		p.t.Fatal("the daemon has not outlived the call that started it")
	}
	return pid
}

// testKillDaemons checks that what has left the process group dies with it, be it of
// the call that runs or of one before.
func testKillDaemons(t *testing.T, s Suite) {
	p := s.start(t)
	before := p.daemon()
	other := s.start(t)
	others := other.daemon()
	file := filepath.Join(t.TempDir(), "pid")
	p.send(p.invocation("linger", file))
	pid := awaitNumber(t, file)
	if gone(pid) {
		t.Fatal("the daemon does not run")
	}
	p.Kill()
	for ok := true; ok; {
		_, ok = p.next()
	}
	awaitGone(t, before)
	awaitGone(t, pid)
	if gone(others) {
		t.Error("the daemon of another process was killed")
	}
}

// testDaemonsEnd checks that a daemon does not outlive a process that is closed.
func testDaemonsEnd(t *testing.T, s Suite) {
	p := s.start(t)
	pid := p.daemon()
	p.works()
	if gone(pid) {
		t.Fatal("the daemon ended with a later call")
	}
	if err := p.Close(testenv.Context(t, patience)); err != nil {
		t.Error(err)
	}
	awaitGone(t, pid)
}

// awaitNumber waits for a file with a number.
func awaitNumber(t *testing.T, path string) int {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		content, _ := os.ReadFile(path)
		if n, err := strconv.Atoi(strings.TrimSpace(string(content))); err == nil && strings.HasSuffix(string(content), "\n") {
			return n
		}
		select {
		case <-ticker.C:
		case <-limit.C:
			t.Fatalf("there is no number in %s", path)
		}
	}
}

// awaitGone waits until a process has ended: its new parent has to take notice.
func awaitGone(t *testing.T, pid int) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		if gone(pid) {
			return
		}
		select {
		case <-ticker.C:
		case <-limit.C:
			t.Fatalf("process %d lives on", pid)
		}
	}
}

func testCloseDrains(t *testing.T, s Suite) {
	p := s.start(t)
	const n = 5
	for range n {
		p.send(p.invocation("echo", 1))
	}
	done := make(chan error, 1)
	go func() { done <- p.Close(context.WithoutCancel(t.Context())) }()
	for i := range n {
		if r, ok := p.next(); !ok || r.Failure != nil {
			t.Fatalf("reply %d: %+v", i, r)
		}
	}
	if r, ok := p.next(); ok {
		t.Errorf("one reply too many: %+v", r)
	}
	if err := <-done; err != nil || p.Err() != nil {
		t.Errorf("close: %v, %v", err, p.Err())
	}
	if err := p.Send(p.invocation("echo", 1)); err == nil {
		t.Error("a closed process takes calls")
	}
}

func testCloseGivesUp(t *testing.T, s Suite) {
	p := s.start(t)
	p.send(p.invocation("nap", 300))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Close(ctx); err == nil {
		t.Error("close waited for a nap of five minutes")
	}
	if _, ok := p.next(); ok {
		t.Error("it answered")
	}
}
