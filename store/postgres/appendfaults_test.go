package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/faultproxy"
	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/postgres"
	"github.com/elasticcode/flow/store/storetest"
)

// blocked is a recorder that appends calls and waits for another program, which
// is in the midst of writing one of them.
type blocked struct {
	*history
	recorder *store.Store
	proxy    *faultproxy.Proxy // between the recorder and the database
	batch    []model.Call
	other    *sql.Tx
	done     chan error
	cancel   context.CancelCauseFunc
}

func newBlocked(t *testing.T) *blocked {
	t.Helper()
	name := testenv.Prefix(t)
	h := &history{Store: open(t, name), db: connect(t, name), ctx: testenv.Context(t, time.Minute)}
	must(t, h.Migrate(h.ctx))
	u, err := url.Parse(testenv.Postgres(t) + "&search_path=" + name + "&application_name=" + name)
	must(t, err)
	b := &blocked{history: h, proxy: faultproxy.New(t, u.Host), done: make(chan error, 1)}
	u.Host = b.proxy.Addr()
	b.recorder, err = postgres.Open(h.ctx, u.String())
	must(t, err)
	t.Cleanup(func() { _ = b.recorder.Close() })
	b.batch, _ = storetest.Pairs("c", 1000)

	b.other, err = h.db.BeginTx(h.ctx, nil)
	must(t, err)
	t.Cleanup(func() { _ = b.other.Rollback() })
	// Who is about to wait longer is the one that finds out about a deadlock last.
	_, err = b.other.ExecContext(h.ctx, "SET LOCAL deadlock_timeout = '1min'")
	must(t, err)
	must(t, b.write(b.batch[500].ID))
	ctx, cancel := context.WithCancelCause(h.ctx)
	b.cancel = cancel
	t.Cleanup(func() { cancel(nil) })
	go func() { b.done <- b.recorder.RecordCalls(ctx, b.batch) }()
	for h.count(t, "SELECT count(*) FROM pg_stat_activity WHERE application_name = '"+name+"' AND wait_event_type = 'Lock'") == 0 {
		must(t, h.ctx.Err())
	}
	return b
}

// write makes the other program write a call, as succeeded.
func (b *blocked) write(id string) error {
	_, err := b.other.ExecContext(b.ctx, `INSERT INTO calls (id, tracking, network, socket, queue, processor, module, task, commit_hash, plug, argument,
		joined, state, attempt, progress, origin, node, worker, created) VALUES ($1, 'run', 'default', 's', '', '', '', '', '', '', '',
		'', 'succeeded', 1, 2147483647, '', '', '', now())`, id)
	return err
}

// stored tells how many calls there are, and how many of them are whole.
func (b *blocked) stored(t *testing.T) [2]int {
	t.Helper()
	return [2]int{b.count(t, "SELECT count(*) FROM calls"), b.count(t, "SELECT count(*) FROM calls WHERE args = '[1]'")}
}

// TestAppendDeadlock: a recorder that waits in a circle with another gives way,
// and then writes all the same.
func TestAppendDeadlock(t *testing.T) {
	t.Parallel()
	b := newBlocked(t)
	must(t, b.write(b.batch[0].ID)) // waits for the recorder, until it gave way
	must(t, b.other.Commit())
	must(t, <-b.done)
	if have, want := b.stored(t), [2]int{1000, 1000}; have != want {
		t.Errorf("calls in the database, and whole: %v, want %v", have, want)
	}
	if n := b.count(t, "SELECT count(*) FROM calls WHERE state = 'succeeded'"); n != 2 {
		t.Errorf("%d calls have ended, want 2", n)
	}
}

// TestAppendInterrupted: of what was being appended when the connection broke, or
// nobody waited for it any more, nothing stays, and it can be written again.
func TestAppendInterrupted(t *testing.T) {
	t.Parallel()
	given := errors.New("given up")
	for what, c := range map[string]struct {
		interrupt func(b *blocked)
		want      error
	}{
		"cut":      {func(b *blocked) { b.proxy.Cut() }, store.ErrUnavailable},
		"given up": {func(b *blocked) { b.cancel(given) }, given},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := newBlocked(t)
			c.interrupt(b)
			if err := <-b.done; !errors.Is(err, c.want) {
				t.Errorf("have error %v, want %v", err, c.want)
			}
			must(t, b.other.Rollback())
			must(t, b.recorder.RecordCalls(b.ctx, b.batch[900:]))
			if have, want := b.stored(t), [2]int{100, 100}; have != want {
				t.Errorf("calls in the database, and whole: %v, want %v", have, want)
			}
			must(t, b.recorder.RecordCalls(b.ctx, b.batch))
			if have, want := b.stored(t), [2]int{1000, 1000}; have != want {
				t.Errorf("calls in the database, and whole: %v, want %v", have, want)
			}
		})
	}
}
