package postgres_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

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

// TestAppendNew: what is new is appended, and nothing else is. Whatever came
// first of a call, it becomes whole.
func TestAppendNew(t *testing.T) {
	t.Parallel()
	h := watched(t)
	begins, ends := storetest.Pairs("c", 1000)
	both := func(from, to int) []model.Call { return slices.Concat(begins[from:to], ends[from:to]) }
	_, unran := storetest.Pairs("u", 50)
	for i := range unran {
		unran[i].Attempt = 0
	}
	held := storetest.Pair("held")
	for i := range held {
		held[i].Args, held[i].Refs = []json.RawMessage{json.RawMessage("null")}, []model.Ref{{At: "/args/0", Hash: "h", Size: 1 << 20}}
	}
	must(t, h.HoldBlobs(h.ctx, held[0]))
	told, whole := storetest.Pairs("t", 50)
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

// TestLongValuesAreCompressedFast: however a call is written, and where PostgreSQL
// can.
func TestLongValuesAreCompressedFast(t *testing.T) {
	t.Parallel()
	h := watched(t)
	want := h.texts(t, "SELECT CASE WHEN 'lz4' = ANY (enumvals) THEN 'lz4' ELSE 'pglz' END FROM pg_settings WHERE name = 'default_toast_compression'")
	if len(want) == 0 {
		t.Skip("PostgreSQL 13 has one way to compress, and does not tell which")
	}
	begins, ends := storetest.Pairs("c", 2)
	for i := range begins {
		begins[i].Args = []json.RawMessage{json.RawMessage(`"` + strings.Repeat("all work and no play ", 1000) + `"`)}
		ends[i].Args = begins[i].Args
	}
	must(t, h.RecordCalls(h.ctx, []model.Call{begins[0], ends[0]})) // appended
	must(t, h.RecordCalls(h.ctx, []model.Call{ends[1]}))
	must(t, h.RecordCalls(h.ctx, []model.Call{begins[1]})) // merged
	if got := h.texts(t, "SELECT coalesce(pg_column_compression(args), 'none') FROM calls"); !slices.Equal(got, []string{want[0], want[0]}) {
		t.Errorf("arguments are compressed by %s", got)
	}
}
