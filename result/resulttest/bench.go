package resulttest

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

// BenchmarkClaimAndPut is what a call costs, for stores whose server is in this
// process: cpu-ns/op is client and server together. An operation is one call.
func BenchmarkClaimAndPut(b *testing.B, open func(b *testing.B) result.Store) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("batch of %d", n), func(b *testing.B) {
			store := open(b)
			calls, results := make([]string, b.N+n), make([]result.Result, b.N+n)
			for i := range calls {
				calls[i] = model.NewID()
				results[i] = result.Result{
					Call: calls[i], State: model.Succeeded, Value: []byte(`"Do this: ['some data']"`), Attempt: 1,
					Started: time.Now(), Finished: time.Now(),
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu(b)
			for i := 0; i < b.N; i += n {
				if _, err := store.Claim(b.Context(), "node1/proc1/1", time.Minute, calls[i:i+n]...); err != nil {
					b.Fatal(err)
				}
				if _, err := store.Put(b.Context(), time.Hour, results[i:i+n]...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpu is the processor time that this process has used, in nanoseconds: the same
// on a busy machine.
func cpu(b *testing.B) int64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
