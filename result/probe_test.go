package result_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/elasticcode/flow/result"
)

// cutOff makes a claim and does not say so before the one who asks has gone.
type cutOff struct {
	leave context.CancelFunc
	held  map[string]bool
}

func (c cutOff) Claim(ctx context.Context, _ string, _ time.Duration, calls ...string) ([]result.Claim, error) {
	c.held[calls[0]] = true
	c.leave()
	return nil, ctx.Err()
}

func (c cutOff) Release(ctx context.Context, _ string, calls ...string) error {
	if ctx.Err() == nil {
		delete(c.held, calls[0])
	}
	return ctx.Err()
}

// TestProbeHoldsNothing: who stops while a probe is under way leaves no claim behind.
func TestProbeHoldsNothing(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	s := cutOff{leave, map[string]bool{}}
	if err := result.Probe(ctx, s, "me"); !errors.Is(err, context.Canceled) {
		t.Errorf("it gave %v", err)
	}
	if len(s.held) > 0 {
		t.Errorf("%v is held", s.held)
	}
}
