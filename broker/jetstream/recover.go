package jetstream

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// recover is for Config.Exclusive: nobody holds a delivery, so all that the
// server believes to be delivered is made ready again. Resetting a consumer to
// its ack floor cannot lose acks: an acked message is not in the stream any more.
//
// The server writes down what it delivered a moment later, and a kill may come
// before. So everything that is in a queue now may have been delivered before,
// and is marked in the table for all Brokers to deliver as such.
func (b *Broker) recover(ctx context.Context) error {
	streams := b.js.ListStreams(ctx, jetstream.WithStreamListSubject("flow.q.>"))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for info := range streams.Info() {
		queue, ours := info.Config.Metadata[metaQueue], info.Config.Metadata[metaPrefix] == b.cfg.Prefix
		if ours && queue != "" && info.State.Msgs > 0 {
			g.Go(func() error { return b.recoverQueue(gctx, queue, info.State.LastSeq) })
		}
	}
	err := g.Wait()
	if err == nil {
		err = streams.Err()
	}
	if err != nil {
		return fmt.Errorf("release what was delivered before the restart: %w", err)
	}
	return nil
}

func (b *Broker) recoverQueue(ctx context.Context, queue string, last uint64) error {
	if err := b.table.put(ctx, suspectKey(queue), last); err != nil {
		return err
	}
	info, err := b.info(ctx, queue)
	if err != nil || info.NumAckPending == 0 {
		if missing(err) {
			return nil // it died between making the stream and its consumer: Declare does the rest
		}
		return err
	}
	m, err := b.nc.RequestWithContext(ctx, "$JS.API.CONSUMER.RESET."+b.names.stream(queue)+"."+durable, nil)
	if err != nil {
		return err
	}
	var answer struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return fmt.Errorf("read the answer to a reset: %w", err)
	}
	if answer.Error != nil {
		return answer.Error
	}
	return nil
}
