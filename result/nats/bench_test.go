package nats_test

import (
	"context"
	"testing"
	"time"

	gonats "github.com/nats-io/nats.go"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/result/nats"
	"github.com/elasticcode/flow/result/resulttest"
)

func BenchmarkClaimAndPut(b *testing.B) {
	resulttest.BenchmarkClaimAndPut(b, func(b *testing.B) result.Store {
		return open(b, connect(b, "", gonats.InProcessServer(serve(b, b.TempDir()))), nats.Config{})
	})
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
