package redis_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/result/redis"
)

// startable pretends to be a Redis that has remembered everything since 1970. It grants
// every claim.
type startable struct {
	uptime atomic.Int64 // in seconds; it does not tell less than none
	ends   atomic.Bool  // the connection, with the next command
}

func (r *startable) answer(command []string) string {
	switch {
	case r.ends.Swap(false):
		return ""
	case command[0] == "info" && r.uptime.Load() >= 0:
		return bulk(fmt.Sprintf("uptime_in_seconds:%d\r\n", r.uptime.Load()))
	case strings.HasPrefix(command[0], "eval") && command[2] == "2": // a claim of one call
		return "*2\r\n" + bulk("g7") + bulk("")
	case strings.HasPrefix(command[0], "eval"):
		return bulk(fmt.Sprintf("0 1 %d", time.Now().UnixMicro()))
	}
	return "-NOPERM this user has no permissions\r\n"
}

// TestUnsureAfterAStart: a Redis that was started may have lost what it was told last,
// also when it was started between two claims. One that does not tell is taken for one
// that runs for long.
func TestUnsureAfterAStart(t *testing.T) {
	t.Parallel()
	ctx := testenv.Context(t, time.Minute)
	for _, c := range []struct {
		seconds int64
		unsure  bool
	}{{5, true}, {3600, false}, {-1, false}} {
		var server startable
		server.uptime.Store(c.seconds)
		s := redis.New(pretending(t, server.answer), redis.Config{})
		defer func() { _ = s.Close() }()
		claim := func(when string, unsure bool) {
			got, err := s.Claim(ctx, "me", time.Minute, "call")
			if err != nil || !got[0].Granted || got[0].Unsure != unsure {
				t.Errorf("after %d s, %s: %+v, %v", c.seconds, when, got, err)
			}
		}
		claim("at first", c.unsure)
		claim("again", c.unsure)
		if _, _, err := s.Since(ctx); err != nil {
			t.Errorf("after %d s: %v", c.seconds, err)
		}
		server.ends.Store(true)
		if _, err := s.Claim(ctx, "me", time.Minute, "call"); !errors.Is(err, result.ErrUnavailable) {
			t.Errorf("while it starts a claim gave %v", err)
		}
		server.uptime.Store(0)
		claim("after a start", true)
	}
}
