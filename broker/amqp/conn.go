package amqp

import (
	"net"
	"sync"
	"time"
)

// maxBuffered bounds what waits to be written; a writer waits beyond.
const maxBuffered = 1 << 20

// batchConn gathers small writes. The library flushes every frame by itself; one
// goroutine here hands whatever has come together to the socket at once. It also
// makes sure that nobody hangs in a write: callers only fill a buffer, and a
// socket that takes nothing for a while is closed.
type batchConn struct {
	net.Conn
	limit time.Duration // for one write to the socket
	wake  chan struct{} // holds a token when there is something to do

	mu      sync.Mutex // guards the fields below
	room    *sync.Cond
	pending []byte
	closing bool
	err     error
}

// newBatchConn starts the writing goroutine; Close ends it.
func newBatchConn(c net.Conn, limit time.Duration, run func(func())) *batchConn {
	b := &batchConn{Conn: c, limit: limit, wake: make(chan struct{}, 1)}
	b.room = sync.NewCond(&b.mu)
	run(b.loop)
	return b
}

// Write takes p into the buffer. An earlier failure to write is returned here.
func (b *batchConn) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.pending) > maxBuffered && b.err == nil && !b.closing {
		b.room.Wait()
	}
	switch {
	case b.err != nil:
		return 0, b.err
	case b.closing:
		return 0, net.ErrClosed
	}
	b.pending = append(b.pending, p...)
	b.signal()
	return len(p), nil
}

func (b *batchConn) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Close lets what is buffered go out, for a short while, and closes the socket.
func (b *batchConn) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closing {
		b.closing = true
		// Bounds a write that is under way, too.
		_ = b.Conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
		b.room.Broadcast()
		b.signal()
	}
	return nil
}

// abort closes the socket at once: the peer is gone or does not answer.
func (b *batchConn) abort() {
	_ = b.Conn.Close()
	_ = b.Close()
}

func (b *batchConn) loop() {
	defer b.Conn.Close()
	var spare []byte
	for range b.wake {
		b.mu.Lock()
		data, closing := b.pending, b.closing
		b.pending = spare[:0]
		if !closing {
			_ = b.Conn.SetWriteDeadline(time.Now().Add(b.limit))
		}
		b.room.Broadcast()
		b.mu.Unlock()
		if len(data) > 0 {
			if _, err := b.Conn.Write(data); err != nil {
				b.fail(err)
				return
			}
		}
		if closing {
			return
		}
		if spare = data; cap(spare) > maxBuffered {
			spare = nil // a rare large message does not stay in memory
		}
	}
}

func (b *batchConn) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	b.room.Broadcast()
}
