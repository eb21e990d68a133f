package api

import (
	"fmt"
	"time"
)

// timeOf reads a time in a query, which may be said as how long ago it was. None
// is the zero time.
func timeOf(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return time.Now().Add(-d), nil
	}
	return time.Time{}, invalid(fmt.Sprintf("%s=%.64q is neither a time nor a duration", name, text), "write 2026-01-31T08:00:00Z, or 5m for five minutes ago")
}

// between reads the two ends of a period in a query.
func between(since, until string) (from, to time.Time, err error) {
	if from, err = timeOf("since", since); err != nil {
		return from, to, err
	}
	if to, err = timeOf("until", until); err != nil {
		return from, to, err
	}
	if !from.IsZero() && !to.IsZero() && !from.Before(to) {
		err = invalid(fmt.Sprintf("until=%.64q is not after since=%.64q: no time is between them", until, since), "give an earlier since or a later until")
	}
	return from, to, err
}
