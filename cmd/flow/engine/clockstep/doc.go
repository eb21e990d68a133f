// Package clockstep steps the wall clock of this process alone, for tests by
// faults: all of Go's time.Now in it is off by an offset, while the monotonic
// clock, and with it all pauses and timeouts, runs on. That is what a machine's
// clock does that somebody sets.
//
// It puts a function of its own in front of the one with which Go's runtime asks
// the kernel for the time. It is only there in programs for Linux on amd64 that
// were built with '-tags faults', since the runtime's variable is none of our
// business otherwise.
package clockstep
