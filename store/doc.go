// Package store keeps the model in a database: the objects people declare, what
// is observed of them, the history of calls, and joins whose arguments arrive at
// different times.
//
// Only the server opens a store. The drivers store/postgres and store/sqlite
// open one; store/storetest holds both to the same behaviour. The schema comes
// from the versioned SQL files in store/migrations, never from the structs.
//
// # Errors
//
// What a person asked for and cannot have is a *NotFound, *Exists, *InUse,
// *Ambiguous or *Conflict; each matches its sentinel (ErrNotFound, …) with
// errors.Is. A database that cannot be reached now is ErrUnavailable, one whose
// schema does not fit this program ErrUnmigrated or ErrNewer.
//
// # Wishes and observations
//
// A processor carries both. UpdateProcessor writes wishes only and raises
// Generation when one changed; ReportProcessors and Heartbeat write Status,
// Message and Observed only, and never let an older generation speak over a
// newer one.
//
// # Calls
//
// Records of calls come in any order and more than once. A call moves forward
// only:
//
//	queued, waiting ─► running ─► retrying ─► running (next attempt) ─► … ─► ended
//
// A record counts when its (attempt, state) lies further on; an ended state
// counts over any that has not ended, and the first ended state stays, until
// Reopen. Those that ended badly are on the list of the dead letters, until they
// are reopened or dropped; what is reopened is in an outbox until it was sent.
// What a record lacks, and an earlier one brought, is kept.
//
// Nearly all calls succeed. In which state the others are is also said in
// call_states, so that they are found without reading the history.
//
// Ids of calls begin with a time, by which a database may keep the history in
// parts (Partitioner); docs/history.md says how and why.
package store
