package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

// placesWorkers is how many workers there are, more than places.
const placesWorkers = 4

// places are how many calls of a socket may run at the same time.
var places = []int{1, 2}

// growPlaces measures how calls are worked off of which few may run at the same
// time, while there are more workers than that: of a function that does nothing,
// and of one that takes a while.
func (b *bench) growPlaces(group string) measurement {
	return func(ctx context.Context, r *report, f *flow, want func(string) bool) error {
		if err := f.process(ctx, pythonFunctions()); err != nil {
			return fmt.Errorf("declare the processor: %w", err)
		}
		for _, n := range places {
			for _, task := range []string{"noop", "nap"} {
				name := fmt.Sprintf("%s_%d", group, n)
				if !want(name) {
					continue
				}
				if task == "nap" {
					name += "_nap"
				}
				if err := f.placed(ctx, r, name, task, n); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
		return nil
	}
}

// placed measures rounds of calls of a socket of its own that has n places.
func (f *flow) placed(ctx context.Context, r *report, name, task string, n int) error {
	if _, err := f.api.Queues().Create(ctx, model.Queue{Object: model.Object{Name: name}, Type: model.Direct}); err != nil {
		return err
	}
	s := model.Socket{Object: model.Object{Name: name}, Processor: processorName, Queue: name, Task: task, MaxRunning: n}
	if _, err := f.api.Sockets().Create(ctx, s.WithDefaults()); err != nil {
		return err
	}
	if out, err := f.api.SubmitWait(ctx, client.Submission{Socket: name, Args: []json.RawMessage{json.RawMessage(payload)}}, 30*time.Second); err != nil || out.State != model.Succeeded {
		return fmt.Errorf("warm up: it is %s, %w", out.State, err)
	}
	for range f.b.growth.rounds {
		was, began := used(f.pids()), time.Now()
		last, err := f.submit(ctx, f.b.growth.placed, func(int) string { return name })
		if err != nil {
			return err
		}
		if err := f.ends(ctx, last.id); err != nil {
			return err
		}
		done, err := f.recorded(ctx, name, began, int64(f.b.growth.placed))
		if err != nil {
			return err
		}
		rate := float64(f.b.growth.placed) / done.Sub(began).Seconds()
		fmt.Fprintf(os.Stderr, "%-32s %8.0f calls/s\n", name, rate)
		r.grown(name, name, "calls/s", rate, f.only(used(f.pids()).since(was, f.b.growth.placed)))
	}
	return nil
}
