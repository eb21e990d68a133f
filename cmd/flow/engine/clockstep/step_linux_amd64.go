//go:build faults

package clockstep

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Used by the assembler: the runtime's function, and what is added to the seconds.
var (
	kernel uintptr
	offset int64
)

var once sync.Once

// install puts skewed in front of the runtime's function.
func install()

// Set makes the clock differ by so many whole seconds from the machine's.
func Set(d time.Duration) error {
	once.Do(install)
	if kernel == 0 {
		return errors.New("the kernel gives the time in a way that cannot be changed here")
	}
	atomic.StoreInt64(&offset, int64(d/time.Second))
	return nil
}
