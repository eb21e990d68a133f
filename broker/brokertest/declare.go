package brokertest

import (
	"errors"
	"time"

	"github.com/elasticcode/flow/broker"
)

var declareChecks = []check{
	{"DeclareTwiceIsOnce", declareTwice},
	{"DeclareMismatch", declareMismatch},
	{"DeclareRemovesUnlistedBindings", declareUnlisted},
	{"DeclareBindingToUnknownExchange", declareUnknownExchange},
	{"UnbindKeepsWhatIsThere", unbind},
	{"UnbindIsIdempotent", unbindTwice},
	{"RemoveIsIdempotent", removeTwice},
	{"NamesMayBeAnything", oddNames},
	{"QueueExpires", queueExpires},
	{"DeadLettersExist", deadLettersExist},
}

func declareTwice(b *bench) {
	t := broker.Topology{
		Exchanges: []broker.Exchange{{Name: "x", Kind: broker.Topic}},
		Queues: []broker.Queue{{
			Name:     "q",
			Bindings: []broker.Binding{{Exchange: "x", Key: "a.*"}},
			Limits:   broker.Limits{MessageTTL: time.Hour, MaxMessages: 100, MaxBytes: 1 << 20, Expires: time.Hour},
		}},
	}
	b.declare(t)
	b.publish(to("q", "kept"))
	b.must(b.Broker.Declare(b.ctx, t), "declare again")
	b.must(b.Again(b.T).Declare(b.ctx, t), "declare by another broker")
	b.publish(broker.Message{ID: "routed", Exchange: "x", Key: "a.b"})
	b.consume("q", 10).exactly("kept", "routed")
}

func declareMismatch(b *bench) {
	b.declare(broker.Topology{Exchanges: []broker.Exchange{{Name: "x", Kind: broker.Direct}}})
	b.queue("fine")
	err := b.Broker.Declare(b.ctx, broker.Topology{Exchanges: []broker.Exchange{{Name: "x", Kind: broker.Fanout}}})
	b.is(err, broker.ErrMismatch, "declare a direct exchange as fanout")
	b.publish(to("fine", "1")) // the refusal broke nothing else
	b.consume("fine", 1).exactly("1")
}

func declareUnlisted(b *bench) {
	x := broker.Exchange{Name: "x", Kind: broker.Direct}
	both := broker.Queue{Name: "q", Bindings: []broker.Binding{{Exchange: "x", Key: "one"}, {Exchange: "x", Key: "two"}}}
	one := broker.Queue{Name: "q", Bindings: both.Bindings[:1]}
	b.declare(broker.Topology{Exchanges: []broker.Exchange{x}, Queues: []broker.Queue{both}})
	b.publish(broker.Message{ID: "1", Exchange: "x", Key: "two"})

	other := b.Broker
	if !b.features.BindingsByBroker {
		other = b.Again(b.T)
	}
	b.must(other.Declare(b.ctx, broker.Topology{Queues: []broker.Queue{one}}), "declare with one binding less")
	b.eventually("the unlisted binding to be gone", 50*time.Millisecond, func() (bool, string) {
		err := b.Broker.Publish(b.ctx, broker.Message{ID: "2", Exchange: "x", Key: "two"})
		return err != nil, "it is still routed"
	})
	b.is(b.Broker.Publish(b.ctx, broker.Message{ID: "2", Exchange: "x", Key: "two"}), broker.ErrUnroutable, "publish to the removed binding")
	b.publish(broker.Message{ID: "3", Exchange: "x", Key: "one"})
}

func declareUnknownExchange(b *bench) {
	t := broker.Topology{Queues: []broker.Queue{{Name: "q", Bindings: []broker.Binding{{Exchange: "nowhere", Key: "k"}}}}}
	b.removeLater(t)
	b.is(b.Broker.Declare(b.ctx, t), broker.ErrNotFound, "bind to an exchange that does not exist")
}

func unbind(b *bench) {
	t := broker.Topology{
		Exchanges: []broker.Exchange{{Name: "x", Kind: broker.Direct}},
		Queues: []broker.Queue{
			{Name: "q", Bindings: []broker.Binding{{Exchange: "x", Key: "k"}}},
			{Name: "other", Bindings: []broker.Binding{{Exchange: "x", Key: "other"}}},
		},
	}
	b.declare(t)
	b.publish(broker.Message{ID: "1", Exchange: "x", Key: "k"})
	b.must(b.Again(b.T).Unbind(b.ctx, t.Queues[0]), "unbind by another broker")
	b.eventually("the binding to be gone", 50*time.Millisecond, func() (bool, string) {
		err := b.Broker.Publish(b.ctx, broker.Message{ID: "2", Exchange: "x", Key: "k"})
		return errors.Is(err, broker.ErrUnroutable), "it is still routed"
	})
	b.publish(broker.Message{ID: "3", Exchange: "x", Key: "other"})
	b.consume("other", 1).exactly("3")
	c := b.consume("q", 10)
	if d := c.next(); d.ID != "1" {
		b.Errorf("delivered %s", d.ID)
	}
	b.must(b.Broker.Declare(b.ctx, t), "declare it again")
	b.publish(broker.Message{ID: "4", Exchange: "x", Key: "k"})
	d := c.next()
	for d.ID == "2" { // it may have been routed before the other broker's change was known
		d = c.next()
	}
	if d.ID != "4" {
		b.Errorf("delivered %s", d.ID)
	}
}

func unbindTwice(b *bench) {
	t := broker.Topology{
		Exchanges: []broker.Exchange{{Name: "x", Kind: broker.Fanout}},
		Queues:    []broker.Queue{{Name: "q", Bindings: []broker.Binding{{Exchange: "x"}}}},
	}
	b.declare(t)
	b.must(b.Broker.Unbind(b.ctx, t.Queues...), "unbind")
	b.must(b.Broker.Unbind(b.ctx, t.Queues...), "unbind again")
	b.is(b.Broker.Publish(b.ctx, broker.Message{ID: "1", Exchange: "x"}), broker.ErrUnroutable, "publish to an exchange without queues")
	b.must(b.Broker.Remove(b.ctx, t), "remove")
	b.must(b.Broker.Unbind(b.ctx, t.Queues...), "unbind what is not there")
}

func removeTwice(b *bench) {
	t := broker.Topology{
		Exchanges: []broker.Exchange{{Name: "x", Kind: broker.Direct}},
		Queues:    []broker.Queue{{Name: "q", Bindings: []broker.Binding{{Exchange: "x", Key: "k"}}}},
	}
	b.declare(t)
	b.publish(to("q", "1"))
	b.must(b.Broker.Remove(b.ctx, t), "remove")
	b.must(b.Broker.Remove(b.ctx, t), "remove again")
	_, err := b.Broker.Inspect(b.ctx, "q")
	b.is(err, broker.ErrNotFound, "inspect a removed queue")
	b.is(b.Broker.Publish(b.ctx, to("q", "2")), broker.ErrUnroutable, "publish to a removed queue")
	b.is(b.Broker.Publish(b.ctx, broker.Message{ID: "3", Exchange: "x", Key: "k"}), broker.ErrUnroutable, "publish to a removed exchange")

	b.must(b.Broker.Declare(b.ctx, t), "declare what was removed")
	b.depth("q", 0) // it begins empty
	b.publish(broker.Message{ID: "4", Exchange: "x", Key: "k"})
	b.consume("q", 1).exactly("4")
}

func oddNames(b *bench) {
	names := []string{"pyfi.queue1.proc-1.do_this", "K:plug_1", "net/Q.P.T", "UPPER.lower_9"}
	for _, name := range names {
		b.queue(name)
		b.publish(to(name, "for "+name))
	}
	for _, name := range names {
		b.consume(name, 1).exactly("for " + name)
	}
	stats, err := b.Broker.Inspect(b.ctx, names...)
	b.must(err, "inspect")
	for i, s := range stats {
		if s.Queue != names[i] {
			b.Errorf("queue %q is called %q by Inspect", names[i], s.Queue)
		}
	}
}

func queueExpires(b *bench) {
	const life = 400 * time.Millisecond
	b.limited("q", broker.Limits{Expires: life})
	// Asking may count as use, so ask rarely.
	b.eventually("the unused queue to disappear", 3*life, func() (bool, string) {
		_, err := b.Broker.Inspect(b.ctx, "q")
		if err == nil {
			return false, "it is still there"
		}
		b.is(err, broker.ErrNotFound, "inspect an expired queue")
		return true, ""
	})
}

func deadLettersExist(b *bench) {
	b.queue("q")
	_, err := b.Broker.Inspect(b.ctx, broker.DeadLetters)
	b.must(err, "inspect the dead letters")
	b.publish(to(broker.DeadLetters, "1"))
	b.consume(broker.DeadLetters, 1).exactly("1")
}
