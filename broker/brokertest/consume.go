package brokertest

import (
	"slices"

	"github.com/elasticcode/flow/broker"
)

var consumeChecks = []check{
	{"ConsumePrefetch", consumePrefetch},
	{"ConsumeShared", consumeShared},
	{"ConsumeUnknownQueue", consumeUnknown},
	{"ConsumeRemovedQueue", consumeRemoved},
	{"ConsumeEndsCleanly", consumeEnds},
	{"ConsumeManyQueuesIntoOne", consumeManyQueues},
	{"ConsumeSurvivesReopening", consumeReopened},
}

func consumePrefetch(b *bench) {
	b.queue("q")
	b.publish(numbered("q", 8)...)
	c := b.consume("q", 3)
	var open []*broker.Delivery
	for range 3 {
		open = append(open, c.next())
	}
	c.quiet()
	if !b.features.UnackedUnknown {
		b.stats("q", "three unsettled", func(s broker.Stats) bool { return s.Unacked == 3 })
	}
	b.stats("q", "five ready, one consumer", func(s broker.Stats) bool { return s.Messages == 5 && s.Consumers == 1 })
	b.must(open[1].Ack(b.ctx), "ack")
	open[1] = c.next()
	c.quiet()
	for _, d := range open {
		b.must(d.Ack(b.ctx), "ack")
	}
	c.acked(4)
	b.empty("q")
}

func consumeShared(b *bench) {
	b.queue("q")
	one, two := b.consume("q", 1), b.consume("q", 1)
	b.publish(numbered("q", 2)...)
	first, second := one.next(), two.next() // each holds one: neither starves
	if first.ID == second.ID {
		b.Fatalf("both consumers received %s", first.ID)
	}
	b.must(first.Ack(b.ctx), "ack")
	b.must(second.Ack(b.ctx), "ack")
	b.empty("q")
}

func consumeUnknown(b *bench) {
	b.queue("q")
	b.is(b.consume("nowhere", 1).ended(), broker.ErrNotFound, "consume from a queue that does not exist")
}

func consumeRemoved(b *bench) {
	b.queue("q")
	b.queue("other")
	c, other := b.consume("q", 5), b.consume("other", 5)
	b.publish(to("q", "1"), to("other", "1"))
	d, kept := c.next(), other.next()
	b.must(b.Broker.Remove(b.ctx, broker.Topology{Queues: []broker.Queue{{Name: "q"}}}), "remove")
	b.is(c.ended(), broker.ErrNotFound, "consume from a removed queue")
	_ = d.Ack(b.ctx) // settles nothing any more, and must not harm anybody
	b.must(kept.Ack(b.ctx), "ack on another queue")
	b.publish(to("other", "2"))
	other.exactly("2")
}

func consumeEnds(b *bench) {
	b.queue("q")
	b.publish(numbered("q", 6)...)
	c := b.consume("q", 6)
	first, second, third := c.next(), c.next(), c.next()
	c.stop()
	select {
	case d := <-c.out:
		b.Fatalf("%s was sent after Consume had returned", d.ID)
	default:
	}

	after := b.consume("q", 10)
	after.exactly("m-3", "m-4", "m-5") // what was not sent is given back
	after.quiet()                      // what was sent stays with who has it
	b.must(first.Ack(b.ctx), "ack after Consume ended")
	b.must(second.Release(b.ctx), "release after Consume ended")
	after.exactly("m-1")
	b.must(third.Retry(b.ctx, 0, []byte("again"), nil), "retry after Consume ended")
	after.exactly("m-2")
	b.empty("q")
}

func consumeManyQueues(b *bench) {
	names := []string{"a", "b", "c", "d"}
	for _, name := range names {
		b.queue(name)
		b.publish(to(name, "in "+name))
	}
	c := b.consume("a", 1)
	for _, name := range names[1:] {
		b.consumeInto(b.Broker, name, 1, c.out)
	}
	c.exactly("in a", "in b", "in c", "in d")
}

func consumeReopened(b *bench) {
	b.queue("q")
	b.publish(numbered("q", 20)...)
	b.publish(broker.Message{ID: "later", Key: "q", Delay: silence})
	first := b.consume("q", 5)
	d := first.next()
	first.stop() // gives back four, keeps one
	again := b.Again(b.T)
	c := b.consumeOn(again, "q", 50)
	got := c.acked(20) // nineteen, and the delayed one
	if slices.Contains(got, d.ID) || !slices.Contains(got, "later") {
		b.Fatalf("the reopened broker delivered %v; it should be all but %s", got, d.ID)
	}
	b.must(d.Release(b.ctx), "release")
	c.exactly(d.ID)
	b.empty("q")
}
