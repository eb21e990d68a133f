// Package parcel lets messages that are published together to one place travel
// as one: it is a broker over another one. What a broker does for a message (the
// write to disk, the confirmation, the delivery, the ack) then happens once for
// up to 32 of them, which is most of what a quick call costs.
//
// The contract stays as it is. Whoever consumes gets a delivery for each message
// and settles each on its own; the parcel is acked when all of them are settled.
// One that is given back goes back alone, as a message of its own, so that
// others can have it while its siblings run. Two things are different for
// messages that were marked with Together:
//
//   - the prefetch of a consumer and the statistics of a queue count parcels;
//   - when a session ends, all messages of a parcel come again, those that were
//     settled, too, unless all were. A repeat has the same id, as always.
//
// Only a crowd is packed: so that there is something to share between
// consumers, no parcel has more than a sixteenth of what is published together.
package parcel
