package model_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
)

// TestAppendRecord: what is appended reads back as the same calls, for one with
// every field set, a field added later on included, and for the empty one; alone,
// and together with others that say the same or something else.
func TestAppendRecord(t *testing.T) {
	t.Parallel()
	var full model.Call
	fill(t, reflect.ValueOf(&full).Elem())
	half := full
	half.Commit, half.State, half.Events = "", model.Queued, nil
	odd := model.Call{
		ID: "q\"\\\n\u2028é\x00", Args: []json.RawMessage{json.RawMessage(`[1,"<a>"]`), json.RawMessage(`null`)}, Result: json.RawMessage(`"x"`),
	}
	for name, calls := range map[string][]model.Call{
		"full": {full}, "empty": {{}}, "no parents": {{ID: "a", Parents: []string{}}}, "odd": {odd}, "none": nil,
		"alike": {full, full, full}, "mixed": {full, half, {}, odd, full}, "usual": {usual(), usual()},
	} {
		rec, err := model.DecodeRecord([]byte(recordOf(t, calls...)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(rec.Calls, calls) {
			t.Errorf("%s: have %+v\nwant %+v", name, rec.Calls, calls)
		}
	}
	if common := model.Common([]model.Call{full, half}); common.Commit != "" || common.Socket != full.Socket || common.ID != "" {
		t.Errorf("common to both is %+v", common)
	}
	if _, _, err := model.AppendRecord(nil, []model.Call{{Args: []json.RawMessage{json.RawMessage(`{`)}}}, &model.Call{}, 1000); err == nil {
		t.Error("half a value was taken for one")
	}
}

// TestAppendRecordInParts: a record ends where it becomes too large, but has one
// call at least.
func TestAppendRecordInParts(t *testing.T) {
	t.Parallel()
	calls := make([]model.Call, 10)
	for i := range calls {
		calls[i] = usual()
	}
	common := model.Common(calls)
	var have []model.Call
	for rest := calls; len(rest) > 0; {
		data, n, err := model.AppendRecord([]byte("x"), rest, &common, 1000)
		if err != nil || n == 0 || n > 1 && len(data) > 1010 || len(rest) > n && len(data) < 500 {
			t.Fatalf("%d calls in %d bytes, %v", n, len(data), err)
		}
		rec, err := model.DecodeRecord(data[1:])
		if err != nil {
			t.Fatal(err)
		}
		have, rest = append(have, rec.Calls...), rest[n:]
	}
	if !reflect.DeepEqual(have, calls) {
		t.Errorf("have %+v\nwant %+v", have, calls)
	}
	if _, n, err := model.AppendRecord(nil, calls, &common, 1); n != 1 || err != nil {
		t.Errorf("%d calls, %v", n, err)
	}
}

// TestAppendEnvelope: an envelope that is appended reads back as the same, for
// one with every field set, a field added later on included, and for the empty one.
func TestAppendEnvelope(t *testing.T) {
	t.Parallel()
	var full model.Envelope
	fill(t, reflect.ValueOf(&full).Elem())
	for name, e := range map[string]model.Envelope{"full": full, "empty": {}, "odd": {ID: "q\"\\\n\u2028é", Args: []json.RawMessage{nil}}} {
		data, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		usual, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var have, want any
		if err := errors.Join(json.Unmarshal(data, &have), json.Unmarshal(usual, &want)); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, data)
		}
		if !reflect.DeepEqual(have, want) {
			t.Errorf("%s: have %s\nwant %s", name, data, usual)
		}
	}
}

// fill sets everything to something other than its zero value.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)))
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(`{"a":[1,"b"]}`))
	case v.Kind() == reflect.String:
		v.SetString("text")
	case v.CanInt():
		v.SetInt(7)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem())
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0))
		fill(t, v.Index(1))
	case v.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		elem := reflect.New(v.Type().Elem()).Elem()
		fill(t, elem)
		v.SetMapIndex(reflect.ValueOf("key"), elem)
	case v.Kind() == reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field)
		}
	default:
		t.Fatalf("a call has a %s: teach this test and AppendJSON about it", v.Type())
	}
}

// usual is a call as most are.
func usual() model.Call {
	at := time.Now().UTC()
	return model.Call{
		ID: model.NewID(), Tracking: model.NewID(), Parents: []string{model.NewID()}, Network: "default", Socket: "pyfi.processors.sample.do_this",
		Queue: "q", Processor: "proc1", Module: "pyfi.processors.sample", Task: "do_this", State: model.Succeeded, Attempt: 1,
		Args: []json.RawMessage{json.RawMessage(`"the quick brown fox"`)}, Result: json.RawMessage("null"), Origin: "admin", Node: "localhost",
		Worker: "localhost.proc1.0", Created: at, Received: &at, Started: &at, Finished: &at,
	}
}

// BenchmarkAppendRecord compares with encoding/json.
func BenchmarkAppendRecord(b *testing.B) {
	calls := make([]model.Call, 100)
	for i := range calls {
		calls[i] = usual()
	}
	common := model.Common(calls)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf, _, _ = model.AppendRecord(buf[:0], calls, &common, 1<<20)
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(calls)
		}
	})
}
