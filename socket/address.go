// Package socket is the way calls reach functions: the addresses of sockets on
// the broker, the Sender that publishes calls to them and the Receiver that
// takes them out of a socket's queues.
//
// It is the only place that spells the name of a queue, an exchange or an event
// channel. With queue object Q, processor P, module M, function T and plug X
// that owns queue K:
//
//	Q.P.T    the socket's own queue, bound to exchange Q
//	M.T      one queue shared by every processor that exposes the function
//	K:X      the queue that edge X has for itself
//	P!high   calls of a class for all sockets of the processor; also P!low
//
// A network other than "default" puts "<network>/" before each.
package socket

import (
	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
)

// The engine's own queues.
const (
	Records = "flow.records" // what workers and senders tell the recorder
	Joins   = "flow.join"    // values on their way into a join
)

// Nowhere is the name of no queue, and of none ever: what is sent there comes back, and
// shows that the broker takes messages.
const Nowhere = "flow.nowhere"

// Address is a place on the broker that calls can be published to.
type Address struct {
	Exchange string // empty: the queue named Key
	Key      string
	// Own is, of the address of a class, the own queue of the socket that is called.
	Own string
	// Together says that calls which are sent there at once may share a message:
	// nothing there counts messages, and nobody takes calls there one at a time.
	Together bool
}

// Own is the address of the socket on its queue object's exchange. On a fanout
// or topic queue it reaches every socket of the queue object.
func Own(q model.Queue, s model.Socket) Address {
	bounded := q.MaxMessages > 0 || q.MaxBytes > 0
	limited := s.MaxRunning > 0 || s.Limit.Limited()
	return Address{Exchange: Exchange(q), Key: OwnQueue(s), Together: !bounded && !limited && !q.ReachesAll()}
}

// Join is the address of every join.
func Join() Address { return Address{Key: Joins, Together: true} }

// Shared is the address of a function, wherever it is exposed.
func Shared(network, module, task string) Address {
	return Address{Key: SharedQueue(network, module, task), Together: true}
}

// Edge is the address of the queue that a plug has for itself.
func Edge(p model.Plug) Address { return Address{Key: EdgeQueue(p)} }

// Exchange names the exchange of a queue object.
func Exchange(q model.Queue) string { return scope(q.Network) + q.Name }

// OwnQueue names the socket's own broker queue.
func OwnQueue(s model.Socket) string {
	return scope(s.Network) + s.Queue + "." + s.Processor + "." + s.Task
}

// SharedQueue names the broker queue of a function, wherever it is exposed.
func SharedQueue(network, module, task string) string {
	return scope(network) + module + "." + task
}

// EdgeQueue names the broker queue that a plug has for itself.
func EdgeQueue(p model.Plug) string { return scope(p.Network) + p.Queue + ":" + p.Name }

// Queues names the broker queues that a worker takes calls of this endpoint alone
// from; ClassQueues are those that it takes calls of all its endpoints from.
func Queues(e model.Endpoint) []string {
	out := []string{OwnQueue(e.Socket), SharedQueue(e.Socket.Network, e.Module, e.Socket.Task)}
	for _, p := range e.In {
		out = append(out, EdgeQueue(p))
	}
	return out
}

// Channels names the event channels that news of a processor's calls is told on.
func Channels(s model.Socket, channel string) []string {
	n := scope(s.Network)
	return []string{n + s.Queue + "." + s.Processor + "." + channel, n + s.Processor + "." + channel, n + Global}
}

// Global is the channel on which everything is told.
const Global = "global"

// Room is the first part of a processor's channels, as events name it.
func Room(s model.Socket) string { return scope(s.Network) + s.Queue + "." + s.Processor }

func scope(network string) string {
	if network == "" || network == model.DefaultNetwork {
		return ""
	}
	return network + "/"
}

// Topology is what has to exist on the broker for an endpoint: its exchange and
// the queues that its worker takes calls from. Those of the classes are the same
// for all sockets of a processor.
func Topology(e model.Endpoint) broker.Topology {
	t := broker.Topology{
		Exchanges: []broker.Exchange{{Name: Exchange(e.Queue), Kind: broker.Kind(e.Queue.Type)}},
		Queues: []broker.Queue{
			Bound(e),
			{Name: SharedQueue(e.Socket.Network, e.Module, e.Socket.Task)},
		},
	}
	for _, name := range ClassQueues(e.Socket.Network, e.Socket.Processor) {
		t.Queues = append(t.Queues, broker.Queue{Name: name})
	}
	for _, p := range e.In {
		t.Queues = append(t.Queues, broker.Queue{Name: EdgeQueue(p)})
	}
	return t
}

// Bound is the socket's own queue with its binding to the exchange, which is the only one
// that the queues of an endpoint have.
func Bound(e model.Endpoint) broker.Queue {
	own := OwnQueue(e.Socket)
	return broker.Queue{Name: own, Limits: limits(e.Queue), Bindings: []broker.Binding{{Exchange: Exchange(e.Queue), Key: bindingKey(e.Queue, own)}}}
}

// Engine is the topology of the engine's own queues.
func Engine() broker.Topology {
	return broker.Topology{Queues: []broker.Queue{{Name: Records}, {Name: Joins}}}
}

func bindingKey(q model.Queue, own string) string {
	switch q.Type {
	case model.Topic:
		return "#"
	case model.Fanout:
		return ""
	}
	return own
}
