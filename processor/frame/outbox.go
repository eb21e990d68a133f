package frame

import (
	"errors"
	"os"
	"sync"
	"syscall"
)

var errOutboxClosed = errors.New("the pipe is closed")

// outbox writes frames to a child without ever blocking who sends: what the
// pipe does not take at once is kept and written by a goroutine. How much is
// kept is bounded by how many calls the engine has in flight.
type outbox struct {
	f    *os.File
	conn syscall.RawConn
	wake chan struct{} // capacity 1: there is something for run to do

	mu      sync.Mutex // guards the fields below
	kept    []byte
	writing bool // run is writing what it took
	closed  bool // no more is accepted; f is closed once everything is written
	failed  bool
}

func newOutbox(f *os.File) (*outbox, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &outbox{f: f, conn: conn, wake: make(chan struct{}, 1)}, nil
}

// send writes or keeps the frames. then is called, before any of them is
// written and in the order of sending, when they are accepted.
func (b *outbox) send(frames []byte, then func()) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.failed {
		return errOutboxClosed
	}
	then()
	if len(b.kept) == 0 && !b.writing {
		frames = frames[b.tryWrite(frames):]
	}
	if len(frames) > 0 {
		b.kept = append(b.kept, frames...)
		b.signal()
	}
	return nil
}

// tryWrite writes what the pipe takes without waiting. It is called with mu
// held and run idle, so nobody else writes. Errors are left to run to find.
func (b *outbox) tryWrite(p []byte) (n int) {
	_ = b.conn.Write(func(fd uintptr) bool {
		n, _ = syscall.Write(int(fd), p)
		return true
	})
	return max(n, 0)
}

func (b *outbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// close lets run write what is kept and then close the pipe.
func (b *outbox) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.signal()
}

// maxSpare is the largest buffer that is kept for the next frames.
const maxSpare = 1 << 20

// run writes what is kept until the outbox is closed or the child is gone, as
// ended says, and closes the pipe.
func (b *outbox) run(ended <-chan struct{}) {
	defer func() { _ = b.f.Close() }()
	var taken []byte
	for {
		b.mu.Lock()
		taken, b.kept = b.kept, taken[:0]
		b.writing = len(taken) > 0
		closed := b.closed
		b.mu.Unlock()
		if len(taken) > 0 {
			if _, err := b.f.Write(taken); err != nil {
				b.fail()
				return
			}
			if cap(taken) > maxSpare {
				taken = nil
			}
			continue
		}
		if closed {
			return
		}
		select {
		case <-b.wake:
		case <-ended:
			b.fail()
			return
		}
	}
}

func (b *outbox) fail() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed, b.kept = true, nil
}
