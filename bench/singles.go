package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

// singleNames are what is measured on flow_services besides calls per second.
var singleNames = []string{"latency_p50", "latency_p99", "latency_half", "chain_step_p50", "cli_p50", "fanin_1000", "idle_cpu"}

func wantsSingles(want func(string) bool) bool { return slices.ContainsFunc(singleNames, want) }

// singles measures what is not a race.
func (b *bench) singles(ctx context.Context, r *report, f *flow, want func(string) bool) error {
	half := 0.0
	for _, w := range r.rows() {
		if w.Name == "flow_services" {
			half = w.Median / 2
		}
	}
	for _, one := range []struct {
		name string
		do   func(ctx context.Context) error
	}{
		{"idle_cpu", func(ctx context.Context) error { return b.idleCPU(ctx, r, f) }},
		{"latency_p50", func(ctx context.Context) error { return b.latencies(ctx, r, f, "latency_p50", "latency_p99") }},
		{"chain_step_p50", func(ctx context.Context) error { return b.chain(ctx, r, f) }},
		{"cli_p50", func(ctx context.Context) error { return b.program(ctx, r, f) }},
		{"fanin_1000", func(ctx context.Context) error { return b.fanin(ctx, r, f) }},
		{"latency_half", func(ctx context.Context) error { return b.underLoad(ctx, r, f, half) }},
	} {
		if !want(one.name) && !(one.name == "latency_p50" && want("latency_p99")) {
			continue
		}
		if err := bounded(ctx, one.do); err != nil {
			return fmt.Errorf("measure %s: %w", one.name, err)
		}
	}
	return nil
}

// latencies measures single calls through the API, one after the other. p50
// and p99 are taken of each of five parts, so that a report has a spread.
func (b *bench) latencies(ctx context.Context, r *report, f *flow, half, most string) error {
	const parts = 5
	for range parts {
		var took []float64
		for range b.latency / parts {
			began := time.Now()
			out, err := f.api.SubmitWait(ctx, client.Submission{Socket: noop, Args: []json.RawMessage{json.RawMessage(payload)}}, 10*time.Second)
			if err != nil {
				return err
			}
			if out.State != model.Succeeded {
				return fmt.Errorf("a call is %s", out.State)
			}
			took = append(took, time.Since(began).Seconds()*1000)
		}
		r.add(half, "ms", median(took))
		r.add(most, "ms", quantile(took, 0.99))
	}
	return nil
}

// underLoad measures single calls while others flow at the rate.
func (b *bench) underLoad(ctx context.Context, r *report, f *flow, rate float64) error {
	if rate <= 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	var loading sync.WaitGroup
	defer loading.Wait()
	defer cancel()
	const every = 20 * time.Millisecond
	n := max(1, int(rate*every.Seconds()))
	calls := make([]client.Submission, min(n, client.MaxBatch))
	for i := range calls {
		calls[i] = client.Submission{Socket: noop, Args: []json.RawMessage{json.RawMessage(payload)}}
	}
	loading.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				if _, err := f.api.SubmitBatch(ctx, calls); err != nil && ctx.Err() == nil {
					fmt.Fprintln(os.Stderr, "load:", err)
					return
				}
			}
		}
	})
	time.Sleep(time.Second) // until the load is even
	return b.latencies(ctx, r, f, "latency_half", "latency_half99")
}

// chain measures steps by the times that the functions themselves began at.
func (b *bench) chain(ctx context.Context, r *report, f *flow) error {
	for range b.chains {
		sub, err := f.api.Submit(ctx, client.Submission{Socket: step(0), Args: []json.RawMessage{json.RawMessage(payload)}})
		if err != nil {
			return err
		}
		var run []model.Call
		time.Sleep(200 * time.Millisecond) // looking costs time, too
		err = until(ctx, 30*time.Second, 50*time.Millisecond, func() (bool, error) {
			run, err = f.api.Run(ctx, sub.Tracking)
			n := 0
			for _, c := range run {
				if c.State.Terminal() {
					n++
				}
			}
			return n == chainLength, err
		})
		if err != nil {
			return err
		}
		var first, last time.Time
		for _, c := range run {
			if first.IsZero() || c.Started.Before(first) {
				first = *c.Started
			}
			if c.Started.After(last) {
				last = *c.Started
			}
		}
		r.add("chain_step_p50", "ms", last.Sub(first).Seconds()*1000/(chainLength-1))
	}
	return nil
}

// program measures the command line: a process that submits, waits and prints.
func (b *bench) program(ctx context.Context, r *report, f *flow) error {
	for i := range b.programs + 1 {
		cmd := exec.CommandContext(ctx, b.flow, "task", "run", "-s", noop, "--data", "["+payload+"]")
		cmd.Env = f.env
		began := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		if i > 0 { // the first one warms the page cache
			r.add("cli_p50", "ms", time.Since(began).Seconds()*1000)
		}
	}
	return nil
}

// fanin submits the two arguments of a thousand joined calls, and waits until
// all of those are on record.
func (b *bench) fanin(ctx context.Context, r *report, f *flow) error {
	const joins = 1000
	for range b.rounds {
		began := time.Now()
		var g errgroup.Group
		for _, argument := range []string{"a", "b"} {
			calls := make([]client.Submission, batchOf)
			for i := range calls {
				calls[i] = client.Submission{Socket: pair, Argument: argument, Args: []json.RawMessage{json.RawMessage(payload)}}
			}
			g.Go(func() error {
				for range joins / batchOf {
					if _, err := f.api.SubmitBatch(ctx, calls); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		// The arrivals are calls of the socket, too: they succeed with the join.
		done, err := f.recorded(ctx, pair, began, 3*joins)
		if err != nil {
			return err
		}
		r.add("fanin_1000", "ms", done.Sub(began).Seconds()*1000)
	}
	return nil
}

// idleCPU measures what the program and its workers use while nothing happens.
func (b *bench) idleCPU(ctx context.Context, r *report, f *flow) error {
	select { // let what was measured before settle
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(3 * time.Second):
	}
	before, began := used(f.pids())["own"], time.Now()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(b.idle):
	}
	r.add("idle_cpu", "%", (used(f.pids())["own"]-before)/1e4/time.Since(began).Seconds())
	return nil
}
