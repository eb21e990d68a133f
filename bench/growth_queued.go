package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/elasticcode/flow/model"
)

// growQueued measures how a backlog is worked off that was queued while the
// processor had no workers, and the memory of the program with it.
func (b *bench) growQueued(name string, n int) measurement {
	return func(ctx context.Context, r *report, f *flow, _ func(string) bool) error {
		if err := f.process(ctx, pythonFunctions()); err != nil {
			return fmt.Errorf("declare the processor: %w", err)
		}
		if err := f.one(ctx); err != nil {
			return err
		}
		if _, err := f.api.StopProcessor(ctx, processorName); err != nil {
			return err
		}
		if err := until(ctx, time.Minute, 100*time.Millisecond, f.resting); err != nil {
			return fmt.Errorf("stop the processor: %w", err)
		}
		watching, stop := context.WithCancel(ctx)
		defer stop()
		watched := make(chan struct{})
		go func() { defer close(watched); f.watchMemory(watching, r, name+"_memory") }()
		submitted := time.Now()
		if _, err := f.submit(ctx, n, func(int) string { return noop }); err != nil {
			return err
		}
		r.add(name+"_submit", "calls/s", float64(n)/time.Since(submitted).Seconds())
		fmt.Fprintf(os.Stderr, "%-32s %d calls wait after %.0f s\n", name, n, time.Since(submitted).Seconds())

		was, began := used(f.pids()), time.Now()
		if _, err := f.api.StartProcessor(ctx, processorName); err != nil {
			return err
		}
		if err := f.workedOff(ctx, submitted, int64(n), b.growth.backlog); err != nil {
			return err
		}
		rate := float64(n) / time.Since(began).Seconds()
		r.grown(name, "growth_queued", "calls/s", rate, f.only(used(f.pids()).since(was, n)))
		fmt.Fprintf(os.Stderr, "%-32s %8.0f calls/s\n", name, rate)
		stop()
		<-watched
		return nil
	}
}

// one declares the queue and the socket of the function that does nothing.
func (f *flow) one(ctx context.Context) error {
	if _, err := f.api.Queues().Create(ctx, model.Queue{Object: model.Object{Name: queueName}, Type: model.Direct}); err != nil {
		return err
	}
	s := model.Socket{Object: model.Object{Name: noop}, Processor: processorName, Queue: queueName, Task: "noop"}
	_, err := f.api.Sockets().Create(ctx, s.WithDefaults())
	return err
}

// resting tells whether no worker is left.
func (f *flow) resting() (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	workers, err := f.api.Workers().All(ctx)
	return len(workers) == 0, err
}

// workedOff waits until the queue is empty, which is asked of the broker as it
// costs nothing, and then until the history has the end of all n calls that were
// made since.
func (f *flow) workedOff(ctx context.Context, since time.Time, n int64, limit time.Duration) error {
	err := until(ctx, limit, 250*time.Millisecond, func() (bool, error) {
		queues, err := f.api.Depth(ctx, queueName)
		waiting := int64(0)
		for _, q := range queues {
			waiting += q.Messages + max(q.Unacked, 0) // RabbitMQ does not tell how many are unacked
		}
		return waiting == 0, err
	})
	if err != nil {
		return fmt.Errorf("work off the backlog: %w", err)
	}
	return until(ctx, roundLimit, 250*time.Millisecond, func() (bool, error) {
		have, err := f.ended(ctx, noop, since)
		return have >= n, err
	})
}

// watchMemory notes the memory of the program every half second until ctx ends.
func (f *flow) watchMemory(ctx context.Context, r *report, name string) {
	for {
		if inMemory, err := memory(f.cmd.Process.Pid); err == nil {
			r.add(name, "MB", inMemory)
		}
		if sleep(ctx, 500*time.Millisecond) != nil {
			return
		}
	}
}
