package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

// many is the i-th of many sockets: all functions that make a chain on one queue
// object, then all of them on the next one.
func many(i int) model.Socket {
	return model.Socket{
		Object: model.Object{Name: fmt.Sprintf("many.%04d", i)}, Processor: processorName,
		Queue: manyQueue(i / chainLength), Task: fmt.Sprintf("step%02d", i%chainLength),
	}.WithDefaults()
}

func manyQueue(i int) string { return fmt.Sprintf("many%03d", i) }

// growSockets measures one processor with more and more sockets.
func (b *bench) growSockets(group string, counts []int) measurement {
	return func(ctx context.Context, r *report, f *flow, want func(string) bool) error {
		if err := f.process(ctx, pythonFunctions()); err != nil {
			return fmt.Errorf("declare the processor: %w", err)
		}
		idle := group == "growth_sockets" && want("idle_cpu_1000_sockets")
		if idle && !slices.Contains(counts, idleSockets) {
			counts = append(slices.Clone(counts), idleSockets)
			slices.Sort(counts)
		}
		have := 0
		for _, n := range counts {
			name := fmt.Sprintf("%s_%d", group, n)
			rate := slices.Contains(b.growth.sockets, n) && want(name)
			if !rate && (!idle || n != idleSockets) {
				continue
			}
			if group == "growth_sockets_services" {
				if err := b.rabbitHolds(n); err != nil {
					r.missing(name, err)
					return nil
				}
			}
			each, err := f.more(ctx, have, n, b.growth.declare)
			if err != nil {
				r.missing(name, err)
				return nil // more of them would not do either
			}
			fmt.Fprintf(os.Stderr, "%-32s declared, %.1f ms each\n", name, each)
			have = n
			if rate {
				r.add(name+"_declare", "ms", each)
				if err := f.overAll(ctx, r, n, name, fmt.Sprintf("%s_%d", group, counts[0])); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			if idle && n == idleSockets {
				if err := f.idleWith(ctx, r, "idle_cpu_1000_sockets"); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// filesPerQueue is how many file handles RabbitMQ counts for a quorum queue. When
// they are used up it takes no connections any more, from nobody.
const filesPerQueue = 3

// rabbitHolds is an error when the RabbitMQ may not open the files that so many
// sockets need. What cannot be known, because it is elsewhere, is no error.
func (b *bench) rabbitHolds(sockets int) error {
	u, err := url.Parse(b.urls.amqp)
	if err != nil {
		return err
	}
	limits, _ := os.ReadFile(fmt.Sprintf("/proc/%d/limits", listener(cmp.Or(u.Port(), "5672"))))
	for line := range strings.Lines(string(limits)) {
		var files int
		if n, _ := fmt.Sscanf(line, "Max open files %d", &files); n == 1 && files < filesPerQueue*(sockets+sockets/10) {
			return fmt.Errorf("%d sockets are too many for a RabbitMQ that may open %d files: raise its limit (ulimit -n)", sockets, files)
		}
	}
	return nil
}

// listener returns the process that listens on the TCP port, or 0.
func listener(port string) int {
	n, _ := strconv.Atoi(port)
	sockets := map[string]bool{} // as links of open files name them
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		data, _ := os.ReadFile(table)
		for line := range strings.Lines(string(data)) {
			const listens = "0A"
			f := strings.Fields(line) // number, local address, remote address, state, …, inode
			if len(f) > 9 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", n)) && f[3] == listens {
				sockets["socket:["+f[9]+"]"] = true
			}
		}
	}
	for pid := range processes() {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		for _, f := range files {
			if to, err := os.Readlink(f); err == nil && sockets[to] {
				return pid
			}
		}
	}
	return 0
}

// process declares the processor and waits until its workers run.
func (f *flow) process(ctx context.Context, in client.ProcessorInput) (err error) {
	in.Name, in.Concurrency = processorName, f.b.workers
	if in.GitRepo, err = f.b.repo(); err != nil {
		return err
	}
	if _, err := f.api.CreateProcessor(ctx, in); err != nil {
		return err
	}
	if _, err := f.api.StartProcessor(ctx, processorName); err != nil {
		return err
	}
	return until(ctx, time.Minute, 100*time.Millisecond, f.working)
}

// more declares the sockets from the one to before the other, while the workers
// run, and returns how many ms each took. It gives up after the limit.
func (f *flow) more(ctx context.Context, from, to int, limit time.Duration) (each float64, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("declaring %d sockets took longer than %s", to, limit))
	defer cancel()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}()
	began := time.Now()
	for i := (from + chainLength - 1) / chainLength; i*chainLength < to; i++ {
		if _, err := f.api.Queues().Create(ctx, model.Queue{Object: model.Object{Name: manyQueue(i)}, Type: model.Direct}); err != nil {
			return 0, err
		}
	}
	g, sending := errgroup.WithContext(ctx)
	g.SetLimit(2)
	for i := from; i < to; i++ {
		g.Go(func() error {
			_, err := f.api.Sockets().Create(sending, many(i))
			return err
		})
	}
	err = g.Wait()
	return time.Since(began).Seconds() * 1000 / float64(to-from), err
}

// overAll measures rounds of calls that are spread over n sockets.
func (f *flow) overAll(ctx context.Context, r *report, n int, name, base string) error {
	// Workers take from a new socket when they have heard of it.
	if _, _, err := f.spread(ctx, n, max(n, 500)); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	for range f.b.growth.rounds {
		rate, cpu, err := f.spread(ctx, n, f.b.growth.calls)
		if err != nil {
			return err
		}
		inMemory, err := memory(f.cmd.Process.Pid)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%-32s %8.0f calls/s  CPU µs/call: %v  %.0f MB\n", name, rate, cpu, inMemory)
		r.grown(name, base, "calls/s", rate, cpu)
		r.grown(name+"_memory", base+"_memory", "MB", inMemory)
	}
	return nil
}

// spread runs calls of n sockets in turns, until all are in the history.
func (f *flow) spread(ctx context.Context, n, calls int) (rate float64, cpu cost, err error) {
	ctx, cancel := context.WithTimeout(ctx, roundLimit)
	defer cancel()
	was, began := used(f.pids()), time.Now()
	last, err := f.submit(ctx, calls, func(i int) string { return many(i % n).Name })
	if err != nil {
		return 0, nil, err
	}
	if err := f.ends(ctx, last.id); err != nil {
		return 0, nil, err
	}
	done, err := f.recorded(ctx, "", began, int64(calls))
	return float64(calls) / done.Sub(began).Seconds(), f.only(used(f.pids()).since(was, calls)), err
}

// only is what was used for this program: when it is embedded, services work for
// others.
func (f *flow) only(c cost) cost {
	if f.clean == nil {
		return cost{"own": c["own"], "bench": c["bench"]}
	}
	return c
}

// idleWith measures the processor time while nothing happens.
func (f *flow) idleWith(ctx context.Context, r *report, name string) error {
	if err := sleep(ctx, 3*time.Second); err != nil { // let what was before settle
		return err
	}
	percent, err := f.share(ctx, f.b.idle)
	if err != nil {
		return errors.Join(fmt.Errorf("measure %s", name), err)
	}
	r.add(name, "%", percent)
	return nil
}
