package bolt_test

import (
	"testing"

	"github.com/elasticcode/flow/result"
	"github.com/elasticcode/flow/result/bolt"
	"github.com/elasticcode/flow/result/resulttest"
)

func BenchmarkClaimAndPut(b *testing.B) {
	resulttest.BenchmarkClaimAndPut(b, func(b *testing.B) result.Store { return open(b, bolt.Config{}) })
}
