package worker

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

// forgetful is a result store that lost its memory an hour ago, and may still be unsure.
// Its clock, and that of who makes calls, is ahead of the worker's.
type forgetful struct {
	result.Store
	ahead  time.Duration
	unsure bool
}

func (f forgetful) Claim(ctx context.Context, holder string, lease time.Duration, calls ...string) ([]result.Claim, error) {
	claims, err := f.Store.Claim(ctx, holder, lease, calls...)
	for i := range claims {
		claims[i].Unsure = claims[i].Granted && f.unsure
	}
	return claims, err
}

func (f forgetful) Since(context.Context) (since, now time.Time, err error) {
	now = time.Now().Add(f.ahead)
	return now.Add(-time.Hour), now, nil
}

func (forgetful) BeginAnew(context.Context) error { return nil }

// TestRepeatAfterLossOfMemory: a call that is delivered again after the result
// store was emptied is not run again when the history knows its end, is run when
// it does not, and waits while the history cannot be asked. The worker's clock
// does not matter. While the store is unsure, one that comes for the first time is
// not trusted either: it may be the first message of a call whose second one was run.
func TestRepeatAfterLossOfMemory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ahead time.Duration
		first bool
	}{
		"clocks agree":         {},
		"the worker is behind": {ahead: 2 * time.Hour},
		"the worker is ahead":  {ahead: -2 * time.Hour},
		"the first message":    {first: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repeatAfterLoss(t, c.ahead, c.first)
		})
	}
}

func TestOlderThanMemory(t *testing.T) {
	t.Parallel()
	s := &session{w: &Worker{cfg: Config{ResultTTL: 24 * time.Hour}}}
	now := time.Now()
	since := now.Add(-time.Hour)
	for _, c := range []struct {
		what    string
		created time.Time
		want    bool
	}{
		{"made before the loss", since.Add(-time.Minute), true},
		{"made at the time of the loss", since.Add(skew / 2), true},
		{"made after it", since.Add(30 * time.Minute), false},
		{"made now, by a clock that is a little ahead", now.Add(skew / 2), false},
		{"made by a clock that is wrong", now.Add(10 * time.Minute), true},
	} {
		if got := s.older(c.created, since, now); got != c.want {
			t.Errorf("%s: older is %t", c.what, got)
		}
	}
	if !s.older(now.Add(-25*time.Hour), now.Add(-100*time.Hour), now) {
		t.Error("a call whose result is not kept any more counts as known")
	}
}

func repeatAfterLoss(t *testing.T, ahead time.Duration, first bool) {
	b := setup(t, echo)
	var asked atomic.Int32
	b.configure = func(c *Config) {
		c.Results = forgetful{c.Results, ahead, first}
		c.History = func(_ context.Context, calls []string) ([]model.Call, error) {
			if asked.Add(1) == 1 {
				return nil, errors.New("the server is away")
			}
			var out []model.Call
			for _, id := range calls {
				if id == "ended" {
					out = append(out, model.Call{ID: id, State: model.Succeeded, Result: json.RawMessage(`"then"`), Attempt: 1})
				}
			}
			return out, nil
		}
	}
	// A recorder: while records wait, the history is not believed.
	recording, stop := context.WithCancel(b.ctx)
	var recorder sync.WaitGroup
	recorder.Go(func() {
		_ = broker.Batches(recording, b.broker, socket.Records, 16, testenv.Logger(t), func(ctx context.Context, ds []*broker.Delivery) {
			for _, d := range ds {
				_ = d.Ack(ctx)
			}
		})
	})
	t.Cleanup(func() { stop(); recorder.Wait() })
	b.start("1", nil)
	for _, id := range []string{"ended", "unknown"} {
		env := model.Envelope{
			ID: id, Tracking: "run", Socket: "source", Args: []json.RawMessage{json.RawMessage(`"now"`)}, Created: time.Now().Add(ahead - 2*time.Hour),
		}
		m, err := socket.Encode(socket.Outgoing{Envelope: env, To: socket.Own(b.endpoints[0].Queue, b.endpoints[0].Socket), Repeat: !first})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.broker.Publish(b.ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	if r := b.wait("ended"); string(r.Value) != `"then"` {
		t.Errorf("the call that ended has now the result %s", r.Value)
	}
	if r := b.wait("unknown"); string(r.Value) != `"now"` {
		t.Errorf("the unknown call has the result %s", r.Value)
	}
	b.wait(next("ended", "1")) // what follows is sent again
	if n, m := b.program.runs("ended"), b.program.runs("unknown"); n != 0 || m != 1 {
		t.Errorf("the call that ended ran %d times, the unknown one %d times", n, m)
	}
}
