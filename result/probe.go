package result

import (
	"context"
	"errors"
	"time"
)

const (
	// probeLease is for how long a probe's claim is kept if it cannot be given back.
	probeLease = 10 * time.Second
	// giveBack is how long that may take, also when ctx has ended.
	giveBack = time.Second
)

// Probe tells whether calls can be claimed now: it claims what is no call, named like the
// holder, and gives it back. A store whose memory is full still answers what reads, but
// nobody can renew claims there or keep results.
func Probe(ctx context.Context, s interface {
	Claim(ctx context.Context, holder string, lease time.Duration, calls ...string) ([]Claim, error)
	Release(ctx context.Context, holder string, calls ...string) error
}, holder string) error {
	_, err := s.Claim(ctx, holder, probeLease, holder)
	if err != nil && ctx.Err() == nil {
		return err
	}
	// If ctx ended meanwhile, the claim may have been made.
	giving, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBack)
	defer cancel()
	return errors.Join(err, s.Release(giving, holder, holder))
}
