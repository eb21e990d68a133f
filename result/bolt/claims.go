package bolt

import (
	"context"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/elasticcode/flow/result"
)

// claim is who runs a call.
type claim struct {
	holder string
	token  int64
	ends   time.Time
}

// sweep is after how many grants the claims are looked through for those that
// nobody ended.
const sweep = 10_000

// Claim asks to run the calls.
func (s *Store) Claim(ctx context.Context, holder string, lease time.Duration, calls ...string) ([]result.Claim, error) {
	if err := result.CheckClaim(holder, lease, calls); err != nil {
		return nil, err
	}
	answers := make([]result.Claim, len(calls))
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	err := s.view(ctx, func(tx *bolt.Tx) error {
		kept := tx.Bucket(results)
		for i, call := range calls {
			r, err := alive(kept.Get([]byte(call)), now)
			if err != nil {
				return fmt.Errorf("%s: %w", call, err)
			}
			answers[i].Result = r
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("claim %d calls: %w", len(calls), err)
	}
	unsure := now.Sub(s.remembers()) < result.Unsettled
	for i, call := range calls {
		if answers[i].Result == nil {
			answers[i] = s.claim(holder, call, now, now.Add(lease))
			answers[i].Unsure = answers[i].Granted && unsure
		}
	}
	return answers, nil
}

// claim is for a call without a result. It needs mu.
func (s *Store) claim(holder, call string, now, until time.Time) result.Claim {
	c, known := s.claims[call]
	if held := known && now.Before(c.ends); held && c.holder != holder {
		return result.Claim{Holder: c.holder, Remaining: c.ends.Sub(now)}
	} else if !held {
		s.token++
		c = claim{holder: holder, token: s.token}
		if s.grants++; s.grants%sweep == 0 {
			s.sweep(now)
		}
	}
	c.ends = until
	s.claims[call] = c
	return result.Claim{Granted: true, Token: c.token}
}

// sweep drops claims that have ended. Tokens grow without them.
func (s *Store) sweep(now time.Time) {
	for call, c := range s.claims {
		if !now.Before(c.ends) {
			delete(s.claims, call)
		}
	}
}

// Release ends the holder's claims without a result.
func (s *Store) Release(ctx context.Context, holder string, calls ...string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("release %d calls: %w", len(calls), err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, call := range calls {
		if s.claims[call].holder == holder {
			delete(s.claims, call)
		}
	}
	return nil
}

// Held is how many claims and places there are now.
func (s *Store) Held() (claims, places int) {
	now := time.Now()
	s.mu.Lock()
	for _, c := range s.claims {
		if now.Before(c.ends) {
			claims++
		}
	}
	s.mu.Unlock()
	return claims, s.limits.held(now)
}
