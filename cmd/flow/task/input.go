package task

import (
	"encoding/json"
	"errors"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/value"
)

// input fills in the values of the call from the options, else from stdin. With
// --lines there is nothing to fill in yet.
func input(o *RunOptions, s *client.Submission) error {
	var err error
	if o.Kwargs != "" {
		if s.Kwargs, err = value.Object(o.Kwargs, o.In); err != nil {
			return bad("--kwargs", err)
		}
	}
	switch {
	case o.Args != "":
		if s.Args, err = value.List(o.Args, o.In); err != nil {
			return bad("--args", err)
		}
	case o.HasData:
		v, err := value.Parse(o.Data, o.In)
		if err != nil {
			return bad("--data", err)
		}
		s.Args = []json.RawMessage{v}
	case o.NoData || o.Lines || o.Kwargs != "":
	case o.Piped:
		text, err := value.ReadText(o.In, "stdin")
		if err != nil {
			return bad("stdin", err)
		}
		s.Args = []json.RawMessage{value.Text(text)}
	default:
		return exit.Usagef("there is no data for the call").
			WithNext("give a value with -d, pipe text in, or say -nd for a call without data")
	}
	return nil
}

// bad is an error of what was typed.
func bad(where string, err error) error {
	out := &exit.Error{Code: exit.Usage, Message: where + ": " + err.Error(), Err: err}
	if _, ok := errors.AsType[*value.Syntax](err); ok {
		out.Next = `if text was meant, write it as a JSON string: '"[like this"'`
	}
	return out
}
