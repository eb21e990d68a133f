package redis_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"go.uber.org/goleak"

	"github.com/elasticcode/flow/internal/faultproxy"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/result/redis"
	"github.com/elasticcode/flow/result/resulttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	t.Parallel()
	resulttest.Run(t, open)
	resulttest.RunMemory(t, open)
}

func open(t *testing.T) resulttest.Bench {
	raw := testenv.Redis(t)
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	proxy := faultproxy.New(t, u.Host)
	direct := client(t, raw)
	u.Host = proxy.Addr()
	cfg := redis.Config{Prefix: testenv.Prefix(t) + ":", Logger: testenv.Logger(t)}
	flush := func() { remove(t, direct, cfg.Prefix) }
	t.Cleanup(flush)
	return resulttest.Bench{
		Store: store(t, client(t, u.String()), cfg), Other: store(t, direct, cfg), Proxy: proxy, Flush: flush,
	}
}

func store(t testing.TB, c *goredis.Client, cfg redis.Config) *redis.Store {
	s := redis.New(c, cfg)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// client opens a client as package stack does.
func client(t testing.TB, raw string) *goredis.Client {
	t.Helper()
	opt, err := goredis.ParseURL(raw)
	if err != nil {
		t.Fatal(err)
	}
	opt.ContextTimeoutEnabled = true
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	c := goredis.NewClient(opt)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// remove deletes every key behind the prefix.
func remove(t testing.TB, c *goredis.Client, prefix string) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	keys := c.Scan(ctx, 0, prefix+"*", 1000).Iterator()
	var all []string
	for keys.Next(ctx) {
		all = append(all, keys.Val())
	}
	for i := 0; i < len(all); i += 1000 {
		c.Del(ctx, all[i:min(i+1000, len(all))]...)
	}
	if err := keys.Err(); err != nil {
		t.Errorf("remove the keys of the test: %v", err)
	}
}

func TestErrorsHoldNoPassword(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(testenv.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{u.Host, "127.0.0.1:1"} {
		s := store(t, client(t, "redis://user:hunter2@"+host+"/0"), redis.Config{})
		err := s.Health(testenv.Context(t, 10*time.Second))
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a wrong password for %s gave: %v", host, err)
		}
		if host != u.Host && !errors.Is(err, result.ErrUnavailable) {
			t.Errorf("no server gave %v, which is not ErrUnavailable", err)
		}
	}
}
