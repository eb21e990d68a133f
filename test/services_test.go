package test

import (
	"context"
	"database/sql"
	"encoding/json"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/redis/go-redis/v9"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/broker/amqp"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/postgres"
)

// schema makes a schema for a script and returns the URL that uses it.
func schema(url, name string) (dsn string, drop func(), err error) {
	exec := func(statement string) error {
		db, err := sql.Open("pgx", url)
		if err != nil {
			return err
		}
		defer db.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_, err = db.ExecContext(ctx, statement)
		return err
	}
	if err := exec("CREATE SCHEMA " + name); err != nil {
		return "", nil, err
	}
	return with(url, "search_path", name), func() { _ = exec("DROP SCHEMA " + name + " CASCADE") }, nil
}

// removeQueues deletes what a script has declared on RabbitMQ: everything that
// its database says, and the engine's own queues.
func removeQueues(t *testing.T, brokerURL, db, prefix string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	b, err := amqp.Open(ctx, amqp.Config{URLs: []string{brokerURL}, Prefix: prefix, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Logf("clean RabbitMQ: %v", err)
		return
	}
	defer b.Close()
	gone := amqp.Own()
	gone.Queues = append(gone.Queues, socket.Engine().Queues...)
	if s, err := postgres.Open(ctx, db); err == nil {
		defer s.Close()
		endpoints, err := s.Endpoints(ctx, "")
		if err != nil {
			t.Logf("clean RabbitMQ: %v", err) // the script never migrated its schema
		}
		queues, err := s.Queues(ctx, "", store.List{})
		if err != nil {
			t.Logf("clean RabbitMQ: %v", err)
		}
		for _, q := range queues.Items { // without sockets they have an exchange nonetheless
			gone.Exchanges = append(gone.Exchanges, broker.Exchange{Name: socket.Exchange(q), Kind: broker.Kind(q.Type)})
		}
		for _, e := range endpoints {
			gone.Queues = append(gone.Queues, socket.Topology(e).Queues...)
		}
	}
	if err := b.Remove(ctx, gone); err != nil {
		t.Logf("clean RabbitMQ: %v", err)
	}
}

// forgetting is the key of what makes Redis forget large values, among a
// script's values.
type forgetting struct{}

// forgetValues removes the large values of a script from Redis.
func forgetValues(ts *testscript.TestScript, _ bool, _ []string) { ts.Value(forgetting{}).(func())() }

// losing is the key of what makes the broker lose all it has, among a script's values.
type losing struct{}

// loseBroker has the broker lose queues and messages, while no flow runs.
func loseBroker(ts *testscript.TestScript, _ bool, _ []string) {
	if upOf(ts).cmd != nil {
		ts.Fatalf("lose-broker: flow up runs")
	}
	ts.Value(losing{}).(func())()
}

// removeKeys deletes keys of a script.
func removeKeys(t *testing.T, rawURL, pattern string) {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(&redis.Options{Addr: u.Host})
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for it := c.Scan(ctx, 0, pattern, 1000).Iterator(); it.Next(ctx); {
		c.Del(ctx, it.Val())
	}
}

// decodeList reads the JSON array of a listing.
func decodeList(ts *testscript.TestScript, listing string) []map[string]any {
	var out []map[string]any
	d := json.NewDecoder(strings.NewReader(listing))
	if err := d.Decode(&out); err != nil {
		ts.Fatalf("not a JSON array: %v\n%s", err, listing)
	}
	return out
}
