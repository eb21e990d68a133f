// Package worker is the loop of one worker: it takes the calls of a processor's
// sockets from their queues, has them run by the processor's code in a child
// process, and settles what follows.
//
// The order of effects, for one call:
//
//  1. receive: the delivery is unsettled until the last step.
//  2. claim: ask the result store for the right to run the call. If it has
//     ended already (this is a repeat), go on with step 5 and the stored result;
//     if another worker runs it, put the delivery back for a moment. A result
//     store that was emptied knows neither: an older call waits then, after the first
//     minute only a repeat, until the history can tell whether it has ended (recall.go).
//     A call of a socket with limits needs a pass as well: a token from each
//     bucket, a place in the room (door.go, pass.go). Without, it waits or goes
//     back to its queue. A place is given back when the result is kept.
//  3. run: large values are fetched, and the child process runs the function. Claims
//     are renewed meanwhile; on one that may have ended nothing is begun, and a call
//     that another worker has claimed since is left to it (lease.go).
//  4. result: values that are too large to travel are made durable first, so
//     that a reference never names what may be lost (values.go). Then keep the
//     result, which also ends the claim and wakes who waits.
//     A failure that is to be tried again keeps none.
//  5. publish, confirmed, in one window: the record for the history, the calls
//     that follow through the plugs, and the delayed copy of a call that is to
//     be tried again. The ids of the calls that follow derive from this one. A
//     message with such a copy is marked, and not run when it comes again (tried.go);
//     after that its claim is given back.
//  6. news: tell the event bus, which may lose it.
//  7. ack.
//
// A call that a person cancelled has a result, too: it ends at step 2, or its
// run is ended with the process within about a second, and nothing follows
// from it (cancel.go).
//
// A crash between any two steps leaves the delivery unsettled, so the call
// comes again. Before step 4 it runs again; after it, only steps 5 to 7 are
// repeated, with the same ids. What is ready together is committed together:
// one round trip for the claims of all calls that were received, one for all
// results, one confirm window for everything published. A lone call waits for
// nobody: a batch is whatever is ready.
//
// The goroutines of a session (the time between two starts of the child):
//
//	Receiver ──► intake (1, 2) ──► host (3) ──► committer (4 … 7)
//
// The host owns the child process and the calls that it was given. When the
// child dies, the call that ran is charged with the crash, and those that were
// only waiting in the pipe go back to their queues uncharged.
package worker
