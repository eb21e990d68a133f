package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

// valueSizes are of how many KB the value is that a call brings and returns.
var valueSizes = []int{1, 20, 100}

// valueBytes is about how many bytes of values a round has; one of small values
// has as many calls as other rounds.
const valueBytes = 60 << 20

// growValues measures calls whose function returns the value that it is given.
func (b *bench) growValues(group string) measurement {
	return func(ctx context.Context, r *report, f *flow, want func(string) bool) error {
		if err := f.process(ctx, pythonFunctions()); err != nil {
			return fmt.Errorf("declare the processor: %w", err)
		}
		if _, err := f.more(ctx, 0, 1, b.growth.declare); err != nil {
			return err
		}
		for _, kb := range valueSizes {
			name := fmt.Sprintf("%s_%d", group, kb)
			if !want(name) {
				continue
			}
			value, n := rows(kb<<10), min(valueBytes/(kb<<10), b.growth.calls)
			for round := range b.growth.rounds + 1 {
				rate, cpu, err := f.echo(ctx, value, n)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				if round == 0 {
					continue // warm up
				}
				fmt.Fprintf(os.Stderr, "%-32s %8.0f calls/s  CPU µs/call: %v\n", name, rate, cpu)
				r.grown(name, fmt.Sprintf("%s_%d", group, valueSizes[0]), "calls/s", rate, cpu)
			}
		}
		return nil
	}
}

// rows is a JSON value of about so many bytes, such as a query of a database gives.
func rows(size int) json.RawMessage {
	random := rand.New(rand.NewPCG(1, 2)) // all rows alike would be compressed to nothing
	words := strings.Fields("order invoice customer street city amount total pending shipped express remark")
	word := func() string { return words[random.IntN(len(words))] }
	b := []byte("[null")
	for i := 0; len(b) < size; i++ {
		b = fmt.Appendf(b, `, {"id": %d, "key": "%016x%016x", "name": "%s %s", "amount": %.2f, "tags": ["%s", "%s"], "done": %t}`,
			i, random.Uint64(), random.Uint64(), word(), word(), 1000*random.Float64(), word(), word(), random.IntN(2) == 0)
	}
	return append(b, ']')
}

// echo runs calls of the first of many sockets with the value, until all are in
// the history.
func (f *flow) echo(ctx context.Context, value json.RawMessage, n int) (rate float64, cpu cost, err error) {
	ctx, cancel := context.WithTimeout(ctx, roundLimit)
	defer cancel()
	const requestBytes = 8 << 20
	was, began, last := used(f.pids()), time.Now(), ""
	for from, batch := 0, min(batchOf, requestBytes/len(value)); from < n; from += batch {
		calls := make([]client.Submission, min(n-from, batch))
		for i := range calls {
			calls[i] = client.Submission{Socket: many(0).Name, Args: []json.RawMessage{value}}
		}
		done, err := f.api.SubmitBatch(ctx, calls)
		if err != nil {
			return 0, nil, fmt.Errorf("submit: %w", err)
		}
		last = done[len(done)-1].ID
	}
	if err := f.ends(ctx, last); err != nil {
		return 0, nil, err
	}
	if out, err := f.api.Result(ctx, last, 0); err != nil || out.State != model.Succeeded || len(out.Result) < len(value)*9/10 {
		return 0, nil, errors.Join(fmt.Errorf("call %s ended %s with %d bytes", last, out.State, len(out.Result)), err)
	}
	ended, err := f.recorded(ctx, "", began, int64(n))
	return float64(n) / ended.Sub(began).Seconds(), f.only(used(f.pids()).since(was, n)), err
}
