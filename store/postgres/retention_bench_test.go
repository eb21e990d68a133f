package postgres_test

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
	"github.com/elasticcode/flow/store/postgres"
)

// BenchmarkRetention measures how fast a day of calls goes, as a whole and one
// by one, and for how long a writer of 20 calls waits at most while that
// happens; "idle" is the writer alone. BENCH_CALLS is how many calls the day has.
func BenchmarkRetention(b *testing.B) {
	n := 100_000
	if text := os.Getenv("BENCH_CALLS"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		must(b, err)
	}
	for _, kind := range []string{"drop", "prune"} {
		b.Run(kind, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				s, at := oneDay(b, n)
				ctx := b.Context()
				idle := writing(b, s, func() { time.Sleep(3 * time.Second) })
				removed := 0
				b.StartTimer()
				began := time.Now()
				busy := writing(b, s, func() {
					switch kind {
					case "drop":
						var err error
						removed, err = s.DropDays(ctx, at.Add(day))
						must(b, err)
					case "prune":
						for {
							k, err := s.PruneCalls(ctx, "default", at.Add(day), 500)
							must(b, err)
							if removed += k; k < 500 {
								return
							}
							time.Sleep(20 * time.Millisecond) // as server/retention does
						}
					}
				})
				took := time.Since(began)
				if removed != n-min(n/100, 500) {
					b.Fatalf("%d of %d calls were removed", removed, n-min(n/100, 500))
				}
				b.ReportMetric(float64(removed)/took.Seconds(), "removed/s")
				b.ReportMetric(float64(idle.Microseconds())/1000, "idle-max-ms")
				b.ReportMetric(float64(busy.Microseconds())/1000, "max-ms")
			}
		})
	}
}

// oneDay is a history with a day of n calls, of which up to 500 stay.
func oneDay(b *testing.B, n int) (*store.Store, time.Time) {
	name := testenv.Prefix(b)
	ctx := testenv.Context(b, 30*time.Minute)
	open(b, name)
	s, err := postgres.Open(ctx, testenv.Postgres(b)+"&search_path="+name)
	must(b, err)
	b.Cleanup(func() { _ = s.Close() })
	must(b, s.Migrate(ctx))
	db := connect(b, name)
	used(b, db)
	at := time.Now().UTC().Truncate(day).Add(-10 * day)
	must(b, s.MakeDays(ctx, at, at.Add(13*day), day))
	for _, statement := range []string{
		fmt.Sprintf(manyCalls, at.Format(time.RFC3339), 1, n),
		`UPDATE calls SET state = 'succeeded' WHERE state = 'dead' AND id NOT IN (SELECT id FROM calls WHERE state = 'dead' ORDER BY id LIMIT 500)`,
		`INSERT INTO call_logs SELECT id, 1, '[]' FROM calls`,
		`INSERT INTO events SELECT id, 'step', created, '' FROM calls`,
		`VACUUM (ANALYZE) calls, call_logs, events`,
	} {
		_, err := db.ExecContext(ctx, statement)
		must(b, err)
	}
	return s, at
}

// writing records calls until fn is done, and tells how long that took at most.
func writing(b testing.TB, s *store.Store, fn func()) time.Duration {
	var done atomic.Bool
	longest := make(chan time.Duration)
	go func() {
		var most time.Duration
		for !done.Load() {
			calls := make([]model.Call, 20)
			for i := range calls {
				calls[i] = model.Call{ID: model.NewID(), Network: "default", Socket: "s", State: model.Queued, Created: time.Now()}
			}
			began := time.Now()
			if err := s.RecordCalls(b.Context(), calls); err != nil {
				b.Error(err)
			}
			most = max(most, time.Since(began))
			time.Sleep(5 * time.Millisecond)
		}
		longest <- most
	}()
	fn()
	done.Store(true)
	return <-longest
}
