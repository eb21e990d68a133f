package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/faultproxy"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

type fault = func(ctx context.Context, w *world) ([]time.Time, error)

// repeatedly does something so many times, with pauses.
func repeatedly(times int, pause time.Duration, do func(ctx context.Context, w *world) error) fault {
	return func(ctx context.Context, w *world) ([]time.Time, error) {
		var mended []time.Time
		for range times {
			if err := do(ctx, w); err != nil {
				return mended, err
			}
			mended = append(mended, time.Now())
			if !sleep(ctx, pause/2+rand.N(pause)) {
				return mended, ctx.Err()
			}
		}
		return mended, nil
	}
}

// killChild ends the child process of a worker.
func killChild(ctx context.Context, w *world) error {
	pids := w.children(ctx)
	if len(pids) > 0 {
		_ = syscall.Kill(pids[rand.N(len(pids))], syscall.SIGKILL) // it may have ended by itself
	}
	return nil
}

// killAgent ends an agent (or all of an embedded system) and starts it again.
func killAgent(_ context.Context, w *world) error { return w.replace(w.agents[rand.N(len(w.agents))]) }

// standStill stops an agent and its children for so long, as a machine that sleeps; then
// they go on with what they had.
func standStill(d time.Duration) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		goOn := frozen(w.agents[rand.N(len(w.agents))])
		defer goOn()
		sleep(ctx, d)
		return nil
	}
}

// killServer ends a server and starts it again.
func killServer(_ context.Context, w *world) error {
	return w.replace(w.servers[rand.N(len(w.servers))])
}

func killAny(ctx context.Context, w *world) error {
	return []func(context.Context, *world) error{killChild, killAgent, killServer}[rand.N(3)](ctx, w)
}

// replace ends a process and starts it again until it runs, as a supervisor
// would: what it needs may be away as well.
func (w *world) replace(p *process) error {
	p.kill()
	var err error
	for range 20 {
		if err = p.start(w.program); err == nil || p.running() {
			return err
		}
		time.Sleep(500 * time.Millisecond)
	}
	return err
}

// anAgent and aServer choose a process that is to end itself.
func anAgent(w *world) *process { return w.agents[0] }
func aServer(w *world) *process {
	if len(w.servers) == 0 {
		return w.agents[0] // of an embedded system, which is all in one
	}
	return w.servers[0]
}

// crashAt has one process end itself at a fault point so many times; each time
// it is started again.
func crashAt(of func(*world) *process, point string, rate, times int) fault {
	return func(ctx context.Context, w *world) ([]time.Time, error) {
		p := of(w)
		var mended []time.Time
		p.with("FLOW_FAULT="+point, fmt.Sprintf("FLOW_FAULT_RATE=%d", rate))
		p.stop()
		for range times {
			if err := p.start(w.program); err != nil && p.running() {
				return mended, err
			}
			select {
			case <-p.died():
			case <-time.After(20 * time.Second):
				p.with()
				_ = w.replace(p)
				return mended, fmt.Errorf("the fault point %q was not reached within 20 s", point)
			}
		}
		p.with()
		if err := p.start(w.program); err != nil {
			return mended, err
		}
		return append(mended, time.Now()), nil
	}
}

// which chooses a connection to break.
type which func(w *world) *faultproxy.Proxy

func toRabbit(w *world) *faultproxy.Proxy   { return w.rabbit }
func toRedis(w *world) *faultproxy.Proxy    { return w.redis }
func toPostgres(w *world) *faultproxy.Proxy { return w.postgres }

// cut closes all connections.
func cut(to which) func(context.Context, *world) error {
	return func(_ context.Context, w *world) error {
		to(w).Cut()
		return nil
	}
}

// away makes a service unreachable for a while.
func away(to which, d time.Duration) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		to(w).Refuse(true)
		to(w).Cut()
		sleep(ctx, d)
		to(w).Refuse(false)
		return nil
	}
}

// stall passes nothing on for a while, with connections open.
func stall(to which, d time.Duration) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		to(w).Stall(true)
		sleep(ctx, d)
		to(w).Stall(false)
		return nil
	}
}

// slow lets little pass, and late, for a while.
func slow(to which, d time.Duration) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		to(w).Slow(20*time.Millisecond, 1<<20)
		sleep(ctx, d)
		to(w).Slow(0, 0)
		return nil
	}
}

// stepClocks has the clocks of the processes go wrong one after the other, by ten
// minutes in both directions, while something else breaks; at the end they are right.
func stepClocks(meanwhile func(context.Context, *world) error) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		for i, p := range w.all() {
			seconds := 600
			if i%2 == 1 {
				seconds = -600
			}
			if err := p.setClock(seconds); err != nil {
				return err
			}
			sleep(ctx, 300*time.Millisecond)
			if err := meanwhile(ctx, w); err != nil {
				return err
			}
			sleep(ctx, time.Second)
			if err := p.setClock(0); err != nil {
				return err
			}
		}
		return nil
	}
}

func nothingElse(context.Context, *world) error { return nil }

// startsBefore has a process start while a service cannot be reached, and begin
// its work by itself when it can.
func startsBefore(to which, of func(*world) *process, d time.Duration) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		p := of(w)
		to(w).Refuse(true)
		to(w).Cut()
		p.kill()
		started := make(chan error, 1)
		go func() { started <- p.start(w.program) }()
		sleep(ctx, d)
		select {
		case err := <-started:
			return fmt.Errorf("%s did not wait for a service that is away: %w", p.name, err)
		default:
		}
		to(w).Refuse(false)
		return <-started
	}
}

// flush takes from Redis all that the world has there.
func flush(ctx context.Context, w *world) error {
	_, err := w.behind.forget(ctx, w.prefix, "*")
	return err
}

// empty takes messages out of the queues of the sockets, as somebody with the
// management of RabbitMQ may, while the processor is stopped, so that there are some. The
// engine's own queues and that of a plug are left: of a value on its way into a join
// there is no record.
func empty(ctx context.Context, w *world) (err error) {
	if _, err := w.any().StopProcessor(ctx, processorName); err != nil {
		return err
	}
	defer func() {
		_, started := w.any().StartProcessor(context.WithoutCancel(ctx), processorName)
		err = errors.Join(err, started)
	}()
	t, err := w.behind.topology(ctx, w.prefix)
	if err != nil {
		return err
	}
	b, err := w.behind.brokerFor(ctx, w.prefix)
	if err != nil {
		return err
	}
	defer b.Close()
	kept := []string{socket.Records, socket.Joins, broker.DeadLetters, socket.EdgeQueue(model.Plug{Object: model.Object{Name: edgeName}, Queue: queueName})}
	queues := slices.DeleteFunc(t.Queues, func(q broker.Queue) bool { return slices.Contains(kept, q.Name) })
	var taken int64
	return errors.Join(w.await(ctx, patience, "messages to be in a queue", func() bool {
		for _, q := range queues {
			n, purged := b.Purge(ctx, q.Name)
			if purged != nil {
				err = purged
				return true
			}
			taken += n
		}
		return taken >= batchSize
	}), err)
}

// both does two things at once.
func bothOf(a, b func(context.Context, *world) error) func(context.Context, *world) error {
	return func(ctx context.Context, w *world) error {
		second := make(chan error, 1)
		go func() { second <- b(ctx, w) }()
		err := a(ctx, w)
		if e := <-second; err == nil {
			err = e
		}
		return err
	}
}
