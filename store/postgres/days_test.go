package postgres_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/storetest"
)

// history is a database that has been in use for long.
type history struct {
	*store.Store
	db   *sql.DB
	ctx  context.Context
	base time.Time // the beginning of the first day, 10 days ago
}

func newHistory(t *testing.T) *history {
	t.Helper()
	name := testenv.Prefix(t)
	h := &history{Store: open(t, name), db: connect(t, name), ctx: testenv.Context(t, storetest.Limit)}
	must(t, h.Migrate(h.ctx))
	used(t, h.db)
	h.base = time.Now().UTC().Truncate(day).Add(-10 * day)
	return h
}

// on is the time of day n, from 0, and so many seconds.
func (h *history) on(n, seconds int) time.Time {
	return h.base.Add(time.Duration(n)*day + time.Duration(seconds)*time.Second)
}

// call is one that was made then and succeeded, with all that can belong to it.
func call(at time.Time, n int, parents ...string) model.Call {
	hex := fmt.Sprintf("%012x", at.UnixMilli())
	end := at.Add(time.Second)
	return model.Call{
		ID: fmt.Sprintf("%s-%s-7000-8000-%012d", hex[:8], hex[8:], n), Tracking: "run", Network: "default", Socket: "s", State: model.Succeeded, Attempt: 1,
		Parents: parents, Created: at, Finished: &end, Args: []json.RawMessage{json.RawMessage("null")},
		Events: []model.Event{{Name: "step", Time: at}}, Log: []model.LogLine{{Time: at, Stream: "stdout", Text: "x"}},
		Refs: []model.Ref{{At: "/args/0", Hash: fmt.Sprint("hash", n), Size: 1 << 20}},
	}
}

func (h *history) count(t *testing.T, query string) int {
	t.Helper()
	var n int
	must(t, h.db.QueryRowContext(h.ctx, query).Scan(&n))
	return n
}

// inStep checks that call_states says what calls says, of all calls.
func (h *history) inStep(t *testing.T) {
	t.Helper()
	const said, so = "SELECT call_id, network, socket, state, created FROM call_states", "SELECT id, network, socket, state, created FROM calls WHERE state <> 'succeeded'"
	for what, query := range map[string]string{"is said and not so": said + " EXCEPT " + so, "is so and not said": so + " EXCEPT " + said} {
		for _, row := range h.texts(t, "SELECT r::text FROM ("+query+") AS r") {
			t.Errorf("of the states of calls this %s: %s", what, row)
		}
	}
}

// left tells the ids of all calls, and that all of them are whole.
func (h *history) left(t *testing.T) []string {
	t.Helper()
	page, err := h.Calls(h.ctx, store.CallFilter{Ascending: true, List: store.List{Limit: 1000}})
	must(t, err)
	out := []string{}
	for _, c := range page.Items {
		out = append(out, c.ID)
		whole, err := h.Call(h.ctx, c.ID)
		must(t, err)
		if len(whole.Events) != 1 || len(whole.Log) != 1 || len(whole.Refs) != 1 {
			t.Errorf("call %s is not whole: %+v", c.ID, whole)
		}
	}
	return out
}

func (h *history) days(t *testing.T) []string {
	t.Helper()
	rows, err := h.db.QueryContext(h.ctx, "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND relname ~ '^(calls|events|call_logs|call_parents)_[0-9]' ORDER BY 1")
	must(t, err)
	defer rows.Close()
	out := []string{}
	for rows.Next() {
		var s string
		must(t, rows.Scan(&s))
		out = append(out, s)
	}
	must(t, rows.Err())
	return out
}

// TestDropDays: days that are past go as a whole, and what PruneCalls would
// leave of them stays whole. What is left besides is as if no day had been dropped.
func TestDropDays(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	must(t, h.MakeDays(h.ctx, h.base, h.on(12, 0), day))
	var calls []model.Call
	var want []string
	var parent string
	for d := range 10 {
		for i := range 6 {
			c := call(h.on(d, i), 10*d+i)
			if parent != "" {
				c.Parents = []string{parent}
			}
			stays := d >= 5
			switch i {
			case 1: // waits for a person
				c.State, stays = model.Dead, true
			case 2: // runs
				c.State, c.Finished, stays = model.Running, nil, true
			case 3: // descends from a call of that day, and is young
				c.Created, stays = h.on(9, i), true
			case 4: // a name that somebody gave it
				c.ID = fmt.Sprint("order-", d)
			case 5:
				c.State = model.Failed
			}
			parent = c.ID
			calls = append(calls, c)
			if stays {
				want = append(want, c.ID)
			}
		}
	}
	must(t, h.RecordCalls(h.ctx, calls))
	before := h.on(5, 0)
	n, err := h.DropDays(h.ctx, before)
	must(t, err)
	if n != 5*2 {
		t.Errorf("%d calls were dropped, want %d", n, 5*2)
	}
	if days := h.days(t); len(days) != 4*7 || slices.Contains(days, "calls_"+h.on(4, 0).Format("20060102")) {
		t.Errorf("left are the tables %v", days)
	}
	n, err = h.PruneCalls(h.ctx, "default", before, 1000)
	must(t, err)
	if n != 5 {
		t.Errorf("%d calls were pruned, want %d", n, 5)
	}
	have := h.left(t)
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("left are\n%v, want\n%v", have, want)
	}
	h.inStep(t)
	for table, key := range map[string]string{"call_logs": "call_id", "events": "call_id", "call_blobs": "call_id", "dead_letters": "call_id", "call_parents": "parent"} {
		if n := h.count(t, "SELECT count(*) FROM "+table+" t WHERE NOT EXISTS (SELECT 1 FROM calls WHERE calls.id = t."+key+")"); n != 0 {
			t.Errorf("%s has %d rows of calls that are gone", table, n)
		}
	}
	page, err := h.Dead(h.ctx, store.DeadFilter{})
	must(t, err)
	if len(page.Items) != 10+5 {
		t.Errorf("%d dead letters are left, want 15", len(page.Items))
	}
	n, err = h.DropDays(h.ctx, before)
	if n != 0 || err != nil {
		t.Errorf("again: %d calls, %v", n, err)
	}
}

// TestDropDayCut: a day whose removal was cut short is removed, and what came to
// stay meanwhile, or was written anew, is brought back.
func TestDropDayCut(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	must(t, h.MakeDays(h.ctx, h.base, h.on(12, 0), day))
	gone, reopened, late, again := call(h.on(0, 0), 0), call(h.on(0, 1), 1), call(h.on(0, 2), 2), call(h.on(0, 3), 3)
	reopened.State, late.State, late.Finished, again.State, again.Finished = model.Failed, model.Running, nil, model.Running, nil
	must(t, h.RecordCalls(h.ctx, []model.Call{gone, reopened, late, again}))
	_, err := h.Reopen(h.ctx, reopened.ID)
	must(t, err)
	for _, table := range []string{"calls", "call_parents", "call_logs", "events"} {
		_, err := h.db.ExecContext(h.ctx, fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %[1]s_%s", table, h.base.Format("20060102")))
		must(t, err)
	}
	end := model.Call{ID: late.ID, State: model.Succeeded, Attempt: 1, Result: json.RawMessage(`"done"`), Finished: late.Started}
	must(t, h.RecordCalls(h.ctx, []model.Call{end, {ID: again.ID, State: model.Queued}})) // know little
	n, err := h.DropDays(h.ctx, h.on(5, 0))
	must(t, err)
	if n != 1 {
		t.Errorf("%d calls were dropped, want 1", n)
	}
	h.inStep(t)
	if have := h.left(t); !slices.Equal(have, []string{reopened.ID, late.ID, again.ID}) {
		t.Errorf("left are %v", have)
	}
	c, err := h.Call(h.ctx, late.ID)
	must(t, err)
	if c.State != model.Succeeded || string(c.Result) != `"done"` || c.Socket != "s" || len(c.Args) != 1 {
		t.Errorf("the call that ended meanwhile: %+v", c)
	}
	c, err = h.Call(h.ctx, reopened.ID)
	must(t, err)
	if c.State != model.Queued {
		t.Errorf("the call that was reopened is %s", c.State)
	}
}

// TestCrowdedDay: a day of which too much stays is left to PruneCalls.
func TestCrowdedDay(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	must(t, h.MakeDays(h.ctx, h.base, h.on(12, 0), day))
	calls := []model.Call{call(h.on(0, 0), 0)}
	for i := range 1001 {
		c := call(h.on(0, 1), 1+i)
		c.State = model.Dead
		calls = append(calls, c)
	}
	must(t, h.RecordCalls(h.ctx, calls))
	n, err := h.DropDays(h.ctx, h.on(5, 0))
	if n != 0 || err != nil {
		t.Errorf("dropped %d, %v", n, err)
	}
	n, err = h.PruneCalls(h.ctx, "default", h.on(5, 0), 500)
	if n != 1 || err != nil {
		t.Errorf("pruned %d, %v", n, err)
	}
	if n := h.count(t, "SELECT count(*) FROM calls"); n != 1001 {
		t.Errorf("%d calls are left", n)
	}
}

// TestMakeDays: what came before its partition moves into it, up to a limit;
// partitions that are there stay; the new ones are as the old.
func TestMakeDays(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	must(t, h.RecordCalls(h.ctx, []model.Call{call(h.on(0, 0), 0), call(h.on(1, 0), 1), call(h.on(3, 0), 2)}))
	must(t, h.MakeDays(h.ctx, h.on(1, 100), h.on(3, 0), day))
	must(t, h.MakeDays(h.ctx, h.on(0, 100), h.on(5, 0), 2*day)) // what is between is filled
	want := ""
	for _, table := range []string{"call_logs", "call_parents", "calls", "events"} {
		for _, d := range []int{0, 1, 2, 3} {
			want += table + "_" + h.on(d, 0).Format("20060102") + " "
		}
	}
	if have := strings.Join(h.days(t), " ") + " "; have != want {
		t.Errorf("made are\n%s, want\n%s", have, want)
	}
	if n := h.count(t, "SELECT (SELECT count(*) FROM calls_rest) + (SELECT count(*) FROM events_rest) + (SELECT count(*) FROM call_logs_rest)"); n != 0 {
		t.Errorf("%d rows are left in the default partitions", n)
	}
	if have := h.left(t); len(have) != 3 {
		t.Errorf("left are %v", have)
	}
	if n := h.count(t, "SELECT count(*) FROM pg_class WHERE relname ~ '^calls_2' AND relnamespace = current_schema()::regnamespace AND relkind = 'r' AND reloptions @> '{fillfactor=45}'"); n != 4 {
		t.Errorf("%d of 4 partitions leave room for updates", n)
	}
	_, err := h.db.ExecContext(h.ctx, "INSERT INTO events (call_id, name, time, note) SELECT $1 || n, 'step', now(), '' FROM generate_series(1, 10001) AS n", call(h.on(7, 0), 0).ID[:24])
	must(t, err)
	err = h.MakeDays(h.ctx, h.on(6, 0), h.on(9, 0), day)
	if err == nil || !strings.Contains(err.Error(), "over 10000 rows of it are in table events_rest") {
		t.Errorf("a day with many rows: %v", err)
	}
	if days := h.days(t); len(days) != 4*6 || slices.Contains(days, "calls_"+h.on(7, 0).Format("20060102")) {
		t.Errorf("made are %v", days)
	}
}

// TestHotUpdates: the end of a call is written into the page of its beginning,
// in partitions that the migration made and in later ones.
func TestHotUpdates(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	must(t, h.MakeDays(h.ctx, h.base, h.on(12, 0), day))
	const n = 500
	const pages = "SELECT (sum(pg_relation_size(inhrelid)) / 8192)::int FROM pg_inherits WHERE inhparent = 'calls'::regclass"
	for _, at := range []time.Time{h.on(0, 0), time.Unix(0, 0), h.on(20, 0)} {
		var calls []model.Call
		for i := range n {
			c := call(at, i)
			c.State, c.Finished = model.Queued, nil
			calls = append(calls, c)
		}
		must(t, h.RecordCalls(h.ctx, calls))
		was := h.count(t, pages)
		for i := range calls {
			calls[i] = call(at, i)
		}
		must(t, h.RecordCalls(h.ctx, calls))
		if is := h.count(t, pages); is > was+was/10 {
			t.Errorf("calls of %s are in %d pages, and were in %d", at, is, was)
		}
	}
}

// TestDaysUnderLoad: while calls are recorded and read, days are made and
// dropped, and nobody fails or loses anything.
func TestDaysUnderLoad(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	const writers, rounds, batch = 4, 12, 20
	var g errgroup.Group
	for w := range writers {
		g.Go(func() error {
			for r := range rounds {
				var calls []model.Call
				for i := range batch {
					c := call(h.on(r%12, i), (w*rounds+r)*batch+i)
					c.State, c.Finished = model.Queued, nil
					calls = append(calls, c)
				}
				if err := h.RecordCalls(h.ctx, calls); err != nil {
					return err
				}
				for i := range calls {
					calls[i] = call(calls[i].Created, (w*rounds+r)*batch+i)
					calls[i].State = model.Dead
				}
				if err := h.RecordCalls(h.ctx, calls); err != nil {
					return err
				}
				if _, err := h.Calls(h.ctx, store.CallFilter{}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		for r := range 12 { // a busy database may refuse, and is asked again
			if err := h.MakeDays(h.ctx, h.on(r, 0), h.on(r+1, 0), day); err != nil && !strings.Contains(err.Error(), "lock timeout") {
				return err
			}
			if _, err := h.DropDays(h.ctx, h.on(r, 0)); err != nil && !strings.Contains(err.Error(), "lock timeout") {
				return err
			}
		}
		return nil
	})
	must(t, g.Wait())
	h.inStep(t)
	if n := h.count(t, "SELECT count(*) FROM calls WHERE state = 'dead'"); n != writers*rounds*batch {
		t.Errorf("%d of %d calls are left", n, writers*rounds*batch)
	}
}

// TestDropDayLocked: who reads the history is not disturbed, and writers wait
// only a moment for who wants to drop a day.
func TestDropDayLocked(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	must(t, h.MakeDays(h.ctx, h.base, h.on(12, 0), day))
	c := call(h.on(0, 0), 0)
	must(t, h.RecordCalls(h.ctx, []model.Call{c}))
	tx, err := h.db.BeginTx(h.ctx, nil)
	must(t, err)
	defer func() { _ = tx.Rollback() }()
	var n int
	must(t, tx.QueryRowContext(h.ctx, "SELECT count(*) FROM calls").Scan(&n))
	if _, err := h.DropDays(h.ctx, h.on(5, 0)); err == nil || errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "lock timeout") {
		t.Errorf("a day that is being read: %v", err)
	}
	must(t, h.RecordCalls(h.ctx, []model.Call{call(h.on(0, 1), 1)}))
	if have := h.left(t); len(have) != 2 {
		t.Errorf("left are %v", have)
	}
	must(t, tx.Rollback())
	if n, err := h.DropDays(h.ctx, h.on(5, 0)); n != 2 || err != nil {
		t.Errorf("dropped %d, %v", n, err)
	}
}
