package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/broker/amqp"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/store/postgres"
)

// services are a RabbitMQ, a Redis and a PostgreSQL, shared with others: a world
// owns a prefix and a schema on them. With own they belong to this program.
type services struct {
	rabbit, redis, postgres string // HOST:PORT
	pgUser, pgDatabase      string
	own                     *owned
}

// sharedServices are those that the tests use.
func sharedServices() (*services, error) {
	host := func(variable, fallback string) (*url.URL, error) {
		raw := os.Getenv(variable)
		if raw == "" {
			raw = fallback
		}
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("%s is not a URL", variable)
		}
		return u, nil
	}
	a, err1 := host("TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/")
	r, err2 := host("TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
	p, err3 := host("TEST_POSTGRES_URL", "postgres://postgres@127.0.0.1:5432/test")
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	return &services{rabbit: a.Host, redis: r.Host, postgres: p.Host, pgUser: p.User.String(), pgDatabase: p.Path[1:]}, nil
}

// database is the URL of the schema, on PostgreSQL or a proxy in front of it.
func (s *services) database(host, schema string) string {
	u := fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", s.pgUser, host, s.pgDatabase)
	if schema != "" {
		u += "&search_path=" + schema
	}
	return u
}

func (s *services) makeSchema(ctx context.Context, schema string) error {
	return s.exec(ctx, "CREATE SCHEMA "+schema)
}

func (s *services) exec(ctx context.Context, statement string) error {
	db, err := sql.Open("pgx", s.database(s.postgres, ""))
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}

// brokerFor opens RabbitMQ past the proxy.
func (s *services) brokerFor(ctx context.Context, prefix string) (*amqp.Broker, error) {
	return amqp.Open(ctx, amqp.Config{
		URLs: []string{"amqp://guest:guest@" + s.rabbit + "/"}, Prefix: prefix + ".", Name: "chaos", Logger: slog.New(slog.DiscardHandler),
	})
}

// topology is everything that the world declared on RabbitMQ.
func (s *services) topology(ctx context.Context, prefix string) (broker.Topology, error) {
	t := socket.Engine()
	t.Queues = append(t.Queues, broker.Queue{Name: broker.DeadLetters})
	db, err := postgres.Open(ctx, s.database(s.postgres, prefix))
	if err != nil {
		return t, err
	}
	defer db.Close()
	endpoints, err := db.Endpoints(ctx, "")
	if err != nil {
		return t, err
	}
	for _, e := range endpoints {
		one := socket.Topology(e)
		t.Exchanges, t.Queues = append(t.Exchanges, one.Exchanges...), append(t.Queues, one.Queues...)
	}
	return t, nil
}

// forget deletes the world's keys on Redis: what a flush does, for it alone.
func (s *services) forget(ctx context.Context, prefix, pattern string) (int, error) {
	c := redis.NewClient(&redis.Options{Addr: s.redis})
	defer c.Close()
	keys, err := s.keys(ctx, c, prefix, pattern)
	if len(keys) > 0 && err == nil {
		// At once, as a flush is: results that are gone while the note that they
		// were kept is still there are what no Redis shows.
		err = c.Del(ctx, keys...).Err()
	}
	return len(keys), err
}

func (s *services) keys(ctx context.Context, c *redis.Client, prefix, pattern string) ([]string, error) {
	var keys []string
	for _, start := range []string{"", "{"} { // braces: what is kept in one slot of a cluster
		it := c.Scan(ctx, 0, start+prefix+"."+pattern, 1000).Iterator()
		for it.Next(ctx) {
			keys = append(keys, it.Val())
		}
		if err := it.Err(); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// left says what is left on the services after all flow processes have ended.
func (s *services) left(ctx context.Context, prefix string) []string {
	var out []string
	claims, err := s.claims(ctx, prefix)
	if err != nil {
		out = append(out, "claims cannot be counted: "+err.Error())
	}
	if claims > 0 {
		out = append(out, fmt.Sprintf("%d claims were not given back", claims))
	}
	t, err := s.topology(ctx, prefix)
	if err != nil {
		return append(out, "queues cannot be listed: "+err.Error())
	}
	b, err := s.brokerFor(ctx, prefix)
	if err != nil {
		return append(out, "queues cannot be looked at: "+err.Error())
	}
	defer b.Close()
	for _, q := range t.Queues {
		stats, err := b.Inspect(ctx, q.Name)
		switch {
		case err != nil:
			out = append(out, err.Error())
		case stats[0].Messages > 0:
			out = append(out, fmt.Sprintf("%d messages are left in queue %s", stats[0].Messages, q.Name))
		case stats[0].Consumers > 0:
			out = append(out, fmt.Sprintf("%d consumers are left on queue %s", stats[0].Consumers, q.Name))
		}
	}
	return out
}

// clean removes what the world made on the services.
func (s *services) clean(ctx context.Context, prefix string) error {
	if s.own != nil {
		return nil // they end with their data
	}
	var errs []error
	if t, err := s.topology(ctx, prefix); err == nil {
		b, err := s.brokerFor(ctx, prefix)
		if err != nil {
			return err
		}
		for _, q := range t.Queues {
			errs = append(errs, b.Remove(ctx, broker.Topology{Queues: []broker.Queue{q}}))
		}
		errs = append(errs, b.Remove(ctx, broker.Topology{Exchanges: t.Exchanges}), b.Remove(ctx, amqp.Own()), b.Close())
	}
	_, err := s.forget(ctx, prefix, "*")
	errs = append(errs, err, s.exec(ctx, "DROP SCHEMA IF EXISTS "+prefix+" CASCADE"))
	return errors.Join(errs...)
}
