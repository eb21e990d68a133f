package eventtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/elasticcode/flow/event"
)

func (s suite) readyMissesNothing(t *testing.T) {
	b := s.open(t, 100)
	for n := range 30 {
		l := listen(t, b.Bus, event.Subscription{Pattern: "c"}, 1)
		select {
		case <-l.ready:
		case <-time.After(limit):
			t.Fatal("the subscription is never ready")
		}
		publish(t, b.Other, say("c", n))
		if got := number(t, l.next()); got != n {
			t.Fatalf("heard %d, want %d", got, n)
		}
		_ = l.stop()
	}
}

func (s suite) nowLeavesThePastOut(t *testing.T) {
	b := s.open(t, 100)
	first := hear(t, b.Bus, event.Subscription{Pattern: "*"})
	count(t, b.Other, "c", 1, 5)
	first.expect(1, 5) // now they are known to be past
	l := hear(t, b.Bus, event.Subscription{Pattern: "*"})
	count(t, b.Other, "c", 6, 8)
	l.expect(6, 8)
}

func (s suite) sinceThenLive(t *testing.T) {
	b := s.open(t, 10000)
	const total = 1200
	published := make(chan int, total)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for n := 1; n <= total; n++ {
			if err := b.Other.Publish(context.Background(), say("c", n)); err != nil {
				t.Errorf("publish: %v", err)
			}
			published <- n
		}
	})
	for _, begin := range []int{1, 200, 700} { // join while it is being published
		for n := range published {
			if n >= begin {
				break
			}
		}
		l := listen(t, b.Bus, event.Subscription{Pattern: "c", Since: hourAgo()}, 0)
		l.expect(1, total/2)
		defer func() { l.expect(total/2+1, total) }()
	}
}

func (s suite) sinceIsATime(t *testing.T) {
	b := s.open(t, 1000)
	l := hear(t, b.Bus, event.Subscription{Pattern: "c"})
	var times []time.Time
	for n := 1; n <= 5; n++ {
		publish(t, b.Other, say("c", n))
		times = append(times, l.next().Time)
		tick := time.NewTimer(5 * time.Millisecond) // so that the next one's time differs
		<-tick.C
	}
	hear(t, b.Bus, event.Subscription{Pattern: "c", Since: times[2]}).expect(3, 5)
	hear(t, b.Bus, event.Subscription{Pattern: "c", Since: times[2].Add(2 * time.Millisecond)}).expect(4, 5)
}

func (s suite) afterResumes(t *testing.T) {
	b := s.open(t, 1000)
	l := hear(t, b.Bus, event.Subscription{Pattern: "c"})
	count(t, b.Other, "c", 1, 10)
	got := l.expect(1, 10)
	_ = l.stop()
	count(t, b.Other, "c", 11, 20) // while nobody listens
	resumed := hear(t, b.Bus, event.Subscription{Pattern: "c", After: got[6].ID, Since: hourAgo()})
	resumed.expect(8, 20)
	count(t, b.Other, "c", 21, 25)
	resumed.expect(21, 25)
}

func (s suite) afterInsideABatch(t *testing.T) {
	b := s.open(t, 1000)
	l := hear(t, b.Bus, event.Subscription{Pattern: "*"})
	var msgs []event.Message
	for n := range 20 {
		m := say("a", n/3) // three messages share their data
		m.Channel = []string{"a", "b", "c"}[n%3]
		msgs = append(msgs, m)
	}
	publish(t, b.Other, msgs...)
	ids := map[string]bool{}
	got := l.take(len(msgs))
	for i, m := range got {
		if ids[m.ID] {
			t.Fatalf("id %s belongs to two messages", m.ID)
		}
		ids[m.ID] = true
		if i%4 != 1 {
			continue
		}
		r := hear(t, b.Bus, event.Subscription{Pattern: "*", After: m.ID})
		for _, want := range got[i+1:] {
			if have := r.next(); have.ID != want.ID || have.Channel != want.Channel || string(have.Data) != string(want.Data) {
				t.Fatalf("resumed after %s: heard %s on %s, want %s on %s", m.ID, have.ID, have.Channel, want.ID, want.Channel)
			}
		}
		_ = r.stop()
	}
}

func (s suite) afterNoID(t *testing.T) {
	b := s.open(t, 100)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for _, id := range []string{"nonsense", "1-2-3-4-5", "-", "18446744073709551616-0.0"} {
		err := b.Bus.Subscribe(ctx, event.Subscription{Pattern: "*", After: id}, make(chan event.Message), nil)
		if err == nil {
			t.Errorf("resuming after %q, which is no id, was accepted", id)
		}
	}
}

func (s suite) backlogIsBounded(t *testing.T) {
	const keep, total = 200, 2000
	b := s.open(t, keep)
	live := listen(t, b.Bus, event.Subscription{Pattern: "last"}, 1)
	<-live.ready
	count(t, b.Other, "c", 1, total)
	publish(t, b.Other, say("last", total+1))
	live.expect(total+1, total+1) // all are stored
	l := hear(t, b.Bus, event.Subscription{Pattern: "*", Since: hourAgo()})
	first := number(t, l.next())
	l.expect(first+1, total+1)
	if kept := total + 2 - first; kept < keep || kept > keep*s.features.BacklogSlack {
		t.Errorf("the backlog has %d messages, want %d to %d", kept, keep, keep*s.features.BacklogSlack)
	}
}
