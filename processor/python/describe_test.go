package python_test

import (
	"encoding/json"
	"testing"

	"github.com/elasticcode/flow/model"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	program, err := prepare(t, "m", map[string]string{
		"other.py": "def imported(): pass\ndef listed(): pass\n",
		"m.py": `
import dataclasses, enum, typing
from os.path import join
from typing import Any, Dict, List, Literal, Optional, Tuple, TypedDict, Union
from other import imported, listed
__all__ = ["listed", "f"]
class Box(TypedDict, total=False):
    a: int
@dataclasses.dataclass
class Point:
    x: int
    y: "List[Point]" = dataclasses.field(default_factory=list)
class Colour(enum.Enum):
    RED = "red"
def f(a: int, b: "Optional[str]" = None, /, *rest, plugs={}, c: float = 1.5, d=object(), **kw) -> Dict[str, List[bool]]:
    """Says
    what."""
def g(a: Literal["x", 2], b: Box, c: Colour, d: Any, e: Tuple[int, ...], h: Tuple[int, str], i: Union[int, List[str]], j: "Nowhere", k: bytes): pass
def _private(): pass
class Class: pass
value = 3
anonymous = lambda x: x
`})
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := program.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]model.Task{}
	for _, task := range tasks {
		byName[task.Name] = task
	}
	if len(byName) != 4 || byName["listed"].Name == "" || byName["anonymous"].Name == "" {
		t.Errorf("described: %v", tasks)
	}
	f := byName["f"]
	if f.Doc != "Says\nwhat." || f.Source == "" || string(f.Returns) != `{"type":"object","additionalProperties":{"type":"array","items":{"type":"boolean"}}}` {
		t.Errorf("f: %+v returns %s", f, f.Returns)
	}
	arguments, _ := json.Marshal(f.Arguments)
	want := `[{"name":"a","position":0,"kind":"POSITIONAL_ONLY","has_default":false,"schema":{"type":"integer"}},` +
		`{"name":"b","position":1,"kind":"POSITIONAL_ONLY","has_default":true,"default":null,"schema":{"type":["string","null"]}},` +
		`{"name":"rest","position":2,"kind":"VAR_POSITIONAL","has_default":false},` +
		`{"name":"plugs","position":3,"kind":"KEYWORD_ONLY","has_default":true,"default":{}},` +
		`{"name":"c","position":4,"kind":"KEYWORD_ONLY","has_default":true,"default":1.5,"schema":{"type":"number"}},` +
		`{"name":"d","position":5,"kind":"KEYWORD_ONLY","has_default":true,"default":null},` +
		`{"name":"kw","position":6,"kind":"VAR_KEYWORD","has_default":false}]`
	if string(arguments) != want {
		t.Errorf("arguments of f:\n%s\nwant\n%s", arguments, want)
	}
	if required := f.Required(); len(required) != 1 || required[0].Name != "a" {
		t.Errorf("required: %+v", required)
	}
	// One name in the hints of g does not exist; the others count all the same.
	schemas := map[string]string{
		"a": `{"enum":["x",2]}`, "b": `{"type":"object","properties":{"a":{"type":"integer"}}}`, "c": `{"enum":["red"]}`, "d": "",
		"e": `{"type":"array","items":{"type":"integer"}}`,
		"h": `{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"minItems":2,"maxItems":2}`,
		"i": `{"anyOf":[{"type":"integer"},{"type":"array","items":{"type":"string"}}]}`, "j": "", "k": "",
	}
	for name, want := range schemas {
		if a, _ := byName["g"].Argument(name); string(a.Schema) != want {
			t.Errorf("schema of %s: %s, want %s", name, a.Schema, want)
		}
	}
}
