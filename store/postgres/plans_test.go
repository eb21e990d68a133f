package postgres_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/postgres"
	"github.com/elasticcode/flow/store/storetest"
)

// TestPlans: with a history of many days, nothing that the store asks for reads
// a partition from end to end, and what is about a call looks into one partition.
func TestPlans(t *testing.T) { //nolint:maintidx // it is one list of questions after another
	t.Parallel()
	name := testenv.Prefix(t)
	s, ctx := open(t, name), testenv.Context(t, 10*time.Minute)
	must(t, s.Migrate(ctx))
	db := connect(t, name)
	const days, perDay = 15, 1000
	base := time.Now().UTC().Truncate(day).Add(-days * day)
	used(t, db)
	must(t, s.MakeDays(ctx, base, base.Add((days+3)*day), day))
	for _, statement := range []string{
		fmt.Sprintf(manyCalls, base.Format(time.RFC3339), days, perDay),
		`INSERT INTO call_parents SELECT p.id, c.id FROM (SELECT id, created, row_number() OVER (ORDER BY created, id) AS n FROM calls) p JOIN (SELECT id, row_number() OVER (ORDER BY created, id) AS n FROM calls) c ON c.n = p.n + 1 WHERE p.n % 5 > 0`,
		`INSERT INTO call_logs SELECT id, 1, '[]' FROM calls`,
		`INSERT INTO events SELECT id, 'step', created, '' FROM calls`,
		`INSERT INTO dead_letters SELECT id, network, finished FROM calls WHERE state = 'dead'`,
		`INSERT INTO call_blobs SELECT id, '/args/0', md5(id), 200000 FROM calls WHERE right(id, 1) = '0'`,
		`INSERT INTO blobs SELECT hash, 0, 1, 'x', now() - interval '40 days' FROM call_blobs`,
		`INSERT INTO call_states SELECT id, network, socket, state, created FROM calls WHERE state <> 'succeeded'`,
		// Those of another network, in numbers that are worth an index.
		`INSERT INTO call_states SELECT 'lab' || n, 'lab', 's7', 'cancelled', now() - n * interval '1 second' FROM generate_series(1, 30000) AS n`,
		// As autovacuum does: it leaves out what has partitions.
		`DO $$ DECLARE t text; BEGIN
			FOR t IN SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' LOOP EXECUTE 'ANALYZE ' || t; END LOOP;
		END $$`,
	} {
		_, err := db.ExecContext(ctx, statement)
		must(t, err)
	}
	var some []string
	rows, err := db.QueryContext(ctx, "SELECT id FROM calls WHERE state = 'dead' ORDER BY id LIMIT 20 OFFSET 50")
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var id string
		must(t, rows.Scan(&id))
		some = append(some, id)
	}
	must(t, rows.Err())
	c, err := s.Call(ctx, some[7])
	must(t, err)

	var mu sync.Mutex
	var heard []plan
	u, err := url.Parse(testenv.Postgres(t))
	must(t, err)
	q := u.Query()
	q.Set("search_path", name)
	q.Set("options", "-c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=0 -c auto_explain.log_analyze=on -c auto_explain.log_format=json -c auto_explain.log_level=notice")
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	told, err := postgres.OpenHeard(ctx, u.String(), func(n *pgconn.Notice) {
		if _, text, ok := strings.Cut(n.Message, "plan:"); ok {
			var p plan
			if err := json.Unmarshal([]byte(text), &p); err != nil {
				t.Errorf("plan: %v: %s", err, text)
			}
			mu.Lock()
			heard = append(heard, p)
			mu.Unlock()
		}
	})
	if err != nil {
		t.Skipf("SKIPPED: PostgreSQL does not explain what it does: auto_explain cannot be loaded by this user: %v", err)
	}
	t.Cleanup(func() { _ = told.Close() })
	page := store.List{Limit: 50}
	newest, err := s.Calls(ctx, store.CallFilter{Network: "default", List: store.List{Limit: perDay}})
	must(t, err)
	many := newest.Items
	for i := range many {
		many[i].Attempt = 0 // they could be new
	}
	before := base.Add(days / 2 * day)
	asks := map[string]func() error{
		"call":   func() error { _, err := told.Call(ctx, c.ID); return err },
		"newest": func() error { _, err := told.Calls(ctx, store.CallFilter{Network: "default", List: page}); return err },
		"newest of a socket": func() error {
			_, err := told.Calls(ctx, store.CallFilter{Network: "default", Socket: "s7", List: page})
			return err
		},
		"oldest of a socket": func() error {
			_, err := told.Calls(ctx, store.CallFilter{Network: "default", Socket: "s7", Ascending: true, List: page})
			return err
		},
		"newest of a state": func() error {
			_, err := told.Calls(ctx, store.CallFilter{Network: "default", State: model.Succeeded, List: page})
			return err
		},
		"of a run": func() error {
			_, err := told.Calls(ctx, store.CallFilter{Network: "default", Run: c.Tracking, List: page})
			return err
		},
		"run":          func() error { _, err := told.Run(ctx, c.Tracking); return err },
		"calls of run": func() error { _, err := told.CallsOfRun(ctx, c.Tracking, false, "", 100); return err },
		"tree":         func() error { _, err := told.Tree(ctx, c.ID); return err },
		"dead":         func() error { _, err := told.Dead(ctx, store.DeadFilter{Network: "default", List: page}); return err },
		"dead of a socket": func() error {
			_, err := told.Dead(ctx, store.DeadFilter{Network: "default", Socket: "s7", List: page})
			return err
		},
		"dead of a run": func() error {
			_, err := told.Dead(ctx, store.DeadFilter{Network: "default", Run: c.Tracking, List: page})
			return err
		},
		"edit":        func() error { return told.EditCall(ctx, c.ID, nil, nil, nil) },
		"drop":        func() error { _, err := told.Drop(ctx, some[:5]...); return err },
		"reopen":      func() error { _, err := told.Reopen(ctx, some[10:]...); return err },
		"redrives":    func() error { _, err := told.PendingRedrives(ctx, time.Now().Add(time.Hour), 10); return err },
		"prune":       func() error { _, err := told.PruneCalls(ctx, "default", before, 500); return err },
		"rank":        func() error { _, err := told.CreatedAtRank(ctx, "default", int64(3*perDay)); return err },
		"has calls":   func() error { _, err := told.HasCalls(ctx); return err },
		"record":      func() error { return told.RecordCalls(ctx, []model.Call{c}) },
		"record many": func() error { return told.RecordCalls(ctx, many) },
		"release":     func() error { _, err := told.ReleaseBlobs(ctx, before, 500); return err },
		"sweep":       func() error { _, _, err := told.SweepBlobs(ctx, before, "", 50); return err },
		"arrive": func() error {
			_, err := told.Arrive(ctx, []store.Arrival{{ID: c.ID, Socket: "s", Needs: []string{"x"}, Argument: "x", Value: []byte("1"), Tracking: c.Tracking}})
			return err
		},
	}
	short := map[string]bool{} // what is about a quarter of a day
	for what, f := range map[string]store.CallFilter{
		"few of a state, lately":          {State: model.Dead, Since: base.Add(days*day - 6*time.Hour)},
		"few of a state, at first":        {State: model.Dead, Until: base.Add(6 * time.Hour)},
		"few of a state, then":            {State: model.Dead, Since: before, Until: before.Add(6 * time.Hour)},
		"of a state and a socket, lately": {State: model.Succeeded, Socket: "s7", Since: base.Add(days*day - 6*time.Hour), Exact: true},
	} {
		f.Network, f.Limit, short[what] = "default", 1, true
		asks[what] = func() error { _, err := told.Calls(ctx, f); return err }
		// A connection that was first asked for a long time keeps its plans.
		wide := f
		if !f.Since.IsZero() {
			wide.Since = base
		}
		if !f.Until.IsZero() {
			wide.Until = base.Add(days * day)
		}
		for range 7 {
			_, err := told.Calls(ctx, wide)
			must(t, err)
		}
	}
	unusual := map[string]bool{} // what is about few calls of many
	for what, f := range storetest.Unusual("default", "s7") {
		f.Limit, unusual[what] = 5, true
		asks[what] = func() error { _, err := told.Calls(ctx, f); return err }
	}
	for what, do := range asks {
		heard = nil
		for range 7 { // the plans of prepared statements change after a few
			must(t, do())
		}
		if len(heard) == 0 {
			t.Fatalf("%s: no plan was told", what)
		}
		told := map[string]bool{}
		for _, p := range heard {
			tables, rows := p.Plan.reads()
			problem := ""
			switch {
			case rows > store.CountLimit+perDay:
				problem = fmt.Sprintf("it reads %.0f rows", rows)
			case narrow[what] && tables > 4:
				problem = fmt.Sprintf("it looks into %d partitions", tables)
			case short[what] && rows > perDay/4+1:
				problem = fmt.Sprintf("it reads %.0f rows, of times that were not asked for", rows)
			case unusual[what] && rows > 50:
				problem = fmt.Sprintf("it reads %.0f rows of the history", rows)
			case (unusual[what] || short[what]) && p.Plan.unindexed():
				problem = "it reads call_states without its index"
			case short[what] && len(p.Plan.scans()) > 0:
				problem = fmt.Sprintf("it reads from end to end %s", p.Plan.scans())
			}
			if problem != "" && !told[p.Query] {
				told[p.Query] = true
				t.Errorf("%s: %s: %s", what, problem, p.Query)
			}
		}
	}
}

// narrow is what is about calls whose ids are known, of a day or two.
var narrow = map[string]bool{"call": true, "edit": true, "drop": true, "reopen": true, "record": true, "record many": true, "arrive": true}

// plan is what the database tells of how it ran a query.
type plan struct {
	Query string `json:"Query Text"`
	Plan  node
}

type node struct {
	Type     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Index    string  `json:"Index Name"`
	Rows     float64 `json:"Actual Rows"`
	Loops    float64 `json:"Actual Loops"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Plans    []node
}

// reads tells how many partitions of the history were looked into, and how many
// rows of them were read.
func (n node) reads() (tables int, rows float64) {
	if n.Relation != "" && n.Loops > 0 && partition.MatchString(n.Relation) && n.Type != "ModifyTable" {
		tables, rows = 1, (n.Rows+n.Removed)*n.Loops
	}
	for _, p := range n.Plans {
		t, r := p.reads()
		tables, rows = tables+t, rows+r
	}
	return tables, rows
}

// scans lists the partitions of the history that were read from end to end.
func (n node) scans() []string {
	var out []string
	if n.Type == "Seq Scan" && partition.MatchString(n.Relation) && (n.Rows+n.Removed)*n.Loops > 0 {
		out = append(out, n.Relation)
	}
	for _, p := range n.Plans {
		out = append(out, p.scans()...)
	}
	return out
}

// unindexed tells whether all states were read, or most of them.
func (n node) unindexed() bool {
	if n.Relation == "call_states" && (n.Index == "" || (n.Rows+n.Removed)*n.Loops > 200) {
		return true
	}
	return slices.ContainsFunc(n.Plans, node.unindexed)
}

var partition = regexp.MustCompile(`^(calls|call_logs|call_parents|events)_[0-9]{8}$`)

// manyCalls writes calls with ids that begin with their times.
const manyCalls = `INSERT INTO calls (id, tracking, network, socket, queue, processor, module, task, commit_hash, plug, argument, joined, state, attempt, progress, parents, args, kwargs, result, origin, node, worker, created, received, started, finished)
SELECT hex || '-7' || substr(rest, 1, 3) || '-8' || substr(rest, 4, 3) || '-' || substr(rest, 7, 12), hex || '-8' || substr(rest, 1, 3) || '-8000-000000000000',
  'default', 's' || n %% 40, 'q', 'p', 'm', 't', '', '', '', '', CASE WHEN n %% 100 = 7 THEN 'dead' ELSE 'succeeded' END, 1, 2147483647, NULL, '["x"]', NULL, '"y"', '', '', '', at, at, at, at
FROM (SELECT n, at, md5(n::text) AS rest, regexp_replace(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0'), '^(.{8})', '\1-') AS hex
  FROM (SELECT n, '%s'::timestamptz + interval '%d days' * (n / %[3]d.0 / %[2]d) AS at FROM generate_series(0, %[2]d * %[3]d - 1) AS n) AS series) AS calls`

const day = 24 * time.Hour

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func connect(t testing.TB, name string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", testenv.Postgres(t)+"&search_path="+name)
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// used makes a database one that has been in use for long: what was there before
// it had partitions is gone.
func used(t testing.TB, db *sql.DB) {
	t.Helper()
	_, err := db.ExecContext(context.Background(), "DROP TABLE calls_first, call_parents_first, call_logs_first, events_first")
	must(t, err)
}
