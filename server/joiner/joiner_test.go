package joiner

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/broker/jetstream"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	resultnats "github.com/elasticcode/flow/result/nats"
	"github.com/elasticcode/flow/server/values"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/stack/natsd"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a catalog with one socket "add" of add_two(one, two).
type shelf struct{}

func (shelf) Target(_ context.Context, network, name string) (Target, error) {
	if name != "add" {
		return Target{}, &store.NotFound{Kind: "socket", Name: name}
	}
	return Target{
		Socket: model.Socket{Object: model.Object{Network: network, Name: name}, Queue: "q", Processor: "p", Task: "add_two", Join: model.JoinZip},
		Task: model.Task{Name: "add_two", Arguments: []model.Argument{
			{Name: "one", Kind: model.PositionalOrKeyword}, {Name: "two", Kind: model.PositionalOrKeyword, Position: 1},
		}},
	}, nil
}

type bench struct {
	t       *testing.T
	ctx     context.Context
	broker  *jetstream.Broker
	results *resultnats.Store
	store   *store.Store
	joiner  *Joiner
	calls   chan *broker.Delivery // what fires
}

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, ctx: testenv.Context(t, time.Minute), calls: make(chan *broker.Delivery, 100)}
	log := testenv.Logger(t)
	server, err := natsd.Start(b.ctx, natsd.Config{Dir: t.TempDir(), Logger: log})
	check(t, err)
	t.Cleanup(server.Shutdown)
	conn, err := server.Connect(jetstream.Options("test", log)...)
	check(t, err)
	t.Cleanup(conn.Close)
	b.broker, err = jetstream.Open(b.ctx, conn, jetstream.Config{Logger: log})
	check(t, err)
	t.Cleanup(func() { _ = b.broker.Close() })
	b.results, err = resultnats.New(b.ctx, conn, resultnats.Config{Logger: log})
	check(t, err)
	t.Cleanup(func() { _ = b.results.Close() })
	b.store, err = sqlite.Open(b.ctx, filepath.Join(t.TempDir(), "flow.db"))
	check(t, err)
	t.Cleanup(func() { _ = b.store.Close() })
	check(t, b.store.Migrate(b.ctx))
	check(t, b.broker.Declare(b.ctx, socket.Engine()))
	check(t, b.broker.Declare(b.ctx, broker.Topology{Queues: []broker.Queue{{Name: "q.p.add_two"}}}))

	running, stop := context.WithCancel(b.ctx)
	done := make(chan struct{}, 2)
	b.joiner = New(Config{Broker: b.broker, Slots: b.store, Catalog: shelf{}, Results: b.results, Values: values.New(b.store, b.results, log), Logger: log})
	go func() {
		if err := b.joiner.Run(running); err != nil {
			t.Errorf("joiner: %v", err)
		}
		done <- struct{}{}
	}()
	go func() {
		if err := b.broker.Consume(running, "q.p.add_two", 100, b.calls); err != nil {
			t.Errorf("consume: %v", err)
		}
		done <- struct{}{}
	}()
	t.Cleanup(func() { stop(); <-done; <-done })
	return b
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bring publishes a value for an argument, as a plug or a person does.
func (b *bench) bring(id, socketName, argument string, value any) {
	b.t.Helper()
	body, err := json.Marshal(value)
	check(b.t, err)
	env := model.Envelope{ID: id, Tracking: "run-" + id, Socket: socketName, Argument: argument, Args: []json.RawMessage{body}, Created: time.Now()}
	check(b.t, socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: env, To: socket.Address{Key: socket.Joins}}}, nil))
}

func (b *bench) fired() model.Envelope {
	b.t.Helper()
	select {
	case d := <-b.calls:
		check(b.t, d.Ack(b.ctx))
		env, err := socket.Decode(d.Body)
		check(b.t, err)
		return env
	case <-b.ctx.Done():
		b.t.Fatal("nothing fires")
		return model.Envelope{}
	}
}

func TestArgumentsMeetOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.bring("b", "add", "two", 4)
	b.bring("b", "add", "two", 4) // a repeat is the same value
	b.bring("a", "add", "one", 3)
	b.bring("a", "add", "one", 3)
	env := b.fired()
	if fmt.Sprintf("%s", env.Args) != "[3 4]" || env.ID == "" || len(env.Parents) != 2 {
		t.Errorf("fired %+v", env)
	}
	for _, id := range []string{"a", "b"} {
		got, err := b.results.Get(b.ctx, id)
		check(t, err)
		if got[id].Joined != env.ID {
			t.Errorf("the call of argument %s does not know the call that it became part of: %+v", id, got[id])
		}
	}
	b.bring("c", "add", "one", 5)
	b.bring("d", "add", "two", 6)
	next := b.fired()
	for next.ID == env.ID { // a repeat of an argument may send the call again, under its id
		next = b.fired()
	}
	if fmt.Sprintf("%s", next.Args) != "[5 6]" {
		t.Errorf("the next set fired %+v", next)
	}
}

// TestAValueThatCannotBeKept: what another client sends and no database takes goes
// to the dead letters, and holds up no other.
func TestAValueThatCannotBeKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	bad := model.Envelope{ID: "bad", Tracking: strings.Repeat("x", 1000), Socket: "add", Argument: "one", Args: []json.RawMessage{json.RawMessage("1")}, Created: time.Now()}
	check(t, socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: bad, To: socket.Address{Key: socket.Joins}}}, nil))
	b.bring("a", "add", "one", 3)
	b.bring("b", "add", "two", 4)
	if env := b.fired(); fmt.Sprintf("%s", env.Args) != "[3 4]" {
		t.Errorf("fired %+v", env)
	}
	letters := make(chan *broker.Delivery, 1)
	consuming, stop := context.WithCancel(b.ctx)
	ended := make(chan error, 1)
	go func() { ended <- b.broker.Consume(consuming, broker.DeadLetters, 1, letters) }()
	select {
	case d := <-letters:
		if d.ID != "bad" || !strings.Contains(d.Headers[broker.HeaderDeadReason], "1000 bytes") {
			t.Errorf("dead letter %s: %v", d.ID, d.Headers)
		}
		check(t, d.Ack(b.ctx))
	case <-b.ctx.Done():
		t.Error("it is not among the dead letters")
	}
	stop()
	check(t, <-ended)
}

// TestLargeValuesMeet: values that came by reference, and large ones that came
// inside, are references in the joined call, which the database has; too much
// together is the end of the call, and those who wait are told.
func TestLargeValuesMeet(t *testing.T) {
	t.Parallel()
	b := setup(t)
	text := strings.Repeat("x", 5<<20)
	b.bring("a", "add", "one", text)
	b.bring("b", "add", "two", "small")
	env := b.fired()
	if len(env.Refs) != 1 || env.Refs[0].At != "/args/0" || string(env.Args[0]) != "null" || string(env.Args[1]) != `"small"` {
		t.Errorf("fired %.100s with %v", env.Args, env.Refs)
	}
	value, err := b.store.Blob(b.ctx, env.Refs[0].Hash)
	check(t, err)
	if string(value) != `"`+text+`"` {
		t.Errorf("the database has %d bytes", len(value))
	}
	b.bring("c", "add", "one", text)
	b.bring("d", "add", "two", text)
	r, err := b.results.Wait(b.ctx, "d")
	check(t, err)
	if r.State != model.Dead || r.Failure == nil || r.Failure.Error != model.FailureTooLarge {
		t.Errorf("two large values ended as %+v", r)
	}
}

// TestAJoinedCallHasTheHighestPriority, and goes to the class of its processor.
func TestAJoinedCallHasTheHighestPriority(t *testing.T) {
	t.Parallel()
	b := setup(t)
	check(t, b.broker.Declare(b.ctx, broker.Topology{Queues: []broker.Queue{{Name: "p!high"}}}))
	consuming, stop := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() { done <- b.broker.Consume(consuming, "p!high", 1, b.calls) }()
	t.Cleanup(func() { stop(); <-done })
	for argument, priority := range map[string]model.Priority{"one": model.High, "two": model.Low} {
		env := model.Envelope{ID: argument, Tracking: "r", Socket: "add", Argument: argument, Args: []json.RawMessage{json.RawMessage("1")}, Priority: priority, Created: time.Now()}
		check(t, socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: env, To: socket.Address{Key: socket.Joins}}}, nil))
	}
	if env := b.fired(); env.Priority != model.High || env.Socket != "add" {
		t.Errorf("fired %+v", env)
	}
}

func TestAValueForNobodyIsDead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dead := make(chan *broker.Delivery, 2)
	consuming, stop := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() { done <- b.broker.Consume(consuming, broker.DeadLetters, 2, dead) }()
	t.Cleanup(func() { stop(); <-done })
	b.bring("x", "gone", "one", 1)
	b.bring("y", "add", "three", 1)
	for range 2 {
		select {
		case d := <-dead:
			if d.Headers[broker.HeaderDeadReason] == "" || d.Headers[broker.HeaderDeadQueue] != socket.Joins {
				t.Errorf("dead without a reason: %v", d.Headers)
			}
			check(t, d.Ack(b.ctx))
		case <-b.ctx.Done():
			t.Fatal("the dead letters stay empty")
		}
	}
}

func TestAnIncompleteJoinExpires(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.bring("a", "add", "one", 3)
	for {
		open, err := b.store.Joins(b.ctx, "default", "add")
		check(t, err)
		if len(open) > 0 {
			break
		}
		if b.ctx.Err() != nil {
			t.Fatal("the value never reaches its slot")
		}
	}
	check(t, b.joiner.expireBefore(b.ctx, time.Now().Add(time.Hour)))
	got, err := b.results.Get(b.ctx, "a")
	check(t, err)
	if r := got["a"]; r.State != model.Expired || r.Failure == nil || r.Failure.Error != "JoinExpired" {
		t.Errorf("the value ended as %+v", r)
	}
	b.bring("b", "add", "two", 4)
	b.bring("c", "add", "one", 5)
	if env := b.fired(); fmt.Sprintf("%s", env.Args) != "[5 4]" {
		t.Errorf("the expired value met another: %s", env.Args)
	}
}
