package worker

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

// archive plays recorder, database and server: it takes what comes for the
// records, and gives large values.
type archive struct {
	mu      sync.Mutex // guards the fields below
	parts   map[string][]byte
	whole   map[string]bool
	largest int // message
	records []model.Call
	away    bool          // the server
	asked   chan struct{} // rings each time the server was asked
}

func (b *bench) archive() *archive {
	a := &archive{parts: map[string][]byte{}, whole: map[string]bool{}, asked: make(chan struct{}, 1000)}
	ctx, stop := context.WithCancel(b.ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = broker.Batches(ctx, b.broker, socket.Records, 16, testenv.Logger(b.t), func(ctx context.Context, ds []*broker.Delivery) {
			for _, d := range ds {
				a.take(b.t, d)
				_ = d.Ack(ctx)
			}
		})
	})
	b.t.Cleanup(func() { stop(); wg.Wait() })
	b.configure = func(c *Config) { c.Values = a.values }
	return a
}

func (a *archive) take(t *testing.T, d *broker.Delivery) {
	a.mu.Lock()
	defer a.mu.Unlock()
	part, ok, err := socket.DecodeBlob(d.Message)
	if err != nil {
		t.Error(err)
	}
	if ok {
		if !a.whole[part.Hash] { // parts of a test come in order
			a.parts[part.Hash] = append(a.parts[part.Hash], part.Data...)
			a.whole[part.Hash] = part.Part == part.Parts-1
		}
		return
	}
	text, err := socket.OpenRecord(d.Body)
	if err != nil {
		t.Error(err)
	}
	a.largest = max(a.largest, len(text))
	rec, err := model.DecodeRecord(text)
	if err != nil {
		t.Error(err)
	}
	a.records = append(a.records, rec.Calls...)
}

func (a *archive) values(_ context.Context, hashes []string) (map[string]json.RawMessage, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked <- struct{}{}
	if a.away {
		return nil, errors.New("the server is away")
	}
	out := map[string]json.RawMessage{}
	for _, h := range hashes {
		if a.whole[h] {
			out[h] = a.parts[h]
		}
	}
	return out, nil
}

func text(size int) string { return strings.Repeat("abcdefg ", size/8) }

// opened is a result with its large values, as they are in the result store.
func (b *bench) opened(r result.Result) result.Result {
	b.t.Helper()
	values, err := b.results.Fetch(b.ctx, model.Hashes(r.Refs)...)
	if err != nil {
		b.t.Fatal(err)
	}
	return r.Open(values)
}

// TestLargeValues: a large value goes through the function, its result, what
// follows and an ERROR plug whole, while no message but its parts is large.
func TestLargeValues(t *testing.T) {
	t.Parallel()
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) {
		var s string
		if err := json.Unmarshal(inv.Args[0], &s); err != nil || s == "" {
			return nil, &model.Failure{Error: "Empty", Message: "nothing came", Permanent: true}
		}
		if s[0] == 'x' {
			return nil, &model.Failure{Error: "NoX", Permanent: true}
		}
		return s + s, nil
	})
	a := b.archive()
	stop := b.start("1", nil)
	good, bad := text(1<<20), "x"+text(1<<20)
	b.send("a", good) // inside the message, as another client may send it
	b.send("b", bad)
	var followed string
	r := b.opened(b.wait(next("a", "1")))
	if err := json.Unmarshal(r.Value, &followed); err != nil || followed != good+good {
		t.Errorf("the call that follows returned %d bytes, want %d: %v", len(followed), 2*len(good), err)
	}
	r = b.wait("a")
	if len(r.Refs) != 1 || string(r.Value) != "null" || r.Refs[0].Size != 2*len(good)+2 {
		t.Errorf("the result holds %d bytes and the references %v", len(r.Value), r.Refs)
	}
	var told struct {
		Error string
		Args  []string
	}
	if err := json.Unmarshal(b.opened(b.wait(next("b", "2"))).Value, &told); err != nil || told.Error != "NoX" || len(told.Args) != 1 || told.Args[0] != bad {
		t.Errorf("the ERROR plug carried %s and %d arguments: %v", told.Error, len(told.Args), err)
	}
	stop()
	b.settled()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.largest > 64<<10 {
		t.Errorf("a message of records has %d bytes", a.largest)
	}
	for _, c := range a.records {
		if !c.State.Terminal() {
			continue
		}
		for _, ref := range c.Refs {
			if !a.whole[ref.Hash] || model.NewBlob(a.parts[ref.Hash]).Hash != ref.Hash {
				t.Errorf("call %s refers at %s to a value that the database does not have", c.ID, ref.At)
			}
		}
		if len(c.Refs) == 0 {
			t.Errorf("the record of call %s refers to nothing: %.200s", c.ID, c.Args)
		}
	}
}

// settled waits until no record is left on the broker.
func (b *bench) settled() {
	b.t.Helper()
	for {
		stats, err := b.broker.Inspect(b.ctx, socket.Records)
		if err != nil {
			b.t.Fatal(err)
		}
		if stats[0].Messages+max(0, stats[0].Unacked) == 0 {
			return
		}
	}
}

// refer sends a call whose argument is a reference.
func (b *bench) refer(id string, blob model.Blob, made time.Time) {
	b.t.Helper()
	env := model.Envelope{
		ID: id, Tracking: "run", Socket: "source", Args: []json.RawMessage{json.RawMessage("null")}, Created: made,
		Refs: []model.Ref{{At: "/args/0", Hash: blob.Hash, Size: len(blob.Value)}},
	}
	to := socket.Own(b.endpoints[0].Queue, b.endpoints[0].Socket)
	if err := socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: env, To: to}}, nil); err != nil {
		b.t.Fatal(err)
	}
}

// TestValuesOfAnEmptyStore: a value that the result store has lost comes from
// the server; while the server is away, or does not have it yet, the call waits;
// one that nobody has any more ends its call.
func TestValuesOfAnEmptyStore(t *testing.T) {
	t.Parallel()
	b := setup(t, echo)
	a := b.archive()
	a.away = true
	blob := model.NewBlob(json.RawMessage(`"` + text(2<<20) + `"`))
	b.refer("a", blob, time.Now())
	b.refer("lost", model.NewBlob(json.RawMessage(`"lost"`)), time.Now().Add(-time.Hour))
	b.start("1", nil)
	asked := func(more int) {
		for range more {
			select {
			case <-a.asked:
			case <-b.ctx.Done():
				t.Fatal("the server is not asked")
			}
		}
	}
	asked(2)
	a.mu.Lock()
	a.away = false
	a.mu.Unlock()
	asked(2)
	if n := b.program.runs("a"); n != 0 {
		t.Fatalf("the call ran %d times without its value", n)
	}
	if err := b.broker.Publish(b.ctx, socket.EncodeBlobs([]model.Blob{blob})...); err != nil {
		t.Fatal(err)
	}
	if r := b.wait("a"); r.State != model.Succeeded || r.Attempt != 1 || len(r.Refs) != 1 || r.Refs[0].Hash != blob.Hash {
		t.Errorf("the call ended %s: %+v", r.State, r)
	}
	if r := b.wait("lost"); r.State != model.Dead || r.Failure.Error != failureLost {
		t.Errorf("the call whose value is lost ended %s: %+v", r.State, r.Failure)
	}
}

// TestCrashWithLargeValues ends the worker around the step that makes large
// values durable: whatever refers to one afterwards, the database has it.
func TestCrashWithLargeValues(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"before values", "before result", "after result"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(inv processor.Invocation) (any, *model.Failure) { return text(1 << 20), nil })
			a := b.archive()
			var once atomic.Bool
			dead := make(chan struct{})
			b.start("1", func(at string, crash func()) {
				if at == point && !once.Swap(true) {
					crash()
					close(dead)
					runtime.Goexit()
				}
			})
			b.send("a", "x")
			<-dead
			b.start("2", nil)
			r := b.wait("a")
			last := b.opened(b.wait(next("a", "1")))
			if len(r.Refs) != 1 || len(last.Value) != 1<<20+2 {
				t.Errorf("the result is %+v, and the last one has %d bytes", r.Refs, len(last.Value))
			}
			b.settled()
			a.mu.Lock()
			defer a.mu.Unlock()
			for _, ref := range r.Refs {
				if model.NewBlob(a.parts[ref.Hash]).Hash != ref.Hash {
					t.Error("the result refers to a value that the database does not have")
				}
			}
		})
	}
}

// TestManyLargeValues: more than fits into memory at a time goes through, a part
// after the other.
func TestManyLargeValues(t *testing.T) {
	t.Parallel()
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) { return len(inv.Args[0]), nil })
	b.archive()
	const n, size = 20, 4 << 20
	for i := range n {
		blob := model.NewBlob(json.RawMessage(`"` + strings.Repeat(string(rune('A'+i)), size) + `"`))
		if err := b.results.Keep(b.ctx, time.Minute, blob); err != nil {
			t.Fatal(err)
		}
		b.refer(string(rune('A'+i)), blob, time.Now())
	}
	b.start("1", nil)
	for i := range n {
		if r := b.wait(string(rune('A' + i))); r.State != model.Succeeded || string(r.Value) == "null" {
			t.Errorf("call %d ended %s with %s: %+v", i, r.State, r.Value, r.Failure)
		}
	}
}

// TestValuesThatAreTooLarge end their call with a reason, wherever they come from.
func TestValuesThatAreTooLarge(t *testing.T) {
	t.Parallel()
	b := setup(t, func(inv processor.Invocation) (any, *model.Failure) { return text(model.MaxPayload), nil })
	b.archive()
	b.start("1", nil)
	b.send("result", 1)
	b.refer("argument", model.Blob{Hash: model.NewBlob(nil).Hash, Value: make([]byte, maxInput+1)}, time.Now())
	for id, state := range map[string]model.State{"result": model.Failed, "argument": model.Dead} {
		if r := b.wait(id); r.State != state || r.Failure.Error != model.FailureTooLarge {
			t.Errorf("%s: ended %s: %+v", id, r.State, r.Failure)
		}
	}
}
