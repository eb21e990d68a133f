package resulttest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

func (s suite) putAndGet(t *testing.T) {
	b := s.open(t)
	started := time.Date(2026, 11, 2, 10, 0, 0, 123456789, time.UTC)
	full := result.Result{
		Call: model.NewID(), State: model.Failed, Value: json.RawMessage(`{"a":[1,"<&>",12345678901234567890,1e400]}`),
		Failure: &model.Failure{Error: "ValueError", Message: "no", Trace: "line 1\nline 2", Permanent: true},
		Plugs:   map[string]json.RawMessage{"p": json.RawMessage(`"x"`)},
		Joined:  "", Attempt: 3, Started: started, Finished: started.Add(time.Second),
	}
	bare := result.Result{Call: model.NewID(), State: model.Cancelled}
	put(t, b.Store, full, bare)
	got, err := b.Other.Get(within(t, limit), full.Call, "unknown", bare.Call)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]result.Result{full.Call: full, bare.Call: bare}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func (s suite) nothing(t *testing.T) {
	b := s.open(t)
	ctx := within(t, limit)
	if _, err := b.Store.Put(ctx, keep); err != nil {
		t.Error(err)
	}
	if got, err := b.Store.Get(ctx); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	if got, err := b.Store.Claim(ctx, "me", lease); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
	if err := b.Store.Release(ctx, "me"); err != nil {
		t.Error(err)
	}
	if err := b.Store.Forget(ctx); err != nil {
		t.Error(err)
	}
	if err := b.Store.Release(ctx, "me", "unknown"); err != nil {
		t.Error(err)
	}
	if err := b.Store.Forget(ctx, "unknown"); err != nil {
		t.Error(err)
	}
}

func (s suite) refuses(t *testing.T) {
	b := s.open(t)
	ctx := within(t, limit)
	if _, err := b.Store.Put(ctx, keep, done("", 1)); err == nil {
		t.Error("a result without a call was put")
	}
	if _, err := b.Store.Put(ctx, 0, done("x", 1)); err == nil {
		t.Error("a result was put for no time at all")
	}
	if _, err := b.Store.Claim(ctx, "", lease, "x"); err == nil {
		t.Error("nobody claimed a call")
	}
	if _, err := b.Store.Claim(ctx, "me", 0, "x"); err == nil {
		t.Error("a call was claimed for no time at all")
	}
	if _, err := b.Store.Claim(ctx, "me", lease, "x", ""); err == nil {
		t.Error("a call without an id was claimed")
	}
}

func (s suite) oddIDs(t *testing.T) {
	b := s.open(t)
	all := []string{"plain", "with.dots", "star*", "a>b", ">", "*", "with space", "{tag}", "a}b", "=3D", "ä", "new\nline", strings.Repeat("x", 200)}
	for i, id := range all {
		w := wait(t, b.Store, id)
		granted(t, b.Store, "holder with space\nand line", id)
		held(t, b.Other, "another", id, "holder with space\nand line")
		put(t, b.Other, done(id, i))
		w.want(fmt.Sprint(i))
	}
	got, err := b.Store.Get(within(t, limit), all...)
	if err != nil || len(got) != len(all) {
		t.Errorf("%d of %d results, %v", len(got), len(all), err)
	}
}

func (s suite) bigBatch(t *testing.T) {
	b := s.open(t)
	calls := ids(2500)
	for _, c := range claim(t, b.Store, "me", lease, calls...) {
		if !c.Granted {
			t.Fatalf("not granted: %+v", c)
		}
	}
	rs := make([]result.Result, len(calls))
	for i, id := range calls {
		rs[i] = done(id, i)
	}
	put(t, b.Store, rs...)
	got, err := b.Other.Get(within(t, limit), calls...)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range calls {
		if string(got[id].Value) != fmt.Sprint(i) {
			t.Fatalf("result %d is %q", i, got[id].Value)
		}
	}
	if err := b.Store.Forget(within(t, limit), calls...); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Store.Get(within(t, limit), calls...); err != nil || len(got) != 0 {
		t.Errorf("%d results after Forget, %v", len(got), err)
	}
}

func (s suite) bigValue(t *testing.T) {
	b := s.open(t)
	call, big := model.NewID(), strings.Repeat("x", 700<<10)
	w := wait(t, b.Store, call)
	put(t, b.Other, done(call, big))
	w.want(`"` + big + `"`)
}

func (s suite) firstStays(t *testing.T) {
	b := s.open(t)
	call := model.NewID()
	put(t, b.Store, done(call, "first"))
	put(t, b.Store, done(call, "second"))
	earlier, err := b.Other.Put(within(t, limit), keep, done(model.NewID(), 1), done(call, "third"), done(model.NewID(), 1))
	if err != nil || len(earlier) != 1 || earlier[0].Call != call || string(earlier[0].Value) != `"first"` {
		t.Errorf("putting another told of %+v, %v", earlier, err)
	}
	if v := value(t, b.Other, call); v != `"first"` {
		t.Errorf("the result is %s", v)
	}
}

func (s suite) firstStaysInABatch(t *testing.T) {
	b := s.open(t)
	call := model.NewID()
	put(t, b.Store, done(call, "first"), done(model.NewID(), 1), done(call, "second"))
	if v := value(t, b.Other, call); v != `"first"` {
		t.Errorf("the result is %s", v)
	}
}

func (s suite) firstOfManyStays(t *testing.T) {
	b := s.open(t)
	calls := ids(10)
	var wg sync.WaitGroup
	seen := make([]map[string]result.Result, 16)
	for i := range seen {
		store := []result.Store{b.Store, b.Other}[i%2]
		wg.Go(func() {
			var rs []result.Result
			for _, c := range calls {
				rs = append(rs, done(c, i))
			}
			put(t, store, rs...)
			seen[i], _ = store.Get(within(t, limit), calls...)
		})
	}
	wg.Wait()
	for i := range seen {
		if !reflect.DeepEqual(seen[i], seen[0]) || len(seen[i]) != len(calls) {
			t.Errorf("writer %d sees another story than writer 0", i)
		}
	}
}

func (s suite) resultsExpire(t *testing.T) {
	b := s.open(t)
	short, long := model.NewID(), model.NewID()
	if _, err := b.Store.Put(within(t, limit), 1500*time.Millisecond, done(short, 1)); err != nil {
		t.Fatal(err)
	}
	put(t, b.Store, done(long, 2))
	if value(t, b.Store, short) == "" {
		t.Fatal("the result is gone at once")
	}
	eventually(t, "the result expires", func() bool { return value(t, b.Other, short) == "" })
	if value(t, b.Store, long) == "" {
		t.Error("another result expired with it")
	}
	granted(t, b.Store, "me", short)
	put(t, b.Store, done(short, "new"))
	if v := value(t, b.Other, short); v != `"new"` {
		t.Errorf("after it expired a new result was put, and it is %q", v)
	}
}

func (s suite) forget(t *testing.T) {
	b := s.open(t)
	ended, running := model.NewID(), model.NewID()
	put(t, b.Store, done(ended, 1))
	granted(t, b.Store, "me", running)
	if err := b.Other.Forget(within(t, limit), ended, running); err != nil {
		t.Fatal(err)
	}
	if value(t, b.Store, ended) != "" {
		t.Error("the result is still there")
	}
	held(t, b.Other, "another", running, "me") // a call without a result has nothing to forget
	granted(t, b.Other, "another", ended)
	put(t, b.Store, done(ended, 2))
	if v := value(t, b.Store, ended); v != "2" {
		t.Errorf("the result of the second run is %s", v)
	}
}
