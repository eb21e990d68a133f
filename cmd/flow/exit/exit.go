// Package exit is how the flow command fails: the closed set of exit codes, the
// one function that maps errors to them, and the form in which a person sees an
// error: what and why, what was perhaps meant, and what to do next.
package exit

import (
	"context"
	"errors"
	"fmt"

	"github.com/elasticcode/flow/client"
)

// The exit codes. "flow help exit-codes" shows them.
const (
	OK          = 0
	Failure     = 1   // something went wrong
	Usage       = 2   // the command line, or what it says, is wrong
	NotFound    = 3   // nothing has that name or id
	Auth        = 4   // no token, a token that is not valid, or not enough rights
	Conflict    = 5   // the name is taken, or the object is in use
	Unreachable = 6   // the server, or the broker or database behind it, cannot be reached
	Timeout     = 7   // it took longer than it may
	Remote      = 8   // the call ran and failed
	Interrupted = 130 // Ctrl-C
)

// Error is a failure of a command with its exit code.
type Error struct {
	// Code is the exit code.
	Code int
	// Message says what failed and why.
	Message string
	// Suggestions are what was perhaps meant.
	Suggestions []string
	// Next is what to do next: a command, or a sentence.
	Next string
	// Err is the cause, where there is one.
	Err error
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Usagef is an error of the command line.
func Usagef(format string, args ...any) *Error {
	return &Error{Code: Usage, Message: fmt.Sprintf(format, args...)}
}

// WithNext returns the error with what to do next.
func (e *Error) WithNext(format string, args ...any) *Error {
	e.Next = fmt.Sprintf(format, args...)
	return e
}

// Code maps an error to the exit code of the process. It is the only place that
// does.
func Code(err error) int {
	var own *Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &own):
		return own.Code
	}
	switch client.CodeOf(err) {
	case client.CodeUsage, client.CodeInvalid, client.CodeTooLarge:
		return Usage
	case client.CodeNotFound:
		return NotFound
	case client.CodeUnauthorized, client.CodeForbidden:
		return Auth
	case client.CodeConflict:
		return Conflict
	case client.CodeUnreachable, client.CodeUnavailable:
		return Unreachable
	case client.CodeTimeout:
		return Timeout
	case client.CodeInternal:
		return Failure
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Interrupted
	case errors.Is(err, context.DeadlineExceeded):
		return Timeout
	}
	return Failure
}
