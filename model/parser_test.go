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
	calls := []Call{e.Call(Dead), {}}
	c := &calls[0]
	c.Queue, c.Processor, c.Module, c.Task, c.Commit, c.Joined, c.Node, c.Worker = "q", "p", "m", "t", "c", "j", "n", "w"
	c.Result, c.Failure, c.Received, c.Started, c.Finished = values[0], &Failure{Error: "E"}, &at, &at, &at
	c.Log, c.Events = []LogLine{{Time: at}}, []Event{{Name: "e", Time: at}}
	envelopes, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	p := quickjson.NewParser(envelopes)
	if envelope(&p); !p.End() {
		t.Errorf("gave up on %s", envelopes)
	}
	records, _, err := AppendRecord(nil, calls, &Call{}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	p = quickjson.NewParser(records)
	if record(&p, nil); !p.End() {
		t.Errorf("gave up on %s", records)
	}
}
