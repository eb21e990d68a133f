package storetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elasticcode/flow/model"
)

// Pair is the first and the last record of a call.
func Pair(id string) []model.Call {
	begin := model.Call{ID: id, Tracking: id, Network: "default", Socket: "s", State: model.Queued, Args: []json.RawMessage{json.RawMessage("1")}, Created: beginning}
	end := begin
	finished := beginning.Add(time.Second)
	end.State, end.Attempt, end.Args, end.Result, end.Finished = model.Succeeded, 1, nil, json.RawMessage("2"), &finished
	return []model.Call{begin, end}
}

// beginning is of every pair; databases keep it to the microsecond, in UTC.
var beginning = time.Date(2026, 3, 4, 5, 6, 7, 123456789, time.FixedZone("", 7200))

// Pairs is those of many calls.
func Pairs(prefix string, n int) (begins, ends []model.Call) {
	for i := range n {
		p := Pair(fmt.Sprintf("%s%04d", prefix, i))
		begins, ends = append(begins, p[0]), append(ends, p[1])
	}
	return begins, ends
}

// anyCall draws a call with whatever can be in one.
func anyCall(t *rapid.T, id string) []model.Call {
	text := rapid.OneOf(rapid.Just(""), rapid.String(), rapid.SampledFrom([]string{"\\N", "a\tb\n\\.", "x\x00y", "\xff", "NULL", "ü€😀"}))
	when := rapid.Custom(func(t *rapid.T) *time.Time {
		if rapid.Bool().Draw(t, "no time") {
			return nil
		}
		zone := time.FixedZone("", rapid.IntRange(-14*3600, 14*3600).Draw(t, "zone"))
		at := time.Unix(rapid.Int64Range(-1<<37, 1<<39).Draw(t, "second"), rapid.Int64Range(0, 999999999).Draw(t, "ns")).In(zone)
		return &at
	})
	value := rapid.Custom(func(t *rapid.T) json.RawMessage {
		raw, _ := json.Marshal(text.Draw(t, "value"))
		return rapid.SampledFrom([]json.RawMessage{raw, json.RawMessage("null"), json.RawMessage(`{"a": 1.50}`)}).Draw(t, "json")
	})
	end := model.Call{
		ID: id, Tracking: id, Network: rapid.SampledFrom([]string{"", "lab"}).Draw(t, "network"), Socket: "s",
		Queue: text.Draw(t, "queue"), Processor: text.Draw(t, "processor"), Module: text.Draw(t, "module"), Task: text.Draw(t, "task"),
		Commit: text.Draw(t, "commit"), Plug: text.Draw(t, "plug"), Argument: text.Draw(t, "argument"), Joined: text.Draw(t, "joined"),
		State: rapid.SampledFrom(model.States()).Draw(t, "state"), Priority: rapid.SampledFrom([]model.Priority{"", model.Low, model.High}).Draw(t, "priority"),
		Attempt: rapid.SampledFrom([]int{0, 1, 2, 1 << 40}).Draw(t, "attempt"), Parents: rapid.SliceOfN(rapid.SampledFrom([]string{"p1", "p2"}), 0, 3).Draw(t, "parents"),
		Args: rapid.SliceOfN(value, 0, 2).Draw(t, "args"), Kwargs: rapid.MapOfN(text, value, 0, 2).Draw(t, "kwargs"),
		Origin: text.Draw(t, "origin"), Node: text.Draw(t, "node"), Worker: text.Draw(t, "worker"),
		Received: when.Draw(t, "received"), Started: when.Draw(t, "started"), Deadline: when.Draw(t, "deadline"), Created: beginning, Finished: &beginning,
	}
	if c := when.Draw(t, "created"); c != nil {
		end.Created, end.Finished = *c, c
	}
	if end.State.Terminal() {
		end.Result = value.Draw(t, "result")
	}
	if rapid.Bool().Draw(t, "failed") {
		end.Failure = &model.Failure{Error: text.Draw(t, "error"), Message: text.Draw(t, "message")}
	}
	for range rapid.IntRange(0, 2).Draw(t, "events") {
		end.Events = append(end.Events, model.Event{Name: text.Draw(t, "event"), Time: end.Created, Note: text.Draw(t, "note")})
	}
	if line := text.Draw(t, "line"); line != "" {
		end.Log = []model.LogLine{{Time: end.Created, Stream: "stdout", Text: line}}
	}
	if rapid.IntRange(0, 9).Draw(t, "large") == 0 {
		end.Refs = []model.Ref{{At: "/args/0", Hash: "h", Size: 1}}
	}
	begin := Pair(id)[0]
	begin.Network, begin.Created = end.Network, end.Created
	if !end.State.Terminal() && rapid.Bool().Draw(t, "comes late") {
		return []model.Call{end, begin}
	}
	return []model.Call{begin, end}
}

// callAppend: calls that are new are in the database as if they had been merged
// into it, and merged they are when one call of the batch is there already.
func callAppend(t *testing.T, appended, merged *bundle) {
	there := Pair("0000000b-there")
	must(t, appended.RecordCalls(appended.ctx, there))
	must(t, merged.RecordCalls(merged.ctx, there))
	rounds := 0
	rapid.Check(t, func(rt *rapid.T) {
		rounds++
		var batch []model.Call
		for i := range rapid.IntRange(1, 4).Draw(rt, "calls") {
			batch = append(batch, anyCall(rt, fmt.Sprintf("%08x-%d", rounds, i))...)
			batch = append(batch, Pair(fmt.Sprintf("%08x-%d", math.MaxUint32-rounds, i))...)
		}
		alone, _ := Pairs(fmt.Sprintf("%08x-alone", rounds), 32) // many enough to be asked about
		batch = append(batch, alone...)
		if err := appended.RecordCalls(appended.ctx, batch); err != nil {
			rt.Fatal(err)
		}
		if err := merged.RecordCalls(merged.ctx, append(slices.Clone(there), batch...)); err != nil {
			rt.Fatal(err)
		}
	})
	have, want := appended.lines(t), merged.lines(t)
	for i := range min(len(have), len(want)) {
		if have[i] != want[i] {
			t.Fatalf("appended:\n  %s\nmerged:\n  %s", have[i], want[i])
		}
	}
	if len(have) != len(want) {
		t.Fatalf("%d lines were appended, %d merged", len(have), len(want))
	}
}

// lines is all that the history has.
func (b *bundle) lines(t *testing.T) []string {
	t.Helper()
	var out bytes.Buffer
	must(t, b.Dump(b.ctx, &out))
	var tables map[string][]json.RawMessage
	must(t, json.Unmarshal(out.Bytes(), &tables))
	delete(tables, "networks") // know when they were made
	var lines []string
	for name, rows := range tables {
		for _, row := range rows {
			lines = append(lines, name+" "+string(row))
		}
	}
	slices.Sort(lines) // rows have no order
	return lines
}
