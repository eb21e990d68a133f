package redis_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/result/redis"
)

// The operation of each benchmark is one call, in batches of 100.
const size = 100

func bench(b *testing.B) *redis.Store {
	c := client(b, testenv.Redis(b))
	prefix := testenv.Prefix(b) + ":"
	b.Cleanup(func() { remove(b, c, prefix) })
	return store(b, c, redis.Config{Prefix: prefix})
}

func batch(n int) ([]string, []result.Result) {
	calls, results := make([]string, n), make([]result.Result, n)
	for i := range calls {
		calls[i] = model.NewID()
		results[i] = result.Result{
			Call: calls[i], State: model.Succeeded, Value: []byte(`"Do this: ['some data']"`), Attempt: 1,
			Started: time.Now(), Finished: time.Now(),
		}
	}
	return calls, results
}

func BenchmarkPut(b *testing.B) {
	s := bench(b)
	_, results := batch(b.N + size)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += size {
		if _, err := s.Put(b.Context(), time.Minute, results[n:n+size]...); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClaim(b *testing.B) {
	s := bench(b)
	calls, _ := batch(b.N + size)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += size {
		if _, err := s.Claim(b.Context(), "node1/proc1/1", time.Minute, calls[n:n+size]...); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClaimAndPut(b *testing.B) {
	for _, n := range []int{1, size} {
		b.Run(fmt.Sprintf("batch of %d", n), func(b *testing.B) {
			s := bench(b)
			calls, results := batch(b.N + n)
			b.ResetTimer()
			for i := 0; i < b.N; i += n {
				if _, err := s.Claim(b.Context(), "node1/proc1/1", time.Minute, calls[i:i+n]...); err != nil {
					b.Fatal(err)
				}
				if _, err := s.Put(b.Context(), time.Minute, results[i:i+n]...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWait is from putting a result to having it at a waiter in another process.
func BenchmarkWait(b *testing.B) {
	waiting := bench(b)
	for b.Loop() {
		calls, results := batch(1)
		got := make(chan error, 1)
		begun := make(chan struct{})
		go func() {
			close(begun)
			_, err := waiting.Wait(testenv.Context(b, time.Minute), calls[0])
			got <- err
		}()
		<-begun
		if _, err := waiting.Put(b.Context(), time.Minute, results...); err != nil {
			b.Fatal(err)
		}
		if err := <-got; err != nil {
			b.Fatal(err)
		}
	}
}
