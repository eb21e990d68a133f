package recorder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/broker/jetstream"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	resultnats "github.com/elasticcode/flow/result/nats"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/stack/natsd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errAway  = errors.New("the database is away")
	errUnfit = errors.New("not fit to be stored")
)

// book is a history that is away for some writes, and refuses one call.
type book struct {
	mu    sync.Mutex
	away  int
	calls map[string]model.Call
	parts []model.BlobPart
	news  chan struct{}
}

func (h *book) RecordCalls(_ context.Context, calls []model.Call, _ ...string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away > 0 {
		h.away--
		return errAway
	}
	for _, c := range calls {
		if c.ID == "unfit" {
			return errUnfit
		}
	}
	for _, c := range calls {
		if was := h.calls[c.ID]; !was.State.Terminal() {
			h.calls[c.ID] = c
		}
	}
	select {
	case h.news <- struct{}{}:
	default:
	}
	return nil
}

func (h *book) KeepBlobs(_ context.Context, parts ...model.BlobPart) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away > 0 {
		h.away--
		return errAway
	}
	h.parts = append(h.parts, parts...)
	return nil
}

type bench struct {
	t       *testing.T
	ctx     context.Context
	broker  *jetstream.Broker
	results *resultnats.Store
	book    *book
	follow  func(ctx context.Context, call model.Envelope, queue string) (socket.Address, bool, error)
}

func setup(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, ctx: testenv.Context(t, time.Minute), book: &book{calls: map[string]model.Call{}, news: make(chan struct{}, 1)}}
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
	check(t, b.broker.Declare(b.ctx, socket.Engine()))
	return b
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) run() {
	b.t.Helper()
	running, stop := context.WithCancel(b.ctx)
	done := make(chan struct{})
	owner := func(_ context.Context, _, queue string) (string, error) {
		return map[string]string{"q.p.t": "s", "q.p.other": "other"}[queue], nil
	}
	r := New(Config{Broker: b.broker, History: b.book, Results: b.results, Owner: owner, Follow: b.follow, Logger: testenv.Logger(b.t),
		Unavailable: func(err error) bool { return errors.Is(err, errAway) }})
	go func() {
		defer close(done)
		if err := r.Run(running); err != nil {
			b.t.Errorf("recorder: %v", err)
		}
	}()
	b.t.Cleanup(func() { stop(); <-done })
}

func (b *bench) record(calls ...model.Call) {
	b.t.Helper()
	check(b.t, socket.NewSender(b.broker).Send(b.ctx, nil, calls))
}

// has waits until the history has the call.
func (b *bench) has(id string) model.Call {
	b.t.Helper()
	for {
		b.book.mu.Lock()
		c, ok := b.book.calls[id]
		b.book.mu.Unlock()
		if ok {
			return c
		}
		select {
		case <-b.book.news:
		case <-b.ctx.Done():
			b.t.Fatalf("call %s is never recorded", id)
		}
	}
}

func TestRecordsWaitForTheDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.book.away = 3
	b.record(model.Call{ID: "a", State: model.Queued}, model.Call{ID: "b", State: model.Queued})
	b.run()
	b.has("a")
	b.has("b")
}

// TestLargeValues: when a record is there, so are the values it refers to, also
// after the database was away; what is no part of one goes to the dead letters.
func TestLargeValues(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.book.away = 2
	blob := model.NewBlob(json.RawMessage(`"` + strings.Repeat("x", 3<<20) + `"`))
	check(t, b.broker.Publish(b.ctx, socket.EncodeBlobs([]model.Blob{blob})...))
	check(t, b.broker.Publish(b.ctx, broker.Message{ID: "noise", Key: socket.Records, Body: []byte("x"),
		Headers: map[string]string{socket.HeaderBlob: blob.Hash, socket.HeaderPart: "3/3"}}))
	b.record(model.Call{ID: "a", Refs: []model.Ref{{At: "/result", Hash: blob.Hash, Size: len(blob.Value)}}})
	b.run()
	if c := b.has("a"); len(c.Refs) != 1 {
		t.Errorf("the record has the references %v", c.Refs)
	}
	b.book.mu.Lock()
	defer b.book.mu.Unlock()
	var got []byte
	for _, p := range b.book.parts {
		got = append(got, p.Data...)
	}
	if !bytes.Equal(got, blob.Value) || len(b.book.parts) != 7 {
		t.Errorf("%d parts with %d bytes are kept, want 7 with %d", len(b.book.parts), len(got), len(blob.Value))
	}
}

func TestOneBadRecordStopsNoOther(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.record(model.Call{ID: "a"})
	b.record(model.Call{ID: "unfit"})
	check(t, b.broker.Publish(b.ctx, broker.Message{ID: "noise", Key: socket.Records, Body: []byte("{")}))
	b.record(model.Call{ID: "z"})
	b.run()
	b.has("a")
	b.has("z")
}

func TestDeadLettersAreRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	body := []byte(`{"id":"late","tracking":"run","socket":"s","args":[1],"created":"2026-01-01T00:00:00Z"}`)
	dead := broker.Message{ID: "late", Key: broker.DeadLetters, Body: body, Headers: map[string]string{broker.HeaderDeadReason: "expired", broker.HeaderDeadQueue: "q.p.t"}}
	lost := dead
	lost.ID, lost.Body = "lost", []byte(`{"id":"lost","tracking":"run","socket":"s","created":"2026-01-01T00:00:00Z"}`)
	lost.Headers = map[string]string{broker.HeaderDeadReason: "its target is gone", broker.HeaderDeadQueue: "q.p.t"}
	wrong := lost // another client's mistake is in the history, too
	wrong.ID, wrong.Body = "wrong", []byte(`{"id":"wrong","tracking":"run","socket":"s","args":[1],"refs":[{"at":"/args/0","hash":"x","size":1}],"created":"2026-01-01T00:00:00Z"}`)
	other := dead // the other socket's copy of a call on a fanout queue
	other.ID, other.Body = "copy", []byte(`{"id":"shared","tracking":"run","socket":"s","created":"2026-01-01T00:00:00Z"}`)
	other.Headers = map[string]string{broker.HeaderDeadReason: "expired", broker.HeaderDeadQueue: "q.p.other"}
	check(t, b.broker.Publish(b.ctx, dead, lost, wrong, other))
	b.run()
	if c := b.has(model.DescendID("shared", "socket", "other")); c.State != model.Expired || c.Socket != "other" {
		t.Errorf("a copy that expired is recorded as %+v", c)
	}
	if known, err := b.results.Get(b.ctx, "shared"); err != nil || len(known) > 0 {
		t.Errorf("the call itself ended as %+v, %v", known, err)
	}
	if c := b.has("wrong"); c.State != model.Dead || len(c.Refs) > 0 || c.Failure == nil {
		t.Errorf("a call with a bad reference is recorded as %+v", c)
	}
	if c := b.has("late"); c.State != model.Expired || c.Failure == nil || len(c.Args) != 1 {
		t.Errorf("expired call recorded as %+v", c)
	}
	if c := b.has("lost"); c.State != model.Dead || c.Failure == nil || c.Failure.Message == "" {
		t.Errorf("dead call recorded as %+v", c)
	}
	waiting, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	if r, err := b.results.Wait(waiting, "late"); err != nil || r.State != model.Expired {
		t.Errorf("who waits hears %+v, %v", r, err)
	}
}

// TestCallsFollowTheirSocket: a call whose queue went because its socket moved is sent
// on, and is not dead.
func TestCallsFollowTheirSocket(t *testing.T) {
	t.Parallel()
	b := setup(t)
	check(t, b.broker.Declare(b.ctx, broker.Topology{Queues: []broker.Queue{{Name: "new.p.t"}}}))
	b.follow = func(_ context.Context, call model.Envelope, queue string) (socket.Address, bool, error) {
		return socket.Address{Key: "new.p.t"}, call.Socket == "moved" && queue == "q.p.old", nil
	}
	dead := func(id, name, reason string) broker.Message {
		return broker.Message{
			ID: id, Key: broker.DeadLetters, Body: fmt.Appendf(nil, `{"id":%q,"tracking":"run","socket":%q,"args":[1],"created":"2026-01-01T00:00:00Z"}`, id, name),
			Headers: map[string]string{broker.HeaderDeadReason: reason, broker.HeaderDeadQueue: "q.p.old"},
		}
	}
	check(t, b.broker.Publish(b.ctx, dead("a", "moved", broker.ReasonGone+": it was removed"), dead("b", "moved", broker.ReasonExpired), dead("c", "stays", broker.ReasonGone)))
	b.run()
	if c := b.has("b"); c.State != model.Expired {
		t.Errorf("an expired call is %s", c.State)
	}
	if c := b.has("c"); c.State != model.Dead {
		t.Errorf("a call of a socket that has not moved is %s", c.State)
	}
	in := make(chan *broker.Delivery)
	go func() { _ = b.broker.Consume(b.ctx, "new.p.t", 1, in) }()
	select {
	case d := <-in:
		if env, err := socket.Decode(d.Body); err != nil || env.ID != "a" || len(env.Args) != 1 || d.Headers[broker.HeaderRepeat] == "" {
			t.Errorf("sent on was %+v with %v, %v", env, d.Headers, err)
		}
		check(t, d.Ack(b.ctx))
	case <-b.ctx.Done():
		t.Fatal("nothing was sent on")
	}
	if known, err := b.results.Get(b.ctx, "a"); err != nil || len(known) > 0 {
		t.Errorf("who waits is told %+v, %v", known, err)
	}
}

// TestADeadLetterThatIsRefused: what the history does not take of the dead letters
// is done with; among them again it would come back for ever.
func TestADeadLetterThatIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := &settler{}
	r := New(Config{Results: b.results, Logger: testenv.Logger(t), Unavailable: func(error) bool { return false },
		History: writes(func([]model.Call, []string) error { return errUnfit })})
	body := []byte(`{"id":"unfit","tracking":"run","socket":"s","created":"2026-01-01T00:00:00Z"}`)
	r.bury(b.ctx, []*broker.Delivery{broker.NewDelivery(broker.Message{ID: "unfit", Body: body}, broker.DeadLetters, false, s)})
	if s.acked != 1 || s.published != 0 {
		t.Errorf("it was acked %d times, and %d messages were published", s.acked, s.published)
	}
}

// TestBeginningsWaitForEnds: the record of a call that is queued waits for its
// end, and does not wait for ever; a record that is refused takes none with it.
func TestBeginningsWaitForEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.record(model.Call{ID: "a", State: model.Queued}, model.Call{ID: "alone", State: model.Queued})
	b.record(model.Call{ID: "a", State: model.Succeeded}, model.Call{ID: "unfit", State: model.Succeeded})
	b.record(model.Call{ID: "z", State: model.Queued}, model.Call{ID: "unfit", State: model.Queued})
	b.record(model.Call{ID: "z", State: model.Failed})
	b.run()
	for id, want := range map[string]model.State{"alone": model.Queued, "z": model.Failed} {
		for b.has(id).State != want {
			select {
			case <-b.book.news:
			case <-b.ctx.Done():
				t.Fatalf("call %s is never %s", id, want)
			}
		}
	}
	b.has("a") // its end came with one that is refused
	stats, err := b.broker.Inspect(b.ctx, socket.Records)
	check(t, err)
	for stats[0].Messages+stats[0].Unacked > 0 {
		if stats, err = b.broker.Inspect(b.ctx, socket.Records); b.ctx.Err() != nil {
			t.Fatalf("messages are left: %+v", stats)
		}
		check(t, err)
	}
}
