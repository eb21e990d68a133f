// Package jetstream is the broker contract on NATS JetStream.
//
// How the contract's words map:
//
//   - A queue is a stream with work-queue retention and one subject, and one
//     durable consumer on it, named "work". Many streams are cheap: a thousand
//     idle ones cost 100 kB each and no processor time.
//   - Exchanges and bindings live in a small table (a key-value bucket) that
//     every Broker watches; the publisher finds the queues of a message itself.
//     A message that finds none makes it catch up with the table before it gives
//     up, so what another process declared before is seen.
//   - Publish gives each message a Nats-Msg-Id of its own and sends it again
//     under it when it is in doubt; the stream keeps the first. The contract's
//     Message.ID travels in a header: a retried or redriven message has the same
//     ID and must not be taken for a repeat.
//   - A delayed message waits in a stream of its own. One Broker at a time (a
//     lease in the table says which) moves what is due. The server's message
//     schedules are not used: they fire to 250 ms at best and exclude queues
//     that refuse messages when full.
//   - An unsettled delivery is kept from others for AckWait, prolonged for as long
//     as this process lives. It comes back at once when its connection is lost
//     and found again, when the Broker is closed and when the server is restarted,
//     and after AckWait when only this process dies.
//   - Expired messages are moved to the dead letters when they would be delivered,
//     and by the holder of the lease where a queue has no consumer.
//
// MaxMessages and MaxBytes count what is delivered and not settled yet, too.
//
// The names of streams and subjects are listed in names.go; Config.Prefix keeps
// several systems apart on one server.
package jetstream
