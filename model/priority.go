package model

import "fmt"

// Priority is the class of a call: calls of a higher class are begun before
// those of a lower one that wait at the same processor.
type Priority string

// The priorities of a call. Where none is given it is Normal, and the empty
// Priority means the same.
const (
	High   Priority = "high"
	Normal Priority = "normal"
	Low    Priority = "low"
)

// Priorities lists all priorities, the highest first.
func Priorities() []Priority { return []Priority{High, Normal, Low} }

// Check tells what is wrong with a priority, or returns nil.
func (p Priority) Check() error {
	switch p {
	case "", High, Normal, Low:
		return nil
	}
	return fmt.Errorf("priority %.20q is unknown: use high, normal or low", string(p))
}

// Named is the priority with its name, also where none was given.
func (p Priority) Named() Priority {
	if p == "" {
		return Normal
	}
	return p
}

// Brief is the priority as it travels and is kept: Normal is left out.
func (p Priority) Brief() Priority {
	if p == Normal {
		return ""
	}
	return p
}

// Rank is the place among the priorities, the highest first: 0, 1 or 2.
func (p Priority) Rank() int {
	switch p {
	case High:
		return 0
	case Low:
		return 2
	}
	return 1
}

// Higher returns the higher of two priorities.
func Higher(a, b Priority) Priority {
	if b.Rank() < a.Rank() {
		return b
	}
	return a
}
