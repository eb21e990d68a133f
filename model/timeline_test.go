package model_test

import (
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
)

// TestTimeline: the run of a call is told once, whether or not it was recorded
// as events, and in the order of time.
func TestTimeline(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	start, end := at.Add(time.Second), at.Add(2*time.Second)
	received := model.Event{Name: "received", Time: at, Note: "Received task m.f"}
	for name, c := range map[string]struct {
		call model.Call
		want string
	}{
		"ended":     {model.Call{State: model.Succeeded, Module: "m", Task: "f", Started: &start, Finished: &end, Events: []model.Event{received}}, "received prerun postrun "},
		"known":     {model.Call{State: model.Succeeded, Module: "m", Task: "f", Started: &start, Finished: &end, Events: []model.Event{{Name: "prerun", Time: start}}}, "prerun postrun "},
		"runs":      {model.Call{State: model.Running, Module: "m", Task: "f", Started: &start, Events: []model.Event{received}}, "received prerun "},
		"received":  {model.Call{State: model.Running, Module: "m", Task: "f", Received: &at, Started: &start}, "received prerun "},
		"never ran": {model.Call{State: model.Expired, Module: "m", Task: "f", Finished: &end}, ""},
		"cancelled": {model.Call{State: model.Cancelled, Module: "m", Task: "f", Started: &start, Finished: &end, Events: []model.Event{{Name: "cancelled", Time: end}}}, "prerun cancelled "},
	} {
		have := ""
		for _, e := range c.call.Timeline() {
			have += e.Name + " "
		}
		if have != c.want {
			t.Errorf("%s: have %q, want %q", name, have, c.want)
		}
	}
}
