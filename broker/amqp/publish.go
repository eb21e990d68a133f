package amqp

import (
	"context"
	"errors"
	"fmt"

	"github.com/elasticcode/flow/broker"
)

// Publish returns when all messages are confirmed, or the deadline has passed.
func (b *Broker) Publish(ctx context.Context, msgs ...broker.Message) error {
	if len(msgs) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, b.cfg.PublishTimeout)
	defer cancel()
	f := newBatch(b, msgs)
	var p *publisher
	for f.left > 0 {
		next, why := b.publishers.next(ctx, p, nil)
		if next == nil {
			f.failRest(b.overdue(ctx, p, why))
			break
		}
		p = next
		f.flyWith(ctx, p)
	}
	return f.result()
}

// overdue is the error of what was not confirmed before the deadline.
func (b *Broker) overdue(ctx context.Context, p *publisher, why error) error {
	if p != nil {
		if reason, _ := p.session.isBlocked(); reason != "" {
			return fmt.Errorf("%w: %s (%w)", broker.ErrBlocked, reason, context.Cause(ctx))
		}
	}
	if s, down := b.publishing.sessions.now(); s == nil {
		why = down // the newest reason
	}
	return unavailable(ctx, why)
}

// check refuses what cannot be published.
func (b *Broker) check(m *broker.Message) error {
	exchange := b.name.exchange(m.Exchange)
	switch {
	case m.ID == "":
		return errors.New("a message needs an id")
	case len(m.ID) > maxName:
		return fmt.Errorf("message id %.20q… is longer than %d bytes", m.ID, maxName)
	case m.Exchange == "" && m.Key == "":
		return errors.New("a message needs an exchange or the name of a queue")
	case len(exchange) > maxName || len(b.name.key(m.Exchange, m.Key)) > maxName || len(m.ContentType) > maxName:
		return fmt.Errorf("exchange, key or content type is longer than %d bytes", maxName)
	case m.Delay < 0:
		return fmt.Errorf("a delay of %s is in the past", m.Delay)
	case m.Delay > 0 && m.Exchange != "":
		return errors.New("only what is sent to a queue can be delayed, not what is sent to an exchange")
	case len(m.Body) > b.cfg.MaxMessageBytes:
		return fmt.Errorf("%w: %d bytes, %d are allowed", broker.ErrTooLarge, len(m.Body), b.cfg.MaxMessageBytes)
	}
	for k := range m.Headers {
		if len(k) > maxName {
			return fmt.Errorf("header name %.20q… is longer than %d bytes", k, maxName)
		}
	}
	return nil
}
