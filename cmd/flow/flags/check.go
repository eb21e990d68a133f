package flags

import (
	"time"

	"github.com/elasticcode/flow/cmd/flow/exit"
)

// Milliseconds is the duration of an option in milliseconds. One that is not 0
// but shorter would be lost on the way.
func Milliseconds(name string, d time.Duration) (int64, error) {
	switch {
	case d < 0:
		return 0, exit.Usagef("--%s %s: give a duration above 0", name, d)
	case d > 0 && d < time.Millisecond:
		return 0, exit.Usagef("--%s %s: the shortest duration is 1ms", name, d)
	}
	return d.Milliseconds(), nil
}

// Valid makes what is wrong with an object an error of the command line, before
// the server is asked.
func Valid(err error) error {
	if err == nil {
		return nil
	}
	return &exit.Error{Code: exit.Usage, Message: err.Error(), Err: err}
}
