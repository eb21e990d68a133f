package frame

import (
	"encoding/binary"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/elasticcode/flow/processor"
)

// TestDecodeFrame: what a child sends is read as encoding/json would read it.
func TestDecodeFrame(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"type":"reply","id":"a","value":{"x":[1,"é\n"]},"started":1790000000000000,"finished":1790000000000001}`,
		`{"type":"reply","id":"a","failure":{"error":"E","message":"m","permanent":true,"retry_after_ms":5}}`,
		`{"type":"reply","id":"a","value":null,"plugs":{"p":[1]}}`, `{"type":"reply","id":"\u0041","value":1.5e3}`,
		`{"type":"log","id":"a","stream":"stderr","text":"a \"line\"","at":7}`, `{"type":"log","text":"plain","stream":"stdout"}`,
		`{"type":"ready","protocol":1}`, `{"type":"failed","code":"module","message":"m","detail":"d"}`,
		`{"type":"described","tasks":[{"name":"f"}]}`, `{"type":"later","new":{}}`, `{}`, ``, `[]`, `{"value":[}`, `{"started":1.5}`, `{"value":nan}`,
	} {
		var want incoming
		wantErr := json.Unmarshal([]byte(text), &want)
		body := []byte(text)
		have, err := decode(body)
		clear(body) // it is used for the next frame
		if (err != nil) != (wantErr != nil) || err == nil && !reflect.DeepEqual(have, want) {
			t.Errorf("%s:\nhave %+v, %v\nwant %+v, %v", text, have, err, want, wantErr)
		}
	}
}

// TestAppendCall: a call is written as encoding/json would write it.
func TestAppendCall(t *testing.T) {
	t.Parallel()
	full := processor.Invocation{
		ID: "a", Function: "f", Args: []json.RawMessage{json.RawMessage(`[1]`), nil}, Kwargs: map[string]json.RawMessage{"k": json.RawMessage(`"v"`)},
		Tracking: "t", Socket: "s", Attempt: 2,
	}
	for v, i := reflect.ValueOf(full), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Fatalf("set the field %s here", v.Type().Field(i).Name)
		}
	}
	var buf []byte
	for _, inv := range []processor.Invocation{full, {ID: "b"}} {
		start := len(buf)
		var err error
		if buf, err = appendCall(buf, &inv); err != nil {
			t.Fatal(err)
		}
		frame := buf[start:]
		if n := int(binary.BigEndian.Uint32(frame)); n != len(frame)-headerSize {
			t.Fatalf("the frame says %d bytes and has %d", n, len(frame)-headerSize)
		}
		usual, err := json.Marshal(struct {
			Type string `json:"type"`
			processor.Invocation
		}{typeCall, inv})
		if err != nil {
			t.Fatal(err)
		}
		var have, want any
		if err := json.Unmarshal(frame[headerSize:], &have); err != nil {
			t.Fatalf("%v: %s", err, frame)
		}
		if err := json.Unmarshal(usual, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(have, want) {
			t.Errorf("have %s\nwant %s", frame[headerSize:], usual)
		}
	}
	if _, err := appendCall(nil, &processor.Invocation{Args: []json.RawMessage{json.RawMessage(`{`)}}); err == nil {
		t.Error("half a value was taken for one")
	}
}
