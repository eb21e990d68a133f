package client

import (
	"bufio"
	"bytes"
	"io"
)

// maxEvent bounds one line of an event stream.
const maxEvent = 16 << 20

// sseMessage is one message of an event stream. A comment is one with no event
// and no data.
type sseMessage struct {
	event string
	data  []byte
}

// readSSE gives every message to fn until the stream ends, which is
// io.ErrUnexpectedEOF, or fn fails.
func readSSE(r io.Reader, fn func(sseMessage) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxEvent)
	m := sseMessage{}
	for lines.Scan() {
		line := lines.Bytes()
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(line) == 0:
			if m.event == "" && m.data == nil {
				continue
			}
			if m.event == "" {
				m.event = "message"
			}
			if err := fn(m); err != nil {
				return err
			}
			m = sseMessage{}
		case len(name) == 0: // a comment: the server is there
			if err := fn(sseMessage{}); err != nil {
				return err
			}
		case string(name) == "event":
			m.event = string(value)
		case string(name) == "data":
			if m.data != nil {
				m.data = append(m.data, '\n')
			}
			m.data = append(m.data, value...)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return io.ErrUnexpectedEOF
}
