// Command chaos proves that Flow loses nothing and repeats nothing downstream,
// whatever dies. It starts real processes of a flow program that was built with
// fault points ('go build -tags faults'), lets calls flow through a graph with a
// fan-out, a join and an error plug, and meanwhile breaks things: processes,
// connections, services, single messages.
//
//	               ┌─► left ──► both(a)
//	start ─RESULT──┤            both     ──► sink
//	  │            └─► right ─► both(b)
//	  └────ERROR───► failed
//
// Every function writes one line into a ledger when it runs: its name, the
// number that the call carries, the call's id, the attempt, the process and the
// time. Numbers are unique, so the ledger tells for each accepted call
//
//   - lost: how many calls did not reach the end of their path;
//   - duplicated: how many functions ran for it under a second call id, or again
//     under the same id although no process had been ended meanwhile;
//   - repeats: lines written again under the same id in a scenario that ends
//     processes: an effect inside a function may repeat when its process, or the
//     agent that was about to note its result, dies. It is told apart by the id,
//     which code can use as its idempotency key.
//
// Recovery is how long, after the last disturbance ended, it took until every
// call accepted before that had reached its end. Afterwards the history must
// have every call in a terminal state, and nothing may be left behind: messages
// on the broker, claims, or child processes.
//
// The short form (-quick) drives a part of it on both stacks. The long form also
// stops, flushes and starts services of its own, and submits 100,000 calls.
package main
