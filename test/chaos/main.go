package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

type options struct {
	quick   bool
	program string
	only    string
	stacks  string
	out     string
}

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "the short form")
	flag.StringVar(&o.program, "flow", "", "flow program built with '-tags faults'; default: build one")
	flag.StringVar(&o.only, "only", "", "only scenarios whose name contains this")
	flag.StringVar(&o.stacks, "stacks", "", "with commas between: embedded, services, own; default: all of the form")
	flag.StringVar(&o.out, "o", filepath.Join("chaos", "results.json"), "where results are written")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// run plays the scenarios and writes the results; the error says what failed.
func run(ctx context.Context, o options) error {
	began := time.Now()
	if o.program == "" {
		dir, err := os.MkdirTemp("", "flow-faults-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.program = filepath.Join(dir, "flow")
		fmt.Println("building flow with fault points")
		build := exec.CommandContext(ctx, "go", "build", "-tags", "faults", "-o", o.program, "./cmd/flow")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build flow: %w: %s", err, out)
		}
	}
	var mu sync.Mutex // guards the two below
	var all []outcome
	var failures []error
	fmt.Printf("%-46s %8s %8s %6s %6s %8s %10s\n", "scenario", "accepted", "effects", "lost", "dup.", "repeats", "recovery")
	var stacks errgroup.Group
	if !o.quick {
		stacks.SetLimit(1) // one after the other
	}
	for _, stack := range o.plan() {
		stacks.Go(func() error {
			outs, err := one(ctx, o, stack)
			mu.Lock()
			defer mu.Unlock()
			all, failures = append(all, outs...), append(failures, err)
			for _, out := range outs {
				failures = append(failures, out.failure())
			}
			return nil
		})
	}
	_ = stacks.Wait()
	calls := 0
	for _, out := range all {
		calls += out.Accepted
	}
	fmt.Printf("%d calls were accepted in %d scenarios, in %s\n", calls, len(all), time.Since(began).Round(time.Second))
	failures = append(failures, write(o.out, all))
	return errors.Join(failures...)
}

// failure is an error when calls were lost or repeated.
func (out outcome) failure() error {
	if out.Lost == 0 && out.Duplicated == 0 && len(out.problems) == 0 {
		return nil
	}
	return fmt.Errorf("%s: lost %d, duplicated %d; %s", out.Scenario, out.Lost, out.Duplicated, strings.Join(out.problems, "; "))
}

// plan lists the stacks to play on.
func (o options) plan() []string {
	if o.stacks != "" {
		return strings.Split(o.stacks, ",")
	}
	return []string{"services", "embedded", "own"}
}

// one plays all scenarios of a stack.
func one(ctx context.Context, o options, stack string) (all []outcome, err error) {
	var behind *services
	var list []scenario
	switch stack {
	case "embedded":
		list = onEmbedded(o.quick)
	case "services":
		list = onServices(o.quick)
		behind, err = sharedServices()
	case "own":
		list = onOwnServices(o.quick)
		if o.quick && o.stacks == "" {
			list = list[:ofLongCalls]
		}
		behind, err = ownServices(ctx)
	default:
		err = fmt.Errorf("stack %q is unknown: use embedded, services or own", stack)
	}
	if err != nil {
		return nil, err
	}
	if behind != nil && behind.own != nil {
		defer func() { err = errors.Join(err, behind.own.close()) }()
	}
	list = slices.DeleteFunc(list, func(s scenario) bool { return !strings.Contains(s.name, o.only) })
	w, err := newWorld(ctx, o, stack, behind)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(s scenario) bool { return s.needsDisk && w.removeDisk == nil })
	all, leaks, err := playAll(ctx, w, list, o.quick, tell)
	for _, l := range leaks {
		err = errors.Join(err, fmt.Errorf("%s: left behind: %s", stack, l))
	}
	return all, errors.Join(err, w.close())
}

// tell prints the outcome of a scenario.
func tell(out outcome) {
	fmt.Printf("%-46s %8d %8d %6d %6d %8d %8.1f s\n", out.Scenario, out.Accepted, out.Effects, out.Lost, out.Duplicated, out.repeats, out.RecoveryS)
	for _, p := range out.problems {
		fmt.Println("   ", p)
	}
}

// write keeps the results for others to read.
func write(path string, all []outcome) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if all == nil {
		all = []outcome{}
	}
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}
