package frame

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// blockingPipe opens a pipe that the runtime's poller knows nothing of.
func blockingPipe() (r, w *os.File, err error) {
	var fds [2]int
	syscall.ForkLock.RLock() // so that no child inherits them before they are marked
	err = syscall.Pipe(fds[:])
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("pipe", err)
	}
	return os.NewFile(uintptr(fds[0]), "child to engine"), os.NewFile(uintptr(fds[1]), "engine end of child"), nil
}

// errAbandoned says that nobody waits for the rest of a pipe any more.
var errAbandoned = errors.New("the pipe was abandoned")

// replyReader reads what a child writes, on a thread of its own. Through the
// runtime's poller each write of a child, which are as many as its replies,
// would wake a thread of this process; that costs more than the call.
type replyReader struct {
	f  *os.File
	fd int
	// busy says that many replies are about to come: they are let gather.
	busy func() bool
	// wake is a pipe whose write end is closed to end a read.
	wakeR, wakeW *os.File
	wakeFD       int
}

// gatherFor is how long replies gather while the child is busy. It is a
// fraction of what so many calls take.
const gatherFor = 50 * time.Microsecond

func newReplyReader(f *os.File, busy func() bool) (*replyReader, error) {
	wakeR, wakeW, err := blockingPipe()
	if err != nil {
		return nil, err
	}
	return &replyReader{f: f, fd: int(f.Fd()), busy: busy, wakeR: wakeR, wakeW: wakeW, wakeFD: int(wakeR.Fd())}, nil
}

// Read waits for something to read, or for abandon.
func (r *replyReader) Read(p []byte) (int, error) {
	if r.busy() {
		pause := unix.NsecToTimeval(gatherFor.Nanoseconds())
		_, _ = unix.Select(0, nil, nil, nil, &pause) // a timer of the runtime has no such precision
	}
	fds := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}, {Fd: int32(r.wakeFD), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return 0, os.NewSyscallError("poll", err)
		} else if err != nil {
			continue
		}
		if fds[0].Revents == 0 {
			return 0, errAbandoned
		}
		n, err := syscall.Read(r.fd, p)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// abandon ends the present read and all later ones, once nothing is there to read.
func (r *replyReader) abandon() { _ = r.wakeW.Close() }

// close is called after the last read.
func (r *replyReader) close() { closeAll(r.f, r.wakeR, r.wakeW) }
