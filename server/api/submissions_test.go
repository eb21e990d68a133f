package api

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/model/quickjson"
)

// TestDecodeBatch: a batch is read as the strict decoder reads it, and refused
// when that refuses it.
func TestDecodeBatch(t *testing.T) {
	t.Parallel()
	full := client.Submission{
		Socket: "s", Task: "t", Args: []json.RawMessage{json.RawMessage(`[1,{"a":null}]`)}, Kwargs: map[string]json.RawMessage{"k": json.RawMessage(`"v"`)},
		Argument: "a", ID: "i", Priority: model.High, DeadlineMS: 7,
	}
	for v, i := reflect.ValueOf(full), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Fatalf("set the field %s here", v.Type().Field(i).Name)
		}
	}
	usual, err := json.Marshal(client.Batch{Calls: []client.Submission{full, {Socket: "s"}}})
	if err != nil {
		t.Fatal(err)
	}
	p := quickjson.NewParser(usual)
	if batch(&p); !p.End() {
		t.Errorf("gave up on %s", usual)
	}
	for _, text := range []string{
		string(usual), `{"calls":[]}`, `{"calls":[{}]}`, `{"calls":null}`, `{}`, ``, `null`, `[]`, `{"calls":[{"socket":"s"}]} `, `{"calls":[{"socket":"s"}]} x`,
		`{"calls":[{"Socket":"s"}]}`, `{"calls":[{"socket":"é\u0041"}]}`, `{"calls":[{"unknown":1}]}`, `{"other":1,"calls":[]}`, `{"calls":[{"socket":7}]}`,
		`{"calls":[{"kwargs":{"a":1},"kwargs":{"b":2}}]}`, `{"calls":[{"socket":"a"}],"calls":[{"task":"b"}]}`, `{"calls":[{"args":null,"kwargs":null}]}`,
		`{"calls":[{"args":[nan]}]}`, `{"calls":[{"deadline_ms":1.5}]}`, `{"calls":[{"deadline_ms":-3}]}`, `{"calls":[{"args":[1,]}]}`, `{"calls":[null]}`,
	} {
		var want client.Batch
		wantErr := decode([]byte(text), &want)
		body := []byte(text)
		have, err := decodeBatch(body)
		clear(body) // it belongs to the request
		if (err != nil) != (wantErr != nil) {
			t.Errorf("%s: have error %v, want %v", text, err, wantErr)
		} else if err == nil && !reflect.DeepEqual(have, want) {
			t.Errorf("%s:\nhave %+v\nwant %+v", text, have, want)
		}
	}
}
