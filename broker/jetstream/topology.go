package jetstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// The metadata of a stream says whose it is, in full.
const (
	metaPrefix = "flow-prefix"
	metaQueue  = "flow-queue"
)

// atOnce is how many requests about queues are under way at the same time.
const atOnce = 16

// Declare makes the topology exist. The limits of a queue can be changed in
// place; the kind of an exchange cannot.
func (b *Broker) Declare(ctx context.Context, t broker.Topology) error {
	_, err := ask(ctx, b, func(ctx context.Context) (none, error) { return none{}, b.declare(ctx, t) })
	return err
}

func (b *Broker) declare(ctx context.Context, t broker.Topology) error {
	if err := b.table.catchUp(ctx, b.js); err != nil {
		return err
	}
	if err := b.checkTopology(t); err != nil {
		return err
	}
	for _, x := range t.Exchanges {
		if have, ok := b.table.exchange(x.Name); ok && have == x.Kind {
			continue
		}
		if err := b.table.addExchange(ctx, x); err != nil {
			return fmt.Errorf("declare exchange %s: %w", x.Name, err)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, q := range t.Queues {
		g.Go(func() error {
			if err := b.declareQueue(ctx, q); err != nil {
				return fmt.Errorf("declare queue %s: %w", q.Name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// checkTopology refuses before anything is made.
func (b *Broker) checkTopology(t broker.Topology) error {
	kinds := map[string]broker.Kind{}
	for _, x := range t.Exchanges {
		if x.Name == "" {
			return errors.New("an exchange needs a name: the default exchange is always there")
		}
		if x.Kind != broker.Direct && x.Kind != broker.Topic && x.Kind != broker.Fanout {
			return fmt.Errorf("exchange %s: there is no kind %q, use %s, %s or %s", x.Name, x.Kind, broker.Direct, broker.Topic, broker.Fanout)
		}
		have, ok := b.table.exchange(x.Name)
		if before, twice := kinds[x.Name]; twice {
			have, ok = before, true
		}
		if ok && have != x.Kind {
			return mismatch(x, have)
		}
		kinds[x.Name] = x.Kind
	}
	for _, q := range t.Queues {
		if q.Name == "" {
			return errors.New("a queue needs a name")
		}
		if l := q.Limits; l.MessageTTL < 0 || l.MaxMessages < 0 || l.MaxBytes < 0 || l.Expires < 0 {
			return fmt.Errorf("queue %s: a limit is negative; zero means none", q.Name)
		}
		for _, bind := range q.Bindings {
			if _, ok := b.table.exchange(bind.Exchange); !ok && kinds[bind.Exchange] == "" {
				return fmt.Errorf("bind queue %s: there is no exchange %q (%w)", q.Name, bind.Exchange, broker.ErrNotFound)
			}
		}
	}
	return nil
}

func (b *Broker) declareQueue(ctx context.Context, q broker.Queue) error {
	want := b.streamConfig(q)
	stream, err := b.js.CreateStream(ctx, want) // no change when it is there like this
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		stream, err = b.js.UpdateStream(ctx, want)
	}
	if err != nil {
		return err
	}
	if stream.CachedInfo().State.Msgs > 0 {
		if _, err := b.info(ctx, q.Name); err != nil { // makes the consumer if need be
			return err
		}
	}
	if _, err := b.js.CreateOrUpdateConsumer(ctx, want.Name, b.consumerConfig()); err != nil {
		return err
	}
	if have, ok := b.table.queue(q.Name); ok && have.same(q) && (q.Limits.Expires == 0 || time.Since(have.Declared) < q.Limits.Expires/8) {
		return nil
	}
	return b.table.put(ctx, queueKey(q.Name), queueEntry{Name: q.Name, Bindings: q.Bindings, Limits: q.Limits, Declared: time.Now()})
}

func (b *Broker) streamConfig(q broker.Queue) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        b.names.stream(q.Name),
		Subjects:    []string{b.names.subject(q.Name)},
		Retention:   jetstream.WorkQueuePolicy,
		Discard:     jetstream.DiscardNew,
		Storage:     b.cfg.storage(),
		Replicas:    b.cfg.Replicas,
		MaxMsgs:     orUnlimited(q.Limits.MaxMessages),
		MaxBytes:    orUnlimited(q.Limits.MaxBytes),
		Duplicates:  duplicateWindow,
		AllowDirect: true,
		Metadata:    map[string]string{metaPrefix: b.cfg.Prefix, metaQueue: q.Name},
	}
}

// consumerConfig keeps the state of a consumer in memory only. On disk it would be
// written ten times a second for each busy queue, and nothing needs it there: an
// acked message is not in the stream any more, and all others are to be delivered
// again after a restart, as the sessions they were delivered in have ended.
func (b *Broker) consumerConfig() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       durable,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       b.cfg.AckWait,
		MaxDeliver:    -1,
		MaxAckPending: -1, // each consumer bounds itself by its prefetch
		MaxWaiting:    4096,
		MemoryStorage: true,
	}
}

func orUnlimited(n int64) int64 {
	if n == 0 {
		return -1
	}
	return n
}

// Unbind takes queues off exchanges.
func (b *Broker) Unbind(ctx context.Context, queues ...broker.Queue) error {
	_, err := ask(ctx, b, func(ctx context.Context) (none, error) { return none{}, b.unbind(ctx, queues) })
	return err
}

func (b *Broker) unbind(ctx context.Context, queues []broker.Queue) error {
	if err := b.table.catchUp(ctx, b.js); err != nil {
		return err
	}
	for _, q := range queues {
		have, ok := b.table.queue(q.Name)
		if !ok {
			continue
		}
		have.Bindings = slices.DeleteFunc(slices.Clone(have.Bindings), func(x broker.Binding) bool { return slices.Contains(q.Bindings, x) })
		if err := b.table.put(ctx, queueKey(q.Name), have); err != nil {
			return fmt.Errorf("unbind queue %s: %w", q.Name, err)
		}
	}
	return nil
}

// Remove deletes queues with what is in them, delayed messages included, and
// exchanges with the bindings to them.
func (b *Broker) Remove(ctx context.Context, t broker.Topology) error {
	_, err := ask(ctx, b, func(ctx context.Context) (none, error) { return none{}, b.remove(ctx, t) })
	return err
}

func (b *Broker) remove(ctx context.Context, t broker.Topology) error {
	if err := b.table.catchUp(ctx, b.js); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, q := range t.Queues {
		g.Go(func() error { return b.removeQueue(gctx, q.Name) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, x := range t.Exchanges {
		if err := b.removeExchange(ctx, x.Name); err != nil {
			return fmt.Errorf("remove exchange %s: %w", x.Name, err)
		}
	}
	return nil
}

func (b *Broker) removeQueue(ctx context.Context, name string) error {
	for _, key := range []string{queueKey(name), suspectKey(name)} {
		if err := b.table.drop(ctx, b.js, key); err != nil {
			return fmt.Errorf("remove the bindings of queue %s: %w", name, err)
		}
	}
	if err := b.js.DeleteStream(ctx, b.names.stream(name)); err != nil && !missing(err) {
		return fmt.Errorf("remove queue %s: %w", name, err)
	}
	return nil // what is delayed goes to the dead letters when it is due
}

// removeExchange drops the bindings, too: they must not be back with another
// exchange of the same name.
func (b *Broker) removeExchange(ctx context.Context, name string) error {
	bound := b.table.list(func(q queueEntry) bool {
		for _, bind := range q.Bindings {
			if bind.Exchange == name {
				return true
			}
		}
		return false
	})
	for _, q := range bound {
		var rest []broker.Binding
		for _, bind := range q.Bindings {
			if bind.Exchange != name {
				rest = append(rest, bind)
			}
		}
		q.Bindings = rest
		if err := b.table.put(ctx, queueKey(q.Name), q); err != nil {
			return err
		}
	}
	return b.table.drop(ctx, b.js, exchangeKey(name))
}
