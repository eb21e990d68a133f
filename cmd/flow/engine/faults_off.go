//go:build !faults

package engine

// faults gives no fault points: they are only compiled into the program that
// the fault tests build.
func faults() func(point string) { return nil }
