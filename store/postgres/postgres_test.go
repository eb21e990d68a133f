package postgres_test

import (
	"context"
	"database/sql"
	"testing"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/postgres"
	"github.com/elasticcode/flow/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a schema of the test, the same one for the same name.
func open(t testing.TB, name string) *store.Store {
	t.Helper()
	url := testenv.Postgres(t)
	s, err := postgres.Open(testenv.Context(t, storetest.Limit), url+"&search_path="+name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		db, err := sql.Open("pgx", url)
		if err == nil {
			_, err = db.ExecContext(context.Background(), "DROP SCHEMA IF EXISTS "+name+" CASCADE")
			_ = db.Close()
		}
		if err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, open)
}

func BenchmarkRecordCalls(b *testing.B) { storetest.BenchmarkRecordCalls(b, open) }
