// Package api is the server's HTTP API under /v1: what people, the command
// line, the UI and agents speak to. It is described by the OpenAPI 3.1 document
// at /v1/openapi.json, which is made from the code.
//
// There is a file per noun; a handler is a plain function from a request to an
// answer or an error. What they have in common is done in one place each:
// who may do what (guard.go, with the table in package access), how an error
// becomes an answer (problem.go), and what is told after a change (bell.go).
//
// # Order of a change
//
// What a change needs on the broker is declared first and written to the
// database after that, so that nothing that is listed lacks its queues; what is
// no longer needed is removed from the broker last. A failure in between
// leaves a queue too many at most, which the next change of the kind reuses.
// Every change is announced on the event bus after it was committed.
//
// # Submitting
//
// A call is accepted when the broker has it on disk: no database is asked for a
// call. Names are looked up in a cache that is at most a second old and is
// forgotten with every announced change; while the database is away it goes on
// with what it knew.
package api
