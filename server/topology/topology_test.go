package topology

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/broker/jetstream"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	resultnats "github.com/elasticcode/flow/result/nats"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/stack/natsd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is the model: its endpoints.
type shelf struct{ endpoints []model.Endpoint }

func (s *shelf) Endpoints(context.Context, string) ([]model.Endpoint, error) { return s.endpoints, nil }

type bench struct {
	t       *testing.T
	ctx     context.Context
	broker  *jetstream.Broker
	results *resultnats.Store
	shelf   *shelf
	*Topology
}

// endpoint is a socket of a processor on a queue.
func endpoint(processor, queue, name string) model.Endpoint {
	return model.Endpoint{
		Socket: model.Socket{Object: model.Object{ID: name, Name: name, Network: "default"}, Processor: processor, Queue: queue, Task: name},
		Queue:  model.Queue{Object: model.Object{Name: queue}, Type: model.Direct}, Module: "m",
	}
}

func setup(t *testing.T, endpoints ...model.Endpoint) *bench {
	t.Helper()
	b := &bench{t: t, ctx: testenv.Context(t, time.Minute), shelf: &shelf{endpoints}}
	log := testenv.Logger(t)
	server, err := natsd.Start(b.ctx, natsd.Config{Dir: t.TempDir(), Logger: log})
	b.check(err)
	t.Cleanup(server.Shutdown)
	conn, err := server.Connect(jetstream.Options("test", log)...)
	b.check(err)
	t.Cleanup(conn.Close)
	b.broker, err = jetstream.Open(b.ctx, conn, jetstream.Config{Logger: log})
	b.check(err)
	t.Cleanup(func() { _ = b.broker.Close() })
	b.results, err = resultnats.New(b.ctx, conn, resultnats.Config{Logger: log})
	b.check(err)
	t.Cleanup(func() { _ = b.results.Close() })
	b.Topology = New(b.broker, b.shelf, b.results, log)
	b.check(b.ApplyAll(b.ctx))
	return b
}

func (b *bench) check(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// high sends n high calls to a socket.
func (b *bench) high(e model.Endpoint, n int) {
	b.t.Helper()
	for i := range n {
		env := model.Envelope{ID: fmt.Sprint(e.Socket.Name, i), Tracking: "r", Socket: e.Socket.Name, Args: []json.RawMessage{json.RawMessage("1")}, Priority: model.High, Created: time.Now()}
		b.check(socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: env, To: socket.Direct(e.Socket, model.High)}}, nil))
	}
}

// exists tells whether there is such a queue.
func (b *bench) exists(queue string) bool {
	b.t.Helper()
	_, err := b.broker.Inspect(b.ctx, queue)
	if err != nil && !errors.Is(err, broker.ErrNotFound) {
		b.t.Fatal(err)
	}
	return err == nil
}

// left are the calls in the class high.
func (b *bench) left() []string {
	b.t.Helper()
	msgs, err := b.broker.Peek(b.ctx, "p!high", 100)
	b.check(err)
	var ids []string
	for _, m := range msgs {
		ids = append(ids, m.ID)
	}
	return ids
}

// TestClassesOfAProcessor: they are there from its first socket to its last
// one, and each socket takes but its own calls with it.
func TestClassesOfAProcessor(t *testing.T) {
	t.Parallel()
	one, two, other := endpoint("p", "q", "one"), endpoint("p", "r", "two"), endpoint("p2", "q", "other")
	b := setup(t, one, two, other)
	b.high(one, 2)
	b.high(two, 3)
	b.eventually("all five are counted", func() bool { // brokers count a moment later
		depth, err := b.Depth(b.ctx, "default", "q")
		b.check(err)
		return slices.ContainsFunc(depth, func(d model.QueueDepth) bool { return d.Name == "p!high" && d.Messages == 5 })
	})
	gone := Gone{Network: "default", Sockets: []model.Endpoint{one}}
	if n, err := b.Waiting(b.ctx, gone); n != 2 || err != nil {
		t.Errorf("%d calls wait at socket one, %v", n, err)
	}

	b.shelf.endpoints = []model.Endpoint{two, other}
	b.check(b.Forget(b.ctx, gone))
	if have := b.left(); !slices.Equal(have, []string{"two0", "two1", "two2"}) || b.exists("q.p.one") || b.exists("m.one") {
		t.Errorf("after socket one is gone: %v", have)
	}
	got, err := b.results.Get(b.ctx, "one0", "one1", "two0")
	if err != nil || len(got) != 2 || got["one1"].State != model.Cancelled {
		t.Errorf("%+v, %v", got, err)
	}

	gone.Sockets = []model.Endpoint{two}
	b.shelf.endpoints = []model.Endpoint{other}
	if n, err := b.Waiting(b.ctx, gone); n != 3 || err != nil {
		t.Errorf("%d calls wait at socket two, %v", n, err)
	}
	b.check(b.Forget(b.ctx, gone))
	if b.exists("p!high") || b.exists("p!low") || !b.exists("p2!low") {
		t.Error("the classes of a processor without sockets stay, or others went")
	}
}

// TestPurgeLeavesTheCallsOfOthers in the queues of classes.
func TestPurgeLeavesTheCallsOfOthers(t *testing.T) {
	t.Parallel()
	one, two := endpoint("p", "q", "one"), endpoint("p", "r", "two")
	b := setup(t, one, two)
	b.high(two, 2)
	b.high(one, 2)
	msgs, err := b.Peek(b.ctx, "default", "q", 10)
	if err != nil || len(msgs) != 2 || msgs[0].Call.Socket != "one" {
		t.Errorf("%+v, %v", msgs, err)
	}
	if n, err := b.Purge(b.ctx, "default", "q"); n != 2 || err != nil {
		t.Errorf("%d purged, %v", n, err)
	}
	if have := b.left(); !slices.Equal(have, []string{"two0", "two1"}) {
		t.Errorf("left are %v", have)
	}
}

// TestAMovedSocketKeepsWhatItShares: its own queue goes, the others do not.
func TestAMovedSocketKeepsWhatItShares(t *testing.T) {
	t.Parallel()
	old, now := endpoint("p", "q", "one"), endpoint("p", "r", "one")
	b := setup(t, old)
	b.shelf.endpoints = []model.Endpoint{now}
	b.check(b.ApplyEndpoint(b.ctx, now))
	b.high(now, 1)
	b.check(b.Forget(b.ctx, Gone{Network: "default", Sockets: []model.Endpoint{old}}))
	if b.exists("q.p.one") || !b.exists("r.p.one") || !b.exists("m.one") || len(b.left()) != 1 {
		t.Errorf("after it moved, %v are left", b.left())
	}
}

// TestCallsFollowTheirSocket: what was sent to its old address while it moved is
// sent on, and nothing ends.
func TestCallsFollowTheirSocket(t *testing.T) {
	t.Parallel()
	old, now := endpoint("p", "q", "one"), endpoint("p", "r", "one")
	b := setup(t, old)
	for _, id := range []string{"a", "b"} {
		env := model.Envelope{ID: id, Tracking: "r", Socket: "one", Args: []json.RawMessage{json.RawMessage("1")}, Created: time.Now()}
		b.check(socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: env, To: socket.Own(old.Queue, old.Socket)}}, nil))
	}
	b.shelf.endpoints = []model.Endpoint{now}
	b.check(b.ApplyEndpoint(b.ctx, now))
	b.check(b.Forget(b.ctx, Gone{Network: "default", Sockets: []model.Endpoint{old}}))
	msgs, err := b.broker.Peek(b.ctx, "r.p.one", 10)
	if err != nil || len(msgs) != 2 || msgs[0].ID != "a" || msgs[0].Headers[broker.HeaderRepeat] == "" {
		t.Errorf("at its new address are %+v, %v", msgs, err)
	}
	if got, err := b.results.Get(b.ctx, "a", "b"); err != nil || len(got) > 0 || b.exists("q.p.one") {
		t.Errorf("they ended as %+v, %v", got, err)
	}
}

// TestNothingGoesWithAQueue: who goes on sending to the old address is told that it is
// one no more, and what was taken there before is sent on.
func TestNothingGoesWithAQueue(t *testing.T) {
	t.Parallel()
	old, now := endpoint("p", "q", "one"), endpoint("p", "r", "one")
	b := setup(t, old)
	b.shelf.endpoints = []model.Endpoint{now}
	b.check(b.ApplyEndpoint(b.ctx, now))
	sent, begun := make(chan int, 1), make(chan struct{})
	go func() {
		var once sync.Once
		begin := func() { once.Do(func() { close(begun) }) }
		defer begin()
		n, err := 0, error(nil)
		for ; err == nil; n++ {
			env := model.Envelope{ID: fmt.Sprint(n), Tracking: "r", Socket: "one", Args: []json.RawMessage{json.RawMessage("1")}, Created: time.Now()}
			err = socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: env, To: socket.Own(old.Queue, old.Socket)}}, nil)
			if n == 100 {
				begin()
			}
		}
		if !errors.Is(err, broker.ErrUnroutable) {
			t.Errorf("sending ended with: %v", err)
		}
		sent <- n - 1
	}()
	<-begun
	b.check(b.Forget(b.ctx, Gone{Network: "default", Sockets: []model.Endpoint{old}}))
	n := int64(<-sent)
	if stats, err := b.broker.Inspect(b.ctx, "r.p.one"); err != nil || stats[0].Messages != n {
		t.Errorf("of %d calls there are %+v, %v", n, stats, err)
	}
}

// TestCopiesGoWithTheirOwnSocket: a call to a fanout queue is one of each socket
// there; where one of these goes, the others stay.
func TestCopiesGoWithTheirOwnSocket(t *testing.T) {
	t.Parallel()
	one, two := endpoint("p", "q", "one"), endpoint("p", "q", "two")
	one.Queue.Type, two.Queue.Type = model.Fanout, model.Fanout
	b := setup(t, one, two)
	const n = 600
	calls := make([]socket.Outgoing, n)
	for i := range calls {
		env := model.Envelope{ID: fmt.Sprint(i), Tracking: "r", Socket: "one", Args: []json.RawMessage{json.RawMessage("1")}, Created: time.Now()}
		calls[i] = socket.Outgoing{Envelope: env, To: socket.Own(one.Queue, one.Socket)}
	}
	b.check(socket.NewSender(b.broker).Send(b.ctx, calls, nil))
	copied := socket.Copy(calls[7].Envelope, two.Socket).ID
	_, err := b.results.Put(b.ctx, time.Hour, result.Result{Call: copied, State: model.Succeeded})
	b.check(err)
	b.shelf.endpoints = []model.Endpoint{one}
	b.check(b.Forget(b.ctx, Gone{Network: "default", Sockets: []model.Endpoint{two}}))
	stats, err := b.broker.Inspect(b.ctx, "q.p.one", socket.Records)
	if err != nil || stats[0].Messages != n || stats[1].Messages == 0 || stats[1].Messages > n/10 {
		t.Errorf("waiting at the other socket, and recorded: %+v, %v", stats, err)
	}
	got, err := b.results.Get(b.ctx, "7", "8", copied, socket.Copy(calls[8].Envelope, two.Socket).ID)
	if err != nil || len(got) != 2 || got[copied].State != model.Succeeded {
		t.Errorf("ended are %+v, %v", got, err)
	}
	if total, err := b.Purge(b.ctx, "default", "q"); err != nil || total != n {
		t.Errorf("%d purged, %v", total, err)
	}
	if got, err := b.results.Get(b.ctx, "7"); err != nil || got["7"].State != model.Cancelled {
		t.Errorf("ended are %+v, %v", got, err)
	}
}

// TestWhatSocketsShareIsDeclaredOnce, and again when it was removed meanwhile.
func TestWhatSocketsShareIsDeclaredOnce(t *testing.T) {
	t.Parallel()
	one, two := endpoint("p", "q", "one"), endpoint("p", "q", "two")
	b := setup(t)
	b.check(b.ApplyEndpoint(b.ctx, one))
	b.check(b.broker.Remove(b.ctx, broker.Topology{Queues: []broker.Queue{{Name: "p!low"}}})) // by somebody else
	b.check(b.ApplyEndpoint(b.ctx, two))
	if b.exists("p!low") || !b.exists("q.p.two") || !b.exists("m.two") || !b.exists("p!high") {
		t.Error("a class was declared again for the second socket, or something else is missing")
	}
	b.check(b.Forget(b.ctx, Gone{Network: "default", Sockets: []model.Endpoint{one, two}}))
	b.check(b.ApplyEndpoint(b.ctx, two))
	if !b.exists("p!high") || !b.exists("p!low") || !b.exists("m.two") {
		t.Error("what was removed by ourselves was not declared again")
	}
}
