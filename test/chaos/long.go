package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/elasticcode/flow/model"
)

// longCalls are the first two numbers after from, when they last.
type longCalls struct {
	lasts time.Duration
	from  int64
}

func (l longCalls) is(n int64) bool { return l.lasts > 0 && n > l.from && n <= l.from+2 }

// How long RabbitMQ waits for an ack in the scenario about that, and how often it looks.
const (
	brokerWaits = 2 * time.Second
	brokerLooks = 500 * time.Millisecond
)

// timedOut is what RabbitMQ notes when it closes a channel because a delivery was
// not settled for too long.
const timedOut = "delivery acknowledgement on channel"

// impatient has RabbitMQ close channels whose deliveries are not settled soon.
// Channels keep what held when they were opened, so all are opened again.
func impatient(ctx context.Context, w *world) error {
	return w.patienceOfRabbit(ctx, brokerWaits, brokerLooks)
}

// patientAgain is as RabbitMQ is by itself.
func patientAgain(ctx context.Context, w *world) error {
	return w.patienceOfRabbit(ctx, 30*time.Minute, time.Minute)
}

func (w *world) patienceOfRabbit(ctx context.Context, waits, looks time.Duration) error {
	ctl := w.behind.own.ctl
	err := ctl(ctx, "eval", fmt.Sprintf("application:set_env(rabbit, consumer_timeout, %d), application:set_env(rabbit, channel_tick_interval, %d).",
		waits.Milliseconds(), looks.Milliseconds()))
	if err != nil {
		return err
	}
	// Where a queue may say more than the setting for all, a policy outranks it.
	err = ctl(ctx, "set_policy", "--apply-to", "queues", "impatient", ".*", fmt.Sprintf(`{"consumer-timeout":%d}`, waits.Milliseconds()))
	if err != nil && !strings.Contains(err.Error(), "not recognised") {
		return err
	}
	w.rabbit.Cut()
	return nil
}

// outlasted looks whether RabbitMQ did close channels, and whether calls that were
// accepted after that ended before the long ones.
func outlasted(w *world, numbers []number) (problems []string) {
	log, err := os.ReadFile(w.behind.own.rabbit.log())
	if err != nil || !strings.Contains(string(log), timedOut) {
		problems = append(problems, fmt.Sprintf("RabbitMQ has not noted %q (%v)", timedOut, err))
	}
	end, ok := w.ledger.end(w.long.from + 1)
	if !ok {
		return problems // it is lost, which is said already
	}
	closed, n := end.Add(brokerWaits+2*brokerLooks-w.long.lasts), 0
	for _, one := range numbers {
		if at, ok := w.ledger.end(one.n); ok && one.accepted.After(closed) && at.Before(end) {
			n++
		}
	}
	if n < batchSize {
		problems = append(problems, fmt.Sprintf("%d calls were accepted and ended while the long one ran on after its channel, want at least %d", n, batchSize))
	}
	return problems
}

// nodeLoss is within what time a long call of a node that died runs elsewhere,
// and the node counts as down.
const nodeLoss = 30 * time.Second

// nodeEnds ends the agent that runs the first long call, in some way, and
// starts it again when the call runs elsewhere.
func nodeEnds(how func(*process) (mend func())) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		var p *process
		started := func(times int) func() bool {
			return func() bool { return w.ledger.read() == nil && len(w.ledger.of("start", w.long.from+1)) >= times }
		}
		if err := w.await(ctx, patience, "the long call to begin", started(1)); err != nil {
			return err
		}
		child := w.ledger.of("start", w.long.from+1)[0].pid
		for _, a := range w.agents {
			for _, pid := range offspring(a.pid()) {
				if pid == child {
					p = a
				}
			}
		}
		if p == nil {
			return fmt.Errorf("process %d, which began the long call, is of no agent", child)
		}
		mend, at := how(p), time.Now()
		err := w.await(ctx, nodeLoss, "the long call to run elsewhere", started(2))
		if err == nil {
			err = w.await(ctx, time.Until(at.Add(nodeLoss)), p.name+" to count as down", func() bool { return w.down(ctx, p.name) })
		}
		if mend(); !p.running() {
			if e := w.replace(p); err == nil {
				err = e
			}
		}
		return err
	}
}

// alone kills an agent, whose children are left to themselves.
func alone(p *process) (mend func()) {
	p.kill()
	return func() {}
}

// withChildren kills an agent and all processes below it, as when a host dies.
func withChildren(p *process) (mend func()) {
	pids := offspring(p.pid())
	p.kill()
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return func() {}
}

// frozen stops an agent and all processes below it with connections open, as when
// a host is cut off; they go on afterwards, and end what they had begun.
func frozen(p *process) (mend func()) {
	pids := append([]int{p.pid()}, offspring(p.pid())...)
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	return func() {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
	}
}

// down tells whether the history says that a node is down.
func (w *world) down(ctx context.Context, name string) bool {
	for _, c := range w.clients {
		if n, err := c.Nodes().Get(ctx, name); err == nil {
			return n.Status == model.StatusDown
		}
	}
	return false
}

// offspring are the processes below one.
func offspring(parent int) []int {
	below := map[int][]int{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(data), ") ") // the name before may have anything in it
		if fields := strings.Fields(rest); len(fields) > 1 {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
			of, _ := strconv.Atoi(fields[1])
			below[of] = append(below[of], pid)
		}
	}
	out := below[parent]
	for i := 0; i < len(out); i++ {
		out = append(out, below[out[i]]...)
	}
	return out
}
