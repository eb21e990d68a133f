package procgroup

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const leaveVariable = "PROCGROUP_TEST_LEAVE"

func TestMain(m *testing.M) {
	if os.Getenv(leaveVariable) != "" {
		leaveBehind()
	}
	goleak.VerifyTestMain(m)
}

// script starts a shell script and waits until it has printed a line, which is
// that of all that it starts.
func script(t *testing.T, text string, start func(*exec.Cmd) (*Group, error)) (g *Group, line string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	cmd := exec.Command("/bin/sh", "-c", text)
	cmd.Env, cmd.Stdout = Environment(), w
	g, err = start(cmd)
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		g.Kill()
		<-g.Done()
		g.mark.End()
	})
	_ = r.SetReadDeadline(time.Now().Add(20 * time.Second))
	line, err = bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("the script printed nothing: %v", err)
	}
	return g, strings.TrimSpace(line)
}

func sparing(cmd *exec.Cmd) (*Group, error) { return StartSparing(cmd, NewMark().Part()) }

// marked lists the processes that have the mark of a group.
func marked(g *Group) (pids []int) {
	for _, pid := range processes() {
		if value, _ := markOf(pid); g.mark.has(value) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// await waits until a group has so many processes at least.
func await(t *testing.T, g *Group, n int) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	limit := time.Now().Add(20 * time.Second)
	for len(marked(g)) < n {
		if time.Now().After(limit) {
			t.Fatalf("there are %d processes, want %d", len(marked(g)), n)
		}
		<-ticker.C
	}
}

func wait(t *testing.T, g *Group) {
	t.Helper()
	select {
	case <-g.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}

// A daemon, one with a daemon's children, whose parents have all ended, and one that
// left twice.
const daemons = `setsid sleep 300 >/dev/null & (setsid sh -c 'sleep 300 & sleep 300 & exit 0' >/dev/null &); setsid setsid sleep 300 >/dev/null & echo ok; `

func TestKillFindsDaemons(t *testing.T) {
	t.Parallel()
	_, bystander := script(t, daemons+"sleep 300", sparing)
	if bystander != "ok" {
		t.Fatal(bystander)
	}
	for name, start := range map[string]func(*exec.Cmd) (*Group, error){"start": Start, "sparing": sparing} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, _ := script(t, daemons+"sleep 300", start)
			await(t, g, 6)
			g.Kill()
			wait(t, g)
			if left := marked(g); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestDaemonsOfALeaderThatEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end   string
		start func(*exec.Cmd) (*Group, error)
		left  bool
	}{
		"exit": {"exit 0", Start, false}, "failure": {"exit 1", Start, false}, "signal": {"kill -9 $$", Start, false},
		"spared": {"exit 0", sparing, true}, "spared failure": {"exit 1", sparing, true}, "not spared": {"kill -9 $$", sparing, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The daemon says that it is one, so that it is not killed with the group.
			g, _ := script(t, `f=$(mktemp); setsid sh -c 'echo $$ > "$0"; exec sleep 300' "$f" >/dev/null & sleep 300 >/dev/null &
				until test -s "$f"; do sleep 0.01; done; rm "$f"; echo ok; `+c.end, c.start)
			wait(t, g)
			left, want := marked(g), 0
			if c.left {
				want = 1
			}
			for limit := time.Now().Add(20 * time.Second); len(left) > want && c.left && time.Now().Before(limit); {
				left = marked(g) // what was killed with the group takes a moment
			}
			if len(left) != want {
				t.Errorf("left: %v, want %d", left, want)
			}
			g.mark.End()
			if left := marked(g); len(left) != 0 {
				t.Errorf("left after the end of the mark: %v", left)
			}
		})
	}
}

// TestDaemonsThatMultiply kills programs that go on starting others.
func TestDaemonsThatMultiply(t *testing.T) {
	t.Parallel()
	g, _ := script(t, `setsid sh -c 'for i in $(seq 500); do setsid sleep 60 & sleep 0.005; done' >/dev/null 2>&1 & echo ok; sleep 300`, Start)
	await(t, g, 10)
	g.Kill()
	wait(t, g)
	if left := marked(g); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestManyAtOnce ends many groups at the same time, as an agent that stops does.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for range 16 {
		g, _ := script(t, "setsid sleep 300 >/dev/null & echo ok; sleep 300", Start)
		wg.Go(func() {
			g.Kill()
			<-g.Done()
			if left := marked(g); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
	wg.Wait()
}

func TestMarks(t *testing.T) {
	t.Parallel()
	m := NewMark()
	part, other := m.Part(), m.Part()
	for _, c := range []struct {
		m     Mark
		value string
		want  bool
	}{
		{m, m.value, true}, {m, part.value, true}, {part, part.value, true}, {part, m.value, false}, {part, other.value, false},
		{m, "", false}, {m, m.value + "x", false}, {m, m.value + "x.1", false}, {part, part.value + "1", false}, {NewMark(), m.value, false},
	} {
		if c.m.has(c.value) != c.want {
			t.Errorf("%s has %q: want %v", c.m.value, c.value, c.want)
		}
	}
}

// TestAnotherProcessIsNotKilled checks the id of a process that is another by now.
func TestAnotherProcessIsNotKilled(t *testing.T) {
	t.Parallel()
	g, pid := script(t, "echo $$; sleep 300", Start)
	n, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	killMarked(n, NewMark().value)
	if len(marked(g)) == 0 {
		t.Error("a process with another mark was killed")
	}
	killMarked(n, g.mark.value)
	wait(t, g)
}

// BenchmarkEnd is what it costs to look for what is not there.
func BenchmarkEnd(b *testing.B) {
	m := NewMark()
	b.ReportAllocs()
	for b.Loop() {
		m.End()
	}
	b.ReportMetric(float64(len(processes())), "processes")
}
