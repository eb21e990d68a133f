package plug

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/socket"
)

func edge(name string, kind model.PlugType, change ...func(*model.Plug)) model.Edge {
	p := model.Plug{Object: model.Object{ID: "id-" + name, Name: name}, Type: kind, Source: "from", Target: "to"}
	for _, c := range change {
		c(&p)
	}
	return model.Edge{
		Plug:        p,
		Target:      model.Socket{Object: model.Object{Name: "to"}, Queue: "q", Processor: "p", Task: "t"},
		TargetQueue: model.Queue{Object: model.Object{Name: "q"}, Type: model.Direct},
	}
}

func endpoint(edges ...model.Edge) *model.Endpoint {
	return &model.Endpoint{Socket: model.Socket{Object: model.Object{Name: "from"}}, Out: edges}
}

var call = model.Envelope{ID: "c", Tracking: "run", Socket: "from", Args: []json.RawMessage{json.RawMessage("1")}, Origin: "joe"}

func names(t *testing.T, ep *model.Endpoint, out Outcome) string {
	t.Helper()
	next, err := Route(ep, call, out)
	if err != nil {
		t.Fatal(err)
	}
	var fired []string
	for _, n := range next {
		fired = append(fired, n.Envelope.Plug+"="+string(n.Envelope.Args[0]))
	}
	return strings.Join(fired, " ")
}

func TestRouteByOutcome(t *testing.T) {
	t.Parallel()
	ep := endpoint(edge("a", model.PlugResult), edge("b", model.PlugResult), edge("e", model.PlugError))
	value := json.RawMessage(`{"x":1}`)
	for name, c := range map[string]struct {
		out  Outcome
		want string
	}{
		"success":         {Outcome{Value: value}, `a={"x":1} b={"x":1}`},
		"nothing":         {Outcome{}, "a=null b=null"},
		"chosen":          {Outcome{Value: value, Plugs: map[string]json.RawMessage{"b": json.RawMessage("2")}}, "b=2"},
		"chose none":      {Outcome{Value: value, Plugs: map[string]json.RawMessage{}}, ""},
		"failure":         {Outcome{Failure: &model.Failure{Error: "E", Message: "m", Trace: "t"}}, `e={"error":"E","message":"m","trace":"t","call":"c","socket":"from","args":[1]}`},
		"failure, chosen": {Outcome{Failure: &model.Failure{Error: "E"}, Plugs: map[string]json.RawMessage{"a": value}}, `e={"error":"E","message":"","trace":"","call":"c","socket":"from","args":[1]}`},
	} {
		if got := names(t, ep, c.out); got != c.want {
			t.Errorf("%s: fired %s, want %s", name, got, c.want)
		}
	}
}

func TestRouteMakesTheSameCallsAgain(t *testing.T) {
	t.Parallel()
	ep := endpoint(edge("a", model.PlugResult), edge("b", model.PlugResult))
	out := Outcome{Value: json.RawMessage("1"), Finished: time.Unix(7, 0)}
	first, err := Route(ep, call, out)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Route(ep, call, out)
	if err != nil {
		t.Fatal(err)
	}
	one, _ := json.Marshal(first)
	two, _ := json.Marshal(second)
	if string(one) != string(two) {
		t.Errorf("a repeat differs:\n%s\n%s", one, two)
	}
	if first[0].Envelope.ID == first[1].Envelope.ID {
		t.Error("two plugs make calls of one id")
	}
	e := first[0].Envelope
	if e.Tracking != "run" || e.Parents[0] != "c" || e.Origin != "joe" || e.Socket != "to" {
		t.Errorf("the call does not know where it comes from: %+v", e)
	}
}

func TestRouteAddresses(t *testing.T) {
	t.Parallel()
	argument := func(p *model.Plug) { p.Argument = "one" }
	queue := func(p *model.Plug) { p.Queue = "k" }
	ep := endpoint(edge("plain", model.PlugResult), edge("join", model.PlugResult, argument), edge("own", model.PlugResult, queue), edge("both", model.PlugResult, queue, argument))
	next, err := Route(ep, call, Outcome{})
	if err != nil {
		t.Fatal(err)
	}
	want := []socket.Address{{Exchange: "q", Key: "q.p.t", Together: true}, socket.Join(), {Key: "k:own"}, {Key: "k:both"}}
	for i, n := range next {
		if n.To != want[i] {
			t.Errorf("plug %s delivers to %+v, want %+v", n.Envelope.Plug, n.To, want[i])
		}
	}
}

func TestCheckChoice(t *testing.T) {
	t.Parallel()
	ep := endpoint(edge("a", model.PlugResult), edge("e", model.PlugError))
	value := json.RawMessage("1")
	if f := CheckChoice(ep, map[string]json.RawMessage{"a": value}); f != nil {
		t.Errorf("a good choice: %+v", f)
	}
	for _, bad := range []string{"b", "e"} {
		f := CheckChoice(ep, map[string]json.RawMessage{bad: value})
		if f == nil || !f.Permanent || !strings.Contains(f.Message, bad) || !strings.Contains(f.Message, "a") {
			t.Errorf("choice of %s: %+v", bad, f)
		}
	}
}

func task() model.Task {
	return model.Task{Name: "f", Arguments: []model.Argument{
		{Name: "one", Kind: model.PositionalOrKeyword},
		{Name: "two", Kind: model.PositionalOrKeyword, Position: 1},
		{Name: "three", Kind: model.PositionalOrKeyword, Position: 2, HasDefault: true},
		{Name: "args", Kind: model.VarPositional},
		{Name: "plugs", Kind: model.KeywordOnly, HasDefault: true},
		{Name: "four", Kind: model.KeywordOnly},
	}}
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	if got := strings.Join(Needs(task(), nil), " "); got != "one two four" {
		t.Errorf("needs %s", got)
	}
	if got := strings.Join(Needs(task(), []string{"three"}), " "); got != "one two three four" {
		t.Errorf("needs %s when a plug feeds three", got)
	}
}

// TestRouteRefs: references go with the values that plugs carry, those of the
// arguments with the value of an ERROR plug.
func TestRouteRefs(t *testing.T) {
	t.Parallel()
	ep := endpoint(edge("a", model.PlugResult), edge("b~/", model.PlugResult), edge("e", model.PlugError))
	failed := call
	failed.Refs = []model.Ref{{At: "/args/0", Hash: "x"}, {At: "/kwargs/k", Hash: "y"}}
	null := json.RawMessage("null")
	for name, c := range map[string]struct {
		out  Outcome
		want string
	}{
		"result":  {Outcome{Value: null, Refs: []model.Ref{{At: "/value", Hash: "v"}}}, "a:/args/0=v b~/:/args/0=v "},
		"chosen":  {Outcome{Plugs: map[string]json.RawMessage{"b~/": null}, Refs: []model.Ref{{At: "/plugs/b~0~1", Hash: "p"}}}, "b~/:/args/0=p "},
		"failure": {Outcome{Failure: &model.Failure{Error: "E"}}, "e:/args/0/args/0=x e:/args/0/kwargs/k=y "},
	} {
		next, err := Route(ep, failed, c.out)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, n := range next {
			for _, r := range n.Envelope.Refs {
				got += n.Envelope.Plug + ":" + r.At + "=" + r.Hash + " "
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestArguments(t *testing.T) {
	t.Parallel()
	v := func(s string) json.RawMessage { return json.RawMessage(s) }
	args, kwargs, _ := Arguments(task(), map[string]json.RawMessage{"one": v("1"), "two": v("2"), "four": v("4")}, nil)
	if len(args) != 2 || string(args[1]) != "2" || string(kwargs["four"]) != "4" {
		t.Errorf("args %s, kwargs %s", args, kwargs)
	}
	args, kwargs, refs := Arguments(task(), map[string]json.RawMessage{"one": v("1"), "three": v("3")},
		[]model.Ref{{At: "/three", Hash: "c"}, {At: "/one/args/0", Hash: "a"}, {At: "/on", Hash: "none"}})
	if len(args) != 1 || string(kwargs["three"]) != "3" {
		t.Errorf("over a gap: args %s, kwargs %s", args, kwargs)
	}
	if want := (model.Ref{At: "/args/0/args/0", Hash: "a"}); len(refs) != 2 || refs[0] != want || refs[1].At != "/kwargs/three" {
		t.Errorf("references %v do not follow their values", refs)
	}
}

// TestRouteInheritsThePriority: what follows has the priority of its call, and
// passes by queues where it would wait behind the rest.
func TestRouteInheritsThePriority(t *testing.T) {
	t.Parallel()
	own, join, all := edge("own", model.PlugResult), edge("join", model.PlugResult), edge("all", model.PlugResult)
	own.Plug.Queue, join.Plug.Queue, join.Plug.Argument = "edges", "edges", "one"
	all.TargetQueue.Type = model.Fanout
	ep := endpoint(edge("plain", model.PlugResult), own, join, all)
	class := socket.Address{Key: "p!high", Own: "q.p.t"}
	exchange := socket.Address{Exchange: "q", Key: "q.p.t"}
	plain := exchange
	plain.Together = true
	for priority, want := range map[model.Priority][]socket.Address{
		"":         {plain, {Key: "edges:own"}, {Key: "edges:join"}, exchange},
		model.High: {class, class, socket.Join(), exchange},
	} {
		c := call
		c.Priority = priority
		next, err := Route(ep, c, Outcome{Value: json.RawMessage("1")})
		if err != nil || len(next) != len(want) {
			t.Fatalf("%d calls, %v", len(next), err)
		}
		for i, n := range next {
			if n.To != want[i] || n.Envelope.Priority != priority {
				t.Errorf("priority %q: %s goes to %+v with priority %q, want %+v", priority, n.Envelope.Plug, n.To, n.Envelope.Priority, want[i])
			}
		}
	}
}
