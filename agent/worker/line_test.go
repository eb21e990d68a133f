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

func TestLineIsInOrderOfClass(t *testing.T) {
	t.Parallel()
	var l line
	l.join(waiting(model.Low, 2, 0))
	l.join(waiting("", 2, 0))
	l.join(waiting(model.High, 2, 0))
	if have := strings.Join(ids(l.next(5)), " "); have != "high0 high1 normal0 normal1 low0" {
		t.Errorf("started: %s", have)
	}
	l.join(waiting(model.High, 1, 0))
	if have := strings.Join(ids(l.clear()), " "); have != "high0 low1" || l.size() != 0 {
		t.Errorf("given back: %s, and %d wait still", have, l.size())
	}
	if have := l.next(3); len(have) != 0 {
		t.Errorf("started of an empty line: %v", ids(have))
	}
}

// TestLineStarvesNobody: one of sixteen starts is for a lower class, and there
// for the call that was made first, however the starts are taken together.
func TestLineStarvesNobody(t *testing.T) {
	t.Parallel()
	for _, together := range []int{1, 3, 256} {
		var l line
		l.join(waiting(model.High, 100, 0))
		l.join(waiting("", 3, 20))
		l.join(waiting(model.Low, 3, 10))
		var order []string
		for l.size() > 0 {
			order = append(order, ids(l.next(together))...)
		}
		for i, want := range []string{"low0", "low1", "low2", "normal0", "normal1", "normal2"} {
			if at := turnOf*(i+1) - 1; order[at] != want {
				t.Errorf("%d together: start %d is %s, want %s", together, at+1, order[at], want)
			}
		}
		if len(order) != 106 || slices.Index(order, "high99") < 104 {
			t.Errorf("%d together: %v", together, order)
		}
	}
}

func TestSlowCallsHaveThePipeForThemselves(t *testing.T) {
	t.Parallel()
	for average, want := range map[time.Duration]int{
		50 * time.Microsecond: batchSize, time.Millisecond: 20, 19 * time.Millisecond: 2, 20 * time.Millisecond: 1, time.Second: 1,
	} {
		p := newPace()
		p.add(average)
		if have := p.window(); have != want {
			t.Errorf("calls of %s: %d in the pipe, want %d", average, have, want)
		}
	}
}
