package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// tester is a test, or one of rapid's.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func must(t tester, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// got returns the value, and ends the test when there is an error instead.
func got[T any](v T, err error) func(t tester) T {
	return func(t tester) T {
		t.Helper()
		must(t, err)
		return v
	}
}

func equal[T any](t tester, what string, have, want T) {
	t.Helper()
	if !reflect.DeepEqual(have, want) {
		t.Fatalf("%s: have\n  %s\nwant\n  %s", what, show(have), show(want))
	}
}

func show(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%+v", v)
	}
	return string(raw)
}

// refused expects an error that is want and whose text says all of it.
func refused(t tester, err, want error, text string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("have error %v, want one that is %q", err, want)
	}
	if err.Error() != text {
		t.Fatalf("the error says\n  %s\nwant\n  %s", err, text)
	}
}

// object is the part of an object that a person gives.
func object(name string) model.Object { return model.Object{Name: name, Owner: "ann"} }

func (b *bundle) queue(t testing.TB, name string) model.Queue {
	t.Helper()
	return got(b.CreateQueue(b.ctx, model.Queue{Object: object(name), Type: model.Direct}))(t)
}

// slow is the limit of the processors that are made here.
var slow = model.Limit{Rate: "5/h", Burst: 5}

func (b *bundle) processor(t testing.TB, name string) model.Processor {
	t.Helper()
	return got(b.CreateProcessor(b.ctx, model.Processor{
		Object: object(name), GitRepo: "/repo", Ref: "main", RefKind: "branch", Commit: "c0ffee", Module: "pkg.mod",
		Runtime: model.RuntimePython, Concurrency: 2, Limit: slow,
	}))(t)
}

func (b *bundle) socket(t testing.TB, name, processor, queue, task string) model.Socket {
	t.Helper()
	s := model.Socket{Object: object(name), Processor: processor, Queue: queue, Task: task}
	return got(b.CreateSocket(b.ctx, s.WithDefaults()))(t)
}

func (b *bundle) plug(t testing.TB, name, source, target, queue string) model.Plug {
	t.Helper()
	return got(b.CreatePlug(b.ctx, model.Plug{
		Object: object(name), Type: model.PlugResult, Source: source, Target: target, Queue: queue,
	}))(t)
}

func names[T any](items []T, of func(T) string) []string {
	out := []string{}
	for _, i := range items {
		out = append(out, of(i))
	}
	return out
}

func ids(calls []model.Call) []string { return names(calls, func(c model.Call) string { return c.ID }) }

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

func raw(text string) json.RawMessage { return json.RawMessage(text) }

var firstPage = store.List{}
