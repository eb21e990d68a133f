package server

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/server/api"
	"github.com/elasticcode/flow/server/values"
	"github.com/elasticcode/flow/socket"
	"github.com/elasticcode/flow/store"
)

// ledger plays the database and the broker, and keeps the order of things.
type ledger struct {
	away  bool // the database
	steps []string
	sizes []int // of messages
}

func (l *ledger) KeepBlobs(_ context.Context, parts ...model.BlobPart) error {
	if l.away {
		return store.ErrUnavailable
	}
	for _, p := range parts {
		if len(p.Data) == 0 || p.Hash == "" {
			return errors.New("an empty part")
		}
	}
	l.steps = append(l.steps, "keep")
	return nil
}

func (l *ledger) HoldBlobs(_ context.Context, calls ...model.Call) error {
	if len(calls) != 1 || len(calls[0].Refs) != 2 {
		return errors.New("a call without its references")
	}
	l.steps = append(l.steps, "hold")
	return nil
}

func (l *ledger) Blob(context.Context, string) (json.RawMessage, error) {
	return nil, store.ErrNotFound
}

func (l *ledger) Publish(_ context.Context, msgs ...broker.Message) error {
	for _, m := range msgs {
		l.steps, l.sizes = append(l.steps, "publish "+m.Key), append(l.sizes, len(m.Body))
	}
	return nil
}

// TestLargeValuesAreKeptFirst: before a call is on the broker, the database has
// its large values. Without the database such a call is not accepted, and a
// small one is.
func TestLargeValuesAreKeptFirst(t *testing.T) {
	t.Parallel()
	l := &ledger{}
	sender := socket.NewSender(l)
	s := submitter{sender: sender, values: values.New(l, nil, testenv.Logger(t)), scribe: newScribe(l, testenv.Logger(t)), fault: func(string) {}}
	recorded := func() { s.scribe.sendAll(t.Context()) }
	call := func(size int) []api.Outgoing {
		v := json.RawMessage(`"` + strings.Repeat("x", size) + `"`)
		return []api.Outgoing{{Module: "m", Task: "t", Envelope: model.Envelope{ID: "a", Tracking: "r", Args: []json.RawMessage{v, []byte("1")}, Kwargs: map[string]json.RawMessage{"k": v}}}}
	}
	if err := s.Submit(t.Context(), call(1<<20)); err != nil {
		t.Fatal(err)
	}
	recorded()
	if got := strings.Join(l.steps, ", "); got != "keep, keep, hold, publish m.t, publish flow.records" {
		t.Errorf("steps: %s", got)
	}
	for _, n := range l.sizes {
		if n > 2000 {
			t.Errorf("a message has %d bytes", n)
		}
	}
	l.away, l.steps = true, nil
	err := s.Submit(t.Context(), call(1<<20))
	var unkept *api.Unkept
	if !errors.As(err, &unkept) || !errors.Is(err, store.ErrUnavailable) || len(l.steps) > 0 {
		t.Errorf("without the database: %v after %v", err, l.steps)
	}
	err = s.Submit(t.Context(), call(1000))
	if recorded(); err != nil || len(l.steps) != 2 {
		t.Errorf("a small call without the database: %v after %v", err, l.steps)
	}
}
