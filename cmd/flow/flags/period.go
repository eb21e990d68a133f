package flags

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/cmd/flow/exit"
)

// Period is the time that a listing is about.
type Period struct {
	cmd          *cobra.Command
	Since, Until string
}

// PeriodNames are the options of a Period.
var PeriodNames = []string{"since", "until"}

// Add adds the options to the command; what says which calls are meant: those
// that were made then, or that ended.
func (p *Period) Add(cmd *cobra.Command, what string) {
	p.cmd = cmd
	set := cmd.Flags()
	set.StringVar(&p.Since, "since", "", "only calls that "+what+" since then: how long ago (2h), a time (2026-01-31T08:00:00Z), or a date (2026-01-31), which is when that day begins here")
	set.StringVar(&p.Until, "until", "", "only calls that "+what+" before then, said in the same ways")
	for _, name := range PeriodNames {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
}

// Between returns the ends of the period; what was not said is the zero time.
func (p *Period) Between(now time.Time) (since, until time.Time, err error) {
	if since, err = p.moment("since", p.Since, now); err != nil {
		return since, until, err
	}
	if until, err = p.moment("until", p.Until, now); err != nil {
		return since, until, err
	}
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		err = exit.Usagef("--until %s is not after --since %s: no time is between them; give an earlier --since or a later --until", p.Until, p.Since)
	}
	return since, until, err
}

// moment reads a time as people say it. One that was given and is empty is a
// mistake: it would be taken for all calls.
func (p *Period) moment(name, text string, now time.Time) (time.Time, error) {
	if !Given(p.cmd, name) {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	// Tables show times in the reader's zone, and so dates are of it, too.
	if t, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return t, nil
	}
	return time.Time{}, exit.Usagef("--%s %q is neither how long ago (2h), nor a time (2026-01-31T08:00:00Z), nor a date (2026-01-31): write it as one of these", name, text)
}
