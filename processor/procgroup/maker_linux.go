package procgroup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// maker names this process in marks: by its number, when it began, and the
// container in whose numbers that is said.
var maker = sync.OnceValue(func() string {
	began, _ := beganAt(os.Getpid())
	return fmt.Sprintf("%d-%s-%s", os.Getpid(), began, numbers())
})

// orphaned tells whether who made the mark is gone. Who is in another container
// has its own numbers for processes, and ends what is left there itself.
func orphaned(value string) bool {
	made, _, ok := strings.Cut(value, makerSeparator)
	parts := strings.SplitN(made, "-", 3)
	if !ok || len(parts) < 3 || parts[2] != numbers() {
		return false
	}
	pid, err := strconv.Atoi(parts[0])
	if err != nil {
		return false
	}
	began, alive := beganAt(pid)
	return !alive || began != "" && began != parts[1]
}

// numbers names the container in which processes have the numbers that are seen here.
func numbers() string {
	name, _ := os.Readlink("/proc/self/ns/pid")
	return name
}

// beganAt is when a process began, in the system's ticks since its start, and
// whether there is one. A zombie is none; one that cannot be looked at is.
func beganAt(pid int) (began string, alive bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH)
	}
	// Behind the name, in which may be anything, come the state and 18 numbers
	// before the time.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 || string(fields[0]) == "Z" || string(fields[0]) == "X" {
		return "", false
	}
	return string(fields[19]), true
}
