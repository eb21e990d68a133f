package model

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/elasticcode/flow/model/quickjson"
)

// TestParserKnowsAllMembers: what calls usually have is read without the help of
// encoding/json. A field that is added and not taught to the parser shows here.
func TestParserKnowsAllMembers(t *testing.T) {
	t.Parallel()
	at := time.Now().UTC()
	values := []json.RawMessage{json.RawMessage(`{"a":[1,"\"é"]}`)}
	named := map[string]json.RawMessage{"k": values[0]}
	e := Envelope{
		ID: "a", Tracking: "b", Parents: []string{"c"}, Network: "n", Socket: "s", Args: values, Kwargs: named, Refs: []Ref{{At: "/args/0"}}, Argument: "x", Plug: "p",
		Attempt: 1, Crashes: 2, Before: 3, Deadline: &at, Due: &at, Origin: "o", Created: at,
	}
	r := Record{Calls: []Call{e.Call(Dead), {}}}
	c := &r.Calls[0]
	c.Queue, c.Processor, c.Module, c.Task, c.Commit, c.Joined, c.Node, c.Worker = "q", "p", "m", "t", "c", "j", "n", "w"
	c.Result, c.Failure, c.Received, c.Started, c.Finished = values[0], &Failure{Error: "E"}, &at, &at, &at
	c.Log, c.Events = []LogLine{{Time: at}}, []Event{{Name: "e", Time: at}}
	for _, test := range []struct {
		value any
		read  func(*quickjson.Parser)
	}{{e, func(p *quickjson.Parser) { envelope(p) }}, {r, func(p *quickjson.Parser) { record(p) }}} {
		data, err := json.Marshal(test.value)
		if err != nil {
			t.Fatal(err)
		}
		p := quickjson.NewParser(data)
		if test.read(&p); !p.End() {
			t.Errorf("gave up on %s", data)
		}
	}
}
