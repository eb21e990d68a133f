package model

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate is how many runs may begin in a time: "10/s", "90/m", "5/h". Empty is no limit.
type Rate string

// The largest limits that are accepted.
const (
	MaxRate    = 1_000_000 // calls in the rate's unit of time
	MaxBurst   = 1_000_000
	MaxRunning = 10_000
)

var rateUnits = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}

// ParseRate reads a rate as people write it; "none", "0" and "" are no limit.
func ParseRate(text string) (Rate, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "" || text == "none" || text == "0" {
		return "", nil
	}
	count, unit, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(count)
	if _, known := rateUnits[unit]; err != nil || !known || n < 1 || n > MaxRate {
		return "", fmt.Errorf("rate %q: write how many calls in a time, 1 to %d, for example 10/s, 90/m or 5/h; none is no limit", text, MaxRate)
	}
	return Rate(strconv.Itoa(n) + "/" + unit), nil
}

// PerSecond is how many runs may begin in a second; 0 without a limit.
func (r Rate) PerSecond() float64 {
	count, unit, _ := strings.Cut(string(r), "/")
	n, err := strconv.Atoi(count)
	per, known := rateUnits[unit]
	if err != nil || !known {
		return 0
	}
	return float64(n) / per.Seconds()
}

// Limit bounds how fast runs begin: a bucket that holds Burst tokens and is
// refilled at Rate, and each run takes one.
type Limit struct {
	Rate Rate `json:"rate,omitempty"`
	// Burst is how many may begin at once after a while without any; 0 is as
	// many as the rate gives in a second, and at least one.
	Burst int `json:"burst,omitempty"`
}

// Size is the burst that counts.
func (l Limit) Size() int {
	if l.Burst > 0 {
		return l.Burst
	}
	return max(1, int(math.Floor(l.Rate.PerSecond())))
}

// Limited tells whether there is a limit.
func (l Limit) Limited() bool { return l.Rate != "" }

// Text is the limit as a table shows it: "10/s (20)". It is not called String,
// which would be what a socket or a processor is printed as.
func (l Limit) Text() string {
	if !l.Limited() {
		return ""
	}
	return fmt.Sprintf("%s (%d)", l.Rate, l.Size())
}

// Changed is the limit after a change of what was given; nil leaves a value as
// it is. Without a rate there is no burst either.
func (l Limit) Changed(rate *string, burst *int) (Limit, error) {
	if rate != nil {
		r, err := ParseRate(*rate)
		if err != nil {
			return l, err
		}
		if l.Rate = r; r == "" {
			l.Burst = 0
		}
	}
	if burst != nil {
		l.Burst = *burst
	}
	return l, nil
}

// check tells what is wrong with the limit of a thing.
func (l Limit) check(of string) error {
	if r, err := ParseRate(string(l.Rate)); err != nil || r != l.Rate {
		return fmt.Errorf("%s: rate %q: write how many calls in a time, for example 10/s, 90/m or 5/h; leave it out for no limit", of, l.Rate)
	}
	switch {
	case l.Burst < 0 || l.Burst > MaxBurst:
		return fmt.Errorf("%s: burst %d: use 1 to %d, or 0 for what the rate gives in a second", of, l.Burst, MaxBurst)
	case l.Burst > 0 && l.Rate == "":
		return fmt.Errorf("%s: a burst of %d is for a rate, and there is none: give a rate, too", of, l.Burst)
	}
	return nil
}
