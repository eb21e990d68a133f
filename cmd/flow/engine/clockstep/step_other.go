//go:build faults && !(linux && amd64)

package clockstep

import (
	"errors"
	"time"
)

// Set says that it cannot be done on this system.
func Set(time.Duration) error {
	return errors.New("a clock can be stepped on Linux on amd64 only")
}
