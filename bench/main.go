// The program bench measures Flow, and what it is compared with, on one
// machine in one go. 'make bench' and 'make bench-quick' run it.
//
// What is compared takes turns, round after round, so that a machine that
// becomes slower does so for all; ratios are taken within a round. Every round
// submits the same payload to a function that does nothing, and ends when the
// last call is on record:
//
//	raw_amqp       confirmed persistent publishing to a quorum queue and
//	               consuming with acks: what the broker alone can do
//	flow_services  submitted through the API in bulk, run by two Python workers;
//	               RabbitMQ, Redis, and every call in PostgreSQL's history
//	flow_embedded  the same on the embedded broker and SQLite
//	flow_shell     as flow_embedded, and the function is a shell script
//	celery         prefork with 2 processes, RabbitMQ, results in Redis, tuned
//	               for many short tasks
//	celery_plain   the same as Celery's first steps have it
//	river          inserted in bulk into the same PostgreSQL, run in this process
//
// After that it measures how Flow grows: see grow.
//
// What it starts it ends, and what it makes on a service it removes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// counts are how much is measured.
type counts struct {
	rounds   int
	calls    int // in each round
	celery   int // calls of Celery, which needs longer for each
	shell    int // calls of a shell script, each of which is a process
	latency  int // single calls
	chains   int
	programs int // whole runs of the command line
	idle     time.Duration
	growth   growth
}

var (
	full  = counts{rounds: 5, calls: 60000, celery: 5000, shell: 2000, latency: 500, chains: 40, programs: 30, idle: 10 * time.Second, growth: fullGrowth}
	quick = counts{rounds: 3, calls: 40000, celery: 1000, shell: 300, latency: 150, chains: 10, programs: 8, idle: 10 * time.Second, growth: quickGrowth}
)

// bench is what all measurements share.
type bench struct {
	counts
	urls   urls
	root   string // of the repository
	dir    string // for everything that is written
	flow   string // the program
	prefix string // of every name on a service
	pprof  string
	// workers are how many run the functions.
	workers int
	// growing is that growth is measured, on programs of its own.
	growing bool
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	small := flag.Bool("quick", false, "small counts: a few minutes")
	out := flag.String("out", "results.json", "file to write the results to")
	only := flag.String("only", "", "measure only these, like raw_amqp,flow_services")
	calls := flag.Int("calls", 0, "calls in a round, where the default does not fit")
	rounds := flag.Int("rounds", 0, "rounds, where the default does not fit")
	program := flag.String("flow", "", "the flow program to measure, instead of building it")
	pprof := flag.String("pprof", "", "HOST:PORT where the flow that is measured, on services or for growth, serves its profiles")
	flag.Parse()
	b := &bench{counts: full, urls: services(), flow: *program, pprof: *pprof, workers: 2}
	if *small {
		b.counts = quick
	}
	if *calls > 0 {
		b.calls, b.celery, b.shell, b.growth.calls = *calls, min(*calls, b.celery), min(*calls, b.shell), *calls
	}
	if *rounds > 0 {
		b.rounds, b.growth.rounds = *rounds, *rounds
	}
	if b.root, err = repository(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if b.dir, err = os.MkdirTemp("", "flow-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	b.prefix = fmt.Sprintf("flowbench%d", os.Getpid())
	r := newReport()
	if b.flow, err = b.build(ctx); err != nil {
		return err
	}
	measureErr := b.measure(ctx, r, chosen(*only))
	if measureErr == nil {
		measureErr = b.grow(ctx, r, chosen(*only))
	}
	r.print(os.Stdout)
	return errors.Join(measureErr, r.write(*out))
}

// repository finds the root of the repository: the folder above this module.
func repository() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, e := os.Stat(filepath.Join(dir, "cmd", "flow", "main.go")); e == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("run it inside the repository")
		}
	}
	return "", err
}
