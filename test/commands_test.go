package test

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long a script waits for what is to come, if PATIENCE says nothing else.
const patience = 30 * time.Second

// running is the key of a script's "flow up" among its values.
type running struct{}

// process is a "flow up" of a script.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	log  *os.File
}

func upOf(ts *testscript.TestScript) *process { return ts.Value(running{}).(*process) }

// up starts "flow up" and returns when it says that it is ready.
func up(ts *testscript.TestScript, neg bool, args []string) {
	p := upOf(ts)
	if p.cmd != nil {
		ts.Fatalf("flow up runs already")
	}
	path, err := lookPath(ts, "flow")
	ts.Check(err)
	cmd := exec.Command(path, append([]string{"up", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Env = environ(ts)
	cmd.Dir = ts.MkAbs(".")
	log, err := os.OpenFile(ts.MkAbs("up.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	p.cmd, p.log, p.done = cmd, log, make(chan struct{})
	ready := make(chan bool, 1)
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "flow is ready") {
				ready <- true
			}
		}
		_ = cmd.Wait()
		close(ready)
	}()
	ts.Defer(func() { end(p, syscall.SIGKILL) })
	select {
	case ok := <-ready:
		if ok == neg {
			ts.Fatalf("flow up: ready=%v\n%s", ok, tail(ts))
		}
		if !ok {
			p.cmd = nil
		}
	case <-time.After(patience):
		ts.Fatalf("flow up is not ready after %s\n%s", patience, tail(ts))
	}
}

// lookPath finds a program on the script's PATH.
func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

func environ(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{
		"PATH", "HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "FLOW_BROKER", "FLOW_BACKEND", "FLOW_DB", "FLOW_LOG_LEVEL", "TESTSCRIPT_COMMAND", "NO_COLOR",
		"FLOW_FAULT", "FLOW_FAULT_RATE",
	} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

func tail(ts *testscript.TestScript) string {
	data, _ := os.ReadFile(ts.MkAbs("up.log"))
	return string(data[max(0, len(data)-4000):])
}

func end(p *process, sig syscall.Signal) {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	_ = p.log.Close()
	p.cmd = nil
}

func down(ts *testscript.TestScript, _ bool, _ []string) {
	p := upOf(ts)
	cmd := p.cmd
	end(p, syscall.SIGTERM)
	if cmd != nil && cmd.ProcessState.ExitCode() != 0 {
		ts.Fatalf("flow up ended with %s\n%s", cmd.ProcessState, tail(ts))
	}
}

// abandon stops it with two signals: what runs is abandoned.
func abandon(ts *testscript.TestScript, _ bool, _ []string) {
	p := upOf(ts)
	if p.cmd == nil {
		ts.Fatalf("no flow up runs")
	}
	before := len(ts.ReadFile("up.log"))
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for limit := time.Now().Add(patience); !strings.Contains(ts.ReadFile("up.log")[before:], "once more to abandon"); <-ticker.C {
		if time.Now().After(limit) {
			ts.Fatalf("flow up does not stop\n%s", tail(ts))
		}
	}
	end(p, syscall.SIGTERM)
}

func killUp(ts *testscript.TestScript, _ bool, _ []string) { end(upOf(ts), syscall.SIGKILL) }

// killWorkers kills the child processes that flow says host a processor.
func killWorkers(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: kill-workers PROCESSOR")
	}
	out, err := flow(ts, "ls", "workers", "-o", "json")
	ts.Check(err)
	pids := workerPIDs(ts, out, args[0])
	if len(pids) == 0 {
		ts.Fatalf("no worker of %s runs: %s", args[0], out)
	}
	for _, pid := range pids {
		ts.Logf("kill -9 %d", pid)
		ts.Check(syscall.Kill(pid, syscall.SIGKILL))
	}
}

// flow runs the program with the script's environment and returns its stdout.
func flow(ts *testscript.TestScript, args ...string) (string, error) {
	path, err := lookPath(ts, "flow")
	ts.Check(err)
	var out, errs bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = environ(ts), ts.MkAbs("."), &out, &errs
	err = cmd.Run()
	if err != nil {
		ts.Logf("flow %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return out.String(), err
}

func eventually(ts *testscript.TestScript, _ bool, args []string) {
	await(ts, args, "success", func(string) bool { return true })
}

// count waits until a command prints so many lines.
func count(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: count N COMMAND…")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	await(ts, args[1:], args[0]+" lines", func(out string) bool { return strings.Count(out, "\n") == n })
}

func until(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: until TEXT COMMAND…")
	}
	await(ts, args[1:], args[0], func(out string) bool { return strings.Contains(out, args[0]) })
}

// await runs "flow ARGS" until it succeeds and its stdout is as wanted.
func await(ts *testscript.TestScript, args []string, want string, fits func(string) bool) {
	if len(args) == 0 || args[0] != "flow" {
		ts.Fatalf("usage: [until TEXT|eventually] flow ARGS…")
	}
	patience := patience
	if more := ts.Getenv("PATIENCE"); more != "" {
		var err error
		patience, err = time.ParseDuration(more)
		ts.Check(err)
	}
	limit := time.Now().Add(patience)
	for {
		out, err := flow(ts, args[1:]...)
		if err == nil && fits(out) {
			return
		}
		if time.Now().After(limit) {
			ts.Fatalf("after %s still not %s: %v\n%s\n%s", patience, want, err, out, tail(ts))
		}
		time.Sleep(50 * time.Millisecond) // the pace of asking again, not a wait for something
	}
}

// repo makes a git repository, with one commit, of a folder as it is. Given
// again it commits what changed. "repo DIR FROM" copies FROM into it first.
func repo(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 && len(args) != 2 {
		ts.Fatalf("usage: repo DIR [FROM]")
	}
	dir := ts.MkAbs(args[0])
	if len(args) == 2 {
		ts.Check(os.CopyFS(dir, os.DirFS(ts.MkAbs(args[1]))))
	}
	r, err := git.PlainOpen(dir)
	if err != nil {
		r, err = git.PlainInit(dir, false)
		ts.Check(err)
	}
	tree, err := r.Worktree()
	ts.Check(err)
	ts.Check(tree.AddGlob("."))
	hash, err := tree.Commit("the processors", &git.CommitOptions{Author: &object.Signature{Name: "test", Email: "test@example.org", When: time.Now()}})
	ts.Check(err)
	ts.Setenv("COMMIT", hash.String())
}

// workerPIDs reads the process ids of a processor's workers from a listing.
func workerPIDs(ts *testscript.TestScript, listing, processor string) []int {
	var pids []int
	for _, w := range decodeList(ts, listing) {
		if w["processor"] != processor {
			continue
		}
		if pid, ok := w["pid"].(float64); ok && pid > 0 {
			pids = append(pids, int(pid))
		}
	}
	return pids
}
