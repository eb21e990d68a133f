package event

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/elasticcode/flow/internal/squeeze"
)

// An entry is what a driver keeps in its backlog: a few messages that were
// published together. One entry for many messages is what makes news cheap: a
// call has three events, each on three channels, and their data is stored once.
//
// An entry is a row of items, and an item is
//
//	count of channels, then for each channel: length, name; length of the data, data
//
// where every number is four bytes, most significant first, so that a Lua script
// in Redis reads it as well (struct.unpack '>I4'). A backlog keeps entries squeezed
// (package squeeze), a seventh of that: the events of calls are nearly the same.

// MaxEntryItems is the largest number of items in an entry, and MaxEntryBytes
// the size at which it takes no further one. They bound what a backlog of so
// many entries can hold.
const (
	MaxEntryItems = 64
	MaxEntryBytes = 32 << 10
)

// Pack yields entries of the messages, each of them valid until the next. Messages that
// follow each other and have the same data become one item with several channels. An
// error, which comes alone, says why they cannot be published.
func Pack(msgs []Message) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if slices.ContainsFunc(msgs, func(m Message) bool { return m.Channel == "" }) {
			yield(nil, errors.New("publish an event: it names no channel"))
			return
		}
		room := rooms.Get().(*[]byte)
		defer rooms.Put(room)
		for len(msgs) > 0 {
			*room = (*room)[:0]
			for items := 0; len(msgs) > 0 && items < MaxEntryItems && len(*room) < MaxEntryBytes; items++ {
				run := sameData(msgs)
				*room = appendItem(*room, msgs[:run])
				msgs = msgs[run:]
			}
			if !yield(*room, nil) {
				return
			}
		}
	}
}

// rooms are where entries are written before they are squeezed.
var rooms = sync.Pool{New: func() any { return new([]byte) }}

// appendItem appends an item of messages that share their data.
func appendItem(to []byte, msgs []Message) []byte {
	to = binary.BigEndian.AppendUint32(to, uint32(len(msgs)))
	for _, m := range msgs {
		to = appendText(to, m.Channel)
	}
	return appendText(to, msgs[0].Data)
}

// sameData counts the messages at the beginning that share their data.
func sameData(msgs []Message) int {
	n := 1
	for n < len(msgs) && bytes.Equal(msgs[n].Data, msgs[0].Data) {
		n++
	}
	return n
}

func appendText[T string | []byte](b []byte, s T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// Squeeze returns an entry as a backlog keeps it.
func Squeeze(entry []byte) []byte { return squeeze.Pack(entry) }

// Unpack calls see with each message of an entry, squeezed or not, numbered from 0 in
// the order of publishing, until it returns false. The data points into the entry.
func Unpack(entry []byte, see func(n int, channel string, data []byte) bool) error {
	entry, err := squeeze.Open(entry)
	if err != nil {
		return fmt.Errorf("an entry of the event backlog: %w", err)
	}
	r := unpacker{rest: entry}
	for n := 0; len(r.rest) > 0; {
		channels := make([][]byte, 0, 4)
		for range r.number() {
			if r.bad {
				break
			}
			channels = append(channels, r.text())
		}
		data := r.text()
		if r.bad {
			return fmt.Errorf("an entry of the event backlog is damaged after message %d", n)
		}
		for _, c := range channels {
			if !see(n, string(c), data) {
				return nil
			}
			n++
		}
	}
	return nil
}

// unpacker reads an entry; bad says that it ended too early.
type unpacker struct {
	rest []byte
	bad  bool
}

func (u *unpacker) number() int {
	if len(u.rest) < 4 {
		u.bad, u.rest = true, nil
		return 0
	}
	n := int(binary.BigEndian.Uint32(u.rest))
	u.rest = u.rest[4:]
	return n
}

func (u *unpacker) text() []byte {
	n := u.number()
	if n > len(u.rest) {
		u.bad, u.rest = true, nil
		return nil
	}
	t := u.rest[:n:n]
	u.rest = u.rest[n:]
	return t
}
