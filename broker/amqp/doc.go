// Package amqp is the broker driver for RabbitMQ, 3.10 and 4.x.
//
// # Connections
//
// A Broker keeps one connection for publishing and one or more for consuming:
// a broker under a memory alarm stops reading from publishing connections, and
// acks must not be stuck behind them. A supervisor per connection (link) dials
// again, without end and with jitter, whenever it is lost. The client library's
// own recovery stays off: it re-opens the same channel object, where delivery
// tags begin at 1 again, so that a late ack would settle somebody else's message.
// Here every session has channels of its own, and a delivery keeps the one it
// came from.
//
//	Publish ──► publisher ──► link "publish" ──► session ──► connection
//	Consume ──► consumer  ──► link "consume" ──► session ──► connection
//	Declare, Inspect, Peek …─────────┘ (a throw-away channel each)
//
// # Publishing
//
// Messages go out on one channel in confirm mode, at most Window unconfirmed at
// a time over all callers; each caller waits for its own confirmations. When the
// session ends, what was not confirmed is in doubt and goes out again on the next
// one under the same message id, with the header flow-repeat. All are mandatory:
// RabbitMQ returns what reaches no queue before it acks it, and the driver takes
// note of the return before the library sees the ack (publisher.returns).
//
// # Queues
//
// All queues are durable quorum queues. Expired messages are dead-lettered at
// least once to flow.dead. A delayed message waits in a queue shared by all
// messages of about the same delay (flow.delay.<ms>), whose dead letters go to
// the exchange flow.return; every queue is bound to that by its name, and the
// routing key never changed. What finds its queue gone goes to flow.dead.
//
// RabbitMQ does not list bindings over AMQP. Bindings that are not listed any
// more are therefore removed if this Broker declared them; those declared by
// another process stay until it, or a person, removes them.
package amqp
