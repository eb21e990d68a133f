// Package model is the vocabulary of Flow: the objects people declare (network,
// queue, processor, socket, plug), what is observed of them (node, agent,
// worker, deployment), the calls that run through them, and their states.
//
// It is the bottom of the house: it imports the standard library only, knows no
// database, broker or wire, and its methods are small and pure. JSON names are
// snake_case and are the public contract of the API, of the command line's
// -o json and of the messages on the broker.
//
// Life of a call's state:
//
//	          ┌──────────► waiting ──────────┐ (a join is incomplete)
//	          │                              ▼
//	accepted ─┴─► queued ───► running ──► succeeded
//	                ▲           │  │
//	                │           │  ├────► failed     (the code said no, for good)
//	            retrying ◄──────┘  ├────► cancelled  (a person said no)
//	         (a delay first)       ├────► expired    (too late: deadline or TTL)
//	                               └────► dead       (parked with its reason; can be redriven)
package model
