package frame

import (
	"encoding/binary"
	"errors"
	"io"
)

// readSize is how much is asked of the pipe at once.
const readSize = 64 << 10

// errOversize says that a frame over the limit was skipped.
var errOversize = errors.New("frame over the limit")

// reader cuts a stream into frames.
type reader struct {
	r          io.Reader
	limit      int
	buf        []byte
	start, end int // the unread part of buf
	// fresh says that the last frame needed a read: what the child printed
	// before it may not have been seen yet.
	fresh bool
}

func newReader(r io.Reader, limit int) *reader {
	return &reader{r: r, limit: limit, buf: make([]byte, readSize)}
}

// next returns the body of the next frame, valid until the call after. It fails
// with errOversize when it had to skip one.
func (r *reader) next() ([]byte, error) {
	if err := r.fill(headerSize); err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint32(r.buf[r.start:]))
	r.start += headerSize
	if size > r.limit {
		return nil, r.skip(size)
	}
	if err := r.fill(size); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	body := r.buf[r.start : r.start+size]
	r.start += size
	return body, nil
}

// fill makes n bytes of the unread part available.
func (r *reader) fill(n int) error {
	if r.end-r.start >= n {
		return nil
	}
	r.makeRoom(n)
	for r.end-r.start < n {
		r.fresh = true
		k, err := r.r.Read(r.buf[r.end:])
		r.end += k
		if err != nil && r.end-r.start < n {
			return err
		}
	}
	return nil
}

func (r *reader) makeRoom(n int) {
	if r.start > 0 {
		copy(r.buf, r.buf[r.start:r.end])
		r.end -= r.start
		r.start = 0
	}
	switch {
	case n > len(r.buf):
		grown := make([]byte, n+readSize)
		copy(grown, r.buf[:r.end])
		r.buf = grown
	case len(r.buf) > 16*readSize && r.end < readSize && n < readSize: // a rare large frame is over
		small := make([]byte, readSize)
		copy(small, r.buf[:r.end])
		r.buf = small
	}
}

func (r *reader) skip(n int) error {
	for n > 0 {
		if r.start == r.end {
			r.start, r.end = 0, 0
			if err := r.fill(1); err != nil {
				return err
			}
		}
		k := min(n, r.end-r.start)
		r.start += k
		n -= k
	}
	return errOversize
}
