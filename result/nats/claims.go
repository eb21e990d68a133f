package nats

import (
	"context"
	"fmt"
	"time"

	"github.com/elasticcode/flow/result"
)

// grant is a claim that this store was given. It is only a guess which message
// to replace: the server decides.
type grant struct {
	seq    uint64
	token  int64
	holder string
	ends   time.Time
}

const (
	// afterglow is how much longer than its lease a claim is kept: who reads it
	// then still sees whose it was.
	afterglow = 10 * time.Second
	// sweep is after how many new grants the old ones are looked for.
	sweep = 10_000
)

// keep remembers a grant.
func (s *Store) keep(call string, g grant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.grants++; s.grants%sweep == 0 {
		now := s.now()
		for c, old := range s.held {
			if now.After(old.ends.Add(afterglow)) {
				delete(s.held, c)
			}
		}
	}
	s.held[call] = g
}

// drop forgets a grant and returns the number of its message, or 0.
func (s *Store) drop(call string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.held[call]
	delete(s.held, call)
	return g.seq
}

// own returns the grant that a holder has for a call, if this store knows of one.
func (s *Store) own(holder, call string) grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.held[call]; g.holder == holder {
		return g
	}
	return grant{}
}

// Claim asks to run the calls.
func (s *Store) Claim(ctx context.Context, holder string, lease time.Duration, calls ...string) ([]result.Claim, error) {
	if err := result.CheckClaim(holder, lease, calls); err != nil {
		return nil, err
	}
	c := claiming{store: s, holder: holder, lease: lease, claims: make([]result.Claim, len(calls)), tokens: make([]int64, len(calls))}
	first := make(map[string]int, len(calls))
	ws := make([]writing, 0, len(calls))
	for i, call := range calls {
		if _, again := first[call]; again {
			continue
		}
		first[call] = i
		g := s.own(holder, call)
		ws = append(ws, c.writing(i, call, g.seq, g.token))
	}
	if err := c.run(ctx, ws); err != nil {
		return nil, fmt.Errorf("claim %d calls: %w", len(calls), wrap(ctx, err))
	}
	for i, call := range calls {
		c.claims[i] = c.claims[first[call]]
	}
	return c.claims, nil
}

// claiming is one run of Claim.
type claiming struct {
	store  *Store
	holder string
	lease  time.Duration
	claims []result.Claim // the answers, by the index of the call
	tokens []int64        // the token of a claim that is renewed, or 0
}

// writing is the wish for a call, in place of the message with that number.
func (c *claiming) writing(index int, call string, replaces uint64, token int64) writing {
	c.tokens[index] = token
	return writing{index: index, call: call, body: claimBody(token, c.lease, c.holder), keep: c.lease + afterglow, replaces: replaces}
}

// run writes claims, looks at what is in the way of the others, and tries again
// with those where that has ended meanwhile.
func (c *claiming) run(ctx context.Context, ws []writing) error {
	for range attempts {
		begun := c.store.now()
		late, err := c.store.flush(ctx, ws, func(w writing, seq uint64) { c.granted(w, seq, begun) })
		if err != nil || len(late) == 0 {
			return err
		}
		records, err := c.store.records(ctx, callsOf(late))
		if err != nil {
			return err
		}
		ws = late[:0]
		for i, w := range late {
			again, err := c.look(w, records[i])
			if err != nil {
				return err
			}
			if again != nil {
				ws = append(ws, *again)
			}
		}
		if len(ws) == 0 {
			return nil
		}
	}
	return fmt.Errorf("others changed %d calls all the time", len(ws))
}

func (c *claiming) granted(w writing, seq uint64, begun time.Time) {
	token := c.tokens[w.index]
	if token == 0 {
		token = int64(seq)
	}
	c.claims[w.index] = result.Claim{Granted: true, Token: token}
	c.store.keep(w.call, grant{seq: seq, token: token, holder: c.holder, ends: begun.Add(c.lease)})
}

// look answers with what is in the way of a claim, or returns how to try again.
func (c *claiming) look(w writing, r record) (*writing, error) {
	switch {
	case r.result != nil:
		ended, err := result.Decode(r.result)
		c.claims[w.index] = result.Claim{Result: &ended}
		return nil, err
	case r.holder != "" && r.holder != c.holder:
		c.claims[w.index] = result.Claim{Holder: r.holder, Remaining: r.left}
		return nil, nil
	case r.holder == c.holder:
		again := c.writing(w.index, w.call, r.seq, r.token)
		return &again, nil
	default:
		again := c.writing(w.index, w.call, r.seq, 0)
		return &again, nil
	}
}

// Release ends the holder's claims without a result.
func (s *Store) Release(ctx context.Context, holder string, calls ...string) error {
	var (
		seqs    []uint64
		unknown []string
	)
	for _, c := range calls {
		if g := s.own(holder, c); g.seq != 0 {
			seqs = append(seqs, g.seq)
			s.drop(c)
		}
		// The holder may have claimed it elsewhere since, so look as well.
		unknown = append(unknown, c)
	}
	if err := s.remove(ctx, seqs); err != nil {
		return fmt.Errorf("release %d calls: %w", len(calls), wrap(ctx, err))
	}
	records, err := s.records(ctx, unknown)
	if err != nil {
		return fmt.Errorf("release %d calls: %w", len(calls), wrap(ctx, err))
	}
	seqs = seqs[:0]
	for _, r := range records {
		if r.holder == holder && holder != "" {
			seqs = append(seqs, r.seq)
		}
	}
	if err := s.remove(ctx, seqs); err != nil {
		return fmt.Errorf("release %d calls: %w", len(calls), wrap(ctx, err))
	}
	return nil
}
