// Package outcome shows how a call ended: its result alone on stdout, or the
// error of its code on stderr.
package outcome

import (
	"fmt"
	"strings"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/cmd/flow/print"
	"github.com/elasticcode/flow/model"
)

// The forms of a result.
const (
	Raw  = "raw"  // text as it is, other values as JSON
	JSON = "json" // text as JSON, too
)

// Show prints the result of a call that succeeded. Of another it prints the
// error of the code, and returns the error of the command.
func Show(f *factory.Factory, out client.Outcome, form string) error {
	switch {
	case out.State != model.Succeeded:
		return failed(f, out)
	case form == JSON:
		return print.JSONLine(f.Out, out.Result)
	}
	return print.Result(f.Out, out.Result)
}

func failed(f *factory.Factory, out client.Outcome) error {
	id := out.ID
	if out.Joined != "" {
		id = out.Joined
	}
	failure := &exit.Error{Code: exit.Remote, Next: "flow ls call --id " + id}
	if out.Failure == nil {
		failure.Message = fmt.Sprintf("call %s is %s", id, out.State)
		return failure
	}
	if out.Failure.Trace != "" {
		if err := print.Failure(f.Err, *out.Failure); err != nil {
			return err
		}
	}
	failure.Message = fmt.Sprintf("call %s %s: %s: %s", id, ended(out.State), out.Failure.Error, strings.TrimRight(out.Failure.Message, "\n"))
	return failure
}

func ended(s model.State) string {
	switch s {
	case model.Failed, model.Dead:
		return "failed"
	case model.Expired:
		return "expired"
	}
	return "was " + string(s)
}
