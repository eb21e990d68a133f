package sqlite_test

import (
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/sqlite"
	"github.com/elasticcode/flow/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a database file of the test, the same one for the same name.
func open(t testing.TB, name string) *store.Store {
	t.Helper()
	dir, _ := dirs.LoadOrStore(name, t.TempDir())
	s, err := sqlite.Open(testenv.Context(t, storetest.Limit), filepath.Join(dir.(string), "flow db?.sqlite"))
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

var dirs sync.Map // of open, by name

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, open)
}

func BenchmarkRecordCalls(b *testing.B) { storetest.BenchmarkRecordCalls(b, open) }
