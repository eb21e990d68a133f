package procgroup

import (
	"crypto/rand"
	"strconv"
	"strings"
	"sync/atomic"
)

// markVariable is in the environment of all that descends from a program, also
// of what has left its group and its session.
const markVariable = "FLOW_MARK"

// Mark is what all that descends from programs has in its environment.
type Mark struct {
	value string
	parts *atomic.Int64 // how many parts it has
}

// NewMark returns a mark that no other process has.
func NewMark() Mark {
	return Mark{value: maker() + makerSeparator + rand.Text(), parts: new(atomic.Int64)}
}

// makerSeparator is between who made a mark and the rest of it.
const makerSeparator = "/"

// Part returns a mark of its own that also counts as this one.
func (m Mark) Part() Mark {
	return Mark{value: m.value + partSeparator + strconv.FormatInt(m.parts.Add(1), 10), parts: new(atomic.Int64)}
}

// partSeparator is between a mark and the number of its part.
const partSeparator = "."

// has tells whether what carries the value has this mark, or a part of it.
func (m Mark) has(value string) bool {
	rest, ok := strings.CutPrefix(value, m.value)
	return ok && (rest == "" || strings.HasPrefix(rest, partSeparator))
}

// End kills all processes that have the mark, and waits until none is found. It
// does so on Linux only: other systems do not show the environment of processes.
func (m Mark) End() { endAll(m.has) }

// EndOrphans kills, as End does, what processes like this one have started that
// are gone: killed with -9, they could not end it.
func EndOrphans() { endAll(orphaned) }
