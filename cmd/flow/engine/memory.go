package engine

import (
	"os"
	"runtime/debug"
	"sync"
)

// gcPercent lets garbage grow to a few times of what lives, which is little:
// collecting it at Go's default costs a tenth of the processor under load.
const gcPercent = 400

var relaxOnce sync.Once

// relaxGC trades memory that is there for time; GOGC in the environment wins.
func relaxGC() {
	relaxOnce.Do(func() {
		if os.Getenv("GOGC") == "" {
			debug.SetGCPercent(gcPercent)
		}
	})
}
