package redis

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/result"
)

var _ result.Memory = (*Store)(nil)

// sinceScript returns what is written at KEYS[1], and writes it when it is not
// there: a flush has taken it, with all the rest. It is the time from which on
// Redis remembers and the time of writing; ARGV[1] is the former, and empty for
// the present. Behind it, it returns the present. All times are microseconds of
// Redis' clock.
var sinceScript = redis.NewScript(`
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000000 + clock[2])
local from = ARGV[1]
if from == '' then from = now end
redis.call('SET', KEYS[1], from .. ' ' .. now, 'NX')
return redis.call('GET', KEYS[1]) .. ' ' .. now
`)

// Since is when Redis was flushed or started last. A start counts, because the
// last writes before it may not have reached the disk.
func (s *Store) Since(ctx context.Context) (since, now time.Time, err error) {
	from, written, now, err := s.memory(ctx, "")
	if err != nil {
		return time.Time{}, time.Time{}, err
	}
	info, err := s.client.Info(ctx, "server").Result()
	if err != nil {
		return time.Time{}, time.Time{}, fmt.Errorf("ask Redis since when it runs: %w", wrap(ctx, err))
	}
	// A start before anything was written has lost nothing.
	if started := now.Add(-uptime(info)); started.After(written) {
		return started, now, nil
	}
	return from, now, nil
}

// BeginAnew says that there is nothing that Redis could have forgotten.
func (s *Store) BeginAnew(ctx context.Context) error {
	_, _, _, err := s.memory(ctx, "0")
	return err
}

// memory is from when on Redis remembers, when that was written, and the present.
func (s *Store) memory(ctx context.Context, from string) (since, written, now time.Time, err error) {
	text, err := sinceScript.Run(ctx, s.client, []string{s.prefix + "{results}:since"}, from).Text()
	if err != nil {
		return since, written, now, fmt.Errorf("ask Redis since when it remembers: %w", wrap(ctx, err))
	}
	var micros [3]int64
	if _, err := fmt.Sscan(text, &micros[0], &micros[1], &micros[2]); err != nil {
		return since, written, now, fmt.Errorf("ask Redis since when it remembers: it says %.60q: %w", text, err)
	}
	return time.UnixMicro(micros[0]), time.UnixMicro(micros[1]), time.UnixMicro(micros[2]), nil
}

// uptime reads the seconds Redis has been running; it is long when that is not told.
func uptime(info string) time.Duration {
	seconds, err := strconv.ParseInt(fact(info, "uptime_in_seconds"), 10, 64)
	if err != nil {
		return 100 * 365 * 24 * time.Hour
	}
	return time.Duration(seconds) * time.Second
}
