package engine

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// Garbage may grow to a few times of what lives while that is little: collecting it
// at Go's default costs a tenth of the processor under load. Where much lives (with
// a thousand queues of the embedded broker, or a backlog being submitted) it would be
// gigabytes, so it is bounded.
const (
	mostPercent  = 400
	leastPercent = 30
	mostGarbage  = 160 << 20 // bytes, as far as leastPercent allows
)

var relaxOnce sync.Once

// relaxGC trades memory that is there for time; GOGC in the environment wins.
func relaxGC() {
	relaxOnce.Do(func() {
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(mostPercent)
			fitGC(mostPercent)
		}
	})
}

// fitGC fits the percentage to what lives, now and after each collection.
func fitGC(percent int) {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	if want := percentFor(live[0].Value.Uint64()); want != percent {
		percent = want
		debug.SetGCPercent(percent)
	}
	// It dies at once, which is found by the next collection.
	runtime.AddCleanup(new([16]byte), fitGC, percent)
}

// percentFor is how much garbage there may be before the next collection, in
// percent of what lives. In steps: changing it stops everything for a moment.
func percentFor(live uint64) int {
	for percent := mostPercent; percent > leastPercent; percent = percent * 3 / 4 {
		if live*uint64(percent)/100 <= mostGarbage {
			return percent
		}
	}
	return leastPercent
}
