package amqp

import (
	"math"
	"time"

	"github.com/elasticcode/flow/broker"
	"github.com/rabbitmq/amqp091-go"
)

const (
	// deliveryLimit is as good as none. The broker's own counting must not drop
	// calls: unset means 20 on RabbitMQ 4, and -1 means none there but "drop at the
	// first requeue" on 3.10. While all workers are busy for long, a call that
	// waits goes to and fro about twenty times a second: a million is used up in
	// half a day, this in three years.
	deliveryLimit = math.MaxInt32
	// consumerTimeout is how long a delivery may stay unsettled. RabbitMQ 3.12 and
	// later heed it per queue; 3.10 has one setting for all (30 minutes).
	consumerTimeout = 24 * time.Hour
)

// base are the arguments of every queue. They are the same on 3.10 and 4.x;
// arguments_test.go says what must not be among them.
func base() amqp091.Table {
	return amqp091.Table{
		"x-queue-type":       "quorum",
		"x-delivery-limit":   int64(deliveryLimit),
		"x-overflow":         "reject-publish",
		"x-consumer-timeout": consumerTimeout.Milliseconds(),
	}
}

// deadLetterTo makes dead letters of a queue arrive at least once: the queue
// keeps them until the other one has confirmed. Needs reject-publish.
func deadLetterTo(t amqp091.Table, exchange, key string) {
	t["x-dead-letter-strategy"] = "at-least-once"
	t["x-dead-letter-exchange"] = exchange
	if key != "" {
		t["x-dead-letter-routing-key"] = key
	}
}

// arguments are those of a queue with limits.
func arguments(name namer, q broker.Queue) amqp091.Table {
	t := base()
	if q.Name != broker.DeadLetters {
		deadLetterTo(t, "", name.dead())
	}
	if q.Limits.MessageTTL > 0 {
		t["x-message-ttl"] = ceilMS(q.Limits.MessageTTL)
	}
	if q.Limits.MaxMessages > 0 {
		t["x-max-length"] = q.Limits.MaxMessages
	}
	if q.Limits.MaxBytes > 0 {
		t["x-max-length-bytes"] = q.Limits.MaxBytes
	}
	if q.Limits.Expires > 0 {
		t["x-expires"] = ceilMS(q.Limits.Expires)
	}
	return t
}

// delayArguments are those of the queue in which messages wait for so long.
func delayArguments(name namer, delay time.Duration) amqp091.Table {
	t := base()
	t["x-message-ttl"] = ceilMS(delay)
	deadLetterTo(t, name.wire(returnExchange), "") // the routing key stays: the queue to return to
	return t
}

// ceilMS rounds up, so that a small limit does not become none.
func ceilMS(d time.Duration) int64 {
	return (d + time.Millisecond - 1).Milliseconds()
}
