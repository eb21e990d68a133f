package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/broker/amqp"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/postgres"
)

// place is a part of the services that nobody else uses.
type place struct {
	b                   *bench
	broker, backend, db string
}

// isolate makes a schema, and URLs with a prefix.
func (b *bench) isolate(ctx context.Context) (*place, error) {
	if err := schema(ctx, b.urls.postgres, "CREATE SCHEMA "+b.prefix); err != nil {
		return nil, err
	}
	return &place{
		b: b, broker: with(b.urls.amqp, "prefix", b.prefix+"."), backend: with(b.urls.redis, "prefix", b.prefix+"."),
		db: with(b.urls.postgres, "search_path", b.prefix),
	}, nil
}

func schema(ctx context.Context, url, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		return errors.New("PostgreSQL cannot be reached")
	}
	defer db.Close(ctx)
	_, err = db.Exec(ctx, statement)
	return err
}

// clean removes everything that Flow has made there.
func (p *place) clean() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // thousands of queues, at worst
	defer cancel()
	return errors.Join(p.cleanBroker(ctx), removeKeys(ctx, p.b.urls.redis, p.b.prefix+".*"), p.cleanEvents(ctx),
		schema(ctx, p.b.urls.postgres, "DROP SCHEMA IF EXISTS "+p.b.prefix+" CASCADE"))
}

func (p *place) cleanBroker(ctx context.Context) error {
	gone := socket.Engine()
	gone.Queues = append(gone.Queues, broker.Queue{Name: broker.DeadLetters})
	for _, x := range []string{"flow.return", "flow.return.lost"} {
		gone.Exchanges = append(gone.Exchanges, broker.Exchange{Name: x})
	}
	for _, name := range delays() {
		gone.Exchanges = append(gone.Exchanges, broker.Exchange{Name: name})
		gone.Queues = append(gone.Queues, broker.Queue{Name: name})
	}
	s, err := postgres.Open(ctx, p.db)
	if err != nil {
		return err
	}
	defer s.Close()
	endpoints, err := s.Endpoints(ctx, "")
	// A program that did not come so far as to make its tables has made no sockets.
	if err != nil && !errors.Is(err, store.ErrUnmigrated) {
		return fmt.Errorf("list what to remove: %w", err)
	}
	for _, e := range endpoints {
		t := socket.Topology(e)
		gone.Exchanges, gone.Queues = append(gone.Exchanges, t.Exchanges...), append(gone.Queues, t.Queues...)
	}
	b, err := amqp.Open(ctx, amqp.Config{URLs: []string{p.b.urls.amqp}, Prefix: p.b.prefix + ".", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	return errors.Join(b.Remove(ctx, gone), b.Close())
}

// delays names the queues of short delays, as package broker/amqp makes them;
// a call that another worker holds waits in one.
func delays() []string {
	var out []string
	for d := 50; d < 20_000; {
		out = append(out, fmt.Sprintf("flow.delay.%d", d))
		if d < 500 {
			d += 50
		} else {
			d = (d + d/10) / 10 * 10
		}
	}
	return out
}

func (p *place) cleanEvents(ctx context.Context) error {
	return removeKeys(ctx, p.b.urls.redis, "{"+p.b.prefix+".*")
}

// removeKeys deletes the keys that match, many at a time.
func removeKeys(ctx context.Context, url, pattern string) error {
	options, err := redis.ParseURL(url)
	if err != nil {
		return errors.New("the URL of Redis cannot be read")
	}
	c := redis.NewClient(options)
	defer c.Close()
	for cursor := uint64(0); ; {
		keys, next, err := c.Scan(ctx, cursor, pattern, 5000).Result()
		if err != nil {
			return err
		}
		if len(keys) > 0 {
			if err := c.Unlink(ctx, keys...).Err(); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}
