package parcel

import (
	"context"
	"errors"

	"github.com/elasticcode/flow/broker"
)

// Broker packs what is published and unpacks what is consumed.
type Broker struct{ broker.Broker }

var _ broker.Broker = Broker{}

// New returns a broker over another one, which the caller still closes.
func New(over broker.Broker) Broker { return Broker{over} }

// Publish publishes messages that may travel together in parcels.
func (b Broker) Publish(ctx context.Context, msgs ...broker.Message) error {
	packed, of := pack(msgs)
	if len(packed) == len(msgs) {
		return b.Broker.Publish(ctx, msgs...)
	}
	err := b.Broker.Publish(ctx, packed...)
	if partly, ok := errors.AsType[*broker.PublishError](err); ok && len(partly.Errs) == len(packed) {
		each := make([]error, len(msgs))
		for i := range msgs {
			each[i] = partly.Errs[of[i]]
		}
		return &broker.PublishError{Errs: each}
	}
	return err
}

// Peek returns up to n messages from the head of the queue, unpacked.
func (b Broker) Peek(ctx context.Context, queue string, n int) ([]broker.Message, error) {
	msgs, err := b.Broker.Peek(ctx, queue, n)
	if err != nil {
		return nil, err
	}
	var out []broker.Message
	for _, m := range msgs {
		if parts, err := unpack(m); err == nil {
			out = append(out, parts...)
		} else {
			out = append(out, m) // whoever looks sees what is there
		}
	}
	return out[:min(n, len(out))], nil
}

// Consume delivers the messages of a queue one by one.
func (b Broker) Consume(ctx context.Context, queue string, prefetch int, out chan<- *broker.Delivery) error {
	in := make(chan *broker.Delivery) // no buffer: what is not handed out stays with the driver
	ended := make(chan error, 1)
	go func() { ended <- b.Broker.Consume(ctx, queue, prefetch, in) }()
	for {
		select {
		case d := <-in:
			for _, d := range open(d) {
				select {
				case out <- d:
				case <-ctx.Done():
					_ = d.Release(context.WithoutCancel(ctx)) // it comes back by itself otherwise
				}
			}
		case err := <-ended:
			return err
		}
	}
}
