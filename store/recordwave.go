package store

import (
	"slices"
	"strings"
	"time"

	"github.com/elasticcode/flow/model"
)

// wave is records that one statement can take: each call once.
type wave struct {
	calls  map[string]*known
	logs   map[logKey]document
	events map[eventKey]string // notes
}

// known is what the records of a wave say about a call.
type known struct {
	*model.Call
	begun bool // nothing was written of it before, most likely
}

type logKey struct {
	call    string
	attempt int
}

type eventKey struct {
	call, name string
	time       time.Time // as it is kept
}

func newWave(calls int) *wave {
	return &wave{make(map[string]*known, calls), map[logKey]document{}, map[eventKey]string{}}
}

// newWaves merges records of the same call. What comes after an end goes to the
// next wave: which of two ends counts is for the database to say, as it alone
// knows whether the call was reopened.
func newWaves(calls []model.Call, begun []string) ([]*wave, map[int]string) {
	var waves []*wave
	unfit := map[int]string{}
	for i := range calls {
		c := &calls[i]
		if why := unfitCall(c); why != "" {
			unfit[i] = why
			continue
		}
		n := 0
		for n < len(waves) {
			if old, ok := waves[n].calls[c.ID]; !ok || !old.State.Terminal() {
				break
			}
			n++
		}
		if n == len(waves) {
			waves = append(waves, newWave(len(calls)-i))
		}
		waves[n].add(c)
	}
	for _, id := range begun {
		if len(waves) > 0 && waves[0].calls[id] != nil {
			waves[0].calls[id].begun = true
		}
	}
	return waves, unfit
}

func (w *wave) add(c *model.Call) {
	if len(c.Log) > 0 {
		key, lines := logKey{c.ID, c.Attempt}, document(clean(string(encode(c.Log))))
		if len(lines) > len(w.logs[key]) {
			w.logs[key] = lines
		}
	}
	for _, e := range c.Events {
		key := eventKey{c.ID, clean(e.Name), stamp(e.Time).kept()}
		if _, ok := w.events[key]; !ok {
			w.events[key] = clean(e.Note)
		}
	}
	begun := c.State == model.Queued && c.Attempt == 0
	if old, ok := w.calls[c.ID]; ok {
		both := merge(*old.Call, *c)
		old.Call, old.begun = &both, old.begun || begun
	} else {
		w.calls[c.ID] = &known{c, begun}
	}
}

// sorted returns the calls by id: transactions that lock rows in one order
// cannot wait for each other in a circle.
func (w *wave) sorted() []call {
	out := make([]call, 0, len(w.calls))
	for _, k := range w.calls {
		out = append(out, k.Call)
	}
	slices.SortFunc(out, func(a, b call) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// split returns the wave in two: the calls that are chosen, and the others.
func (w *wave) split(chosen map[string]bool) (these, others *wave) {
	if len(chosen) == len(w.calls) {
		return w, newWave(0)
	}
	these, others = newWave(len(chosen)), newWave(len(w.calls)-len(chosen))
	half := func(id string) *wave {
		if chosen[id] {
			return these
		}
		return others
	}
	for id, k := range w.calls {
		half(id).calls[id] = k
	}
	for key, lines := range w.logs {
		half(key.call).logs[key] = lines
	}
	for key, note := range w.events {
		half(key.call).events[key] = note
	}
	return these, others
}

// part is rows of one table, and what becomes of those that are there already.
type part struct {
	Batch
	conflict string
}

// parts is all that is to be written, in the order in which it is locked.
func (w *wave) parts() []part {
	calls := w.sorted()
	return slices.DeleteFunc([]part{
		{callBatch(calls), callConflict},
		{parentBatch(calls), "ON CONFLICT DO NOTHING"},
		{logBatch(w.logs), logConflict},
		{eventBatch(w.events), "ON CONFLICT DO NOTHING"},
		{deadBatch(calls), "ON CONFLICT DO NOTHING"},
		{refBatch(calls), "ON CONFLICT DO NOTHING"},
	}, func(p part) bool { return p.Rows == 0 })
}
