package amqp

import (
	"strings"

	"github.com/elasticcode/flow/broker"
)

// The names of what the driver itself declares, before the prefix.
const (
	returnExchange = "flow.return"      // direct: from the delay queues back to each queue, by its name
	lostExchange   = "flow.return.lost" // fanout to flow.dead: what flow.return could not route
	delayPrefix    = "flow.delay."      // exchange and queue of one delay
	maxName        = 255                // bytes of a name or routing key on the wire
)

// namer adds the prefix of a namespace to names and takes it off.
type namer string

func (p namer) wire(name string) string { return string(p) + name }

func (p namer) plain(wire string) string { return strings.TrimPrefix(wire, string(p)) }

// exchange is wire for exchanges: the default exchange has no name to prefix.
func (p namer) exchange(name string) string {
	if name == "" {
		return ""
	}
	return p.wire(name)
}

// key is the routing key on the wire: with the default exchange it is a queue.
func (p namer) key(exchange, key string) string {
	if exchange == "" {
		return p.wire(key)
	}
	return key
}

func (p namer) dead() string { return p.wire(broker.DeadLetters) }
