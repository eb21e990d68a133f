package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/faultproxy"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/store"
)

func TestAwaitTriesUntilTheServiceIsThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		tries, began := 0, time.Now()
		got, err := await(t.Context(), slog.New(slog.NewTextHandler(&said, nil)), "the database", func() (int, error) {
			if tries++; tries < 6 {
				return 0, fmt.Errorf("open: %w: connection refused", store.ErrUnavailable)
			}
			return 7, nil
		})
		if got != 7 || err != nil || tries != 6 {
			t.Errorf("got %d, %v after %d tries, want 7 after 6", got, err, tries)
		}
		if d, want := time.Since(began), 12500*time.Millisecond; d != want { // 0.5 + 1 + 2 + 4 + 5
			t.Errorf("it paused for %s, want %s", d, want)
		}
		if n := strings.Count(said.String(), "waiting for the database"); n != 5 || !strings.Contains(said.String(), "connection refused") {
			t.Errorf("it said %d times what it waits for, want 5 with the reason:\n%s", n, said.String())
		}
	})
}

func TestAwaitGivesUpAtOnceWhereWaitingDoesNotHelp(t *testing.T) {
	t.Parallel()
	for _, want := range []error{
		errors.New("not the URL of a service"),
		fmt.Errorf("open: %w: %w", broker.ErrUnavailable, broker.ErrRefused),
		fmt.Errorf("open: %w: %w", result.ErrUnavailable, result.ErrRefused),
		fmt.Errorf("open: %w: %w", store.ErrUnavailable, store.ErrRefused),
		store.ErrUnmigrated,
	} {
		tries := 0
		_, err := await(t.Context(), slog.New(slog.DiscardHandler), "x", func() (int, error) { tries++; return 0, want })
		if !errors.Is(err, want) || tries != 1 {
			t.Errorf("%v: got %v after %d tries", want, err, tries)
		}
	}
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := await(ctx, slog.New(slog.DiscardHandler), "x", func() (int, error) { cancel(); return 0, broker.ErrUnavailable })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was cancelled", err)
	}
}

// What services really say when they refuse a user is told from their absence.
func TestServicesThatRefuseAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	rabbit, redis, postgres := testenv.AMQP(t), testenv.Redis(t), testenv.Postgres(t)
	hostOf := func(raw string) string {
		rest := raw[strings.Index(raw, "://")+3:]
		if at := strings.LastIndex(rest, "@"); at >= 0 {
			rest = rest[at+1:]
		}
		host, _, _ := strings.Cut(rest, "/")
		return host
	}
	log := slog.New(slog.DiscardHandler)
	wrong := Services{Broker: "amqp://guest:wrong@" + hostOf(rabbit) + "/", Backend: redis}
	if _, err := wrong.Await(t.Context(), "test", log); !errors.Is(err, broker.ErrRefused) || strings.Contains(err.Error(), "guest:wrong") {
		t.Errorf("a wrong password for RabbitMQ: %v", err)
	}
	wrong = Services{Broker: "embedded:" + t.TempDir(), Backend: "redis://nobody:wrong@" + hostOf(redis) + "/0"}
	if _, err := wrong.Await(t.Context(), "test", log); !errors.Is(err, result.ErrRefused) || strings.Contains(err.Error(), "nobody:wrong") {
		t.Errorf("a wrong password for Redis: %v", err)
	}
	if _, err := AwaitStore(t.Context(), "postgres://postgres@"+hostOf(postgres)+"/there_is_none?sslmode=disable", log); !errors.Is(err, store.ErrRefused) {
		t.Errorf("a database that does not exist: %v", err)
	}
}

// A Redis that is away when a process starts is waited for.
func TestServicesThatAreAwayAreWaitedFor(t *testing.T) {
	t.Parallel()
	redis := testenv.Redis(t)
	host := redis[strings.Index(redis, "://")+3:]
	host, path, _ := strings.Cut(host, "/")
	proxy := faultproxy.New(t, host)
	proxy.Refuse(true)
	said := &hearer{heard: make(chan struct{}, 1)}
	s := Services{Broker: "embedded:" + t.TempDir(), Backend: "redis://" + proxy.Addr() + "/" + path}
	go func() {
		<-said.heard
		proxy.Refuse(false)
	}()
	opened, err := s.Await(t.Context(), "test", slog.New(slog.NewTextHandler(said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
}

// hearer is a log that tells when a line says that something is waited for.
type hearer struct{ heard chan struct{} }

func (h *hearer) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("waiting for the broker and the backend")) {
		select {
		case h.heard <- struct{}{}:
		default:
		}
	}
	return len(p), nil
}
