package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"
)

// raw is RabbitMQ's own client, used as well as it can be: two channels publish
// with a window of confirmations, two consume far ahead and ack many at once.
type raw struct {
	publishing, consuming *amqp091.Connection
	queue                 string
	body                  []byte
}

const (
	rawWindow   = 256
	rawAckEvery = 32
)

func (b *bench) openRaw(context.Context) (racer, error) {
	r := &raw{queue: b.prefix + ".raw", body: envelope()}
	var err error
	if r.publishing, err = amqp091.Dial(b.urls.amqp); err != nil {
		return nil, errors.New("RabbitMQ cannot be reached")
	}
	if r.consuming, err = amqp091.Dial(b.urls.amqp); err != nil {
		return nil, errors.New("RabbitMQ cannot be reached")
	}
	ch, err := r.publishing.Channel()
	if err != nil {
		return nil, err
	}
	defer ch.Close()
	_, err = ch.QueueDeclare(r.queue, true, false, false, false, amqp091.Table{"x-queue-type": "quorum"})
	return r, err
}

func (r *raw) pids() []int { return nil }

func (r *raw) close() error {
	ch, err := r.publishing.Channel()
	if err == nil {
		_, err = ch.QueueDelete(r.queue, false, false, false)
	}
	return errors.Join(err, r.publishing.Close(), r.consuming.Close())
}

func (r *raw) round(ctx context.Context, n int) (time.Time, error) {
	g, ctx := errgroup.WithContext(ctx)
	done := make(chan struct{}, n)
	for i := range 2 {
		g.Go(func() error { return r.publish(ctx, (n+i)/2) })
	}
	consuming, stop := context.WithCancel(ctx)
	for range 2 {
		g.Go(func() error { return r.consume(consuming, done) })
	}
	g.Go(func() error {
		defer stop()
		for range n {
			select {
			case <-done:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	err := g.Wait()
	return time.Now(), err
}

func (r *raw) publish(ctx context.Context, n int) error {
	ch, err := r.publishing.Channel()
	if err != nil {
		return err
	}
	defer ch.Close()
	if err := ch.Confirm(false); err != nil {
		return err
	}
	var flying []*amqp091.DeferredConfirmation
	land := func() error {
		ok, err := flying[0].WaitContext(ctx)
		if flying = flying[1:]; err == nil && !ok {
			err = errors.New("a message was refused")
		}
		return err
	}
	for i := range n {
		c, err := ch.PublishWithDeferredConfirm("", r.queue, true, false, amqp091.Publishing{
			MessageId: strconv.Itoa(i), DeliveryMode: amqp091.Persistent, ContentType: "application/json", Body: r.body,
		})
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		if flying = append(flying, c); len(flying) >= rawWindow/2 {
			if err := land(); err != nil {
				return err
			}
		}
	}
	for len(flying) > 0 {
		if err := land(); err != nil {
			return err
		}
	}
	return nil
}

// consume acks every so many deliveries, and what is left when nothing comes.
func (r *raw) consume(ctx context.Context, done chan<- struct{}) error {
	ch, err := r.consuming.Channel()
	if err != nil {
		return err
	}
	defer ch.Close()
	if err := ch.Qos(rawWindow, 0, false); err != nil {
		return err
	}
	deliveries, err := ch.Consume(r.queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	var open int
	var last amqp091.Delivery
	ack := func() error {
		if open == 0 {
			return nil
		}
		err := last.Ack(true)
		for ; open > 0; open-- {
			done <- struct{}{}
		}
		return err
	}
	pause := time.NewTicker(2 * time.Millisecond)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case d, ok := <-deliveries:
			if !ok {
				return errors.New("the consumer was ended")
			}
			last = d
			if open++; open < rawAckEvery {
				continue
			}
		case <-pause.C:
		}
		if err := ack(); err != nil {
			return err
		}
	}
}
