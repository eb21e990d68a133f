package redis

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// position is a place in the stream: behind message n of the entry ms-seq.
// n is whole when the entry is done with.
type position struct {
	ms, seq uint64
	n       int
}

const whole = -1

// id is the message's id on the bus: the entry's id and the number within it.
func (p position) id() string {
	return strconv.FormatUint(p.ms, 10) + "-" + strconv.FormatUint(p.seq, 10) + "." + strconv.Itoa(p.n)
}

// time is when the entry was added, by Redis' clock.
func (p position) time() time.Time { return time.UnixMilli(int64(p.ms)) }

// start is where XRANGE goes on from here.
func (p position) start() string {
	entry := strconv.FormatUint(p.ms, 10) + "-" + strconv.FormatUint(p.seq, 10)
	if p.n == whole {
		return "(" + entry
	}
	return entry // once more, to see what follows message n in it
}

// before tells whether p's entry is older than q's.
func (p position) before(q position) bool {
	return cmp.Or(cmp.Compare(p.ms, q.ms), cmp.Compare(p.seq, q.seq)) < 0
}

// parseEntry reads the id of an entry.
func parseEntry(id string) (position, error) {
	ms, seq, ok := strings.Cut(id, "-")
	a, err1 := strconv.ParseUint(ms, 10, 64)
	b, err2 := strconv.ParseUint(seq, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return position{}, fmt.Errorf("%q is not the id of a stream's entry", id)
	}
	return position{a, b, whole}, nil
}

// parseID reads the id of a message.
func parseID(id string) (position, error) {
	entry, n, ok := strings.Cut(id, ".")
	p, err := parseEntry(entry)
	i, err2 := strconv.ParseUint(n, 10, 31)
	if !ok || err != nil || err2 != nil {
		return position{}, fmt.Errorf("resume after %q: that is not the id of an event on Redis (like 1700000000000-0.0)", id)
	}
	p.n = int(i)
	return p, nil
}

// positionOf is behind everything that is older than t.
func positionOf(t time.Time) position {
	ms := t.UnixMilli()
	if ms <= 0 {
		return position{n: whole}
	}
	return position{ms: uint64(ms) - 1, seq: ^uint64(0), n: whole}
}
