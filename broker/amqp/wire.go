package amqp

import (
	"fmt"
	"strings"

	"github.com/elasticcode/flow/broker"
	"github.com/rabbitmq/amqp091-go"
)

// publishing turns a message into what goes on the wire.
func publishing(m *broker.Message, repeat bool) amqp091.Publishing {
	p := amqp091.Publishing{
		MessageId:    m.ID,
		ContentType:  m.ContentType,
		DeliveryMode: amqp091.Persistent,
		Body:         m.Body,
	}
	if len(m.Headers) > 0 || repeat {
		p.Headers = make(amqp091.Table, len(m.Headers)+1)
		for k, v := range m.Headers {
			p.Headers[k] = v
		}
		if repeat {
			p.Headers[broker.HeaderRepeat] = "1"
		}
	}
	return p
}

// message turns what came from a queue into a message of the contract.
func (b *Broker) message(d *amqp091.Delivery, queue string) broker.Message {
	m := broker.Message{ID: d.MessageId, ContentType: d.ContentType, Body: d.Body, Headers: headers(d.Headers)}
	m.Exchange, m.Key = b.name.plain(d.Exchange), d.RoutingKey
	switch {
	case d.Exchange == "", m.Exchange == returnExchange, m.Exchange == lostExchange: // it was sent to a queue
		m.Exchange, m.Key = "", b.name.plain(d.RoutingKey)
	}
	if queue == broker.DeadLetters && m.Headers[broker.HeaderDeadReason] == "" {
		b.explain(&m, d.Headers)
	}
	return m
}

// headers keeps what the contract can carry, and leaves out RabbitMQ's own.
// Other clients may have sent numbers and truth values: they become text.
func headers(t amqp091.Table) map[string]string {
	if len(t) == 0 {
		return nil
	}
	var out map[string]string
	for k, v := range t {
		if own(k) {
			continue
		}
		var text string
		switch v := v.(type) {
		case string:
			text = v
		case []byte:
			text = string(v)
		case nil, amqp091.Table, []any:
			continue
		default:
			text = fmt.Sprint(v)
		}
		if out == nil {
			out = make(map[string]string, len(t))
		}
		out[k] = text
	}
	return out
}

func own(header string) bool {
	if !strings.HasPrefix(header, "x-") {
		return false
	}
	for _, p := range []string{"x-death", "x-first-death-", "x-last-death-", "x-delivery-count", "x-acquired-count", "x-opt-"} {
		if strings.HasPrefix(header, p) {
			return true
		}
	}
	return false
}

// explain says in the contract's headers why RabbitMQ dead-lettered a message.
func (b *Broker) explain(m *broker.Message, t amqp091.Table) {
	deaths, _ := t["x-death"].([]any)
	if len(deaths) == 0 {
		return
	}
	last, _ := deaths[0].(amqp091.Table)
	reason, _ := last["reason"].(string)
	wire, _ := last["queue"].(string)
	queue := b.name.plain(wire)
	switch {
	case strings.HasPrefix(queue, delayPrefix):
		// It came by flow.return.lost: the queue it should return to is gone.
		reason, queue = broker.ReasonGone+": it was removed during the delay", m.Key
	case reason == "delivery_limit":
		reason = "delivered too often"
	}
	if m.Headers == nil {
		m.Headers = map[string]string{}
	}
	m.Headers[broker.HeaderDeadReason] = reason
	m.Headers[broker.HeaderDeadQueue] = queue
}
