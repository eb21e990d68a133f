package recorder

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

// settler counts acks, and what is published.
type settler struct{ acked, published int }

// writes is a history.
type writes func(calls []model.Call, begun []string) error

func (w writes) RecordCalls(_ context.Context, calls []model.Call, begun ...string) error {
	return w(calls, begun)
}
func (w writes) KeepBlobs(context.Context, ...model.BlobPart) error { return nil }

func (s *settler) Ack(context.Context) error                        { s.acked++; return nil }
func (s *settler) Release(context.Context) error                    { return nil }
func (s *settler) Publish(context.Context, ...broker.Message) error { s.published++; return nil }

// told is a delivery that tells of the calls.
func told(t *testing.T, s broker.Settler, calls ...model.Call) *broker.Delivery {
	t.Helper()
	msgs, err := socket.EncodeRecords(calls)
	if err != nil || len(msgs) != 1 {
		t.Fatal(len(msgs), err)
	}
	return broker.NewDelivery(msgs[0], socket.Records, false, s)
}

// releaseAt has what waits released as if it were that time, and waits for it.
func (r *Recorder) releaseAt(ctx context.Context, now time.Time) {
	r.writing.Wait()
	r.mu.Lock()
	r.release(ctx, now)
	r.mu.Unlock()
	r.writing.Wait()
}

// TestACrowdWaitsLonger: few queued calls are soon in the history, many wait for
// their ends as long as there are ends, and none for ever.
func TestACrowdWaitsLonger(t *testing.T) {
	t.Parallel()
	const never = time.Hour
	for _, c := range []struct {
		calls       int
		waited, end time.Duration // how long ago the last one ended
		written     bool
	}{
		{10, earlyAge / 2, never, false}, {10, 2 * earlyAge, never, true}, {10, 2 * earlyAge, 0, true},
		{crowd + 1, 2 * earlyAge, never, false}, {crowd + 1, 2 * stillAge, never, true},
		{crowd + 1, 2 * stillAge, stillAge / 2, false}, {crowd + 1, 2 * crowdAge, 0, true},
	} {
		h := &book{calls: map[string]model.Call{}, news: make(chan struct{}, 1)}
		r := New(Config{History: h, Logger: testenv.Logger(t)})
		var calls []model.Call
		for i := range c.calls {
			calls = append(calls, model.Call{ID: fmt.Sprint(i), State: model.Queued})
		}
		s := &settler{}
		r.take(t.Context(), []*broker.Delivery{told(t, s, calls...)})
		now := time.Now().Add(c.waited)
		r.lastEnd = now.Add(-c.end)
		r.releaseAt(t.Context(), now)
		if got := len(h.calls) == c.calls && s.acked == 1; got != c.written {
			t.Errorf("%d calls after %s, the last end %s ago: %d are written, %d messages acked", c.calls, c.waited, c.end, len(h.calls), s.acked)
		}
	}
}

// TestWhatCameFirstWaits: of more messages than may wait, the last ones are written
// at once, since the first ones end first.
func TestWhatCameFirstWaits(t *testing.T) {
	t.Parallel()
	var written []string
	r := New(Config{Logger: testenv.Logger(t), History: writes(func(calls []model.Call, _ []string) error {
		for _, c := range calls {
			written = append(written, c.ID)
		}
		return nil
	})})
	var ds []*broker.Delivery
	for i := range earlyMost + 2 {
		ds = append(ds, told(t, &settler{}, model.Call{ID: fmt.Sprint(i), State: model.Queued}))
	}
	r.take(t.Context(), ds)
	r.writing.Wait()
	if want := []string{fmt.Sprint(earlyMost), fmt.Sprint(earlyMost + 1)}; !slices.Equal(written, want) {
		t.Errorf("written are %q, want %q", written, want)
	}
}

// TestAnUnwrittenEndKeepsTheBeginning: a message whose calls have ended is not acked
// before the ends are written.
func TestAnUnwrittenEndKeepsTheBeginning(t *testing.T) {
	t.Parallel()
	for _, stopped := range []bool{false, true} {
		begun, goOn := make(chan struct{}), make(chan struct{})
		ctx, stop := context.WithCancel(t.Context())
		r := New(Config{Logger: testenv.Logger(t), History: writes(func([]model.Call, []string) error {
			close(begun)
			<-goOn
			return ctx.Err()
		})})
		var first settler
		r.take(ctx, []*broker.Delivery{told(t, &first, model.Call{ID: "a", State: model.Queued})})
		r.take(ctx, []*broker.Delivery{told(t, &settler{}, model.Call{ID: "a", State: model.Succeeded, Worker: "w"})})
		<-begun
		r.mu.Lock()
		r.release(ctx, time.Now().Add(2*crowdAge))
		r.mu.Unlock()
		if first.acked != 0 {
			t.Errorf("stopped %t: the beginning is acked before the end is written", stopped)
		}
		if stopped {
			stop()
		}
		close(goOn)
		r.releaseAt(ctx, time.Now())
		if acked := first.acked == 1; acked == stopped {
			t.Errorf("stopped %t: the beginning is acked: %t", stopped, acked)
		}
		stop()
	}
}

// TestTheBeginningIsInTheEnd: what waited of a call is written with its end, in
// full unless a worker tells the end, which knows all of it.
func TestTheBeginningIsInTheEnd(t *testing.T) {
	t.Parallel()
	var written []model.Call
	var first []string
	r := New(Config{History: writes(func(calls []model.Call, begun []string) error {
		written, first = append(written, calls...), append(first, begun...)
		return nil
	}), Logger: testenv.Logger(t)})
	s := &settler{}
	a, b := model.Call{ID: "a", State: model.Queued, Origin: "anna"}, model.Call{ID: "b", State: model.Queued, Origin: "bert"}
	r.take(t.Context(), []*broker.Delivery{told(t, s, a, b)})
	r.take(t.Context(), []*broker.Delivery{
		told(t, s, model.Call{ID: "a", State: model.Succeeded, Worker: "w", Origin: "anna"}),
		told(t, s, model.Call{ID: "b", State: model.Cancelled}),
	})
	r.releaseAt(t.Context(), time.Now())
	if s.acked != 3 || len(r.waiting) > 0 || len(r.early) > 0 {
		t.Errorf("%d of 3 messages are acked, %d calls wait in %d", s.acked, len(r.waiting), len(r.early))
	}
	var have []string
	for _, c := range written {
		have = append(have, fmt.Sprint(c.ID, " ", c.State, " ", c.Origin))
	}
	if want := []string{"b queued bert", "a succeeded anna", "b cancelled "}; !slices.Equal(have, want) {
		t.Errorf("written are %q, want %q", have, want)
	}
	if !slices.Equal(first, []string{"a", "b"}) {
		t.Errorf("new are %q", first)
	}
}

// TestARefusedEndLeavesTheBeginning: when what ends a call cannot be written, the
// history has at least all that was known before.
func TestARefusedEndLeavesTheBeginning(t *testing.T) {
	t.Parallel()
	var written []model.Call
	r := New(Config{Logger: testenv.Logger(t), Unavailable: func(error) bool { return false }, History: writes(func(calls []model.Call, _ []string) error {
		if slices.ContainsFunc(calls, func(c model.Call) bool { return c.State == model.Succeeded }) {
			return errUnfit
		}
		written = append(written, calls...)
		return nil
	})})
	s := &settler{}
	r.take(t.Context(), []*broker.Delivery{told(t, s, model.Call{ID: "a", State: model.Queued, Origin: "anna"})})
	r.take(t.Context(), []*broker.Delivery{told(t, s, model.Call{ID: "a", State: model.Succeeded, Worker: "w"})})
	r.releaseAt(t.Context(), time.Now())
	if len(written) != 1 || written[0].Origin != "anna" {
		t.Errorf("written is %+v", written)
	}
	if s.acked != 2 || s.published != 1 { // what is put into the dead letters is acked, too
		t.Errorf("%d messages are acked and %d went to the dead letters", s.acked, s.published)
	}
}

// TestABrokenBeginning: what cannot be read when its time comes is not acked as if
// it were written.
func TestABrokenBeginning(t *testing.T) {
	t.Parallel()
	r := New(Config{History: writes(func([]model.Call, []string) error { return nil }), Logger: testenv.Logger(t)})
	s := &settler{}
	body := []byte(`{"common":{"state":"queued"},"calls":[{"id":"a","created":"yesterday"}]}`)
	r.take(t.Context(), []*broker.Delivery{broker.NewDelivery(broker.Message{ID: "m", Body: body}, socket.Records, false, s)})
	r.releaseAt(t.Context(), time.Now().Add(2*earlyAge))
	if s.published != 1 || len(r.waiting) > 0 || len(r.early) > 0 {
		t.Errorf("%d messages went to the dead letters, %d calls wait in %d", s.published, len(r.waiting), len(r.early))
	}
}
