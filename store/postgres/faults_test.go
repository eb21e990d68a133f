package postgres_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/faultproxy"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/postgres"
	"github.com/elasticcode/flow/store/storetest"
)

// TestOpenErrors: what is wrong is said, and the password is not.
func TestOpenErrors(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"postgres://ann:hunter2@127.0.0.1:1/flow":                     "open database flow on 127.0.0.1:1: the database cannot be reached: dial tcp 127.0.0.1:1: connect: connection refused",
		"postgres://ann:hunter2@127.0.0.1:1/flow?sslmode=hunter2":     "the database URL is not valid",
		"postgres://ann:hunter2@127.0.0.1:port/flow":                  "the database URL is not valid",
		"postgres://ann:hunter2%@127.0.0.1:1/flow":                    "the database URL is not valid",
		"host=127.0.0.1 port=1 password=hunter2 user=ann sslmode=odd": "the database URL is not valid",
	} {
		_, err := postgres.Open(testenv.Context(t, time.Minute), raw)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("have error %v, want %s", err, want)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error tells the password: %v", err)
		}
		if down := strings.Contains(want, "cannot be reached"); down != errors.Is(err, store.ErrUnavailable) {
			t.Errorf("error %v: ErrUnavailable is %v", err, !down)
		}
	}
}

// TestReadOnly: a database that answers and takes no writes is not well.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	name := testenv.Prefix(t)
	open(t, name) // drops the schema in the end
	s, err := postgres.Open(testenv.Context(t, time.Minute), testenv.Postgres(t)+"&search_path="+name+"&default_transaction_read_only=on")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Ping(testenv.Context(t, time.Minute)); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "takes no writes") {
		t.Errorf("have error %v, want ErrUnavailable", err)
	}
}

// TestServerGone: while the server is away every method says so, and works
// again when it is back.
func TestServerGone(t *testing.T) {
	t.Parallel()
	name := testenv.Prefix(t)
	open(t, name) // drops the schema in the end
	u, err := url.Parse(testenv.Postgres(t) + "&search_path=" + name)
	if err != nil {
		t.Fatal(err)
	}
	proxy := faultproxy.New(t, u.Host)
	u.Host = proxy.Addr()
	ctx := testenv.Context(t, time.Minute)
	s, err := postgres.Open(ctx, u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	many, _ := storetest.Pairs("c", 40)
	proxy.Refuse(true)
	proxy.Cut()
	for what, do := range map[string]func() error{
		"ping":        func() error { return s.Ping(ctx) },
		"list":        func() error { _, err := s.Queues(ctx, "", store.List{}); return err },
		"create":      func() error { _, err := s.CreateNetwork(ctx, model.Network{Name: "n"}); return err },
		"append":      func() error { return s.RecordCalls(ctx, storetest.Pair("c")) },
		"record many": func() error { return s.RecordCalls(ctx, many) },
		"record":      func() error { return s.RecordCalls(ctx, []model.Call{{ID: "c", State: model.Succeeded}}) },
		"get":         func() error { _, err := s.Call(ctx, "c"); return err },
		"check":       func() error { return s.Check(ctx) },
		"arrive": func() error {
			_, err := s.Arrive(ctx, []store.Arrival{{ID: "a", Socket: "s", Needs: []string{"x"}, Argument: "x", Value: []byte("1")}})
			return err
		},
	} {
		if err := do(); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: have error %v, want ErrUnavailable", what, err)
		}
	}
	proxy.Refuse(false)
	if err := s.Ping(ctx); err != nil {
		t.Errorf("the server is back: %v", err)
	}
	if _, err := s.CreateNetwork(ctx, model.Network{Name: "n"}); err != nil {
		t.Errorf("the server is back: %v", err)
	}
}
