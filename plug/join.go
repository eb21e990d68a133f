package plug

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/elasticcode/flow/model"
)

// Needs lists, in order of position, the arguments that must have arrived
// before the task can run: those without a default, and those that a plug
// feeds or that has just arrived, since someone means to bring them.
func Needs(t model.Task, fed []string) []string {
	var out []string
	for _, a := range t.Arguments {
		if a.Input() && (!a.HasDefault || slices.Contains(fed, a.Name)) {
			out = append(out, a.Name)
		}
	}
	return out
}

// Arguments puts the values that met into the form the task takes them in:
// those that can be passed by position as far as they go without a gap, the
// others by name. References to large values, which begin with the argument's
// name, follow their values.
func Arguments(t model.Task, values map[string]json.RawMessage, refs []model.Ref) (args []json.RawMessage, kwargs map[string]json.RawMessage, moved []model.Ref) {
	kwargs = map[string]json.RawMessage{}
	gap := false
	for _, a := range t.Arguments {
		v, ok := values[a.Name]
		if !ok {
			gap = gap || a.Input()
			continue
		}
		if !gap && (a.Kind == model.PositionalOnly || a.Kind == model.PositionalOrKeyword) {
			moved = append(moved, model.Rebase(refs, model.Pointer(a.Name), model.Pointer("args", strconv.Itoa(len(args))))...)
			args = append(args, v)
		} else {
			moved = append(moved, model.Rebase(refs, model.Pointer(a.Name), model.Pointer("kwargs", a.Name))...)
			kwargs[a.Name] = v
		}
	}
	if len(kwargs) == 0 {
		kwargs = nil
	}
	return args, kwargs, moved
}
