package nats_test

import (
	"errors"
	"testing"
	"time"

	gonats "github.com/nats-io/nats.go"

	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/event/nats"
	"github.com/elasticcode/flow/internal/testenv"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	s := serve(t)
	conn := connect(t, "", gonats.InProcessServer(s))
	ctx := testenv.Context(t, 20*time.Second)
	bus, err := nats.New(ctx, conn, nats.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := bus.Health(ctx); err != nil {
		t.Error(err)
	}
	conn.Close()
	if err := bus.Health(ctx); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("a closed connection gave %v, which is not ErrUnavailable", err)
	}
}

func TestPrefixIsChecked(t *testing.T) {
	t.Parallel()
	if _, err := nats.New(t.Context(), nil, nats.Config{Prefix: "a.b>"}); err == nil {
		t.Error("a prefix with a dot and a wildcard was accepted")
	}
}
