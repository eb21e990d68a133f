package brokertest

import "github.com/elasticcode/flow/broker"

var routeChecks = []check{
	{"RouteDirect", routeDirect},
	{"RouteTopic", routeTopic},
	{"RouteFanout", routeFanout},
	{"RouteOneMessageToManyBindingsOfAQueueOnce", routeOnce},
}

// route declares an exchange with one queue per binding key (queue and key have
// the same name), publishes one message per routing key, and checks who got what.
func (b *bench) route(kind broker.Kind, want map[string][]string) {
	b.Helper()
	t := broker.Topology{Exchanges: []broker.Exchange{{Name: "x", Kind: kind}}}
	for key := range want {
		t.Queues = append(t.Queues, broker.Queue{Name: key, Bindings: []broker.Binding{{Exchange: "x", Key: key}}})
	}
	b.declare(t)
	sent := map[string]bool{}
	for _, keys := range want {
		for _, key := range keys {
			if !sent[key] {
				sent[key] = true
				b.publish(broker.Message{ID: key, Exchange: "x", Key: key})
			}
		}
	}
	for queue, ids := range want {
		b.depth(queue, int64(len(ids)))
		b.consume(queue, 10).exactly(ids...)
	}
}

func routeDirect(b *bench) {
	b.route(broker.Direct, map[string][]string{"one": {"one"}, "two": {"two"}, "a.*": {"a.*"}})
	b.is(b.Broker.Publish(b.ctx, broker.Message{ID: "a.b", Exchange: "x", Key: "a.b"}), broker.ErrUnroutable, "publish a key nobody is bound to")
}

func routeTopic(b *bench) {
	b.route(broker.Topic, map[string][]string{
		"*.orange.*": {"quick.orange.fox", "lazy.orange.cat"},
		"lazy.#":     {"lazy.orange.cat", "lazy", "lazy.pink.and.so.on"},
		"#":          {"quick.orange.fox", "lazy.orange.cat", "lazy", "lazy.pink.and.so.on", "other"},
		"#.on":       {"lazy.pink.and.so.on"},
		"other":      {"other"},
		"nothing.*":  {},
	})
}

func routeFanout(b *bench) {
	b.route(broker.Fanout, map[string][]string{"one": {"k", "other"}, "two": {"k", "other"}, "three": {"k", "other"}})
}

func routeOnce(b *bench) {
	b.declare(broker.Topology{
		Exchanges: []broker.Exchange{{Name: "x", Kind: broker.Topic}},
		Queues: []broker.Queue{{Name: "q", Bindings: []broker.Binding{
			{Exchange: "x", Key: "a.#"}, {Exchange: "x", Key: "*.b"},
		}}},
	})
	b.publish(broker.Message{ID: "1", Exchange: "x", Key: "a.b"})
	c := b.consume("q", 10)
	c.exactly("1")
	c.quiet()
}
