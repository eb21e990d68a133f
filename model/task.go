package model

import "encoding/json"

// Kind is how a value may be passed for an argument; the names are Python's.
type Kind string

// The kinds of arguments.
const (
	PositionalOnly      Kind = "POSITIONAL_ONLY"
	PositionalOrKeyword Kind = "POSITIONAL_OR_KEYWORD"
	VarPositional       Kind = "VAR_POSITIONAL"
	KeywordOnly         Kind = "KEYWORD_ONLY"
	VarKeyword          Kind = "VAR_KEYWORD"
)

// Argument is one parameter of a task.
type Argument struct {
	Name     string `json:"name"`
	Position int    `json:"position"` // from 0, as declared
	Kind     Kind   `json:"kind"`
	// HasDefault says that the argument may be left out; Default is its value
	// where it is a JSON value (null otherwise).
	HasDefault bool            `json:"has_default"`
	Default    json.RawMessage `json:"default,omitempty"`
	// Schema is a JSON Schema made from the type hint; empty accepts anything.
	Schema json.RawMessage `json:"schema,omitempty"`
}

// Task is a function of a processor's module, as its runtime described it.
type Task struct {
	ID        string          `json:"id"`
	Network   string          `json:"network"`
	Processor string          `json:"processor"` // name
	Module    string          `json:"module"`
	Name      string          `json:"name"`
	Doc       string          `json:"doc,omitempty"`
	Source    string          `json:"source,omitempty"`
	Arguments []Argument      `json:"arguments"`
	Returns   json.RawMessage `json:"returns,omitempty"` // JSON Schema of the result, where hinted
	Commit    string          `json:"commit"`
}

// The names a function may ask for to talk to the engine; they are filled by
// the runtime and are not inputs.
const (
	ArgumentPlugs  = "plugs"  // choose plugs: plugs["name"] = value
	ArgumentOutput = "output" // a mapping kept for modules written for the original
)

// Input tells whether a value for the argument comes from the caller.
func (a Argument) Input() bool {
	return a.Kind != VarPositional && a.Kind != VarKeyword && a.Name != ArgumentPlugs && a.Name != ArgumentOutput
}

// Required lists the arguments a call must bring, in order of position.
func (t Task) Required() []Argument {
	var out []Argument
	for _, a := range t.Arguments {
		if a.Input() && !a.HasDefault {
			out = append(out, a)
		}
	}
	return out
}

// Argument returns the named argument.
func (t Task) Argument(name string) (Argument, bool) {
	for _, a := range t.Arguments {
		if a.Name == name {
			return a, true
		}
	}
	return Argument{}, false
}

// AcceptsKeyword tells whether the function takes the name as a keyword.
func (t Task) AcceptsKeyword(name string) bool {
	for _, a := range t.Arguments {
		if a.Kind == VarKeyword || a.Name == name && (a.Kind == PositionalOrKeyword || a.Kind == KeywordOnly) {
			return true
		}
	}
	return false
}
