package broker

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"
)

// Batches consumes a queue until ctx ends and hands over whatever is ready
// together, at most prefetch deliveries, one batch at a time. A queue that is
// not there yet is asked for again every second. Deliveries that were received
// but not handed over when ctx ends are released.
func Batches(ctx context.Context, b Broker, queue string, prefetch int, log *slog.Logger, handle func(context.Context, []*Delivery)) error {
	in := make(chan *Delivery, prefetch)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for ctx.Err() == nil {
			if err := b.Consume(ctx, queue, prefetch, in); err != nil && ctx.Err() == nil {
				log.Warn("queue cannot be consumed, trying again", "queue", queue, "err", err)
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
			}
		}
		close(in)
		return nil
	})
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				release(ctx, in)
				return nil
			case d, ok := <-in:
				if !ok {
					return nil
				}
				handle(ctx, gather(d, in, prefetch))
			}
		}
	})
	return g.Wait()
}

func gather(first *Delivery, more <-chan *Delivery, most int) []*Delivery {
	batch := []*Delivery{first}
	for len(batch) < most {
		select {
		case d, ok := <-more:
			if !ok {
				return batch
			}
			batch = append(batch, d)
		default:
			return batch
		}
	}
	return batch
}

// release gives back what is left; it ends when the consumer has closed in.
func release(ctx context.Context, in <-chan *Delivery) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for d := range in {
		_ = d.Release(ctx) // if it fails, the delivery comes back by itself
	}
}
