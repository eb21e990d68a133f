package brokertest

import (
	"slices"

	"github.com/elasticcode/flow/broker"
)

var inspectChecks = []check{
	{"InspectManyInOrder", inspectMany},
	{"InspectUnknown", inspectUnknown},
	{"PeekLeavesThemThere", peekLeaves},
	{"PurgeRemovesReadyOnes", purgeReady},
}

func inspectMany(b *bench) {
	names := []string{"c", "a", "b"}
	for i, name := range names {
		b.queue(name)
		b.publish(numbered(name, i)...)
		b.depth(name, int64(i))
	}
	b.consume("b", 1).next()
	b.stats("b", "a consumer", func(s broker.Stats) bool { return s.Consumers == 1 })
	stats, err := b.Broker.Inspect(b.ctx, names...)
	b.must(err, "inspect")
	for i, s := range stats {
		if s.Queue != names[i] {
			b.Errorf("answer %d is about %q, want %q", i, s.Queue, names[i])
		}
		if b.features.UnackedUnknown && s.Unacked != -1 {
			b.Errorf("unacked of %q is %d, want -1 as it is not known", s.Queue, s.Unacked)
		}
	}
	none, err := b.Broker.Inspect(b.ctx)
	b.must(err, "inspect nothing")
	if len(none) != 0 {
		b.Errorf("inspecting nothing gave %v", none)
	}
}

func inspectUnknown(b *bench) {
	b.queue("q")
	_, err := b.Broker.Inspect(b.ctx, "q", "nowhere")
	b.is(err, broker.ErrNotFound, "inspect a queue that does not exist")
	_, err = b.Broker.Peek(b.ctx, "nowhere", 1)
	b.is(err, broker.ErrNotFound, "peek into a queue that does not exist")
	_, err = b.Broker.Purge(b.ctx, "nowhere")
	b.is(err, broker.ErrNotFound, "purge a queue that does not exist")
	b.depth("q", 0) // the broker still works
}

func peekLeaves(b *bench) {
	b.queue("q")
	msgs := numbered("q", 5)
	msgs[0].Headers = map[string]string{"k": "v"}
	b.publish(msgs...)
	for _, n := range []int{0, 3, 100} {
		got, err := b.Broker.Peek(b.ctx, "q", n)
		b.must(err, "peek")
		if len(got) != min(n, 5) {
			b.Fatalf("peek of %d gave %d messages", n, len(got))
		}
		for i, m := range got {
			if m.ID != msgs[i].ID || string(m.Body) != string(msgs[i].Body) || m.Headers["k"] != msgs[i].Headers["k"] {
				b.Errorf("peek of %d: message %d is %s %q %v", n, i, m.ID, m.Body, m.Headers)
			}
		}
		b.depth("q", 5)
	}
	if got := b.consume("q", 2).acked(5); !slices.IsSorted(got) {
		b.Errorf("after peeking the order is %v", got)
	}
	b.empty("q")
}

func purgeReady(b *bench) {
	b.queue("q")
	b.publish(numbered("q", 10)...)
	c := b.consume("q", 2)
	held, _ := c.next(), c.next()
	b.stats("q", "eight ready", func(s broker.Stats) bool { return s.Messages == 8 })
	n, err := b.Broker.Purge(b.ctx, "q")
	b.must(err, "purge")
	if n != 8 {
		b.Errorf("purge removed %d messages, want the 8 ready ones", n)
	}
	b.must(held.Release(b.ctx), "release what was not purged")
	c.exactly(held.ID)
}
