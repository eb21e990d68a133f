package amqp

import (
	"context"
	"fmt"

	"github.com/elasticcode/flow/broker"
	"github.com/rabbitmq/amqp091-go"
)

// Declare makes the topology exist.
func (b *Broker) Declare(ctx context.Context, t broker.Topology) error {
	_, err := control(ctx, b, func(ch *amqp091.Channel) (struct{}, error) {
		d := declarer{ch: ch, name: b.name}
		d.foundation()
		for _, x := range t.Exchanges {
			d.exchange(x.Name, string(x.Kind), nil)
		}
		for _, q := range t.Queues {
			d.queue(q.Name, arguments(b.name, q))
			b.bind(&d, q)
		}
		return struct{}{}, d.err
	})
	if err != nil {
		return fmt.Errorf("declare: %w", err)
	}
	return nil
}

// bind binds a queue as listed, and removes what this broker had bound before.
func (b *Broker) bind(d *declarer, q broker.Queue) {
	d.bind(q.Name, returnExchange, b.name.wire(q.Name))
	wanted := make(map[broker.Binding]bool, len(q.Bindings))
	for _, w := range q.Bindings {
		d.bind(q.Name, w.Exchange, w.Key)
		wanted[w] = true
	}
	if d.err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for old := range b.bound[q.Name] {
		if !wanted[old] {
			d.unbind(q.Name, old.Exchange, old.Key)
		}
	}
	if d.err == nil {
		b.bound[q.Name] = wanted
	}
}

// Remove deletes queues with what is in them, and exchanges.
func (b *Broker) Remove(ctx context.Context, t broker.Topology) error {
	_, err := control(ctx, b, func(ch *amqp091.Channel) (struct{}, error) {
		for _, q := range t.Queues {
			if _, err := ch.QueueDelete(b.name.wire(q.Name), false, false, false); err != nil && code(err) != amqp091.NotFound {
				return struct{}{}, classify(err, "queue "+q.Name)
			}
			b.forget(q.Name)
		}
		for _, x := range t.Exchanges {
			if err := ch.ExchangeDelete(b.name.wire(x.Name), false, false); err != nil && code(err) != amqp091.NotFound {
				return struct{}{}, classify(err, "exchange "+x.Name)
			}
		}
		return struct{}{}, nil
	})
	if p, _ := b.publishers.now(); p != nil {
		p.forget() // what it knew to exist may be gone
	}
	if err != nil {
		return fmt.Errorf("remove: %w", err)
	}
	return nil
}

func (b *Broker) forget(queue string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.bound, queue)
}

// declarer declares one thing after another until the first error, which closes
// the channel.
type declarer struct {
	ch   *amqp091.Channel
	name namer
	err  error
}

// foundation declares what the driver itself relies on.
func (d *declarer) foundation() {
	d.queue(broker.DeadLetters, arguments(d.name, broker.Queue{Name: broker.DeadLetters}))
	d.exchange(lostExchange, amqp091.ExchangeFanout, nil)
	d.bind(broker.DeadLetters, lostExchange, "")
	d.exchange(returnExchange, amqp091.ExchangeDirect, amqp091.Table{"alternate-exchange": d.name.wire(lostExchange)})
	d.bind(broker.DeadLetters, returnExchange, d.name.dead())
}

func (d *declarer) exchange(name, kind string, args amqp091.Table) {
	if d.err == nil {
		d.failed(d.ch.ExchangeDeclare(d.name.wire(name), kind, true, false, false, false, args), "exchange "+name)
	}
}

func (d *declarer) queue(name string, args amqp091.Table) {
	if d.err == nil {
		_, err := d.ch.QueueDeclare(d.name.wire(name), true, false, false, false, args)
		d.failed(err, "queue "+name)
	}
}

func (d *declarer) bind(queue, exchange, key string) {
	if d.err == nil {
		d.failed(d.ch.QueueBind(d.name.wire(queue), key, d.name.wire(exchange), false, nil),
			fmt.Sprintf("binding of queue %s to exchange %s", queue, exchange))
	}
}

func (d *declarer) unbind(queue, exchange, key string) {
	if d.err == nil {
		d.failed(d.ch.QueueUnbind(d.name.wire(queue), key, d.name.wire(exchange), nil),
			fmt.Sprintf("binding of queue %s to exchange %s", queue, exchange))
	}
}

func (d *declarer) failed(err error, thing string) {
	if err != nil {
		d.err = classify(err, thing)
	}
}
