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
// One call in 150 carries 200 KiB from start to sink, which looks whether they
// are whole; some calls have a high or a low priority; and the calls of failed
// take places of a limit (max_running).
//
// Recovery is how long, after the last disturbance ended, it took until every
// call accepted before that had reached its end. Afterwards the history must
// have every call in a terminal state, every process must run that no fault
// ended, and somebody must have said what was waited for. After each scenario
// nothing may be held any more: messages in the queue, claims, places of limits, and
// where RabbitMQ tells, messages that are not acked. After all of them neither
// messages of any kind may be left behind, child processes, nor more goroutines in a
// process than when it had nothing to do for the first time.
//
// # What is broken
//
//   - Processes: kill -9 of workers' children, agents and servers at random, and
//     at every fault point of a worker's and a server's order of effects. Calls
//     that kill the process that runs them. Agents and servers that start while a
//     service is away.
//   - Long calls: the host that runs one dies, its agent alone dies, or it is cut off
//     and comes back; the call runs elsewhere within 30 s, and the node counts as
//     down. RabbitMQ (its own) closes the channel of a call that runs for five times
//     its consumer timeout; the call runs once, and others go on meanwhile.
//   - Machines: an agent stands still for longer than its claims last and RabbitMQ waits
//     for its heartbeats, and then goes on with the calls that it had.
//   - Connections, by a proxy in front of each service: cut, refused, stalled, slowed.
//   - Services of its own (long form): stopped for a minute and killed, one by one
//     and all at once; Redis comes back empty, or is full; PostgreSQL takes no
//     writes; RabbitMQ's memory alarm.
//   - The disk of an embedded stack: full for a while (as root on Linux).
//   - What Redis knows: emptied, alone and together with other faults.
//   - Clocks: each process' wall clock is wrong by ten minutes, ahead or behind,
//     one after the other, while Redis is emptied and RabbitMQ's connections are cut.
//   - The model: sockets move to another queue and back, the processor stops and
//     starts, with more workers or fewer, and a limit changes.
//   - Messages: the same call three times on the broker, the same submission to two
//     servers at once, and queues that somebody empties.
//
// The short form (-quick) drives a part of it on all stacks. The long form also
// stops, flushes and starts services of its own, and submits more than 200,000 calls.
// CHAOS_KEEP=1 keeps the logs and the ledger.
package main
