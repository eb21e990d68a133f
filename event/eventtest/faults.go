package eventtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/elasticcode/flow/event"
)

func (s suite) slowListener(t *testing.T) {
	const total = 20000
	b := s.open(t, 100)
	l := listen(t, b.Bus, event.Subscription{Pattern: "c"}, 0) // nobody reads
	<-l.ready
	begin := time.Now()
	batch := make([]event.Message, 0, 100)
	for n := 1; n <= total; n++ {
		if batch = append(batch, say("c", n)); len(batch) == cap(batch) {
			publish(t, b.Other, batch...)
			batch = batch[:0]
		}
	}
	if d := time.Since(begin); d > limit/2 {
		t.Errorf("publishing %d messages beside a slow listener took %v", total, d)
	}
	last, heard := 0, 0
	for last < total {
		n := number(t, l.next())
		if n <= last {
			t.Fatalf("heard %d after %d", n, last)
		}
		last = n
		heard++
	}
	t.Logf("heard %d of %d", heard, total)
}

func (s suite) endsWithContext(t *testing.T) {
	b := s.open(t, 100)
	l := listen(t, b.Bus, event.Subscription{Pattern: "c"}, 0)
	<-l.ready
	count(t, b.Other, "c", 1, 10) // it stands and waits for its reader
	begin := time.Now()
	if err := l.stop(); err != nil {
		t.Errorf("Subscribe returned %v when its context ended, want nil", err)
	}
	if d := time.Since(begin); d > 2*time.Second {
		t.Errorf("Subscribe returned %v after its context ended", d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Bus.Subscribe(ctx, event.Subscription{Pattern: "c"}, make(chan event.Message), nil); err != nil {
		t.Errorf("Subscribe with an ended context returned %v, want nil", err)
	}
}

func (s suite) endsUnreachable(t *testing.T) {
	b := s.open(t, 100)
	l := hear(t, b.Bus, event.Subscription{Pattern: "c"})
	b.Proxy.Stall(true)
	late := listen(t, b.Bus, event.Subscription{Pattern: "c"}, 0)
	begin := time.Now()
	_ = l.stop()
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("Subscribe returned %v after its context ended, on a stalled connection", d)
	}
	b.Proxy.Refuse(true)
	b.Proxy.Stall(false)
	b.Proxy.Cut()
	begin = time.Now()
	_ = late.stop()
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("Subscribe returned %v after its context ended, without a server", d)
	}
}

func (s suite) survivesCuts(t *testing.T) {
	const total = 600
	b := s.open(t, 10000)
	l := hear(t, b.Bus, event.Subscription{Pattern: "c"})
	cut := make(chan struct{}, 3)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		for n := 1; n <= total; n++ {
			if err := b.Other.Publish(context.Background(), say("c", n)); err != nil {
				t.Errorf("publish: %v", err)
			}
			if n%150 == 0 && n < total {
				cut <- struct{}{}
			}
		}
		close(cut)
	})
	for range cut {
		b.Proxy.Cut()
	}
	l.expect(1, total)
	count(t, b.Other, "c", total+1, total+3)
	l.expect(total+1, total+3)
}

func (s suite) resumesAfterAnOutage(t *testing.T) {
	b := s.open(t, 10000)
	l := hear(t, b.Bus, event.Subscription{Pattern: "c"})
	count(t, b.Other, "c", 1, 3)
	l.expect(1, 3)
	b.Proxy.Refuse(true)
	b.Proxy.Cut()
	count(t, b.Other, "c", 4, 100) // nobody can hear it now
	b.Proxy.Refuse(false)
	l.expect(4, 100)
}

func (s suite) startsDuringAnOutage(t *testing.T) {
	b := s.open(t, 10000)
	b.Proxy.Refuse(true)
	b.Proxy.Cut()
	l := listen(t, b.Bus, event.Subscription{Pattern: "c"}, 10)
	count(t, b.Other, "c", 1, 3)
	b.Proxy.Refuse(false)
	select {
	case <-l.ready:
	case err := <-l.done:
		t.Fatalf("Subscribe gave up during an outage: %v", err)
	case <-time.After(limit):
		t.Fatal("the subscription is never ready after an outage")
	}
	publish(t, b.Other, say("c", 50))
	for number(t, l.next()) != 50 { // what was published before it was ready may be heard too
	}
}
