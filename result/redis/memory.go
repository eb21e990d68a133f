package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/result"
)

var _ result.Memory = (*Store)(nil)

// sinceScript returns the time that is written at KEYS[1], and writes the
// present one when there is none: a flush has taken it, with all the rest. The
// times are microseconds of Redis' clock.
var sinceScript = redis.NewScript(`
local clock = redis.call('TIME')
local now = string.format('%.0f', clock[1] * 1000000 + clock[2])
redis.call('SET', KEYS[1], now, 'NX')
return {redis.call('GET', KEYS[1]), now}
`)

// Since is when Redis was flushed or started last. A start counts, because the
// last writes before it may not have reached the disk.
func (s *Store) Since(ctx context.Context) (time.Time, error) {
	times, err := sinceScript.Run(ctx, s.client, []string{s.prefix + "{results}:since"}).StringSlice()
	if err != nil {
		return time.Time{}, fmt.Errorf("ask Redis since when it remembers: %w", wrap(ctx, err))
	}
	info, err := s.client.Info(ctx, "server").Result()
	if err != nil {
		return time.Time{}, fmt.Errorf("ask Redis since when it runs: %w", wrap(ctx, err))
	}
	var micros [2]int64
	for i := range micros {
		if micros[i], err = strconv.ParseInt(times[i], 10, 64); err != nil {
			return time.Time{}, fmt.Errorf("ask Redis since when it remembers: %w", err)
		}
	}
	since, now := time.UnixMicro(micros[0]), time.UnixMicro(micros[1])
	if started := now.Add(-uptime(info)); started.After(since) {
		since = started
	}
	return since, nil
}

// uptime reads the seconds Redis has been running; it is long when that is not told.
func uptime(info string) time.Duration {
	_, rest, _ := strings.Cut(info, "uptime_in_seconds:")
	text, _, _ := strings.Cut(rest, "\r")
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 100 * 365 * 24 * time.Hour
	}
	return time.Duration(seconds) * time.Second
}
