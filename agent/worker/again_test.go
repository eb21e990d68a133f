package worker

import (
	"sync"
	"testing"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/socket"
)

// TestClaimIsKeptUntilTheCopyIsMarked: between the publication of the copy that brings a
// call back and the mark on its message, who has that message once more is not granted it:
// it would make the same attempt, and a second copy.
func TestClaimIsKeptUntilTheCopyIsMarked(t *testing.T) {
	t.Parallel()
	b := setup(t, func(in processor.Invocation) (any, *model.Failure) {
		if in.Attempt == 1 {
			return nil, &model.Failure{Error: "ValueError", Message: "not yet", RetryAfterMS: 3000} // not before it was looked
		}
		return in.Attempt, nil
	}, func(s *model.Socket) { s.MaxAttempts = 2 })
	want := map[string]bool{"after result": false, "after publish": false, "before ack": true}
	var granted sync.Map // by point, of the first attempt
	b.start("1", func(point string, _ func()) {
		_, of := want[point]
		if _, asked := granted.Load(point); asked || !of || b.program.runs("a") != 1 {
			return
		}
		claims, err := b.results.Claim(b.ctx, "another", 10*time.Millisecond, "a")
		granted.Store(point, err == nil && claims[0].Granted)
	})
	b.send("a", 1)
	if r := b.wait("a"); r.Attempt != 2 {
		t.Errorf("it ended with attempt %d", r.Attempt)
	}
	for point, want := range want {
		if got, _ := granted.Load(point); got != want {
			t.Errorf("%s another was granted the call: %v, want %t", point, got, want)
		}
	}
}

// TestCopyOfARepeat: whoever had the message of a call before may have sent a copy of it,
// too, so this one is marked, also when only the broker had said that it is a repeat.
func TestCopyOfARepeat(t *testing.T) {
	t.Parallel()
	s := &session{w: &Worker{}}
	for _, repeat := range []bool{false, true} {
		d := broker.NewDelivery(broker.Message{ID: "a", Headers: map[string]string{"k": "v"}}, "q", repeat, nil)
		j := &job{Received: socket.Received{Envelope: model.Envelope{ID: "a"}, Endpoint: &model.Endpoint{}, Delivery: d, Repeat: repeat}}
		m := s.copyOf(finished{job: j, kind: again, delay: soonest})[0]
		if (m.Headers[broker.HeaderRepeat] != "") != repeat || m.Headers["k"] != "v" {
			t.Errorf("the copy of a message that is a repeat (%t) has the headers %v", repeat, m.Headers)
		}
	}
}
