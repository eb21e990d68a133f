package client

import (
	"errors"
	"strings"
)

// Code is what kind of failure an Error is. The set is closed; the flow command
// maps each to an exit status.
type Code string

// The codes of an Error.
const (
	CodeUsage        Code = "usage"        // the request was not understood
	CodeInvalid      Code = "invalid"      // understood, and refused for what it says
	CodeNotFound     Code = "not_found"    // nothing has this name
	CodeConflict     Code = "conflict"     // the name is taken, or the object is in use
	CodeUnauthorized Code = "unauthorized" // no token, or one that is not valid (any more)
	CodeForbidden    Code = "forbidden"    // the token's scope does not allow it
	CodeTooLarge     Code = "too_large"    // over a limit of size
	CodeUnavailable  Code = "unavailable"  // the broker, database or cache cannot be reached, or is full, now
	CodeTimeout      Code = "timeout"      // it took longer than it may
	CodeInternal     Code = "internal"     // a fault of the server
	// CodeUnreachable is given by the client only: there is no answer.
	CodeUnreachable Code = "unreachable"
)

// Error is why a request failed, in words for a person.
type Error struct {
	// Code is what kind of failure it is.
	Code Code
	// Status is the HTTP status of the answer; 0 when there was none.
	Status int
	// Message says what failed and why.
	Message string
	// Hint says what to do next; it may be empty.
	Hint string
	// Suggestions are existing names close to one that was not found.
	Suggestions []string
	// Err is the cause, where there is one on this side of the connection.
	Err error
}

// Error returns the message, and names that were perhaps meant.
func (e *Error) Error() string {
	if len(e.Suggestions) == 0 {
		return e.Message
	}
	return e.Message + " (did you mean " + strings.Join(e.Suggestions, " or ") + "?)"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of an *Error in err's chain; "" when there is none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// IsNotFound tells whether nothing has the name that was asked for.
func IsNotFound(err error) bool { return CodeOf(err) == CodeNotFound }

// IsConflict tells whether a name is taken or an object in use.
func IsConflict(err error) bool { return CodeOf(err) == CodeConflict }

// IsUnauthorized tells whether the token is missing or not valid.
func IsUnauthorized(err error) bool { return CodeOf(err) == CodeUnauthorized }

// IsForbidden tells whether the token's scope does not allow the operation.
func IsForbidden(err error) bool { return CodeOf(err) == CodeForbidden }

// IsUnreachable tells whether there was no answer from the server.
func IsUnreachable(err error) bool { return CodeOf(err) == CodeUnreachable }

// IsTemporary tells whether the same request may succeed later: the server, or
// something behind it, cannot be reached now.
func IsTemporary(err error) bool {
	switch CodeOf(err) {
	case CodeUnreachable, CodeUnavailable, CodeTimeout:
		return true
	}
	return false
}
