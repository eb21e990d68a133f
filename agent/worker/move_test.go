package worker

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/socket"
)

// moved is the endpoints after target has gone to another queue object, which is declared.
func (b *bench) moved() []model.Endpoint {
	b.t.Helper()
	queue := model.Queue{Object: model.Object{Name: "q2"}, Type: model.Direct}
	now := slices.Clone(b.endpoints)
	now[1].Queue, now[1].Socket.Queue = queue, queue.Name
	edges := slices.Clone(now[0].Out)
	edges[0].Target, edges[0].TargetQueue = now[1].Socket, queue
	now[0].Out = edges
	if err := b.broker.Declare(b.ctx, socket.Topology(now[1])); err != nil {
		b.t.Fatal(err)
	}
	return now
}

// TestResultsGoWhereTheyGoNow: a call that was under way when its plug's target moved
// goes to where that is now; the queue of before may be gone.
func TestResultsGoWhereTheyGoNow(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) { <-release; return inv.Args[0], nil })
	b.start("1", nil)
	b.send("a", 1)
	b.eventually("it runs", func() bool { return b.program.runs("a") == 1 })
	b.workers[0].Set(b.moved())
	old := broker.Queue{Name: socket.OwnQueue(b.endpoints[1].Socket)}
	if err := b.broker.Remove(b.ctx, broker.Topology{Queues: []broker.Queue{old}}); err != nil {
		t.Fatal(err)
	}
	close(release)
	b.wait(next("a", "1"))
	stats, err := b.broker.Inspect(b.ctx, broker.DeadLetters)
	if err != nil || stats[0].Messages != 0 {
		t.Errorf("dead letters: %+v, %v", stats, err)
	}
}

// observed tells of what is published before it is.
type observed struct {
	broker.Broker
	before func(msgs []broker.Message)
}

func (o observed) Publish(ctx context.Context, msgs ...broker.Message) error {
	o.before(msgs)
	return o.Broker.Publish(ctx, msgs...)
}

// TestSetWaitsForWhatIsOnItsWay: when Set returns, the queue of before may be deleted, so
// nothing may be on its way there.
func TestSetWaitsForWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	b := setup(t, echo)
	now, old := b.moved(), socket.OwnQueue(b.endpoints[1].Socket)
	early, set := make(chan error, 1), make(chan struct{})
	b.configure = func(cfg *Config) {
		cfg.Broker = observed{cfg.Broker, func(msgs []broker.Message) {
			if !slices.ContainsFunc(msgs, func(m broker.Message) bool { return m.Key == old }) {
				return
			}
			go func() { defer close(set); b.workers[0].Set(now) }()
			select {
			case <-set:
				early <- fmt.Errorf("it has returned while %d messages are on their way", len(msgs))
			case <-time.After(300 * time.Millisecond):
				early <- nil
			}
		}}
	}
	b.start("1", nil)
	b.send("a", 1)
	if err := <-early; err != nil {
		t.Error(err)
	}
	select {
	case <-set:
	case <-time.After(disowning / 2):
		t.Error("it waits for nothing")
	}
}
