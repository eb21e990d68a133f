package main

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// line is one run of a function.
type line struct {
	function string
	number   int64
	call     string
	attempt  int
	pid      int
	at       time.Time
}

// path is what must run for a number that goes well, or fails.
var (
	goodPath = []string{"start", "left", "right", "both", "sink"}
	badPath  = []string{"start", "failed"}
)

// ledger reads what the functions write.
type ledger struct {
	path string

	mu     sync.Mutex // guards the fields below
	offset int64
	runs   map[int64][]line // by number
	lines  int
	ended  map[int64]time.Time // when a number's path ended first
	last   time.Time           // when something was written last
}

func newLedger(path string) *ledger {
	return &ledger{path: path, runs: map[int64][]line{}, ended: map[int64]time.Time{}}
}

// read takes what was written since the last time.
func (l *ledger) read() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, err := os.Open(l.path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	defer f.Close()
	if _, err := f.Seek(l.offset, 0); err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	for r := bufio.NewReader(f); ; {
		text, err := r.ReadString('\n')
		if err != nil { // the end, perhaps in the middle of a line
			return nil
		}
		l.offset += int64(len(text))
		var one line
		var micros int64
		if _, err := fmt.Sscanf(text, "%s %d %s %d %d %d\n", &one.function, &one.number, &one.call, &one.attempt, &one.pid, &micros); err != nil {
			return fmt.Errorf("the ledger has the line %q: %w", text, err)
		}
		one.at = time.UnixMicro(micros)
		l.add(one)
	}
}

// add notes a line; mu is held.
func (l *ledger) add(one line) {
	l.runs[one.number] = append(l.runs[one.number], one)
	l.lines++
	l.last = time.Now()
	if one.function == "sink" || one.function == "failed" {
		if _, ok := l.ended[one.number]; !ok {
			l.ended[one.number] = one.at
		}
	}
}

// done counts the numbers whose path has ended.
func (l *ledger) done(numbers []number) (n int, quiet time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, num := range numbers {
		if _, ok := l.ended[num.n]; ok {
			n++
		}
	}
	return n, time.Since(l.last)
}

// quiet is for how long nothing has been written.
func (l *ledger) quiet() time.Duration {
	if err := l.read(); err != nil {
		return 0 // who counts will say so
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.last)
}

// end is when the path of a number ended.
func (l *ledger) end(n int64) (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.ended[n]
	return at, ok
}

// of returns the runs of a function for a number.
func (l *ledger) of(function string, n int64) []line {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []line
	for _, one := range l.runs[n] {
		if one.function == function {
			out = append(out, one)
		}
	}
	return out
}

// tally is what the ledger says of a scenario.
type tally struct {
	effects, lost, duplicated, repeats int
	problems                           []string // the first few
}

// count compares the ledger with the numbers that were accepted. A scenario
// that ends processes may repeat the effects of the functions that ran.
func (l *ledger) count(numbers []number, endsProcesses bool) tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	var t tally
	for _, num := range numbers {
		want := goodPath
		if num.fails {
			want = badPath
		}
		before := t
		byFunction := map[string][]line{}
		for _, r := range l.runs[num.n] {
			byFunction[r.function] = append(byFunction[r.function], r)
		}
		for _, f := range want {
			t.judge(byFunction[f], f == want[len(want)-1], f == "start", num, endsProcesses)
		}
		for f, runs := range byFunction {
			if !slices.Contains(want, f) {
				t.duplicated += len(runs)
			}
		}
		if (t.lost > before.lost || t.duplicated > before.duplicated) && len(t.problems) < 5 {
			t.problems = append(t.problems, fmt.Sprintf("number %d (call %s): %s", num.n, num.call, describe(l.runs[num.n])))
		}
	}
	return t
}

// judge looks at all runs of one function for one number.
func (t *tally) judge(runs []line, last, first bool, num number, endsProcesses bool) {
	if len(runs) == 0 {
		if last {
			t.lost++
		}
		return
	}
	if last {
		t.effects++
	}
	ids := map[string]int{}
	for _, r := range runs {
		ids[r.call]++
	}
	t.duplicated += len(ids) - 1
	for id, n := range ids {
		if first && num.call != "" && id != num.call {
			t.duplicated++
		}
		if endsProcesses || num.crashes {
			t.repeats += n - 1
		} else {
			t.duplicated += n - 1
		}
	}
}

func describe(runs []line) string {
	if len(runs) == 0 {
		return "nothing ran"
	}
	var text strings.Builder
	for _, r := range runs {
		fmt.Fprintf(&text, "%s/%d[%s pid %d at %s] ", r.function, r.attempt, r.call[:8], r.pid, r.at.Format("15:04:05.000"))
	}
	return text.String()
}
