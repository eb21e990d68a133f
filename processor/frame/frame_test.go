package frame

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
)

func inv(id string) processor.Invocation { return processor.Invocation{ID: id, Function: "f"} }

func startChild(t *testing.T, mode string) *Process {
	t.Helper()
	p, err := Start(t.Context(), command(mode))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		for range p.Replies() { // until it has ended
		}
	})
	return p
}

func collect(p *Process) (replies []processor.Reply) {
	for r := range p.Replies() {
		replies = append(replies, r)
	}
	return replies
}

func TestChildrenThatBreakTheProtocol(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{
		"garbage": "not JSON", "wrong": "replied to call another before call 1", "twice": "reply without a call",
		"closes": "closed its connection",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := startChild(t, mode)
			if err := p.Send(inv("1")); err != nil {
				t.Fatal(err)
			}
			collect(p)
			var e *processor.Error
			if err := p.Err(); !errors.As(err, &e) || e.Code != processor.CodeProcess || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

func TestChildrenThatDoNotStart(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{"silent": "did not load", "old": "another protocol", "fails": "no such module", "exits": "exit status 7"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			c := command(mode)
			if mode == "silent" {
				c.StartTimeout = 100 * time.Millisecond
			}
			_, err := Start(t.Context(), c)
			var e *processor.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
				t.Fatalf("got %v, want %q", err, want)
			}
			if mode == "exits" && !strings.Contains(e.Detail, "goodbye") {
				t.Errorf("the last lines are missing: %+v", e)
			}
		})
	}
	c := command("")
	c.Path = "/there/is/no/such/program"
	var e *processor.Error
	if _, err := Start(t.Context(), c); !errors.As(err, &e) || e.Code != processor.CodeInterpreter {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, command("silent")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestOversizeReplyFailsOneCall(t *testing.T) {
	t.Parallel()
	p := startChild(t, "oversize")
	if err := p.Send(inv("1"), inv("2")); err != nil {
		t.Fatal(err)
	}
	if r := <-p.Replies(); r.ID != "1" || r.Failure == nil || r.Failure.Error != model.FailureTooLarge {
		t.Errorf("got %+v", r)
	}
	if r := <-p.Replies(); r.ID != "2" || string(r.Value) != `"2"` {
		t.Errorf("got %+v", r)
	}
}

func TestRawOutputIsDrainedBeforeTheReply(t *testing.T) {
	t.Parallel()
	p := startChild(t, "prints")
	for i := range 50 {
		id := strconv.Itoa(i)
		if err := p.Send(inv(id)); err != nil {
			t.Fatal(err)
		}
		r := <-p.Replies()
		lines := map[string]string{}
		for _, l := range r.Log {
			lines[l.Text] = l.Stream
		}
		if len(lines) != 3 || lines["call "+id] != Stdout || lines["and more"] != Stdout || lines["framed"] != Stderr {
			t.Fatalf("call %d: %v", i, lines)
		}
		if string(r.Value) != "null" {
			t.Errorf("a missing value is %s", r.Value)
		}
	}
}

// TestNobodyReads kills a process whose replies are not taken: it ends all the same.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	p := startChild(t, "good")
	for i := range 3 * repliesAhead {
		if err := p.Send(inv(strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if got := len(collect(p)); got < repliesAhead {
		t.Errorf("%d replies that had come were dropped", repliesAhead-got)
	}
}

// TestNoOrphans kills an engine with SIGKILL: its busy child dies with it.
func TestNoOrphans(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self"); err != nil {
		t.Skip("only Linux has a signal for orphans")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), modeVariable+"=engine")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the engine said %q", line)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	limit := time.Now().Add(20 * time.Second)
	for !ended(pid) {
		if time.Now().After(limit) {
			t.Fatalf("child %d outlived its engine", pid)
		}
		<-ticker.C
	}
}

// ended tells whether a process is gone, or dead and not yet noticed.
func ended(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestReaderCutsFrames(t *testing.T) {
	t.Parallel()
	var stream []byte
	want := []string{"", "a", strings.Repeat("b", readSize), strings.Repeat("c", 3*readSize), "d"}
	for _, body := range want {
		stream = append(stream, byte(len(body)>>24), byte(len(body)>>16), byte(len(body)>>8), byte(len(body)))
		stream = append(stream, body...)
	}
	for _, step := range []int{1, 7, readSize, len(stream)} {
		r := newReader(&stepReader{stream, step}, 10*readSize)
		for i, body := range want {
			got, err := r.next()
			if err != nil || string(got) != body {
				t.Fatalf("step %d, frame %d: %d bytes, %v", step, i, len(got), err)
			}
		}
	}
}

// stepReader returns at most step bytes at once.
type stepReader struct {
	rest []byte
	step int
}

func (s *stepReader) Read(p []byte) (int, error) {
	n := copy(p[:min(len(p), s.step)], s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
