package python_test

import (
	"encoding/json"
	"testing"

	"github.com/elasticcode/flow/processor"
)

func TestSmoke(t *testing.T) {
	program, err := prepare(t, "m", map[string]string{"m.py": `
import os, subprocess, sys, asyncio, dataclasses
from typing import Optional, List, Dict, Literal, TypedDict
print("importing")
def echo(x: str, n: int = 3, *rest, plugs={}, output={}, **kw) -> Optional[List[Dict[str, float]]]:
    """Doc."""
    print("hello"); print("err", file=sys.stderr); print("no newline", end="")
    os.write(1, b"raw\n"); subprocess.run(["echo", "sub"])
    plugs["a"] = [1]
    return [x, n, rest, sorted(kw)]
def boom(): 
    raise ValueError("bad")
def nan(): return {"a": [1, float("nan")]}
def st(): return {"a": {1,2}}
def ex(): sys.exit(3)
def rec(): return rec()
async def aio(x): 
    await asyncio.sleep(0.001)
    return x
def perm():
    import flow
    raise flow.Permanent("never " + flow.call().id)
def later():
    from flow import RetryAfter
    raise RetryAfter(1.5)
def die(): os.kill(os.getpid(), 9)
def _private(): pass
@dataclasses.dataclass
class D:
    a: int
    b: str = "x"
class T(TypedDict, total=False):
    a: int
def lit(a: Literal["x", 1], b: D, c: T, /, *, d: "int | None" = None) -> D: return D(1)
`})
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := program.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		task.Source = ""
		b, _ := json.Marshal(task)
		t.Log(string(b))
	}
	p, err := program.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"echo", "echo", "boom", "nan", "st", "ex", "rec", "aio", "perm", "later", "lit", "echoo", "die"} {
		inv := processor.Invocation{ID: "id-" + f, Function: f}
		if f == "echo" {
			inv.Args = []json.RawMessage{json.RawMessage(`"x"`), json.RawMessage(`1`), json.RawMessage(`2`)}
			inv.Kwargs = map[string]json.RawMessage{"k": json.RawMessage("1")}
		}
		if f == "aio" {
			inv.Args = []json.RawMessage{json.RawMessage(`{"x":[1.5,"ü"]}`)}
		}
		if err := p.Send(inv); err != nil {
			t.Fatal(err)
		}
	}
	for r := range p.Replies() {
		if r.Failure != nil && len(r.Failure.Trace) > 600 {
			r.Failure.Trace = r.Failure.Trace[:600]
		}
		b, _ := json.Marshal(r)
		t.Log(string(b))
	}
	t.Logf("%v", p.Err())
}
