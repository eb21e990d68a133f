package processortest

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"syscall"
)

// gone tells whether a process has ended. One that is dead and waits for its
// new parent to notice has ended too.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && bytes.Contains(stat, []byte(") Z "))
}
