package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/socket"
)

// sendAs sends a call of a priority to the socket source.
func (b *bench) sendAs(p model.Priority, id string, value any) {
	b.t.Helper()
	arg, err := json.Marshal(value)
	if err != nil {
		b.t.Fatal(err)
	}
	env := model.Envelope{ID: id, Tracking: "run", Socket: "source", Args: []json.RawMessage{arg}, Priority: p, Created: time.Now()}
	if err := socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: env, To: socket.Direct(b.endpoints[0].Socket, p)}}, nil); err != nil {
		b.t.Fatal(err)
	}
}

// TestHighCallsOvertake: a call of a high priority comes after many others, and
// runs next, whatever the worker has taken ahead; also where it has its calls
// given back because one runs for long.
func TestHighCallsOvertake(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var order []string
	began, open := make(chan struct{}), make(chan struct{})
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		if inv.ID == "gate" {
			close(began)
			<-open
		}
		time.Sleep(2 * time.Millisecond) // what the function does
		mu.Lock()
		defer mu.Unlock()
		order = append(order, inv.ID)
		return 1, nil
	})
	b.start("1", nil)
	b.send("gate", 1)
	<-began
	for i := range 30 {
		b.sendAs(model.Low, fmt.Sprint("low", i), i)
		b.send(fmt.Sprint("normal", i), i)
	}
	for i := range 3 {
		b.sendAs(model.High, fmt.Sprint("high", i), i)
	}
	for {
		stats, err := b.broker.Inspect(b.ctx, "p!high")
		if err != nil {
			t.Fatal(err)
		}
		if stats[0].Messages <= 1 { // the worker has as many as it takes ahead now
			break
		}
	}
	close(open)
	for i := range 30 {
		b.wait(fmt.Sprint("low", i))
		b.wait(fmt.Sprint("normal", i))
	}
	mu.Lock()
	defer mu.Unlock()
	last := 0
	for i := range 3 {
		last = max(last, slices.Index(order, fmt.Sprint("high", i)))
	}
	// What is given back comes again from several queues, in no certain order: a few
	// of the others may be there first, on a busy machine.
	if last > 16 || len(order) != 64 {
		t.Errorf("the high calls ran late: %s", strings.Join(order, " "))
	}
}

// TestRetryStaysInItsClass: another attempt has the priority of the first, and
// so have the calls that follow.
func TestRetryStaysInItsClass(t *testing.T) {
	t.Parallel()
	failed := false
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		if !failed {
			failed = true
			return nil, &model.Failure{Error: "ValueError"}
		}
		return inv.Args[0], nil
	}, func(s *model.Socket) { s.MaxAttempts = 2 })
	b.start("1", nil)
	b.sendAs(model.High, "a", "x")
	if r := b.wait("a"); r.State != model.Succeeded || r.Attempt != 2 {
		t.Errorf("it ended %s at attempt %d", r.State, r.Attempt)
	}
	b.wait(next("a", "1"))
	records, err := b.broker.Peek(b.ctx, socket.Records, 100)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, m := range records {
		rec, err := socket.DecodeRecord(m.Body)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range rec.Calls {
			seen++
			if c.Priority != model.High {
				t.Errorf("the record of %s, attempt %d, says priority %q", c.Socket, c.Attempt, c.Priority)
			}
		}
	}
	if seen < 3 {
		t.Errorf("only %d records", seen)
	}
}

// TestUnknownSocketOfAClass: a call for a socket that the worker does not know
// waits in the socket's own queue, and is dead when that is gone.
func TestUnknownSocketOfAClass(t *testing.T) {
	t.Parallel()
	b := setup(t, echo)
	all := b.endpoints
	b.endpoints = all[1:] // the worker does not know source yet
	b.start("1", nil)
	b.endpoints = all
	b.sendAs(model.High, "early", 1)
	if m := b.arrives("q.p.source", "early"); m.Headers[broker.HeaderRepeat] == "" {
		t.Errorf("it is not marked as one that was delivered before: %v", m.Headers)
	}
	if err := b.broker.Remove(b.ctx, broker.Topology{Queues: []broker.Queue{{Name: "q.p.source"}}}); err != nil {
		t.Fatal(err)
	}
	b.sendAs(model.Low, "late", 1)
	m := b.arrives(broker.DeadLetters, "late")
	if why := m.Headers[broker.HeaderDeadReason]; !strings.Contains(why, `socket "source"`) || !strings.HasPrefix(why, broker.ReasonGone+", q.p.source") || m.Headers[broker.HeaderDeadQueue] != "p!low" {
		t.Errorf("it is dead because of %v", m.Headers)
	}
}

// TestClassHasTheLimitInTimeOfItsQueue: class queues have no limits of their
// own, and a call in them expires as it would in the queue of its socket.
func TestClassHasTheLimitInTimeOfItsQueue(t *testing.T) {
	t.Parallel()
	b := setup(t, echo)
	for i := range b.endpoints {
		b.endpoints[i].Queue.MessageTTLMS = 1
	}
	b.sendAs(model.Low, "late", 1)
	time.Sleep(2 * time.Millisecond) // the time to live of the call
	b.start("1", nil)
	if m := b.arrives(broker.DeadLetters, "late"); m.Headers[broker.HeaderDeadReason] != broker.ReasonExpired {
		t.Errorf("it is dead because of %v", m.Headers)
	}
}

// arrives takes the next message out of a queue.
func (b *bench) arrives(queue, id string) *broker.Delivery {
	b.t.Helper()
	in := make(chan *broker.Delivery, 1)
	taking, stop := context.WithCancel(b.ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = b.broker.Consume(taking, queue, 1, in) })
	defer wg.Wait()
	defer stop()
	select {
	case d := <-in:
		if err := d.Ack(b.ctx); err != nil || d.ID != id {
			b.t.Errorf("in queue %s is %s, not %s: %v", queue, d.ID, id, err)
		}
		return d
	case <-b.ctx.Done():
		b.t.Fatalf("call %s does not come to queue %s", id, queue)
		return nil
	}
}

// TestHighCallsAtTheDoor: of the calls that wait for a token, one of a high
// priority has the next, whoever came before; and the class queue, which other
// sockets share, is not held up by many of them.
func TestHighCallsAtTheDoor(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var order []string
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, inv.ID)
		return 1, nil
	})
	b.changeAll(func(e *model.Endpoint) {
		if e.Socket.Name == "source" {
			e.Socket.Limit = model.Limit{Rate: "10/s", Burst: 1}
		}
	})
	b.start("1", nil)
	for i := range 12 {
		b.send(fmt.Sprint("normal", i), i)
	}
	b.wait("normal1") // now the others wait for tokens
	for i := range 3 {
		b.sendAs(model.High, fmt.Sprint("high", i), i)
	}
	for i := range 3 {
		b.wait(fmt.Sprint("high", i))
	}
	for i := range 12 {
		b.wait(fmt.Sprint("normal", i))
	}
	mu.Lock()
	defer mu.Unlock()
	if at := slices.Index(order, "high0"); at > 8 || len(order) != 15 {
		t.Errorf("the high calls ran late: %s", strings.Join(order, " "))
	}
}
