// Package client is the Go client of a Flow server's HTTP API. The flow command
// and the agents use it, and so can any Go program.
//
// It also holds the bodies of requests and answers that are not objects of
// package model (Submission, ProcessorInput, …): the server imports them from
// here, so that both ends agree by compiling.
//
// Every request ends: one that is not told otherwise by its context takes at
// most Config.Timeout, and one that waits for something (SubmitWait, Result,
// Plan) the time it was told to wait and a little more. What goes wrong is an
// *Error with one of a small set of codes and a hint of what to do next.
package client
