package worker

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/socket"
)

// stalling is a result store that does not answer the first claim for a while.
type stalling struct {
	result.Store
	claims *atomic.Int32
	d      time.Duration
}

func (s stalling) Claim(ctx context.Context, holder string, lease time.Duration, calls ...string) ([]result.Claim, error) {
	if s.claims.Add(1) == 1 {
		<-time.After(s.d)
	}
	return s.Store.Claim(ctx, holder, lease, calls...)
}

// TestCopyAfterAStall: who had run a call when the result store stopped answering is
// the first to tell, also when the lease has lapsed meanwhile.
func TestCopyAfterAStall(t *testing.T) {
	t.Parallel()
	var claims atomic.Int32
	b := setup(t, func(in processor.Invocation) (any, *model.Failure) { return in.ID, nil })
	b.configure = func(c *Config) {
		c.Lease = 6 * time.Second // the copy is put back for half of it
		c.Results = stalling{c.Results, &claims, c.Lease / 2}
	}
	if _, err := b.results.Claim(b.ctx, "another worker", 10*time.Millisecond, "copy"); err != nil {
		t.Fatal(err)
	}
	send := func(id string, repeat bool) {
		env := model.Envelope{ID: id, Tracking: "run", Socket: "source", Args: []json.RawMessage{json.RawMessage("1")}, Created: time.Now()}
		to := socket.Own(b.endpoints[0].Queue, b.endpoints[0].Socket)
		if err := socket.NewSender(b.broker).Send(b.ctx, []socket.Outgoing{{Envelope: env, To: to, Repeat: repeat}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	send("copy", true)
	send("first", false)
	b.start("1", nil)
	b.eventually("the copy is let go", func() bool {
		claims, err := b.results.Claim(b.ctx, "another worker", time.Minute, "copy")
		return err == nil && claims[0].Granted
	})
	if _, err := b.results.Put(b.ctx, time.Hour, result.Result{Call: "copy", State: model.Succeeded, Value: json.RawMessage("1"), Attempt: 1, Finished: time.Now()}); err != nil {
		t.Fatal(err)
	}
	b.wait("first") // it was claimed with the copy, or after it
	b.eventually("both are settled", func() bool { return b.left() == 0 })
	if n := b.program.runs("copy"); n > 0 {
		t.Errorf("the copy ran %d times", n)
	}
	if n := b.program.runs("first"); n != 1 {
		t.Errorf("the other call ran %d times", n)
	}
}
