package parcel

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/internal/squeeze"
)

// ContentType is that of a parcel, followed by the one of the messages in it.
// The body is made of netstrings (LENGTH:BYTES,): of each message its id and its
// body; a large one is squeezed (package squeeze). The headers are those of every message.
const ContentType = "application/vnd.flow.parcel; of="

const (
	most      = 32       // messages in a parcel: more would save little
	share     = 16       // a parcel has at most this part of what goes to one place together
	mostBytes = 64 << 10 // of a parcel: a large one saves nothing, and holds up what is behind it
)

// place is where messages go, and as what.
type place struct{ exchange, key, contentType string }

// packable tells where a message goes, and whether it may travel with others.
func packable(m *broker.Message) (place, bool) {
	return place{m.Exchange, m.Key, m.ContentType}, m.Together && m.Delay == 0 && len(m.Headers) == 0
}

// box is a parcel that is being filled.
type box struct {
	at    int   // where it is among the packed messages
	size  int   // messages that it takes
	items []int // which they are
	bytes int
}

func (b *box) takes(m *broker.Message) bool {
	return len(b.items) < b.size && b.bytes+len(m.Body) <= mostBytes
}

// pack packs messages that may travel together. In also tells, for each message,
// which of the packed ones it is in. Messages to one place keep their order.
func pack(msgs []broker.Message) (packed []broker.Message, in []int) {
	crowds := map[place]int{}
	for i := range msgs {
		if p, ok := packable(&msgs[i]); ok {
			crowds[p]++
		}
	}
	in = make([]int, len(msgs))
	var boxes []*box
	filling := map[place]*box{}
	for i := range msgs {
		m := &msgs[i]
		p, ok := packable(m)
		size := 1
		if ok {
			size = min(crowds[p]/share, most)
		}
		if size < 2 {
			in[i] = len(packed)
			packed = append(packed, *m)
			continue
		}
		b := filling[p]
		if b == nil || !b.takes(m) {
			b = &box{at: len(packed), size: size, items: make([]int, 0, size)}
			packed = append(packed, *m)
			boxes, filling[p] = append(boxes, b), b
		}
		b.items, b.bytes = append(b.items, i), b.bytes+len(m.Body)
		in[i] = b.at
	}
	for _, b := range boxes {
		packed[b.at] = b.seal(msgs)
	}
	return packed, in
}

// rooms are where parcels are filled before they are squeezed.
var rooms = sync.Pool{New: func() any { return new([]byte) }}

// seal makes one message of what is in the box.
func (b *box) seal(msgs []broker.Message) broker.Message {
	m := msgs[b.items[0]]
	if len(b.items) == 1 {
		return m
	}
	room := rooms.Get().(*[]byte)
	defer rooms.Put(room)
	body := slices.Grow((*room)[:0], b.bytes+len(b.items)*(len(m.ID)+16))
	for _, i := range b.items {
		body = netstring(body, msgs[i].ID)
		body = netstring(body, msgs[i].Body)
	}
	*room = body
	m.ID = fmt.Sprintf("%s+%d", m.ID, len(b.items)-1)
	m.ContentType, m.Body = ContentType+m.ContentType, squeeze.Pack(body)
	return m
}

func netstring[T string | []byte](to []byte, s T) []byte {
	to = strconv.AppendInt(to, int64(len(s)), 10)
	to = append(to, ':')
	to = append(to, s...)
	return append(to, ',')
}

// unpack returns the messages in a parcel; of any other message, that one.
func unpack(m broker.Message) ([]broker.Message, error) {
	of, ok := strings.CutPrefix(m.ContentType, ContentType)
	if !ok {
		return []broker.Message{m}, nil
	}
	body, err := squeeze.Open(m.Body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	var parts []broker.Message
	for rest := body; len(rest) > 0; {
		id, behind, err := cutNetstring(rest)
		if err != nil {
			return nil, err
		}
		part := m
		part.ID, part.ContentType = string(id), of
		if part.Body, rest, err = cutNetstring(behind); err != nil {
			return nil, err
		}
		if parts == nil { // they are about alike
			parts = make([]broker.Message, 0, min(1+len(body)/(len(body)-len(rest)), most))
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return nil, errDamaged
	}
	return parts, nil
}

var errDamaged = errors.New("not a parcel, though it says so")

func cutNetstring(from []byte) (s, rest []byte, err error) {
	digits, rest, ok := bytes.Cut(from, []byte{':'})
	n, err := strconv.Atoi(string(digits))
	if !ok || err != nil || n < 0 || n >= len(rest) || rest[n] != ',' {
		return nil, nil, errDamaged
	}
	return rest[:n:n], rest[n+1:], nil
}
