package flags

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/model"
)

// Limit is how fast runs may begin.
type Limit struct {
	cmd   *cobra.Command
	Rate  string
	Burst int
}

// LimitNames are the options of a Limit.
var LimitNames = []string{"rate", "burst"}

// Add adds the options to the command; what says whose runs are meant.
func (l *Limit) Add(cmd *cobra.Command, what string) {
	l.cmd = cmd
	cmd.Flags().StringVar(&l.Rate, "rate", "", "how many "+what+" may begin in a time, over all workers: 10/s, 90/m or 5/h; none is no limit")
	cmd.Flags().IntVar(&l.Burst, "burst", 0, "how many may begin at once after a while without any; 0 is as many as the rate gives in a second")
	_ = cmd.RegisterFlagCompletionFunc("rate", cobra.NoFileCompletions)
}

// Fill puts what was said into a limit.
func (l *Limit) Fill(out *model.Limit) error {
	limit, err := model.Limit{}.Changed(&l.Rate, &l.Burst)
	if err != nil {
		return Valid(err)
	}
	*out = limit
	return nil
}

// Patch returns what was said, nil for what was not.
func (l *Limit) Patch() (rate *string, burst *int, err error) {
	if rate = If(l.cmd, "rate", strings.TrimSpace(l.Rate)); rate != nil {
		r, err := model.ParseRate(*rate)
		if err != nil {
			return nil, nil, Valid(err)
		}
		if *rate = string(r); r == "" {
			*rate = "none"
		}
	}
	return rate, If(l.cmd, "burst", l.Burst), nil
}
