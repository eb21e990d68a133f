package bolt

import (
	"context"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/elasticcode/flow/result"
)

// Put keeps the results in one transaction. The first of a call stays.
func (s *Store) Put(ctx context.Context, ttl time.Duration, puts ...result.Result) (earlier []result.Result, err error) {
	if ttl < time.Millisecond {
		return nil, fmt.Errorf("put results for %v: they must be kept for a millisecond or longer", ttl)
	}
	bodies := make([][]byte, len(puts))
	for i, r := range puts {
		if r.Call == "" {
			return nil, errors.New("put a result: it names no call")
		}
		if bodies[i], err = r.Encode(); err != nil {
			return nil, fmt.Errorf("put the result of %s: %w", r.Call, err)
		}
	}
	if len(puts) == 0 {
		return nil, nil
	}
	if earlier, err = s.put(ctx, ttl, puts, bodies); err != nil {
		return nil, fmt.Errorf("put %d results: %w", len(puts), err)
	}
	s.ring(puts)
	return earlier, nil
}

func (s *Store) put(ctx context.Context, ttl time.Duration, puts []result.Result, bodies [][]byte) (earlier []result.Result, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := putting{now: time.Now(), max: s.cfg.MaxCalls, count: s.count, since: s.since}
	if p.since == 0 {
		p.since = s.opened.UnixMicro()
	}
	p.ends = p.now.Add(ttl)
	err = s.update(ctx, func(tx *bolt.Tx) error {
		p.tx = tx
		if err := p.run(puts, bodies); err != nil {
			return err
		}
		if err := setNumber(tx, sinceKey, p.since); err != nil {
			return err
		}
		return setNumber(tx, tokenKey, s.token)
	})
	if err != nil {
		return nil, err
	}
	s.count, s.since = p.count, p.since
	for _, r := range puts {
		delete(s.claims, r.Call)
	}
	return p.earlier, nil
}

// ring wakes those who wait for the results.
func (s *Store) ring(puts []result.Result) {
	calls := make([]string, len(puts))
	for i, r := range puts {
		calls[i] = r.Call
	}
	waited := s.waiters.Among(calls)
	if len(waited) == 0 {
		return
	}
	// An earlier one may have stayed, so what is told is what is there.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	known, err := s.Get(ctx, waited...)
	if err != nil {
		s.log.Warn("results were kept and could not be told to those who wait", "calls", len(waited), "err", err)
		return
	}
	s.waiters.Tell(known)
}

// putting is one run of Put.
type putting struct {
	tx      *bolt.Tx
	now     time.Time
	ends    time.Time
	max     int
	count   int
	since   int64
	earlier []result.Result
}

func (p *putting) run(puts []result.Result, bodies [][]byte) error {
	if err := p.prune(64 + 4*len(puts)); err != nil {
		return err
	}
	kept := p.tx.Bucket(results)
	kept.FillPercent = ordered
	var calls [][]byte
	for i, r := range puts {
		key := []byte(r.Call)
		first, err := alive(kept.Get(key), p.now)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Call, err)
		}
		if first != nil {
			p.earlier = append(p.earlier, *first)
			continue
		}
		if err := kept.Put(key, record(p.ends, bodies[i])); err != nil {
			return fmt.Errorf("%s: %w", r.Call, err)
		}
		calls = append(calls, key)
	}
	return p.list(calls)
}

// ordered is how full the pages are made: ids begin with their time, so that
// there is hardly ever something to be put in between.
const ordered = 0.9

// list notes when the calls end.
func (p *putting) list(calls [][]byte) error {
	b := p.tx.Bucket(ends)
	b.FillPercent = ordered
	p.count += len(calls)
	for len(calls) > 0 {
		now := calls[:min(batchCalls, len(calls))]
		calls = calls[len(now):]
		n, err := b.NextSequence()
		if err != nil {
			return err
		}
		if err := b.Put(batchKey(p.ends, n), batch{put: p.now.UnixMicro(), calls: now}.append(nil)); err != nil {
			return err
		}
	}
	return nil
}

// prune removes batches that have ended, and the first to end of those that are
// too many: about so many calls, so that nobody waits long for it.
func (p *putting) prune(most int) error {
	c := p.tx.Bucket(ends).Cursor()
	kept := p.tx.Bucket(results)
	for k, v := c.First(); k != nil && most > 0; k, v = c.First() {
		end := endOf(k)
		over := end > p.now.UnixMilli()
		if over && p.count <= p.max {
			return nil
		}
		b, err := parseBatch(v)
		if err != nil {
			return err
		}
		if over {
			p.since = max(p.since, b.put) // this is forgetting
		}
		for _, call := range b.calls {
			// It may have been forgotten, and put again for longer.
			if rec := kept.Get(call); len(rec) >= 8 && endOf(rec) == end {
				if err := kept.Delete(call); err != nil {
					return err
				}
			}
		}
		p.count -= len(b.calls)
		most -= len(b.calls)
		if err := c.Delete(); err != nil {
			return err
		}
	}
	return nil
}

// Get returns the results that are known, by call id.
func (s *Store) Get(ctx context.Context, calls ...string) (map[string]result.Result, error) {
	found := make(map[string]result.Result, len(calls))
	now := time.Now()
	err := s.view(ctx, func(tx *bolt.Tx) error {
		kept := tx.Bucket(results)
		for _, c := range calls {
			r, err := alive(kept.Get([]byte(c)), now)
			if err != nil {
				return fmt.Errorf("%s: %w", c, err)
			}
			if r != nil {
				found[c] = *r
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("get %d results: %w", len(calls), err)
	}
	return found, nil
}

// Wait returns the call's result as soon as it is known, and follows Joined.
func (s *Store) Wait(ctx context.Context, call string) (result.Result, error) {
	return s.waiters.Wait(ctx, call)
}

// Forget removes results, so that the calls can run again.
func (s *Store) Forget(ctx context.Context, calls ...string) error {
	err := s.update(ctx, func(tx *bolt.Tx) error {
		kept := tx.Bucket(results)
		for _, c := range calls {
			if c == "" {
				continue
			}
			if err := kept.Delete([]byte(c)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget %d results: %w", len(calls), err)
	}
	return nil
}
