//go:build faults

package engine

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/elasticcode/flow/cmd/flow/engine/clockstep"
)

// faults gives the fault points of a program that was built with -tags faults:
// with FLOW_FAULT=POINT the program kills itself at that point of a worker's
// or a server's order of effects, once in FLOW_FAULT_RATE times (default 1).
//
// With FLOW_FAULT_CLOCK=FILE the program's wall clock is wrong by as many seconds
// as the file says, from soon after it says so.
func faults() func(point string) {
	stepping.Do(stepClock)
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

var stepping sync.Once

// stepClock follows FLOW_FAULT_CLOCK for as long as the process lives.
func stepClock() {
	file := os.Getenv("FLOW_FAULT_CLOCK")
	if file == "" {
		return
	}
	follow := func() {
		text, _ := os.ReadFile(file)
		seconds, _ := strconv.Atoi(strings.TrimSpace(string(text))) // none, or half a number: soon there is one
		if err := clockstep.Set(time.Duration(seconds) * time.Second); err != nil {
			panic(err)
		}
	}
	follow()
	go func() {
		for range time.Tick(100 * time.Millisecond) {
			follow()
		}
	}()
}
