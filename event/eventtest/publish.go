package eventtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elasticcode/flow/event"
)

func (s suite) message(t *testing.T) {
	b := s.open(t, 100)
	l := hear(t, b.Bus, event.Subscription{Pattern: "q.p.task"})
	before := time.Now()
	publish(t, b.Other, event.Message{Channel: "q.p.task", Data: []byte(`{"channel": "task", "state": "running"}`)})
	m := l.next()
	if m.Channel != "q.p.task" || string(m.Data) != `{"channel": "task", "state": "running"}` {
		t.Errorf("heard %q on %q, not what was published", m.Data, m.Channel)
	}
	if m.ID == "" {
		t.Error("the message has no id")
	}
	if d := m.Time.Sub(before); d < -time.Minute || d > time.Minute {
		t.Errorf("the message's time is %v away from now", d)
	}
	if err := l.stop(); err != nil {
		t.Errorf("Subscribe returned %v when its context ended, want nil", err)
	}
}

func (s suite) patterns(t *testing.T) {
	b := s.open(t, 100)
	channels := []string{"pyfi.queue1.proc1.task", "pyfi.queue1.proc2.task", "pyfi.queue1.proc1.log", "pyfiXqueue1.proc1.task", "global"}
	for pattern, want := range map[string][]int{
		"*":                      {0, 1, 2, 3, 4},
		"pyfi.queue1.proc1.task": {0},
		"pyfi.queue1.*":          {0, 1, 2},
		"*.task":                 {0, 1, 3},
		"pyfi?queue1.proc1.task": {0, 3},
		"*.proc?.*":              {0, 1, 2, 3},
		"glob?l":                 {4},
	} {
		l := hear(t, b.Bus, event.Subscription{Pattern: pattern})
		for i, c := range channels {
			publish(t, b.Other, say(c, i))
		}
		publish(t, b.Other, say(strings.NewReplacer("*", "end", "?", "1").Replace(pattern), 99)) // the end of this round
		for _, n := range want {
			if m := l.next(); number(t, m) != n || m.Channel != channels[n] {
				t.Errorf("pattern %q: heard %d on %q, want %q", pattern, number(t, m), m.Channel, channels[n])
			}
		}
		if m := l.next(); number(t, m) != 99 {
			t.Errorf("pattern %q: also heard %q", pattern, m.Channel)
		}
		_ = l.stop()
	}
}

func (s suite) oddNames(t *testing.T) {
	b := s.open(t, 100)
	for _, name := range []string{
		"a[b]c.task", `back\slash`, "with space", "caret^dollar$", "{tag}", ">", "a.>", "..", ".", "%41=5F", "äöü.λ", "new\nline", "nul\x00", strings.Repeat("long", 100),
	} {
		l := hear(t, b.Bus, event.Subscription{Pattern: name})
		publish(t, b.Other, say("abc.task", 0), say("x"+name, 1), say(name, 2), say(name+"x", 3))
		if m := l.next(); m.Channel != name || number(t, m) != 2 {
			t.Errorf("channel %q: heard %d on %q", name, number(t, m), m.Channel)
		}
		_ = l.stop()
	}
	l := hear(t, b.Bus, event.Subscription{Pattern: "star*", After: ""})
	publish(t, b.Other, say("star*?[", 1))
	if m := l.next(); m.Channel != "star*?[" {
		t.Errorf("a channel with globs in its name was heard as %q", m.Channel)
	}
}

func (s suite) batch(t *testing.T) {
	b := s.open(t, 1000)
	l := hear(t, b.Bus, event.Subscription{Pattern: "*.task"})
	var msgs []event.Message
	for n := 1; n <= 300; n++ {
		for _, c := range []string{"q.p.task", "p.task", "global"} {
			msgs = append(msgs, say(c, n))
		}
	}
	publish(t, b.Other, msgs...)
	publish(t, b.Other) // nothing is fine as well
	for n := 1; n <= 300; n++ {
		for _, c := range []string{"q.p.task", "p.task"} {
			if m := l.next(); m.Channel != c || number(t, m) != n {
				t.Fatalf("heard %d on %s, want %d on %s", number(t, m), m.Channel, n, c)
			}
		}
	}
}

func (s suite) refusesNoChannel(t *testing.T) {
	b := s.open(t, 100)
	if err := b.Bus.Publish(context.Background(), event.Message{Data: []byte("{}")}); err == nil {
		t.Error("news without a channel were published")
	}
}

func (s suite) publishUnreachable(t *testing.T) {
	b := s.open(t, 100)
	b.Proxy.Refuse(true)
	b.Proxy.Cut()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	err := b.Bus.Publish(ctx, say("c", 1))
	if err == nil && !s.features.PublishBuffers {
		t.Error("publishing without a server gave no error")
	}
	if err != nil && !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("publishing without a server gave %v, which is not ErrUnavailable", err)
	}
}

func (s suite) manyPublishers(t *testing.T) {
	b := s.open(t, 10000)
	const publishers, each = 8, 150
	all := []*listener{
		hear(t, b.Bus, event.Subscription{Pattern: "from.*"}),
		hear(t, b.Other, event.Subscription{Pattern: "from.*"}),
		hear(t, b.Bus, event.Subscription{Pattern: "*"}),
	}
	var wg sync.WaitGroup
	for p := range publishers {
		bus := []event.Bus{b.Bus, b.Other}[p%2]
		wg.Go(func() {
			for n := 1; n <= each; n++ {
				if err := bus.Publish(context.Background(), say(fmt.Sprintf("from.%d", p), n)); err != nil {
					t.Errorf("publisher %d: %v", p, err)
				}
			}
		})
	}
	for i, l := range all {
		last := map[string]int{}
		for range publishers * each {
			m := l.next()
			if n := number(t, m); n != last[m.Channel]+1 {
				t.Fatalf("listener %d: %s number %d after %d", i, m.Channel, n, last[m.Channel])
			}
			last[m.Channel]++
		}
	}
	wg.Wait()
}
