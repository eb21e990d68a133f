package nats_test

import (
	"errors"
	"testing"
	"time"

	gonats "github.com/nats-io/nats.go"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/result/nats"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	conn := connect(t, "", gonats.InProcessServer(s))
	store := open(t, conn, nats.Config{})
	ctx := testenv.Context(t, 20*time.Second)
	if err := store.Health(ctx); err != nil {
		t.Error(err)
	}
	conn.Close()
	if err := store.Health(ctx); !errors.Is(err, result.ErrUnavailable) {
		t.Errorf("a closed connection gave %v, which is not ErrUnavailable", err)
	}
}

func TestPrefixIsChecked(t *testing.T) {
	t.Parallel()
	if _, err := nats.New(t.Context(), nil, nats.Config{Prefix: "a.b>"}); err == nil {
		t.Error("a prefix with a dot and a wildcard was accepted")
	}
}
