package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// arrival of a value for an argument, in a run; its value is its id.
func arrival(policy model.JoinPolicy, id, argument, run string) store.Arrival {
	return store.Arrival{
		ID: id, Network: "default", Socket: "s", Policy: policy, Needs: []string{"one", "two"}, Argument: argument,
		Value: raw(`"` + id + `"`), Tracking: run, Parent: "parent-" + id, Origin: "ann", Created: *kept(0),
	}
}

// arrive delivers arrivals given as "id argument run", one by one, and returns
// what fired each time as "one+two".
func (b *bundle) arrive(t testing.TB, policy model.JoinPolicy, steps ...[3]string) [][]string {
	t.Helper()
	var out [][]string
	for _, s := range steps {
		fired := got(b.Arrive(b.ctx, []store.Arrival{arrival(policy, s[0], s[1], s[2])}))(t)
		out = append(out, names(fired, met))
	}
	return out
}

func met(f store.Fired) string { return f.Arrivals[0] + "+" + f.Arrivals[1] }

// joinZip: the k-th value of each argument meet.
func joinZip(t *testing.T, b *bundle) {
	have := b.arrive(t, model.JoinZip, [3]string{"a1", "one", "r1"}, [3]string{"a2", "one", "r2"}, [3]string{"b1", "two", "r3"},
		[3]string{"b2", "two", "r4"}, [3]string{"b3", "two", "r5"}, [3]string{"a3", "one", "r6"})
	equal(t, "fired", have, [][]string{{}, {}, {"a1+b1"}, {"a2+b2"}, {}, {"a3+b3"}})

	pending := got(b.PendingFired(b.ctx, 10))(t)
	f := pending[0]
	equal(t, "first fired", f, store.Fired{
		ID: model.DescendID("a1", "s", "b1"), Network: "default", Socket: "s", Tracking: "r1", Origin: "ann",
		Values:   map[string]json.RawMessage{"one": raw(`"a1"`), "two": raw(`"b1"`)},
		Arrivals: []string{"a1", "b1"}, Parents: []string{"parent-a1", "parent-b1"}, Created: f.Created,
	})
	must(t, b.FiredSent(b.ctx, f.ID, pending[2].ID, "none"))
	equal(t, "still pending", names(got(b.PendingFired(b.ctx, 10))(t), met), []string{"a2+b2"})

	// Without a parent the arrival itself is the parent; a shared one counts once.
	same := []store.Arrival{arrival(model.JoinZip, "a4", "one", "r"), arrival(model.JoinZip, "b4", "two", "r"), arrival(model.JoinZip, "b5", "two", "r")}
	same[0].Parent, same[1].Parent = "up", "up"
	fired := got(b.Arrive(b.ctx, same))(t)
	equal(t, "parents", fired[0].Parents, []string{"up"})
	last := arrival(model.JoinZip, "a5", "one", "r")
	last.Parent = ""
	equal(t, "parents", got(b.Arrive(b.ctx, []store.Arrival{last}))(t)[0].Parents, []string{"a5", "parent-b5"})

	// Another network and another socket have joins of their own.
	x, y := arrival(model.JoinZip, "x", "one", "r"), arrival(model.JoinZip, "y", "two", "r")
	y.Network = "other"
	z := arrival(model.JoinZip, "z", "two", "r")
	z.Socket = "s2"
	equal(t, "fired", len(got(b.Arrive(b.ctx, []store.Arrival{x, y, z}))(t)), 0)
	equal(t, "joins", len(got(b.Joins(b.ctx, "", ""))(t)), 3)
}

// joinHighest: a joined call has the highest priority of the values that met
// in it; one that stays for others, under the policy latest, counts once.
func joinHighest(t *testing.T, b *bundle) {
	arrive := func(policy model.JoinPolicy, id, argument string, p model.Priority) []store.Fired {
		a := arrival(policy, id, argument, "r")
		a.Socket, a.Priority = string(policy), p
		return got(b.Arrive(b.ctx, []store.Arrival{a}))(t)
	}
	priorities := func(fired []store.Fired) []string {
		return names(fired, func(f store.Fired) string { return string(f.Priority) })
	}
	for i, c := range [][3]model.Priority{
		{model.High, model.Low, model.High}, {"", model.High, model.High}, {model.Low, model.Low, model.Low},
		{model.Normal, model.Low, ""}, {"", "", ""},
	} {
		arrive(model.JoinZip, fmt.Sprint("a", i), "one", c[0])
		equal(t, fmt.Sprint("priority of ", c), priorities(arrive(model.JoinZip, fmt.Sprint("b", i), "two", c[1])), []string{string(c[2])})
	}
	equal(t, "in the outbox", priorities(got(b.PendingFired(b.ctx, 10))(t)), []string{"high", "high", "low", "", ""})

	arrive(model.JoinLatest, "x1", "one", model.High)
	equal(t, "the first that meet", priorities(arrive(model.JoinLatest, "y1", "two", "")), []string{"high"})
	equal(t, "a normal one with what stayed", priorities(arrive(model.JoinLatest, "y2", "two", "")), []string{""})
	arrive(model.JoinRun, "z", "one", model.Low)
	for _, a := range got(b.ExpireJoins(b.ctx, time.Now()))(t) {
		equal(t, "priority of the expired "+a.ID, a.Priority, model.Low)
	}
}

// joinRun: values of the same run meet.
func joinRun(t *testing.T, b *bundle) {
	have := b.arrive(t, model.JoinRun, [3]string{"a1", "one", "r1"}, [3]string{"b2", "two", "r2"}, [3]string{"a2", "one", "r2"},
		[3]string{"a3", "one", "r1"}, [3]string{"b1", "two", "r1"}, [3]string{"b3", "two", "r1"})
	equal(t, "fired", have, [][]string{{}, {}, {"a2+b2"}, {}, {"a1+b1"}, {"a3+b3"}})
	have = b.arrive(t, model.JoinRun, [3]string{"a4", "one", "r4"}, [3]string{"a5", "one", "r5"}, [3]string{"a6", "one", "r4"})
	equal(t, "fired", have, [][]string{{}, {}, {}})
	joins := got(b.Joins(b.ctx, "default", "s"))(t)
	equal(t, "joins", joins, []store.Join{
		{Network: "default", Socket: "s", Policy: model.JoinRun, Tracking: "r4", Have: map[string]string{"one": "a4"}, Missing: []string{"two"}, Since: *kept(0)},
		{Network: "default", Socket: "s", Policy: model.JoinRun, Tracking: "r5", Have: map[string]string{"one": "a5"}, Missing: []string{"two"}, Since: *kept(0)},
		{Network: "default", Socket: "s", Policy: model.JoinRun, Tracking: "r4", Have: map[string]string{"one": "a6"}, Missing: []string{"two"}, Since: *kept(0)},
	})
}

// joinLatest: a new value meets the newest of the others, which stays. A value
// that is replaced before it met anybody expires.
func joinLatest(t *testing.T, b *bundle) {
	have := b.arrive(t, model.JoinLatest, [3]string{"a1", "one", "r"}, [3]string{"a2", "one", "r"}, [3]string{"b1", "two", "r"},
		[3]string{"b2", "two", "r"}, [3]string{"a3", "one", "r"})
	equal(t, "fired", have, [][]string{{}, {}, {"a2+b1"}, {"a2+b2"}, {"a3+b2"}})
	equal(t, "joins", got(b.Joins(b.ctx, "", ""))(t), []store.Join{})
	expired := got(b.ExpireJoins(b.ctx, time.Time{}))(t)
	equal(t, "replaced", names(expired, func(a store.Arrival) string { return a.ID }), []string{"a1"})
	equal(t, "expired later", names(got(b.ExpireJoins(b.ctx, time.Now()))(t), func(a store.Arrival) string { return a.ID }), []string{"a1"})
	batch := []store.Arrival{arrival(model.JoinLatest, "b3", "two", "r"), arrival(model.JoinLatest, "a4", "one", "r")}
	equal(t, "fired", names(got(b.Arrive(b.ctx, batch))(t), met), []string{"a3+b3", "a4+b3"})

	// A socket that is made anew begins with nothing.
	b.queue(t, "q")
	b.processor(t, "p")
	b.socket(t, "s", "p", "q", "f")
	must(t, b.DeleteSocket(b.ctx, "", "s"))
	equal(t, "fired", b.arrive(t, model.JoinLatest, [3]string{"a5", "one", "r"}, [3]string{"b5", "two", "r"}), [][]string{{}, {"a5+b5"}})
}

// joinRepeat: an arrival that comes again changes nothing, before and after its
// join fired.
func joinRepeat(t *testing.T, b *bundle) {
	for _, policy := range []model.JoinPolicy{model.JoinZip, model.JoinRun, model.JoinLatest} {
		a, c := arrival(policy, "a"+string(policy), "one", "r"), arrival(policy, "b"+string(policy), "two", "r")
		a.Socket, c.Socket = string(policy), string(policy)
		equal(t, "fired", len(got(b.Arrive(b.ctx, []store.Arrival{a, a}))(t)), 0)
		equal(t, "fired", len(got(b.Arrive(b.ctx, []store.Arrival{a}))(t)), 0)
		equal(t, "fired", len(got(b.Arrive(b.ctx, []store.Arrival{c, c, a}))(t)), 1)
		equal(t, "fired", len(got(b.Arrive(b.ctx, []store.Arrival{a, c}))(t)), 0)
	}
	equal(t, "pending", len(got(b.PendingFired(b.ctx, 10))(t)), 3)

	odd := []store.Arrival{arrival(model.JoinZip, "x", "three", "r"), arrival(model.JoinZip, "", "one", "r"), arrival(model.JoinZip, "y", "one", "r")}
	fine := arrival(model.JoinZip, "z", "two", "r")
	got(b.Arrive(b.ctx, []store.Arrival{fine}))(t)
	odd[2].Value = raw("{")
	fired, err := b.Arrive(b.ctx, append(odd, arrival(model.JoinZip, "w", "one", "r")))
	var unfit *store.Unfit
	if !errors.As(err, &unfit) || len(unfit.Reasons) != 3 {
		t.Fatalf("have error %v, want one about three arrivals", err)
	}
	equal(t, "fired nevertheless", names(fired, met), []string{"w+z"})
}

// joinExpiry: arguments that wait too long are handed out until they are dealt
// with, and meet nobody any more.
func joinExpiry(t *testing.T, b *bundle) {
	b.arrive(t, model.JoinZip, [3]string{"a1", "one", "r"}, [3]string{"a2", "one", "r"})
	late := arrival(model.JoinZip, "a3", "one", "r")
	late.Created = *kept(100)
	got(b.Arrive(b.ctx, []store.Arrival{late}))(t)
	of := func(a []store.Arrival) []string { return names(a, func(a store.Arrival) string { return a.ID }) }
	expired := got(b.ExpireJoins(b.ctx, *at(50)))(t)
	equal(t, "expired", of(expired), []string{"a1", "a2"})
	want := arrival(model.JoinZip, "a1", "one", "r")
	equal(t, "expired arrival", expired[0], want)
	must(t, b.ForgetArrivals(b.ctx, "a1", "a3"))
	equal(t, "not dealt with", of(got(b.ExpireJoins(b.ctx, *at(50)))(t)), []string{"a2"})
	equal(t, "repeat of an expired one", b.arrive(t, model.JoinZip, [3]string{"a2", "one", "r"}), [][]string{{}})
	equal(t, "fired", b.arrive(t, model.JoinZip, [3]string{"b1", "two", "r"}), [][]string{{"a3+b1"}})
}

// joinOnce: whatever arrives, in whatever order, batches and repeats, every
// complete set fires once and nothing is left over that could fire.
func joinOnce(t *testing.T, b *bundle) {
	rapid.Check(t, func(rt *rapid.T) {
		policy := rapid.SampledFrom([]model.JoinPolicy{model.JoinZip, model.JoinRun}).Draw(rt, "policy")
		run := model.NewID()
		var all []store.Arrival
		count := map[[2]string]int{} // by run and argument
		needs := []string{"one", "two", "three"}
		for i := range rapid.IntRange(1, 12).Draw(rt, "arrivals") {
			a := arrival(policy, fmt.Sprintf("%s-%d", run, i), rapid.SampledFrom(needs).Draw(rt, "argument"), run)
			a.Socket, a.Needs = run[:30], needs
			if policy == model.JoinRun {
				a.Tracking += rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "run")
			}
			count[[2]string{a.Tracking, a.Argument}]++
			all = append(all, a)
			if rapid.Bool().Draw(rt, "again") {
				all = append(all, a)
			}
		}
		all = rapid.Permutation(all).Draw(rt, "order")
		var fired []store.Fired
		for rest := all; len(rest) > 0; {
			n := rapid.IntRange((len(all)+3)/4, len(all)).Draw(rt, "batch") // at most four: commits take time
			n = min(n, len(rest))
			f, err := b.Arrive(b.ctx, rest[:n])
			must(rt, err)
			fired = append(fired, f...)
			rest = rest[n:]
		}
		want := 0
		for _, r := range []string{run, run + "x", run + "y"} {
			want += min(count[[2]string{r, "one"}], count[[2]string{r, "two"}], count[[2]string{r, "three"}])
		}
		once(rt, fired, needs, want)
	})
}

// once expects so many complete joins that share no arrival.
func once(t tester, fired []store.Fired, needs []string, want int) {
	t.Helper()
	equal(t, "joins that fired", len(fired), want)
	seen := map[string]bool{}
	for _, f := range fired {
		equal(t, "values", len(f.Values), len(needs))
		for i, id := range f.Arrivals {
			if seen[id] {
				t.Fatalf("arrival %s is in two joins", id)
			}
			seen[id] = true
			equal(t, "value of "+needs[i], string(f.Values[needs[i]]), `"`+id+`"`)
		}
	}
}

// joinRace: many servers take the same arrivals, each twice and in an order of
// its own, and some die before they commit. Every join fires once.
func joinRace(t *testing.T, b *bundle) {
	const servers, sets = 8, 20
	var all []store.Arrival
	for i := range sets {
		for _, need := range []string{"one", "two"} {
			all = append(all, arrival(model.JoinRun, fmt.Sprintf("%s-%d", need, i), need, fmt.Sprintf("r%d", i)))
			z := arrival(model.JoinZip, fmt.Sprintf("zip-%s-%d", need, i), need, fmt.Sprintf("r%d-%s", i, need))
			z.Socket = "zip"
			all = append(all, z)
		}
	}
	results := make([][]store.Fired, servers)
	var group errgroup.Group
	for s := range servers {
		mine := append(slices.Clone(all), all...)
		rand.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
		group.Go(func() error {
			for len(mine) > 0 {
				n := min(len(mine), 1+rand.IntN(5))
				fired, err := b.Arrive(b.dying(n), mine[:n])
				if errors.Is(err, errDied) {
					continue // it is delivered again
				}
				if err != nil {
					return err
				}
				results[s] = append(results[s], fired...)
				mine = mine[n:]
			}
			return nil
		})
	}
	must(t, group.Wait())
	pending := got(b.PendingFired(b.ctx, 1000))(t)
	once(t, pending, []string{"one", "two"}, 2*sets)
	// Who died after the commit did not tell; nobody told of one twice.
	told := map[string]bool{}
	for _, f := range slices.Concat(results...) {
		if told[f.ID] {
			t.Fatalf("join %s was told twice", f.ID)
		}
		told[f.ID] = true
	}
	equal(t, "incomplete joins", got(b.Joins(b.ctx, "", ""))(t), []store.Join{})
}
