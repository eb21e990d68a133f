package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/result"
)

var _ result.Limiter = (*Store)(nil)

// takeScript takes tokens from the bucket at KEYS[1], which holds the time, in
// microseconds of Redis' clock, at which it will be full again. ARGV are the
// microseconds between two tokens, the burst, and how many are wanted. The
// answer is how many it got, and the microseconds until there is another.
var takeScript = redis.NewScript(`
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, burst, n = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local room = burst * interval
local full = tonumber(redis.call('GET', KEYS[1]) or now)
local missing = math.min(math.max(full - now, 0), room)
local got, wait = 0, 0
if n < 0 then
  missing = math.max(missing + n * interval, 0)
else
  got = math.min(n, math.floor((room - missing) / interval + 0.000001))
  missing = missing + got * interval
  if got < n then wait = math.max(missing + interval - room, 1) end
end
if missing <= 0 then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], string.format('%.3f', now + missing), 'PX', string.format('%.0f', math.ceil(missing / 1000) + 1))
end
return {got, math.ceil(wait)}
`)

// enterScript lets guests into the room at KEYS[1]: a sorted set of guests, by
// when their leases end in milliseconds of Redis' clock. ARGV are the limit, the
// lease in milliseconds and the guests. The answer has a 1 for each that is in.
var enterScript = redis.NewScript(`
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local limit, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local count = redis.call('ZCARD', KEYS[1])
local answers, entered = {}, false
for i = 3, #ARGV do
  local known = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if known or limit == 0 or count < limit then
    redis.call('ZADD', KEYS[1], string.format('%.0f', now + lease), ARGV[i])
    if not known then count = count + 1 end
    answers[#answers + 1], entered = 1, true
  else
    answers[#answers + 1] = 0
  end
end
if entered and redis.call('PTTL', KEYS[1]) < lease then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', lease)) end
return answers
`)

func (s *Store) bucketKey(name string) string { return s.prefix + "{" + name + "}:bucket" }
func (s *Store) roomKey(name string) string   { return s.prefix + "{" + name + "}:room" }

// Take takes tokens from a bucket, in one round trip.
func (s *Store) Take(ctx context.Context, bucket string, rate float64, burst, n int) (int, time.Duration, error) {
	if err := result.CheckBucket(bucket, rate, burst); err != nil {
		return 0, 0, err
	}
	answer, err := takeScript.Run(ctx, s.client, []string{s.bucketKey(bucket)}, fmt.Sprintf("%.6f", 1e6/rate), burst, n).Int64Slice()
	if err == nil && len(answer) != 2 {
		err = fmt.Errorf("the script gave %d answers", len(answer))
	}
	if err != nil {
		return 0, 0, fmt.Errorf("take %d from bucket %s: %w", n, bucket, wrap(ctx, err))
	}
	return int(answer[0]), time.Duration(answer[1]) * time.Microsecond, nil
}

// Enter lets guests into a room, in one round trip for each thousand.
func (s *Store) Enter(ctx context.Context, room string, limit int, lease time.Duration, guests ...string) ([]bool, error) {
	if err := result.CheckRoom(room, limit, lease); err != nil {
		return nil, err
	}
	in := make([]bool, 0, len(guests))
	err := chunks(guests, batch, func(guests []string) error {
		args := []any{limit, lease.Milliseconds()}
		for _, g := range guests {
			args = append(args, g)
		}
		answers, err := enterScript.Run(ctx, s.client, []string{s.roomKey(room)}, args...).Int64Slice()
		if err == nil && len(answers) != len(guests) {
			err = fmt.Errorf("the script gave %d answers for %d guests", len(answers), len(guests))
		}
		if err != nil {
			return fmt.Errorf("enter room %s with %d guests: %w", room, len(guests), wrap(ctx, err))
		}
		for _, a := range answers {
			in = append(in, a == 1)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// Leave gives the places of guests back and rings, in one round trip for each
// thousand.
func (s *Store) Leave(ctx context.Context, room string, guests ...string) error {
	if room == "" {
		return errors.New("leave a room: it has no name")
	}
	return chunks(guests, batch, func(guests []string) error {
		members := make([]any, len(guests))
		for i, g := range guests {
			members[i] = g
		}
		pipe := s.client.Pipeline()
		pipe.ZRem(ctx, s.roomKey(room), members...)
		pipe.SPublish(ctx, s.exits, room)
		if _, err := pipe.Exec(ctx); err != nil {
			return fmt.Errorf("leave room %s with %d guests: %w", room, len(guests), wrap(ctx, err))
		}
		return nil
	})
}

// Await waits until somebody leaves the room.
func (s *Store) Await(ctx context.Context, room string) error { return s.rooms.Await(ctx, room) }
