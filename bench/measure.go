package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// contestant is one of those that take turns.
type contestant struct {
	name  string
	calls int
	// open prepares it. What it returns runs one round; close undoes open.
	open func(ctx context.Context) (racer, error)
}

// racer runs rounds.
type racer interface {
	// round runs n calls, and returns since when all are done and on record: to look
	// whether they are takes a while, which is not theirs.
	round(ctx context.Context, n int) (done time.Time, err error)
	// pids are the processes that belong to it alone.
	pids() []int
	close() error
}

func chosen(only string) func(name string) bool {
	return func(name string) bool {
		return only == "" || slices.Contains(strings.Split(only, ","), name)
	}
}

// roundLimit bounds one round of one contestant.
const roundLimit = 2 * time.Minute

// measure runs everything that is chosen. A peer that is not available is said and
// left out; it does not stop the others. Flow has to run.
func (b *bench) measure(ctx context.Context, r *report, want func(string) bool) (err error) {
	all := []contestant{
		{"raw_amqp", b.calls, b.openRaw},
		{"flow_services", b.calls, func(ctx context.Context) (racer, error) { return b.openFlow(ctx, true) }},
		{"flow_embedded", b.calls, func(ctx context.Context) (racer, error) { return b.openFlow(ctx, false) }},
		{"flow_shell", b.shell, b.openShell},
		{"celery", b.celery, func(ctx context.Context) (racer, error) { return b.openCelery(ctx, "celery", true) }},
		{"celery_plain", b.celery, func(ctx context.Context) (racer, error) { return b.openCelery(ctx, "celery_plain", false) }},
		{"river", b.calls, b.openRiver},
	}
	if wantsSingles(want) && !want("flow_services") {
		before := want
		want = func(name string) bool { return name == "flow_services" || before(name) }
	}
	racing := map[string]racer{}
	defer func() {
		for name, c := range racing {
			if e := c.close(); e != nil {
				err = errors.Join(err, fmt.Errorf("end %s: %w", name, e))
			}
		}
	}()
	for _, c := range all {
		if !want(c.name) {
			continue
		}
		opened, err := c.open(ctx)
		if err != nil && strings.HasPrefix(c.name, "flow_") {
			return fmt.Errorf("start %s: %w", c.name, err)
		}
		if err != nil {
			r.missing(c.name, err)
			continue
		}
		racing[c.name] = opened
		if err := bounded(ctx, func(ctx context.Context) error { _, err := opened.round(ctx, min(c.calls, 500)); return err }); err != nil {
			return fmt.Errorf("warm up %s: %w", c.name, err)
		}
	}
	for n := range b.rounds {
		for _, c := range all {
			if racing[c.name] == nil {
				continue
			}
			rate, cpu, err := race(ctx, racing[c.name], c.calls)
			if err != nil {
				return fmt.Errorf("round %d of %s: %w", n+1, c.name, err)
			}
			r.rate(c.name, rate, cpu)
			fmt.Fprintf(os.Stderr, "round %d  %-14s %8.0f calls/s  CPU µs/call: %v\n", n+1, c.name, rate, cpu)
		}
	}
	if f, ok := racing["flow_services"].(*flow); ok {
		return b.singles(ctx, r, f, want)
	}
	return nil
}

func bounded(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, roundLimit)
	defer cancel()
	return do(ctx)
}

// race runs one round and returns calls per second, and what each call cost.
func race(ctx context.Context, c racer, calls int) (rate float64, cpu cost, err error) {
	before := used(c.pids())
	began := time.Now()
	var done time.Time
	err = bounded(ctx, func(ctx context.Context) error { done, err = c.round(ctx, calls); return err })
	return float64(calls) / done.Sub(began).Seconds(), used(c.pids()).since(before, calls), err
}
