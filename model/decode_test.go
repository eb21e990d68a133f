package model_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
)

// odd are texts that a decoder could take for something else than encoding/json does.
var odd = []string{
	``, ` `, `null`, `[]`, `{}`, ` { } `, `{"id":"a"}`, `{"ID":"a"}`, `{"id":"a","id":"b"}`, `{"id":null}`, `{"id":7}`, `{"id":"\u0041"}`,
	`{"id":"é"}`, "{\"id\":\"\xff\"}", `{"id":"a",}`, `{"id" : "a" , "attempt" : -12 }`, `{"attempt":01}`, `{"attempt":1.5}`, `{"attempt":1e2}`,
	`{"attempt":99999999999999999999}`, `{"attempt":- 1}`, `{"attempt":null}`, `{"args":null}`, `{"args":[]}`, `{"args":[null,true,false,-0.5e+3,"\n",[],{}]}`,
	`{"args":[1,]}`, `{"args":[,1]}`, `{"args":[1 2]}`, `{"args":[tru]}`, `{"args":["\q"]}`, `{"args":["\u12"]}`, `{"args":[1.]}`, `{"args":[.5]}`, `{"args":[+1]}`,
	`{"kwargs":{"a":1,"a":2}}`, `{"kwargs":{"\u0041":1}}`, `{"kwargs":null}`, `{"parents":["a",null]}`, `{"created":"2026-01-01T00:00:00Z"}`, `{"created":"today"}`,
	`{"deadline":null}`, `{"deadline":"2026-01-01T00:00:00.5+02:00"}`, `{"unknown":{"a":[1]},"id":"a"}`, `{"id":"a"} x`, `{"id":"a"}{}`, "{\"id\":\"a\x01\"}", "{\x00}",
	`{"calls":null}`, `{"calls":[]}`, `{"calls":[{}]}`, `{"calls":[null]}`, `{"calls":[{"id":"a","result":null,"failure":null,"events":null,"log":[]}]}`,
	`{"common":{"state":"queued","task":"f"},"calls":[{"id":"a"},{"id":"b","task":"g"},{"id":"c","attempt":1}]}`, `{"calls":[{"id":"a"}],"common":{"state":"dead"}}`,
	`{"common":null,"calls":[{}]}`, `{"common":{"args":[1]},"calls":[{"id":"a"},{"args":[2]}]}`, `{"common":{},"common":{"task":"f"},"calls":[{"task":null}]}`,
	`{"calls":[{"failure":{"error":"E","message":"m"}}]}`, `{"calls":[{"failure":7}]}`, `{"calls":[{"state":"running"}],"calls":[]}`, `{"calls":[{"result":{"a":[}}]}`,
}

// TestDecode: what is decoded is what encoding/json makes of the same text, and
// both refuse the same: for whole calls, for odd texts, and for either with a
// character missing or another in its place.
func TestDecode(t *testing.T) {
	t.Parallel()
	var envelope model.Envelope
	fill(t, reflect.ValueOf(&envelope).Elem())
	var call model.Call
	fill(t, reflect.ValueOf(&call).Elem())
	texts := append([]string{text(t, envelope), recordOf(t, call, call, model.Call{})}, odd...)
	for _, s := range texts {
		agree(t, s)
		step := 1 + len(s)/200 // the long ones have much that is alike
		for i := 0; i < len(s); i += step {
			agree(t, s[:i])
			agree(t, s[:i]+s[i+1:])
			for _, c := range []byte{'"', '\\', '}', ']', ',', ' ', '0', 'n', 0x00, 0xff} {
				agree(t, s[:i]+string(c)+s[i+1:])
			}
		}
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// recordOf is a record as it travels.
func recordOf(t *testing.T, calls ...model.Call) string {
	t.Helper()
	common := model.Common(calls)
	data, n, err := model.AppendRecord(nil, calls, &common, 1<<20)
	if err != nil || n != len(calls) {
		t.Fatal(n, err)
	}
	return string(data)
}

func agree(t *testing.T, text string) {
	t.Helper()
	same(t, text, model.DecodeEnvelope, func(data []byte) (e model.Envelope, err error) { err = json.Unmarshal(data, &e); return e, err })
	same(t, text, model.DecodeRecord, model.SlowRecord)
	ids, queued := model.QueuedCalls([]byte(text))
	if rec, err := model.DecodeRecord([]byte(text)); err == nil && queued {
		for i, c := range rec.Calls {
			if i >= len(ids) || c.ID != ids[i] || c.State != model.Queued || c.Attempt != 0 {
				t.Errorf("%q: call %d is told to be queued, in %q", text, i, ids)
			}
		}
	}
}

func TestQueuedCalls(t *testing.T) {
	t.Parallel()
	queued := func(c model.Call) model.Call { c.State, c.Attempt = model.Queued, 0; return c }
	a, b := queued(usual()), queued(model.Call{ID: "b"})
	if ids, ok := model.QueuedCalls([]byte(recordOf(t, a, b))); !ok || !slices.Equal(ids, []string{a.ID, "b"}) {
		t.Errorf("two queued calls are read as %q, %t", ids, ok)
	}
	tried, storied := b, b
	tried.Attempt = 1
	storied.Events = []model.Event{{Name: "rescued", Time: time.Now()}}
	for _, not := range [][]model.Call{nil, {usual()}, {a, usual()}, {tried}, {a, tried}, {storied}, {a, storied}, {queued(model.Call{})}} {
		if ids, ok := model.QueuedCalls([]byte(recordOf(t, not...))); ok {
			t.Errorf("%+v is read as queued calls %q", not, ids)
		}
	}
}

func same[T any](t *testing.T, text string, decode, slow func([]byte) (T, error)) {
	t.Helper()
	want, wantErr := slow([]byte(text))
	have, err := decode([]byte(text))
	if (err != nil) != (wantErr != nil) {
		t.Errorf("%q: have error %v, want %v", text, err, wantErr)
	}
	if err == nil && !reflect.DeepEqual(have, want) {
		t.Errorf("%q:\nhave %+v\nwant %+v", text, have, want)
	}
}

// BenchmarkDecode compares with encoding/json.
func BenchmarkDecode(b *testing.B) {
	var calls []model.Call
	for range 100 {
		calls = append(calls, usual())
	}
	common := model.Common(calls)
	data, _, err := model.AppendRecord(nil, calls, &common, 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = model.DecodeRecord(data)
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = model.SlowRecord(data)
		}
	})
}
