package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// growth is how far it goes.
type growth struct {
	sockets  []int // ascending
	rounds   int
	calls    int // in each round
	queued   int // calls of the backlog; a tenth of it on embedded
	records  int // calls in the history
	placed   int // calls in each round of which few may run at the same time
	agents   []int
	watch    time.Duration // how long the processor time of agents is measured
	declare  time.Duration // how long declaring may take before it is given up
	backlog  time.Duration // the same, of working off the backlog
	inserted time.Duration // the same, of writing the records
}

var (
	fullGrowth = growth{
		sockets: []int{1, 10, 1000, 5000}, rounds: 3, calls: 10_000, queued: 1_000_000, records: 10_000_000, placed: 2000, agents: []int{1, 20, 200},
		watch: 10 * time.Second, declare: 4 * time.Minute, backlog: 10 * time.Minute, inserted: 10 * time.Minute,
	}
	quickGrowth = growth{
		sockets: []int{1, 10, 100}, rounds: 2, calls: 2000, queued: 20_000, records: 100_000, placed: 500, agents: []int{1, 20},
		watch: 4 * time.Second, declare: 30 * time.Second, backlog: time.Minute, inserted: 20 * time.Second,
	}
)

// idleSockets is with how many sockets idle_cpu_1000_sockets is measured.
const idleSockets = 1000

// group is a group of growth's figures: it has a program of its own, and begins
// on one that has nothing.
type group struct {
	name     string
	services bool
	measure  measurement
}

// measurement measures what is wanted of a group on a program of its own.
type measurement func(ctx context.Context, r *report, f *flow, want func(string) bool) error

// grow measures what becomes of the rate, memory and processor time when there
// are more sockets, calls that wait, records and agents. A group that cannot be
// measured is said and left out.
func (b *bench) grow(ctx context.Context, r *report, want func(string) bool) error {
	for i, g := range []group{
		{"growth_sockets", false, b.growSockets("growth_sockets", b.growth.sockets)},
		{"growth_sockets_services", true, b.growSockets("growth_sockets_services", b.growth.sockets)},
		{"growth_queued", true, b.growQueued("growth_queued", b.growth.queued)},
		{"growth_queued_embedded", false, b.growQueued("growth_queued_embedded", b.growth.queued/10)},
		{"growth_records", true, b.growRecords},
		{"growth_agents", true, b.growAgents},
		{"growth_places", false, b.growPlaces("growth_places")},
		{"growth_places_services", true, b.growPlaces("growth_places_services")},
		{"growth_values", false, b.growValues("growth_values")},
		{"growth_values_services", true, b.growValues("growth_values_services")},
	} {
		within := b.within(g.name, want)
		if !slices.ContainsFunc(b.members(g.name), within) {
			continue
		}
		own := *b // its names on the services and its folder are its own
		own.growing, own.prefix, own.dir = true, b.prefix+"g"+strconv.Itoa(i), filepath.Join(b.dir, g.name)
		if strings.HasPrefix(g.name, "growth_places") {
			own.workers = placesWorkers
		}
		if err := os.Mkdir(own.dir, 0o700); err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, g.name)
		err := own.growOne(ctx, r, g, within)
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		if err != nil {
			r.missing(g.name, err)
		}
	}
	return nil
}

func (b *bench) growOne(ctx context.Context, r *report, g group, want func(string) bool) (err error) {
	f, err := b.startFlow(ctx, "flow", g.services)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close(), os.RemoveAll(b.dir)) }()
	return g.measure(ctx, r, f, want)
}

// members are the names that a group measures something by, besides those that
// come with them.
func (b *bench) members(group string) []string {
	var out []string
	switch group {
	case "growth_sockets":
		for _, n := range b.growth.sockets {
			out = append(out, fmt.Sprintf("%s_%d", group, n))
		}
		return append(out, "idle_cpu_1000_sockets")
	case "growth_sockets_services":
		for _, n := range b.growth.sockets {
			out = append(out, fmt.Sprintf("%s_%d", group, n))
		}
	case "growth_places", "growth_places_services":
		for _, n := range places {
			out = append(out, fmt.Sprintf("%s_%d", group, n))
		}
	case "growth_values", "growth_values_services":
		for _, kb := range valueSizes {
			out = append(out, fmt.Sprintf("%s_%d", group, kb))
		}
	case "growth_agents":
		for _, n := range b.growth.agents {
			out = append(out, fmt.Sprintf("%s_%d", group, n))
		}
	default:
		out = append(out, group)
	}
	return out
}

// within tells whether something of a group is wanted: by its own name, or by
// that of the group.
func (b *bench) within(group string, want func(string) bool) func(string) bool {
	return func(name string) bool { return want(group) || want(name) }
}

// memory is how many MB of the program's own process are in memory.
func memory(pid int) (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmRSS:" {
			kB, err := strconv.ParseFloat(fields[1], 64)
			return kB / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status tells no VmRSS", pid)
}

// share is what part of a core the program and what it started used while
// nothing was asked of it, in percent.
func (f *flow) share(ctx context.Context, watch time.Duration) (float64, error) {
	before, began := used(f.pids())["own"], time.Now()
	if err := sleep(ctx, watch); err != nil {
		return 0, err
	}
	return (used(f.pids())["own"] - before) / 1e4 / time.Since(began).Seconds(), nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// noted says what a row is, where the name does not.
func noted(name string) string {
	if note, ok := notes[name]; ok {
		return note
	}
	for _, n := range []struct{ begin, end, note string }{
		{"growth_sockets_services_", "_memory", "memory of the flow process"},
		{"growth_sockets_services_", "_declare", "for each socket: API, three queues of RabbitMQ, database"},
		{"growth_sockets_services_", "", "calls over all sockets, on RabbitMQ (a quorum queue for each socket)"},
		{"growth_sockets_", "_memory", "memory of the flow process, broker and database inside"},
		{"growth_sockets_", "_declare", "for each socket: API, queues, database"},
		{"growth_sockets_", "", "calls over all sockets, embedded"},
		{"growth_places_", "_nap", "4 workers, so many calls may run at the same time, each of which takes 5 ms"},
		{"growth_places_", "", "4 workers, so many calls may run at the same time; the function does nothing"},
		{"growth_values_", "", "calls with a value of so many KB each way"},
		{"growth_agents_", "", "simulated agents: share of one core that the server uses"},
	} {
		if strings.HasPrefix(name, n.begin) && strings.HasSuffix(name, n.end) {
			return n.note
		}
	}
	return ""
}
