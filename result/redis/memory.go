package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
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
		err = wrap(ctx, err)
		if errors.Is(err, result.ErrUnavailable) || ctx.Err() != nil {
			return time.Time{}, time.Time{}, fmt.Errorf("ask Redis since when it runs: %w", err)
		} // else it is a host that does not let it be asked
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
	text, err := sinceScript.Run(ctx, s.client, []string{s.memoryKey()}, from).Text()
	if err != nil {
		return since, written, now, fmt.Errorf("ask Redis since when it remembers: %w", wrap(ctx, err))
	}
	var micros [3]int64
	if _, err := fmt.Sscan(text, &micros[0], &micros[1], &micros[2]); err != nil {
		return since, written, now, fmt.Errorf("ask Redis since when it remembers: it says %.60q: %w", text, err)
	}
	return time.UnixMicro(micros[0]), time.UnixMicro(micros[1]), time.UnixMicro(micros[2]), nil
}

func (s *Store) memoryKey() string { return s.prefix + "{results}:since" }

// dialling counts the connections that the client makes: Redis cannot have started anew
// without one.
type dialling struct{ made atomic.Int64 }

// DialHook implements redis.Hook.
func (d *dialling) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := next(ctx, network, addr)
		d.made.Add(1)
		return c, err
	}
}

// ProcessHook implements redis.Hook.
func (d *dialling) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook implements redis.Hook.
func (d *dialling) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// startedLately tells whether Redis was started less than Unsettled ago, and may have
// lost what it was told before. It asks once for each connection that was made.
func (s *Store) startedLately(ctx context.Context) (bool, error) {
	s.starts.Lock()
	defer s.starts.Unlock()
	if made := s.dialling.made.Load(); made != s.askedAt {
		since, now, err := s.Since(ctx)
		if err != nil {
			return false, err
		}
		s.sure, s.askedAt = time.Now().Add(result.Unsettled-now.Sub(since)), made
	}
	return time.Now().Before(s.sure), nil
}

// uptime reads the seconds Redis has been running; it is long when that is not told.
func uptime(info string) time.Duration {
	seconds, err := strconv.ParseInt(fact(info, "uptime_in_seconds"), 10, 64)
	if err != nil {
		return 100 * 365 * 24 * time.Hour
	}
	return time.Duration(seconds) * time.Second
}
