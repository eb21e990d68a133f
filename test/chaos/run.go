package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/elasticcode/flow/client"
)

// scenario is one way to break things while calls flow.
type scenario struct {
	name string
	// quick and long are about how many calls are submitted in each form; 0
	// leaves the scenario out of it.
	quick, long int
	// over is how long the calls are spread; the fault happens meanwhile.
	over time.Duration
	// endsProcesses says that effects inside functions may repeat.
	endsProcesses bool
	// needsDisk says that it needs a disk that can be filled.
	needsDisk bool
	crashes   int
	send      func(*load, []number) send
	// lasts is how long the first two calls run.
	lasts time.Duration
	// says is what some process says meanwhile about what it waits for.
	says string
	// before and after change what the calls find, and change it back.
	before, after func(ctx context.Context, w *world) error
	// check looks for more at the end.
	check func(w *world, numbers []number) []string
	// fault breaks things and mends them; it returns when each was mended.
	fault func(ctx context.Context, w *world) ([]time.Time, error)
}

// outcome is what came of a scenario.
type outcome struct {
	Scenario   string  `json:"scenario"`
	Accepted   int     `json:"accepted"`
	Effects    int     `json:"effects"`
	Lost       int     `json:"lost"`
	Duplicated int     `json:"duplicated"`
	RecoveryS  float64 `json:"recovery_s"`

	repeats, refused int
	problems         []string
	numbers          []number
	endsProcesses    bool
}

// stuckAfter is how long nothing may happen before calls count as lost. Flow itself
// takes a minute to conclude that a message is gone.
const stuckAfter = 150 * time.Second

// play runs a scenario to its end.
func (w *world) play(ctx context.Context, s scenario, calls int) (outcome, error) {
	l := &load{w: w, name: s.name, total: calls, over: s.over, crashes: s.crashes, send: s.send}
	from := w.logged()
	w.long = longCalls{lasts: s.lasts, from: w.next.Load()}
	if s.before != nil {
		if err := s.before(ctx, w); err != nil {
			return outcome{}, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	mended := make(chan struct{})
	var times []time.Time
	var faultErr error
	go func() {
		defer close(mended)
		if s.fault == nil || !sleep(ctx, 300*time.Millisecond) { // calls are to flow first
			return
		}
		times, faultErr = s.fault(ctx, w)
	}()
	err := l.run(ctx, mended)
	<-mended
	if err != nil {
		return outcome{}, fmt.Errorf("%s: %w", s.name, errors.Join(err, faultErr))
	}
	out := outcome{Scenario: w.stack + ": " + s.name, numbers: l.accepted(), refused: l.refused, endsProcesses: s.endsProcesses}
	out.Accepted = len(out.numbers)
	if faultErr != nil {
		out.problems = append(out.problems, faultErr.Error())
	}
	if err := w.drain(ctx, &out); err != nil {
		return out, err
	}
	l.waiters.Wait()
	out.problems = append(out.problems, l.unheard...)
	out.RecoveryS = w.recovery(out.numbers, times)
	w.recount(&out)
	out.problems = append(out.problems, w.fallen()...)
	if s.says != "" && !w.said(s.says, from) {
		out.problems = append(out.problems, fmt.Sprintf("nobody said %q", s.says))
	}
	if s.says != areGone && w.said(areGone, from) {
		out.problems = append(out.problems, "calls had to be sent again")
	}
	if s.check != nil {
		out.problems = append(out.problems, s.check(w, out.numbers)...)
	}
	if s.after != nil {
		if err := s.after(ctx, w); err != nil {
			return out, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	out.problems = append(out.problems, w.unfreed(ctx)...)
	return out, nil
}

// logged is how long each process' log is.
func (w *world) logged() map[string]int64 {
	out := map[string]int64{}
	for _, p := range w.all() {
		if info, err := os.Stat(p.log); err == nil {
			out[p.name] = info.Size()
		}
	}
	return out
}

// said tells whether some process has said something since.
func (w *world) said(what string, since map[string]int64) bool {
	for _, p := range w.all() {
		data, err := os.ReadFile(p.log)
		if err == nil && strings.Contains(string(data[min(since[p.name], int64(len(data))):]), what) {
			return true
		}
	}
	return false
}

// drain waits until all calls have ended, in the ledger and in the history.
func (w *world) drain(ctx context.Context, out *outcome) error {
	for {
		if err := w.ledger.read(); err != nil {
			return err
		}
		done, quiet := w.ledger.done(out.numbers)
		if done == len(out.numbers) {
			break
		}
		if quiet > stuckAfter {
			out.problems = append(out.problems, fmt.Sprintf("%d of %d calls did not end and nothing has happened for %s", len(out.numbers)-done, len(out.numbers), stuckAfter))
			break
		}
		if !sleep(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
	var left int64
	err := w.await(ctx, stuckAfter, "the history to have the end of all calls", func() bool {
		left = w.unfinished(ctx)
		return left == 0
	})
	if err != nil && ctx.Err() == nil {
		out.problems = append(out.problems, fmt.Sprintf("the history still has %d calls that did not end", left))
		return nil
	}
	return err
}

// unfinished counts the calls that the history has not seen end; -1 when it
// cannot be asked.
func (w *world) unfinished(ctx context.Context) int64 {
	for _, c := range w.clients {
		page, err := c.Calls(ctx, client.CallFilter{Unfinished: true, Limit: 1})
		if err == nil {
			return max(page.Total, int64(len(page.Items)))
		}
	}
	return -1
}

// recovery is the longest time from a disturbance's end until all calls that
// were accepted before had ended.
func (w *world) recovery(numbers []number, mended []time.Time) float64 {
	longest := time.Duration(0)
	for _, at := range mended {
		for _, n := range numbers {
			if end, ok := w.ledger.end(n.n); ok && n.accepted.Before(at) {
				longest = max(longest, end.Sub(at))
			}
		}
	}
	return float64(longest.Milliseconds()) / 1000
}

// recount judges the ledger as it is now: duplicates may come late.
func (w *world) recount(out *outcome) {
	t := w.ledger.count(out.numbers, out.endsProcesses)
	out.Effects, out.Lost, out.Duplicated, out.repeats = t.effects, t.lost, t.duplicated, t.repeats
	out.problems = append(out.problems, t.problems...)
}

// playAll runs the scenarios on a system of its own, and looks at the end for
// what was left behind.
func playAll(ctx context.Context, w *world, list []scenario, quick bool, tell func(outcome)) (all []outcome, leaks []string, err error) {
	var before counted
	for _, s := range list {
		calls := s.long
		if quick {
			calls = s.quick
		}
		if calls == 0 {
			continue
		}
		out, err := w.play(ctx, s, calls)
		if err != nil {
			return all, nil, err
		}
		tell(out)
		all = append(all, out)
		if before == nil {
			before = w.goroutines(ctx)
		}
	}
	sleep(ctx, 3*time.Second) // for duplicates that come late: copies that were put back wait for 2 s at most
	if err := w.ledger.read(); err != nil {
		return all, nil, err
	}
	for i := range all {
		late := all[i]
		late.problems = nil
		if w.recount(&late); late.Duplicated != all[i].Duplicated {
			late.problems = append(late.problems, "some came later")
			tell(late)
		}
		all[i] = late
	}
	return all, w.leaks(ctx, before), nil
}

// leaks stops everything and says what is left.
func (w *world) leaks(ctx context.Context, before counted) []string {
	out := w.held(ctx)
	report, grown := w.leakedGoroutines(ctx, before)
	out = append(out, grown...)
	out = append(out, w.stop()...)
	if w.behind != nil {
		out = append(out, w.behind.left(ctx, w.prefix)...)
	}
	if left := descendants(w.dir); len(left) > 0 {
		sleep(ctx, 2*time.Second)
		for _, p := range descendants(w.dir) {
			out = append(out, "a process is left: "+p)
		}
	}
	fmt.Printf("%s: %d things were left behind; goroutines:%s\n", w.stack, len(out), report)
	return out
}

// waiting says what the broker still holds.
func (w *world) waiting(ctx context.Context) []string {
	var out []string
	depths, err := w.clients[0].Depth(ctx, queueName)
	if err != nil {
		return []string{"queues cannot be looked at: " + err.Error()}
	}
	for _, d := range depths {
		if d.Messages > 0 || d.Unacked > 0 {
			out = append(out, fmt.Sprintf("queue %s has %d messages and %d that are not acked", d.Name, d.Messages, d.Unacked))
		}
	}
	return out
}
