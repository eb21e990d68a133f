package socket

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
)

// Outgoing is a call and where it goes.
type Outgoing struct {
	Envelope model.Envelope
	To       Address
	// Repeat says that the call may have been sent before.
	Repeat bool
}

// ErrTooLarge says that a call is over model.MaxPayload.
var ErrTooLarge = errors.New("payload is over the limit")

type publisher interface {
	Publish(ctx context.Context, msgs ...broker.Message) error
}

// Sender publishes calls. It may be used by many goroutines at the same time.
type Sender struct{ broker publisher }

// NewSender returns a sender that publishes through b.
func NewSender(b publisher) *Sender { return &Sender{broker: b} }

// Send returns when the broker has all calls, together with a record of them
// as they are now, on disk. Records may be nil.
func (s *Sender) Send(ctx context.Context, calls []Outgoing, records []model.Call) error {
	msgs := make([]broker.Message, 0, len(calls)+1)
	for _, c := range calls {
		m, err := Encode(c)
		if err != nil {
			return err
		}
		msgs = append(msgs, m)
	}
	rec, err := EncodeRecords(records)
	if err != nil {
		return err
	}
	msgs = append(msgs, rec...)
	if len(msgs) == 0 {
		return nil
	}
	return s.broker.Publish(ctx, msgs...)
}

// Encode makes the broker message of a call. A call that brings one argument of
// a join goes to the join, unless it first passes an edge's own queue.
func Encode(c Outgoing) (broker.Message, error) {
	body, err := c.Envelope.AppendJSON(nil)
	if err != nil {
		return broker.Message{}, fmt.Errorf("encode call %s: %w", c.Envelope.ID, err)
	}
	if len(body) > model.MaxPayload {
		return broker.Message{}, fmt.Errorf("call of %s with %d bytes: %w of %d bytes: store large data elsewhere and pass its address", c.Envelope.Socket, len(body), ErrTooLarge, model.MaxPayload)
	}
	m := broker.Message{ID: c.Envelope.ID, Exchange: c.To.Exchange, Key: c.To.Key, ContentType: model.ContentType, Body: body, Together: c.To.Together}
	if c.Repeat {
		m.Headers = map[string]string{broker.HeaderRepeat: "1"}
	}
	if c.To.Own != "" {
		Stamp(&m, c.To.Own, time.Now())
	}
	return m, nil
}

// Decode reads a call from the wire.
func Decode(body []byte) (model.Envelope, error) {
	e, err := model.DecodeEnvelope(body)
	if err != nil {
		return e, fmt.Errorf("not a call: %w", err)
	}
	return e, e.Check()
}

// limits translates a queue object's limits for the broker.
func limits(q model.Queue) broker.Limits {
	return broker.Limits{
		MessageTTL:  time.Duration(q.MessageTTLMS) * time.Millisecond,
		MaxMessages: q.MaxMessages,
		MaxBytes:    q.MaxBytes,
		Expires:     time.Duration(q.ExpiresMS) * time.Millisecond,
	}
}
