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

// putScript keeps results and rings the bell. KEYS are those of the calls; ARGV are
// the ttl in milliseconds, the bell, what it tells, and the results. The answer is
// those that were there earlier, which stay. A claim does not: whoever brings a
// result has run the call.
var putScript = redis.NewScript(`
local call, earlier = redis.call, {}
for i, key in ipairs(KEYS) do
  local was = call('SET', key, ARGV[i + 3], 'GET', 'PX', ARGV[1])
  if was and string.byte(was) == 123 then -- "{": a result
    call('SET', key, was, 'PX', ARGV[1])
    earlier[#earlier + 1] = was
  end
end
call('SPUBLISH', ARGV[2], ARGV[3])
return earlier
`)

// forgetScript removes the results at KEYS, and leaves claims.
var forgetScript = redis.NewScript(`
for i, known in ipairs(redis.call('MGET', unpack(KEYS))) do
  if known and string.byte(known) == 123 then redis.call('DEL', KEYS[i]) end
end
`)

// Put keeps the results in one round trip, or several when they are very many or large.
func (s *Store) Put(ctx context.Context, ttl time.Duration, results ...result.Result) (earlier []result.Result, err error) {
	if ttl < time.Millisecond {
		return nil, fmt.Errorf("put results for %v: they must be kept for a millisecond or longer", ttl)
	}
	for len(results) > 0 {
		calls, bodies, err := fill(results)
		if err != nil {
			return earlier, err
		}
		args := append([]any{ttl.Milliseconds(), s.bell, strings.Join(calls, between)}, bodies...)
		stayed, err := s.run(ctx, putScript, calls, args...)
		if err != nil {
			return earlier, fmt.Errorf("put %d results: %w", len(calls), wrap(ctx, err))
		}
		for _, body := range stayed {
			text, _ := body.(string)
			r, err := result.Decode([]byte(text))
			if err != nil {
				return earlier, fmt.Errorf("read the earlier result of one of %d calls: %w", len(calls), err)
			}
			earlier = append(earlier, r)
		}
		results = results[len(calls):]
	}
	return earlier, nil
}

// fill returns the calls and the encoded results of as many as one round trip
// should carry.
func fill(results []result.Result) (calls []string, bodies []any, err error) {
	size := 0
	for _, r := range results {
		if r.Call == "" {
			return nil, nil, errors.New("put a result: it names no call")
		}
		if len(calls) == batch || size >= batchBytes {
			break
		}
		body, err := r.Encode()
		if err != nil {
			return nil, nil, fmt.Errorf("put the result of %s: %w", r.Call, err)
		}
		size += len(body)
		calls, bodies = append(calls, r.Call), append(bodies, body)
	}
	return calls, bodies, nil
}

// Get returns the results that are known, by call id.
func (s *Store) Get(ctx context.Context, calls ...string) (map[string]result.Result, error) {
	found := make(map[string]result.Result, len(calls))
	err := chunks(calls, batch, func(calls []string) error {
		bodies, err := s.client.MGet(ctx, s.keys(calls)...).Result()
		if err != nil {
			return fmt.Errorf("get %d results: %w", len(calls), wrap(ctx, err))
		}
		for i, body := range bodies {
			text, _ := body.(string)
			if !strings.HasPrefix(text, "{") {
				continue // nothing, or a claim
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

// Forget removes results, so that the calls can run again.
func (s *Store) Forget(ctx context.Context, calls ...string) error {
	return chunks(calls, batch, func(calls []string) error {
		if _, err := s.run(ctx, forgetScript, calls); err != nil {
			return fmt.Errorf("forget %d results: %w", len(calls), wrap(ctx, err))
		}
		return nil
	})
}

// Wait returns the call's result as soon as it is known, and follows Joined.
func (s *Store) Wait(ctx context.Context, call string) (result.Result, error) {
	return s.waiters.Wait(ctx, call)
}
