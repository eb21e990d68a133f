package api

import (
	"fmt"
	"slices"
	"strings"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
)

// checkArguments returns an error when the function cannot be called with what
// was submitted, as Python would say it, but before anything is queued.
func checkArguments(t model.Task, s client.Submission) error {
	if s.Argument != "" {
		return hasArgument(t, s.Argument)
	}
	positions, many := positional(t)
	if len(s.Args) > len(positions) && !many {
		return invalid(fmt.Sprintf("function %s takes at most %d positional arguments, and %d were given", t.Name, len(positions), len(s.Args)), signature(t))
	}
	given := positions[:min(len(s.Args), len(positions))]
	for name := range s.Kwargs {
		if err := checkKeyword(t, name, given); err != nil {
			return err
		}
	}
	var missing []string
	for _, arg := range t.Required() {
		if _, ok := s.Kwargs[arg.Name]; !ok && !slices.Contains(given, arg.Name) {
			missing = append(missing, arg.Name)
		}
	}
	if len(missing) > 0 {
		return invalid(fmt.Sprintf("function %s needs a value for %s", t.Name, strings.Join(missing, " and ")), signature(t))
	}
	return nil
}

func checkKeyword(t model.Task, name string, given []string) error {
	arg, declared := t.Argument(name)
	switch {
	case slices.Contains(given, name):
		return invalid(fmt.Sprintf("argument %s of function %s was given twice: by position and by name", name, t.Name), signature(t))
	case declared && !arg.Input() && arg.Kind != model.VarKeyword && arg.Kind != model.VarPositional:
		return invalid(fmt.Sprintf("argument %s of function %s is filled by the engine", name, t.Name), "leave it out")
	case declared && arg.Kind == model.PositionalOnly:
		return invalid(fmt.Sprintf("argument %s of function %s can only be given by position", name, t.Name), signature(t))
	case t.AcceptsKeyword(name):
		return nil
	}
	names := inputs(t)
	return invalid(fmt.Sprintf("function %s has no argument %q", t.Name, name), signature(t), nearest(name, names)...)
}

// positional names the arguments that are filled by position, and tells
// whether any number of further values is taken.
func positional(t model.Task) (names []string, many bool) {
	for _, arg := range t.Arguments {
		switch {
		case arg.Kind == model.VarPositional:
			many = true
		case arg.Input() && (arg.Kind == model.PositionalOnly || arg.Kind == model.PositionalOrKeyword):
			names = append(names, arg.Name)
		}
	}
	return names, many
}

// signature shows what a function takes, as a hint.
func signature(t model.Task) string {
	var parts []string
	for _, arg := range t.Arguments {
		switch {
		case arg.Kind == model.VarPositional:
			parts = append(parts, "*"+arg.Name)
		case arg.Kind == model.VarKeyword:
			parts = append(parts, "**"+arg.Name)
		case !arg.Input():
		case arg.HasDefault:
			parts = append(parts, arg.Name+"=…")
		default:
			parts = append(parts, arg.Name)
		}
	}
	return fmt.Sprintf("it is %s(%s)", t.Name, strings.Join(parts, ", "))
}
