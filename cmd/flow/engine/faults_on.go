//go:build faults

package engine

import (
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
)

// faults gives the fault points of a program that was built with -tags faults:
// with FLOW_FAULT=POINT the program kills itself at that point of a worker's
// order of effects, once in FLOW_FAULT_RATE times (default 1).
func faults() func(point string) {
	at := os.Getenv("FLOW_FAULT")
	if at == "" {
		return nil
	}
	rate, err := strconv.Atoi(os.Getenv("FLOW_FAULT_RATE"))
	if err != nil || rate < 1 {
		rate = 1
	}
	return func(point string) {
		if point == at && rand.N(rate) == 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until the signal arrives
		}
	}
}
