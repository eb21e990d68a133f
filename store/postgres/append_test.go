package postgres_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store/storetest"
)

// watched is a database that tells by which statements calls were written.
func watched(t *testing.T) *history {
	t.Helper()
	name := testenv.Prefix(t)
	h := &history{Store: open(t, name), db: connect(t, name), ctx: testenv.Context(t, storetest.Limit)}
	must(t, h.Migrate(h.ctx))
	h.exec(t, `CREATE TABLE heard (seq bigserial, verb text)`)
	h.exec(t, `CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO heard (verb) VALUES (CASE WHEN current_query() LIKE 'COPY %' THEN 'COPY' ELSE 'INSERT' END); RETURN NULL; END $$`)
	h.exec(t, `CREATE TRIGGER hear AFTER INSERT ON calls FOR EACH STATEMENT EXECUTE FUNCTION hear()`)
	return h
}

func (h *history) exec(t testing.TB, statement string, args ...any) {
	t.Helper()
	_, err := h.db.ExecContext(h.ctx, statement, args...)
	must(t, err)
}

func (h *history) texts(t testing.TB, query string) []string {
	t.Helper()
	rows, err := h.db.QueryContext(h.ctx, query)
	must(t, err)
	defer func() { _ = rows.Close() }()
	out := []string{}
	for rows.Next() {
		var s string
		must(t, rows.Scan(&s))
		out = append(out, s)
	}
	must(t, rows.Err())
	return out
}

// heard returns how calls were written since it was last asked.
func (h *history) heard(t testing.TB) string {
	t.Helper()
	return strings.Join(h.texts(t, "WITH gone AS (DELETE FROM heard RETURNING seq, verb) SELECT verb FROM gone ORDER BY seq"), " ")
}

// rows returns all that was written, as it is kept.
func (h *history) rows(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, table := range []string{"calls", "call_parents", "call_logs", "events", "dead_letters", "call_blobs", "call_states"} {
		all = append(all, h.texts(t, fmt.Sprintf("SELECT '%s' || t::text FROM %s t ORDER BY 1", table, table))...)
	}
	return all
}

// pair is the first and the last record of a call.
func pair(id string) []model.Call {
	begin := model.Call{ID: id, Tracking: id, Network: "default", Socket: "s", State: model.Queued, Args: []json.RawMessage{json.RawMessage("1")}, Created: at}
	end := begin
	finished := at.Add(time.Second)
	end.State, end.Attempt, end.Args, end.Result, end.Finished = model.Succeeded, 1, nil, json.RawMessage("2"), &finished
	return []model.Call{begin, end}
}

var at = time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.FixedZone("", 7200))

// pairs is those of many calls.
func pairs(prefix string, n int) (begins, ends []model.Call) {
	for i := range n {
		p := pair(fmt.Sprintf("%s%04d", prefix, i))
		begins, ends = append(begins, p[0]), append(ends, p[1])
	}
	return begins, ends
}

// anyCall draws a call with whatever can be in one.
func anyCall(t *rapid.T, id string) []model.Call {
	text := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.SampledFrom([]string{"\\N", "a\tb\n\\.", "x\x00y", "\xff", "NULL", "ü€😀"}))
	when := rapid.Custom(func(t *rapid.T) *time.Time {
		if rapid.Bool().Draw(t, "no time") {
			return nil
		}
		zone := time.FixedZone("", rapid.IntRange(-14*3600, 14*3600).Draw(t, "zone"))
		at := time.Unix(rapid.Int64Range(-1<<37, 1<<39).Draw(t, "second"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).In(zone)
		return &at
	})
	value := rapid.Custom(func(t *rapid.T) json.RawMessage {
		raw, _ := json.Marshal(text.Draw(t, "value"))
		return rapid.SampledFrom([]json.RawMessage{raw, json.RawMessage("null"), json.RawMessage(`{"a": 1.50}`)}).Draw(t, "json")
	})
	end := model.Call{
		ID: id, Tracking: id, Network: rapid.SampledFrom([]string{"", "lab"}).Draw(t, "network"), Socket: "s",
		Queue: text.Draw(t, "queue"), Processor: text.Draw(t, "processor"), Module: text.Draw(t, "module"), Task: text.Draw(t, "task"),
		Commit: text.Draw(t, "commit"), Plug: text.Draw(t, "plug"), Argument: text.Draw(t, "argument"), Joined: text.Draw(t, "joined"),
		State: rapid.SampledFrom(model.States()).Draw(t, "state"), Priority: rapid.SampledFrom([]model.Priority{"", model.Low, model.High}).Draw(t, "priority"),
		Attempt: rapid.SampledFrom([]int{0, 1, 2, 1 << 40}).Draw(t, "attempt"), Parents: rapid.SliceOfN(rapid.SampledFrom([]string{"p1", "p2"}), 0, 3).Draw(t, "parents"),
		Args: rapid.SliceOfN(value, 0, 2).Draw(t, "args"), Kwargs: rapid.MapOfN(text, value, 0, 2).Draw(t, "kwargs"),
		Origin: text.Draw(t, "origin"), Node: text.Draw(t, "node"), Worker: text.Draw(t, "worker"),
		Received: when.Draw(t, "received"), Started: when.Draw(t, "started"), Deadline: when.Draw(t, "deadline"), Created: at, Finished: &at,
	}
	if c := when.Draw(t, "created"); c != nil {
		end.Created, end.Finished = *c, c
	}
	if end.State.Terminal() {
		end.Result = value.Draw(t, "result")
	}
	if rapid.Bool().Draw(t, "failed") {
		end.Failure = &model.Failure{Error: text.Draw(t, "error"), Message: text.Draw(t, "message")}
	}
	for range rapid.IntRange(0, 2).Draw(t, "events") {
		end.Events = append(end.Events, model.Event{Name: text.Draw(t, "event"), Time: end.Created, Note: text.Draw(t, "note")})
	}
	if line := text.Draw(t, "line"); line != "" {
		end.Log = []model.LogLine{{Time: end.Created, Stream: "stdout", Text: line}}
	}
	if rapid.IntRange(0, 9).Draw(t, "large") == 0 {
		end.Refs = []model.Ref{{At: "/args/0", Hash: "h", Size: 1}}
	}
	begin := pair(id)[0]
	begin.Network, begin.Created = end.Network, end.Created
	if !end.State.Terminal() && rapid.Bool().Draw(t, "comes late") {
		return []model.Call{end, begin}
	}
	return []model.Call{begin, end}
}

// TestAppendIsInsert: whatever is appended is in the database as if it had been
// merged, and merged it is when one call of the batch is there already.
func TestAppendIsInsert(t *testing.T) {
	t.Parallel()
	appended, merged := watched(t), watched(t)
	there := pair("0000000b-there")
	must(t, appended.RecordCalls(appended.ctx, there))
	must(t, merged.RecordCalls(merged.ctx, there))
	appended.heard(t)
	merged.heard(t)
	rounds := 0
	rapid.Check(t, func(rt *rapid.T) {
		rounds++
		var batch []model.Call
		for i := range rapid.IntRange(1, 4).Draw(rt, "calls") {
			batch = append(batch, anyCall(rt, fmt.Sprintf("%08x-%d", rounds, i))...)
			batch = append(batch, pair(fmt.Sprintf("%08x-%d", math.MaxUint32-rounds, i))...)
		}
		alone, _ := pairs(fmt.Sprintf("%08x-alone", rounds), 32) // many enough to be asked about
		batch = append(batch, alone...)
		if err := appended.RecordCalls(appended.ctx, batch); err != nil {
			rt.Fatal(err)
		}
		if err := merged.RecordCalls(merged.ctx, append(slices.Clone(there), batch...)); err != nil {
			rt.Fatal(err)
		}
		if by := merged.heard(t); by != "INSERT" {
			rt.Fatalf("a batch with a call that is there was written by %q", by)
		}
		by := "COPY"
		if slices.ContainsFunc(batch, func(c model.Call) bool { return len(c.Refs) > 0 }) {
			by = "COPY INSERT"
		}
		if have := appended.heard(t); have != by {
			rt.Fatalf("a batch of new calls was written by %q, want %q", have, by)
		}
	})
	have, want := appended.rows(t), merged.rows(t)
	if !slices.Equal(have, want) {
		for i := range min(len(have), len(want)) {
			if have[i] != want[i] {
				t.Fatalf("appended:\n  %s\nmerged:\n  %s", have[i], want[i])
			}
		}
		t.Fatalf("%d rows were appended, %d merged", len(have), len(want))
	}
}

// TestAppendNew: what is new is appended, and nothing else is. Whatever came
// first of a call, it becomes whole.
func TestAppendNew(t *testing.T) {
	t.Parallel()
	h := watched(t)
	begins, ends := pairs("c", 1000)
	both := func(from, to int) []model.Call { return slices.Concat(begins[from:to], ends[from:to]) }
	_, unran := pairs("u", 50)
	for i := range unran {
		unran[i].Attempt = 0
	}
	held := pair("held")
	for i := range held {
		held[i].Args, held[i].Refs = []json.RawMessage{json.RawMessage("null")}, []model.Ref{{At: "/args/0", Hash: "h", Size: 1 << 20}}
	}
	must(t, h.HoldBlobs(h.ctx, held[0]))
	told, whole := pairs("t", 50)
	var ids []string
	for i := range told {
		ids = append(ids, told[i].ID)
	}
	for _, step := range []struct {
		what  string
		batch []model.Call
		by    string
		begun []string
	}{
		{"beginnings and ends", both(0, 5), "COPY", nil},
		{"the same again", both(0, 5), "INSERT", nil},
		{"the same again, among others", both(0, 100), "INSERT", nil},
		{"beginnings and ends, and one whose references are there", slices.Concat(both(100, 140), held), "COPY INSERT", nil},
		{"beginnings and ends, and beginnings again", slices.Concat(both(140, 200), begins[140:200]), "INSERT INSERT", nil},
		{"an end", ends[300:301], "INSERT", nil},
		{"beginnings, one of them late", begins[200:400], "COPY INSERT", nil},
		{"ends", ends[200:400], "INSERT", nil},
		{"ends that come first", ends[400:500], "INSERT", nil},
		{"beginnings that are late", begins[400:500], "INSERT", nil},
		{"beginnings and ends, and ends again", slices.Concat(both(500, 600), ends[400:500]), "COPY INSERT", nil},
		{"few beginnings and ends, and an end again", slices.Concat(both(600, 631), ends[:1]), "INSERT", nil},
		{"few beginnings and ends, and few beginnings", slices.Concat(both(631, 640), begins[640:671]), "INSERT", nil},
		{"ends of what never ran", unran, "COPY", nil},
		{"the same again", unran, "INSERT", nil},
		{"ends of what is said to begin", whole[:40], "COPY", ids},
		{"ends of what is said to begin, some of them wrongly", whole, "INSERT", ids},
		{"the rest", both(640, 1000), "INSERT", nil},
	} {
		must(t, h.RecordCalls(h.ctx, step.batch, step.begun...))
		if by := h.heard(t); by != step.by {
			t.Errorf("%s: written by %q, want %q", step.what, by, step.by)
		}
	}
	h.inStep(t)
	if n := h.count(t, `SELECT count(*) FROM calls WHERE state = 'succeeded' AND args = '[1]' AND attempt = 1
		AND (result, finished, created) = ('2', '2026-03-04T03:06:08.123456Z', '2026-03-04T03:06:07.123456Z')`); n != len(begins) {
		t.Errorf("%d calls are whole, want %d", n, len(begins))
	}
}
