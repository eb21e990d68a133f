// Package testenv gives tests the real services they run against, and a logger
// that writes to the test. A test owns a name prefix on a service, never the
// service: many tests use the same one at the same time.
package testenv

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
)

// AMQP returns the URL of a RabbitMQ: TEST_AMQP_URL, or the one on loopback.
func AMQP(t testing.TB) string {
	t.Helper()
	return service(t, "RabbitMQ", "TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/")
}

// Redis returns the URL of a Redis: TEST_REDIS_URL, or the one on loopback.
func Redis(t testing.TB) string {
	t.Helper()
	return service(t, "Redis", "TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
}

// Postgres returns the URL of a PostgreSQL database: TEST_POSTGRES_URL, or the
// database "test" on loopback. Use a schema of your own in it.
func Postgres(t testing.TB) string {
	t.Helper()
	return service(t, "PostgreSQL", "TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/test?sslmode=disable")
}

// service returns the URL when something listens there. A missing service is
// skipped loudly on a developer's machine, and a failure in CI.
func service(t testing.TB, name, variable, fallback string) string {
	t.Helper()
	raw := os.Getenv(variable)
	if raw == "" {
		raw = fallback
	}
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatalf("%s is not a URL", variable)
	}
	conn, err := net.DialTimeout("tcp", u.Host, 3*time.Second)
	if err == nil {
		_ = conn.Close()
		return raw
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s does not listen on %s, and CI runs no test without it: start it or set %s", name, u.Host, variable)
	}
	t.Skipf("SKIPPED: no %s on %s: start it or set %s ('make test' does)", name, u.Host, variable)
	return ""
}

// Prefix returns a short name that no other test has, fit for queues, keys,
// schemas and channels.
func Prefix(t testing.TB) string {
	t.Helper()
	return "t" + strings.ReplaceAll(model.NewID()[24:], "-", "")
}

// Context returns a context that ends with the test, or after the limit.
func Context(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// Logger returns a logger that writes to the test's log until the test ends.
func Logger(t testing.TB) *slog.Logger {
	t.Helper()
	w := &testWriter{t: t}
	t.Cleanup(w.stop)
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
