package worker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

// waiting makes calls of a class, the first made at the given second.
func waiting(p model.Priority, n, second int) []*job {
	var out []*job
	for i := range n {
		out = append(out, &job{Received: socket.Received{Envelope: model.Envelope{
			ID: fmt.Sprint(p.Named(), i), Priority: p, Created: time.Unix(int64(second+i), 0),
		}}})
	}
	return out
}

// started takes up to n calls out of a line.
func started(l *line, n int) (order []string) {
	for ; n > 0 && l.size() > 0; n-- {
		order = append(order, l.next().Envelope.ID)
	}
	return order
}

func TestLineIsInOrderOfClass(t *testing.T) {
	t.Parallel()
	var l line
	l.join(waiting(model.Low, 2, 0))
	l.join(waiting("", 2, 0))
	l.join(waiting(model.High, 2, 0))
	if have := strings.Join(started(&l, 5), " "); have != "high0 high1 normal0 normal1 low0" {
		t.Errorf("started: %s", have)
	}
	l.join(waiting(model.High, 1, 0))
	if have := strings.Join(ids(l.clear()), " "); have != "high0 low1" || l.size() != 0 {
		t.Errorf("given back: %s, and %d wait still", have, l.size())
	}
}

// TestLineStarvesNobody: one of sixteen starts is for a lower class, and there
// for the call that was made first.
func TestLineStarvesNobody(t *testing.T) {
	t.Parallel()
	var l line
	l.join(waiting(model.High, 100, 0))
	l.join(waiting("", 3, 20))
	l.join(waiting(model.Low, 3, 10))
	order := started(&l, 200)
	for i, want := range []string{"low0", "low1", "low2", "normal0", "normal1", "normal2"} {
		if at := turnOf*(i+1) - 1; order[at] != want {
			t.Errorf("start %d is %s, want %s", at+1, order[at], want)
		}
	}
	if len(order) != 106 || slices.Index(order, "high99") < 104 {
		t.Errorf("%v", order)
	}
}

// TestPaceOfEachFunction: a slow function is not taken for a quick one because
// the worker ran quick ones before.
func TestPaceOfEachFunction(t *testing.T) {
	t.Parallel()
	p := newPace()
	if have := p.expect("slow"); have != ahead {
		t.Errorf("of a function that has not run yet: %s", have)
	}
	p.add("slow", time.Second)
	for range 100 {
		p.add("quick", time.Millisecond)
	}
	if average, _ := p.perCall(); average > 10*time.Millisecond || p.expect("slow") != time.Second || p.expect("quick") != time.Millisecond {
		t.Errorf("on average %s, slow %s, quick %s", average, p.expect("slow"), p.expect("quick"))
	}
}
