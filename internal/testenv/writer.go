package testenv

import (
	"strings"
	"sync"
	"testing"
)

// testWriter writes lines to a test's log and falls silent when the test has
// ended: t.Log panics then, and a goroutine that is being stopped may still log.
type testWriter struct {
	t    testing.TB
	mu   sync.Mutex // guards done
	done bool
}

func (w *testWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.done {
		w.t.Log(strings.TrimSuffix(string(p), "\n"))
	}
	return len(p), nil
}

func (w *testWriter) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = true
}
