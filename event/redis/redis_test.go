package redis_test

import (
	"context"
	"net/url"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"go.uber.org/goleak"

	"github.com/elasticcode/flow/event/eventtest"
	"github.com/elasticcode/flow/event/redis"
	"github.com/elasticcode/flow/internal/faultproxy"
	"github.com/elasticcode/flow/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBus(t *testing.T) {
	t.Parallel()
	// Redis trims a stream by whole nodes of up to 100 entries.
	eventtest.Run(t, eventtest.Features{BacklogSlack: 2}, open)
}

func open(t *testing.T, backlog int) eventtest.Bench {
	raw := testenv.Redis(t)
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	proxy := faultproxy.New(t, u.Host)
	direct := client(t, raw)
	u.Host = proxy.Addr()
	cfg := redis.Config{Prefix: testenv.Prefix(t) + ".", Backlog: backlog, Logger: testenv.Logger(t)}
	t.Cleanup(func() {
		direct.Del(context.Background(), "{"+cfg.Prefix+"flow:events}", "{"+cfg.Prefix+"flow:events}:engine")
	})
	return eventtest.Bench{Bus: redis.New(client(t, u.String()), cfg), Other: redis.New(direct, cfg), Proxy: proxy}
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
