package nats_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	gonats "github.com/nats-io/nats.go"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/result/nats"
)

// BenchmarkClaimAndPut is what a call costs on a server in the same process. An
// operation is one call.
func BenchmarkClaimAndPut(b *testing.B) {
	for _, n := range []int{1, 100} {
		b.Run(fmt.Sprintf("batch of %d", n), func(b *testing.B) {
			s := serve(b, b.TempDir())
			store := open(b, connect(b, "", gonats.InProcessServer(s)), nats.Config{})
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

// BenchmarkWait is from putting a result to having it at who waits for it.
func BenchmarkWait(b *testing.B) {
	s := serve(b, b.TempDir())
	store := open(b, connect(b, "", gonats.InProcessServer(s)), nats.Config{})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for b.Loop() {
		call, got, begun := model.NewID(), make(chan error, 1), make(chan struct{})
		go func() {
			close(begun)
			_, err := store.Wait(ctx, call)
			got <- err
		}()
		<-begun
		if _, err := store.Put(ctx, time.Minute, result.Result{Call: call, State: model.Succeeded}); err != nil {
			b.Fatal(err)
		}
		if err := <-got; err != nil {
			b.Fatal(err)
		}
	}
}

// cpu is the processor time that this process has used, in nanoseconds: client and
// server together, and the same on a busy machine.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
