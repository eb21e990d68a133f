package result

import (
	"context"
	"time"
)

// probeLease is for how long a probe's claim is kept if it cannot be given back.
const probeLease = 10 * time.Second

// Probe tells whether calls can be claimed now: it claims what is no call, named like the
// holder, and gives it back. A store whose memory is full still answers what reads, but
// nobody can renew claims there or keep results.
func Probe(ctx context.Context, s interface {
	Claim(ctx context.Context, holder string, lease time.Duration, calls ...string) ([]Claim, error)
	Release(ctx context.Context, holder string, calls ...string) error
}, holder string) error {
	if _, err := s.Claim(ctx, holder, probeLease, holder); err != nil {
		return err
	}
	return s.Release(ctx, holder, holder)
}
