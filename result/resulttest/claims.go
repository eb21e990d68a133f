package resulttest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/result"
)

func (s suite) claim(t *testing.T) {
	b := s.open(t)
	call := model.NewID()
	first := granted(t, b.Store, "me", call)
	other := held(t, b.Other, "another", call, "me")
	if other.Remaining > lease {
		t.Errorf("%v of a lease of %v remain", other.Remaining, lease)
	}
	if again := granted(t, b.Store, "me", call); again.Token != first.Token {
		t.Errorf("claiming again gave token %d, not %d", again.Token, first.Token)
	}
	if again := granted(t, b.Other, "me", call); again.Token != first.Token {
		t.Errorf("claiming again elsewhere gave token %d, not %d", again.Token, first.Token)
	}
}

func (s suite) claimFinished(t *testing.T) {
	b := s.open(t)
	call := model.NewID()
	put(t, b.Other, done(call, "it"))
	c := claim(t, b.Store, "me", lease, call)[0]
	if c.Granted || c.Result == nil || string(c.Result.Value) != `"it"` || c.Result.Call != call {
		t.Errorf("claiming an ended call gave %+v", c)
	}
}

func (s suite) claimBatch(t *testing.T) {
	b := s.open(t)
	fresh, mine, theirs, ended := model.NewID(), model.NewID(), model.NewID(), model.NewID()
	before := granted(t, b.Store, "me", mine)
	granted(t, b.Other, "another", theirs)
	put(t, b.Other, done(ended, 1))
	got := claim(t, b.Store, "me", lease, theirs, fresh, ended, mine, fresh)
	switch {
	case got[0].Granted || got[0].Holder != "another":
		t.Errorf("theirs: %+v", got[0])
	case !got[1].Granted:
		t.Errorf("fresh: %+v", got[1])
	case got[2].Granted || got[2].Result == nil:
		t.Errorf("ended: %+v", got[2])
	case !got[3].Granted || got[3].Token != before.Token:
		t.Errorf("mine: %+v", got[3])
	case !got[4].Granted || got[4].Token != got[1].Token:
		t.Errorf("the same call twice in a batch: %+v and %+v", got[1], got[4])
	}
}

// claimRace lets 64 claim the same calls at the same time, while results of some
// of them come in.
func (s suite) claimRace(t *testing.T) {
	b := s.open(t)
	calls := ids(20)
	ended := calls[:5]
	var (
		mu     sync.Mutex
		grants = map[string][]string{}
		wg     sync.WaitGroup
	)
	put(t, b.Other, done(ended[0], 0))
	for i := range 64 {
		store := []result.Store{b.Store, b.Other}[i%2]
		wg.Go(func() {
			holder := fmt.Sprintf("holder-%d", i)
			got, err := store.Claim(within(t, limit), holder, lease, calls...)
			if err != nil {
				t.Errorf("claim: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for n, c := range got {
				if c.Granted {
					grants[calls[n]] = append(grants[calls[n]], holder)
				} else if c.Result == nil && c.Holder == "" {
					t.Errorf("call %d is neither granted nor ended nor held", n)
				}
			}
		})
	}
	wg.Wait()
	if len(grants[ended[0]]) != 0 {
		t.Errorf("an ended call was granted to %v", grants[ended[0]])
	}
	for _, c := range calls[1:] {
		if len(grants[c]) != 1 {
			t.Errorf("a call was granted to %v, want exactly one", grants[c])
		}
	}
}

func (s suite) leaseEnds(t *testing.T) {
	b := s.open(t)
	call := model.NewID()
	first := claim(t, b.Store, "me", 600*time.Millisecond, call)[0]
	if !first.Granted {
		t.Fatalf("not granted: %+v", first)
	}
	if c := held(t, b.Other, "another", call, "me"); c.Remaining > 600*time.Millisecond {
		t.Errorf("%v of a lease of 600ms remain", c.Remaining)
	}
	var second result.Claim
	eventually(t, "the lease ends", func() bool {
		second = claim(t, b.Other, "another", lease, call)[0]
		return second.Granted
	})
	if second.Token <= first.Token {
		t.Errorf("the token of the second grant is %d, not larger than %d", second.Token, first.Token)
	}
	held(t, b.Store, "me", call, "another")
	put(t, b.Store, done(call, "late")) // the first result stays, whoever brings it
	if c := claim(t, b.Other, "another", lease, call)[0]; c.Result == nil {
		t.Errorf("the call has a result, but claiming gave %+v", c)
	}
}

func (s suite) renewKeeps(t *testing.T) {
	b := s.open(t)
	call := model.NewID()
	begin := time.Now()
	first := claim(t, b.Store, "me", 1500*time.Millisecond, call)[0]
	for time.Since(begin) < 3*time.Second {
		tick := time.NewTimer(200 * time.Millisecond)
		<-tick.C
		if c := claim(t, b.Store, "me", 1500*time.Millisecond, call)[0]; !c.Granted || c.Token != first.Token {
			t.Fatalf("renewing gave %+v, want token %d", c, first.Token)
		}
		held(t, b.Other, "another", call, "me")
	}
}

func (s suite) putEndsClaims(t *testing.T) {
	b := s.open(t)
	call := model.NewID()
	first := granted(t, b.Store, "me", call)
	put(t, b.Other, done(call, 1)) // another than the holder
	if err := b.Store.Forget(within(t, limit), call); err != nil {
		t.Fatal(err)
	}
	if second := granted(t, b.Other, "another", call); second.Token <= first.Token {
		t.Errorf("the token of the second grant is %d, not larger than %d", second.Token, first.Token)
	}
}

func (s suite) putWithoutTheClaim(t *testing.T) {
	b := s.open(t)
	call := model.NewID()
	claim(t, b.Store, "me", 300*time.Millisecond, call)
	eventually(t, "the lease ends", func() bool { return claim(t, b.Other, "another", lease, call)[0].Granted })
	if err := b.Other.Release(within(t, limit), "another", call); err != nil {
		t.Fatal(err)
	}
	put(t, b.Store, done(call, "late"))
	if v := value(t, b.Other, call); v != `"late"` {
		t.Errorf("the result is %q", v)
	}
}

func (s suite) release(t *testing.T) {
	b := s.open(t)
	call, other := model.NewID(), model.NewID()
	first := granted(t, b.Store, "me", call)
	granted(t, b.Other, "another", other)
	if err := b.Other.Release(within(t, limit), "another", call, other); err != nil {
		t.Fatal(err)
	}
	held(t, b.Other, "another", call, "me") // only the holder can release
	granted(t, b.Store, "me", other)
	if err := b.Store.Release(within(t, limit), "me", call); err != nil {
		t.Fatal(err)
	}
	if second := granted(t, b.Other, "another", call); second.Token <= first.Token {
		t.Errorf("the token of the second grant is %d, not larger than %d", second.Token, first.Token)
	}
	put(t, b.Store, done(call, 1))
	if err := b.Other.Release(within(t, limit), "another", call); err != nil {
		t.Fatal(err)
	}
	if value(t, b.Store, call) != "1" {
		t.Error("releasing an ended call removed its result")
	}
}

func (s suite) probe(t *testing.T) {
	b := s.open(t)
	me := "host/" + model.NewID()
	for range 2 {
		if err := result.Probe(within(t, limit), b.Store, me); err != nil {
			t.Fatal(err)
		}
	}
	granted(t, b.Other, "another", me) // nothing of it is held
}
