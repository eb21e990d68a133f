package jetstream

import (
	"context"

	"github.com/elasticcode/flow/broker"
	"github.com/nats-io/nats.go"
)

// outbox sends what must not wait for the client library, which blocks everybody
// while it connects or the network takes nothing.
type outbox struct {
	nc      *nats.Conn
	abandon func(w *wire, as fate, err error)
	mails   chan mail
	over    <-chan struct{} // closed when nothing is sent any more
}

// mail is a message to send; w is set when it awaits a confirmation.
type mail struct {
	msg *nats.Msg
	w   *wire
}

// put hands over a message, or gives up.
func (o *outbox) put(giveUp <-chan struct{}, m mail) error {
	select {
	case o.mails <- m:
		return nil
	case <-giveUp:
		return broker.ErrUnavailable
	case <-o.over:
		return broker.ErrClosed
	}
}

// run sends until ctx ends, and then what is left.
func (o *outbox) run(ctx context.Context) {
	for {
		select {
		case m := <-o.mails:
			o.send(m)
			continue
		case <-ctx.Done():
		}
		for {
			select {
			case m := <-o.mails:
				o.send(m)
				continue
			default:
			}
			return
		}
	}
}

// send sends one. What gets lost with the connection is sent again by who awaits
// its confirmation; a lost ack leads to another delivery.
func (o *outbox) send(m mail) {
	if err := o.nc.PublishMsg(m.msg); err != nil && m.w != nil && !lost(err) {
		o.abandon(m.w, refused, err)
	}
}
