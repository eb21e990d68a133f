package amqp

import (
	"context"
	"fmt"
	"slices"

	"github.com/elasticcode/flow/broker"
	"github.com/rabbitmq/amqp091-go"
)

// chunk is how many things are declared or asked for on one channel, in the time
// that the driver gives one request.
const chunk = 32

// Declare makes the topology exist.
func (b *Broker) Declare(ctx context.Context, t broker.Topology) error {
	err := b.declare(ctx, func(d *declarer) { d.foundation() })
	if err == nil {
		err = each(ctx, b, t.Exchanges, func(d *declarer, x broker.Exchange) { d.exchange(x.Name, string(x.Kind), nil) })
	}
	if err == nil {
		err = each(ctx, b, t.Queues, func(d *declarer, q broker.Queue) {
			d.queue(q.Name, arguments(b.name, q))
			b.bind(d, q)
		})
	}
	if err != nil {
		return fmt.Errorf("declare: %w", err)
	}
	return nil
}

// each calls fn for all things, on as many channels as it takes.
func each[T any](ctx context.Context, b *Broker, things []T, fn func(*declarer, T)) error {
	for part := range slices.Chunk(things, chunk) {
		err := b.declare(ctx, func(d *declarer) {
			for _, thing := range part {
				fn(d, thing)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *Broker) declare(ctx context.Context, fn func(*declarer)) error {
	_, err := control(ctx, b, func(ch *amqp091.Channel) (struct{}, error) {
		d := declarer{ch: ch, name: b.name}
		fn(&d)
		return struct{}{}, d.err
	})
	return err
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

// Unbind takes queues off exchanges. What comes back to one after a delay goes to the
// dead letters, too: RabbitMQ confirms what is on its way into a queue that is deleted.
func (b *Broker) Unbind(ctx context.Context, queues ...broker.Queue) error {
	err := each(ctx, b, queues, func(d *declarer, q broker.Queue) {
		for _, bind := range q.Bindings {
			d.unbind(q.Name, bind.Exchange, bind.Key)
		}
		d.unbind(q.Name, returnExchange, b.name.wire(q.Name))
		b.forget(q.Name)
	})
	if err != nil {
		return fmt.Errorf("unbind: %w", err)
	}
	return nil
}

// Remove deletes queues with what is in them, and exchanges.
func (b *Broker) Remove(ctx context.Context, t broker.Topology) error {
	err := each(ctx, b, t.Queues, func(d *declarer, q broker.Queue) {
		d.removeQueue(q.Name)
		b.forget(q.Name)
	})
	if err == nil {
		err = each(ctx, b, t.Exchanges, func(d *declarer, x broker.Exchange) { d.removeExchange(x.Name) })
	}
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

// removeQueue deletes a queue. RabbitMQ does not mind if there is none.
func (d *declarer) removeQueue(name string) {
	if d.err == nil {
		_, err := d.ch.QueueDelete(d.name.wire(name), false, false, false)
		d.failed(err, "queue "+name)
	}
}

func (d *declarer) removeExchange(name string) {
	if d.err == nil {
		d.failed(d.ch.ExchangeDelete(d.name.wire(name), false, false), "exchange "+name)
	}
}

func (d *declarer) failed(err error, thing string) {
	if err != nil {
		d.err = classify(err, thing)
	}
}
