package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/result"
)

const (
	// batch is the largest number of calls in one round trip: Redis does nothing
	// else while it runs a command with so many keys.
	batch = 1000
	// batchBytes is the size of results at which a round trip is sent.
	batchBytes = 8 << 20
	// between separates ids on the bell. An id that contains it is not heard, and
	// its waiters find the result when they look again.
	between = "\x00"
)

// Put keeps the results in one round trip, or several when they are very many or large.
func (s *Store) Put(ctx context.Context, ttl time.Duration, results ...result.Result) (earlier []result.Result, err error) {
	if ttl < time.Millisecond {
		return nil, fmt.Errorf("put results for %v: they must be kept for a millisecond or longer", ttl)
	}
	for len(results) > 0 {
		pipe := s.client.Pipeline()
		n, err := s.fill(ctx, pipe, ttl, results)
		if err != nil {
			return earlier, err
		}
		cmds, _ := pipe.Exec(ctx)
		for i, c := range cmds {
			if err := c.Err(); err != nil && !errors.Is(err, redis.Nil) { // nil: there was none earlier
				return earlier, fmt.Errorf("put %d results: %w", n, wrap(ctx, err))
			}
			if i >= n || c.Err() != nil {
				continue
			}
			r, err := result.Decode([]byte(c.(*redis.StatusCmd).Val()))
			if err != nil {
				return earlier, fmt.Errorf("read the earlier result of %s: %w", results[i].Call, err)
			}
			earlier = append(earlier, r)
		}
		results = results[n:]
	}
	return earlier, nil
}

// fill puts the commands for as many results into the pipe as one round trip should carry.
func (s *Store) fill(ctx context.Context, pipe redis.Pipeliner, ttl time.Duration, results []result.Result) (int, error) {
	var (
		size   int
		calls  []string
		claims []string
	)
	for _, r := range results {
		if r.Call == "" {
			return 0, errors.New("put a result: it names no call")
		}
		if len(calls) == batch || size >= batchBytes {
			break
		}
		body, err := r.Encode()
		if err != nil {
			return 0, fmt.Errorf("put the result of %s: %w", r.Call, err)
		}
		size += len(body)
		calls = append(calls, r.Call)
		claims = append(claims, s.claimKey(r.Call))
		pipe.SetArgs(ctx, s.resultKey(r.Call), body, redis.SetArgs{Mode: "NX", Get: true, TTL: ttl})
	}
	s.del(ctx, pipe, claims)
	pipe.SPublish(ctx, s.bell, strings.Join(calls, between))
	return len(calls), nil
}

// del removes keys with as few commands as the server allows.
func (s *Store) del(ctx context.Context, pipe redis.Pipeliner, keys []string) {
	if !s.cluster {
		pipe.Del(ctx, keys...)
		return
	}
	for _, k := range keys {
		pipe.Del(ctx, k)
	}
}

// Get returns the results that are known, by call id.
func (s *Store) Get(ctx context.Context, calls ...string) (map[string]result.Result, error) {
	found := make(map[string]result.Result, len(calls))
	err := chunks(calls, batch, func(calls []string) error {
		bodies, err := s.read(ctx, calls)
		if err != nil {
			return fmt.Errorf("get %d results: %w", len(calls), wrap(ctx, err))
		}
		for i, body := range bodies {
			text, ok := body.(string)
			if !ok {
				continue
			}
			r, err := result.Decode([]byte(text))
			if err != nil {
				return fmt.Errorf("get the result of %s: %w", calls[i], err)
			}
			found[calls[i]] = r
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// read returns what is at the calls' result keys: a string each, or nil.
func (s *Store) read(ctx context.Context, calls []string) ([]any, error) {
	if !s.cluster {
		keys := make([]string, len(calls))
		for i, c := range calls {
			keys[i] = s.resultKey(c)
		}
		return s.client.MGet(ctx, keys...).Result()
	}
	pipe := s.client.Pipeline()
	for _, c := range calls {
		pipe.Get(ctx, s.resultKey(c))
	}
	cmds, err := pipe.Exec(ctx)
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	bodies := make([]any, len(calls))
	for i, c := range cmds {
		if text, err := c.(*redis.StringCmd).Result(); err == nil {
			bodies[i] = text
		} else if !errors.Is(err, redis.Nil) {
			return nil, err
		}
	}
	return bodies, nil
}

// Forget removes results, so that the calls can run again.
func (s *Store) Forget(ctx context.Context, calls ...string) error {
	return chunks(calls, batch, func(calls []string) error {
		keys := make([]string, len(calls))
		for i, c := range calls {
			keys[i] = s.resultKey(c)
		}
		pipe := s.client.Pipeline()
		s.del(ctx, pipe, keys)
		if _, err := pipe.Exec(ctx); err != nil {
			return fmt.Errorf("forget %d results: %w", len(calls), wrap(ctx, err))
		}
		return nil
	})
}

// Wait returns the call's result as soon as it is known, and follows Joined.
func (s *Store) Wait(ctx context.Context, call string) (result.Result, error) {
	return s.waiters.Wait(ctx, call)
}
