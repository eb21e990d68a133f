package frame

import (
	"bytes"
	"os"
	"sync"
	"syscall"
)

// maxLine is where a line without end is split.
const maxLine = 64 << 10

// output captures what is written to file descriptor 1 or 2 of a child.
//
// Two read it: a goroutine, so that a child never blocks on a full pipe, and the
// reader of frames, which takes what is already there before it completes a
// call. Both read without waiting while they hold mu, so that a line is handed on
// exactly once and before the reply that was written after it.
type output struct {
	f    *os.File
	fd   int
	line func(text string)

	mu      sync.Mutex // guards the fields below; taken before Process.mu
	partial []byte
	buf     []byte
}

func newOutput(f *os.File, line func(string)) (*output, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	o := &output{f: f, line: line, buf: make([]byte, 32<<10)}
	err = conn.Control(func(fd uintptr) { o.fd = int(fd) })
	return o, err
}

// run reads until the end of the output, or until its file's deadline.
func (o *output) run() {
	conn, err := o.f.SyscallConn()
	if err != nil {
		return
	}
	for ended := false; !ended; {
		err := conn.Read(func(uintptr) bool {
			var again bool
			again, ended = o.read()
			return !again
		})
		if err != nil {
			return
		}
	}
}

// drain takes all that is there now and ends the last line.
func (o *output) drain() {
	for {
		again, ended := o.read()
		if again || ended {
			break
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.partial) > 0 {
		o.line(string(o.partial))
		o.partial = o.partial[:0]
	}
}

// read reads once, without waiting: again says that there is nothing now.
func (o *output) read() (again, ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := syscall.Read(o.fd, o.buf)
	switch {
	case err == syscall.EAGAIN:
		return true, false
	case err == syscall.EINTR:
		return false, false
	case err != nil || n <= 0:
		return false, true
	}
	o.take(o.buf[:n])
	return false, false
}

// take hands on whole lines. It is called with mu held.
func (o *output) take(p []byte) {
	o.partial = append(o.partial, p...)
	rest := o.partial
	for {
		i := bytes.IndexByte(rest, '\n')
		switch {
		case i >= 0 && i <= maxLine:
			o.line(string(bytes.TrimSuffix(rest[:i], []byte{'\r'})))
			rest = rest[i+1:]
		case len(rest) > maxLine:
			o.line(string(rest[:maxLine]))
			rest = rest[maxLine:]
		default:
			o.partial = append(o.partial[:0], rest...)
			return
		}
	}
}
