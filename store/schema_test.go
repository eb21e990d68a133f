package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/postgres"
	"github.com/elasticcode/flow/store/sqlite"
)

// dialect is a database to try the schema on.
type dialect struct {
	name string
	open func(t *testing.T) *store.Store
	// columns and indexes are queries that describe a schema, a line for each.
	columns, indexes string
}

func dialects() []dialect {
	return []dialect{
		{
			name: "sqlite", open: openSQLite,
			// It alone has idx_calls_state, for call_states, which is a view there.
			// SQLite lets keys be null where nobody forbids it; keys are compared as such.
			columns: `SELECT m.name || '.' || c.name || ' ' || lower(c.type) || CASE WHEN c.pk > 0 THEN ' key ' || c.pk WHEN c."notnull" THEN ' not null' ELSE '' END
				FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'goose%' AND m.name NOT LIKE 'sqlite%' ORDER BY 1`,
			indexes: `SELECT i.name || ' ' || i."unique" || ' ' || m.name || ' ' || group_concat(c.name) || coalesce(substr(s.sql, nullif(instr(s.sql, ' WHERE '), 0)), '')
				FROM sqlite_schema m, pragma_index_list(m.name) i, pragma_index_info(i.name) c JOIN sqlite_schema s ON s.name = i.name
				WHERE m.type = 'table' AND i.origin = 'c' AND m.name NOT LIKE 'goose%' AND i.name <> 'idx_calls_state' GROUP BY i.name ORDER BY 1`,
		},
		{
			name: "postgres", open: openPostgres,
			columns: `SELECT table_name || '.' || column_name || ' ' || data_type || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END
				FROM information_schema.columns WHERE table_schema = current_schema() AND table_name NOT LIKE 'goose%'
				AND NOT (SELECT relispartition FROM pg_class WHERE oid = to_regclass(format('%I', table_name))) ORDER BY 1`,
			indexes: `SELECT replace(replace(indexdef, schemaname || '.', ''), ' ON ONLY ', ' ON ') FROM pg_indexes WHERE schemaname = current_schema() AND tablename NOT LIKE 'goose%'
				AND NOT (SELECT relispartition FROM pg_class WHERE oid = to_regclass(format('%I', tablename))) ORDER BY 1`,
		},
	}
}

func openSQLite(t *testing.T) *store.Store {
	s, err := sqlite.Open(testenv.Context(t, time.Minute), filepath.Join(t.TempDir(), "flow.sqlite"))
	return opened(t, s, err)
}

func openPostgres(t *testing.T) *store.Store {
	name := testenv.Prefix(t)
	s, err := postgres.Open(testenv.Context(t, time.Minute), testenv.Postgres(t)+"&search_path="+name)
	s = opened(t, s, err)
	t.Cleanup(func() {
		if err := s.Exec(context.Background(), "DROP SCHEMA "+name+" CASCADE"); err != nil {
			t.Error(err)
		}
	})
	return s
}

func opened(t *testing.T, s *store.Store, err error) *store.Store {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestSchemaFitsRows: what the migrations make is what the row types say.
func TestSchemaFitsRows(t *testing.T) {
	t.Parallel()
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			ctx := testenv.Context(t, time.Minute)
			migrated, automatic := d.open(t), d.open(t)
			for _, err := range []error{migrated.Migrate(ctx), automatic.Prepare(ctx), automatic.AutoMigrate()} {
				if err != nil {
					t.Fatal(err)
				}
			}
			for what, query := range map[string]string{"columns": d.columns, "indexes": d.indexes} {
				have, err := migrated.Query(ctx, query)
				if err != nil {
					t.Fatal(err)
				}
				want, err := automatic.Query(ctx, query)
				if err != nil {
					t.Fatal(err)
				}
				if len(want) < 20 {
					t.Fatalf("only %d %s are compared", len(want), what)
				}
				difference(t, what, normal(have), normal(want))
			}
		})
	}
}

// normal removes what the two ways of making a schema write differently and mean the same.
func normal(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.NewReplacer("`", "", "\n", " ").Replace(strings.ToLower(l))
	}
	return out
}

func difference(t *testing.T, what string, have, want []string) {
	t.Helper()
	in := map[string]int{}
	for _, l := range have {
		in[l]++
	}
	for _, l := range want {
		in[l]--
	}
	for l, n := range in {
		if n > 0 {
			t.Errorf("%s: the migrations have, and the rows have not: %s", what, l)
		}
		if n < 0 {
			t.Errorf("%s: the rows have, and the migrations have not: %s", what, l)
		}
	}
}

// TestNewerDatabase: a program that is older than the database leaves it alone.
func TestNewerDatabase(t *testing.T) {
	t.Parallel()
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			ctx := testenv.Context(t, time.Minute)
			s := d.open(t)
			for _, err := range []error{
				s.Migrate(ctx),
				s.Exec(ctx, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, '1')"),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			for _, err := range []error{s.Check(ctx), s.Migrate(ctx)} {
				if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "version 99999") {
					t.Fatalf("have error %v, want ErrNewer with the version", err)
				}
			}
		})
	}
}
