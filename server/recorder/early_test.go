package recorder

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
)

// settler counts acks.
type settler struct{ acked int }

func (s *settler) Ack(context.Context) error                        { s.acked++; return nil }
func (s *settler) Release(context.Context) error                    { return nil }
func (s *settler) Publish(context.Context, ...broker.Message) error { return nil }

// TestACrowdWaitsLonger: few queued calls are soon in the history, many wait for
// their ends, and none for ever.
func TestACrowdWaitsLonger(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		calls   int
		waited  time.Duration
		written bool
	}{
		{10, earlyAge / 2, false}, {10, 2 * earlyAge, true},
		{crowd + 1, 2 * earlyAge, false}, {crowd + 1, 2 * crowdAge, true},
	} {
		h := &book{calls: map[string]model.Call{}, news: make(chan struct{}, 1)}
		r := New(Config{History: h, Logger: testenv.Logger(t)})
		var calls []model.Call
		for i := range c.calls {
			calls = append(calls, model.Call{ID: fmt.Sprint(i), State: model.Queued})
		}
		s := &settler{}
		r.mu.Lock()
		r.hold(broker.NewDelivery(broker.Message{ID: "m"}, "q", false, s), calls)
		r.release(t.Context(), time.Now().Add(c.waited))
		r.mu.Unlock()
		if got := len(h.calls) == c.calls && s.acked == 1; got != c.written {
			t.Errorf("%d calls after %s: %d are written, %d messages acked", c.calls, c.waited, len(h.calls), s.acked)
		}
	}
}
