package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/elasticcode/flow/client"
)

// BenchmarkSubmit is what the API itself costs a call; the broker is played.
func BenchmarkSubmit(b *testing.B) {
	for name, n := range map[string]int{"one": 1, "batch of 100": 100} {
		b.Run(name, func(b *testing.B) {
			x := setup(b)
			x.api.log = slog.New(slog.DiscardHandler)
			x.system(b)
			calls := make([]client.Submission, n)
			for i := range calls {
				calls[i] = client.Submission{Socket: "sample.do_this", Args: []json.RawMessage{value(`"some data"`)}}
			}
			for b.Loop() {
				var err error
				if n == 1 {
					_, err = x.c.Submit(context.Background(), calls[0])
				} else {
					_, err = x.c.SubmitBatch(context.Background(), calls)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}
