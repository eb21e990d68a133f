package worker

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
)

// TestItemJSON: an event is written as encoding/json would write it.
func TestItemJSON(t *testing.T) {
	t.Parallel()
	line := "a \"line\"\t<é>"
	full := item{
		Channel: "task", State: "postrun", Date: time.Date(2026, 3, 1, 12, 0, 0, 5000, time.UTC), Room: "r", Call: "c", Tracking: "t",
		Socket: "s", Processor: "p", Module: "m", Task: "f", Attempt: 2, Outcome: model.Failed, Duration: 0.0000125,
		Error: "ValueError", Message: "no\nway", Stream: "stderr", Line: &line,
	}
	v := reflect.ValueOf(full)
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Fatalf("set the field %s here", v.Type().Field(i).Name)
		}
	}
	for _, it := range []item{full, {}} {
		usual, err := json.Marshal(it)
		if err != nil {
			t.Fatal(err)
		}
		var have, want any
		data := it.appendJSON(nil)
		if err := json.Unmarshal(data, &have); err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		if err := json.Unmarshal(usual, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(have, want) {
			t.Errorf("have %s\nwant %s", data, usual)
		}
	}
}
