package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

// outage is a broker that is away for the first messages.
type outage struct {
	mu    sync.Mutex
	away  int
	calls int // in the records that arrived
}

func (o *outage) Publish(_ context.Context, msgs ...broker.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away--; o.away >= 0 {
		return errors.New("the broker is away")
	}
	for _, m := range msgs {
		rec, err := model.DecodeRecord(m.Body)
		if err != nil {
			return err
		}
		o.calls += len(rec.Calls)
	}
	return nil
}

// TestScribe: what was noted is known at once, and is recorded by the time the
// scribe ends, although the broker was away.
func TestScribe(t *testing.T) {
	t.Parallel()
	o := &outage{away: 2}
	s := newScribe(socket.NewSender(o), testenv.Logger(t))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	const calls = 2*scribeAtOnce + 1
	for i := range calls {
		s.note(ctx, []model.Call{{ID: fmt.Sprint(i), State: model.Queued, Args: []json.RawMessage{json.RawMessage("1")}}})
	}
	if c, ok := s.known("7"); !ok || c.State != model.Queued || c.Args != nil {
		t.Errorf("of an accepted call is known: %+v, %v", c, ok)
	}
	if _, ok := s.known("none"); ok {
		t.Error("a call that was never accepted is known")
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if o.calls != calls {
		t.Errorf("%d of %d calls were recorded", o.calls, calls)
	}
}

// TestScribeForgets: only the last calls are remembered.
func TestScribeForgets(t *testing.T) {
	t.Parallel()
	s := newScribe(socket.NewSender(&outage{}), testenv.Logger(t))
	for i := range scribeRecent + 1 {
		s.remember(model.Call{ID: fmt.Sprint(i)}) // nobody else has it
	}
	_, first := s.known("0")
	if _, second := s.known("1"); first || !second || len(s.recent) != scribeRecent {
		t.Errorf("the first is known: %v, the second: %v, and %d in all", first, second, len(s.recent))
	}
}
