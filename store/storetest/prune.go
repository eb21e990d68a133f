package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// callPrune: what has ended goes, the oldest first, with all that belongs to
// it; what has not ended, is dead, is young or of another network stays.
func callPrune(t *testing.T, b *bundle) {
	old := time.Now().UTC().Add(-time.Hour)
	var calls []model.Call
	for i, state := range []model.State{model.Succeeded, model.Failed, model.Dead, model.Running, model.Cancelled} {
		at := old.Add(time.Duration(i) * time.Second)
		c := model.Call{ID: fmt.Sprint("old", i), Tracking: "run", Network: model.DefaultNetwork, Socket: "s", State: state, Attempt: 1, Created: at, Parents: []string{"p"},
			Events: []model.Event{{Name: "received", Time: at}}, Log: []model.LogLine{{Time: at, Stream: "stdout", Text: "x"}}}
		if state.Terminal() {
			c.Finished = &at
		}
		calls = append(calls, c)
	}
	now := time.Now().UTC()
	calls = append(calls, model.Call{ID: "young", Tracking: "run", Network: model.DefaultNetwork, Socket: "s", State: model.Succeeded, Attempt: 1, Created: now, Finished: &now})
	other := calls[0]
	other.ID, other.Network = "other", "lab"
	_, err := b.CreateNetwork(b.ctx, model.Network{Name: "lab"})
	must(t, err)
	must(t, b.RecordCalls(b.ctx, append(calls, other)))

	at, err := b.CreatedAtRank(b.ctx, model.DefaultNetwork, 0)
	must(t, err)
	if d := at.Sub(now); d > time.Millisecond || d < -time.Millisecond {
		t.Errorf("the newest call was made %s, want %s", at, now)
	}
	if at, err := b.CreatedAtRank(b.ctx, model.DefaultNetwork, 100); err != nil || !at.IsZero() {
		t.Errorf("rank 100 of 6: %s, %v", at, err)
	}

	before := old.Add(time.Minute)
	for _, want := range []int{2, 1, 0} { // three have ended; two at a time
		n, err := b.PruneCalls(b.ctx, model.DefaultNetwork, before, 2)
		must(t, err)
		if n != want {
			t.Errorf("pruned %d, want %d", n, want)
		}
	}
	for id, stays := range map[string]bool{"old0": false, "old1": false, "old2": true, "old3": true, "old4": false, "young": true, "other": true} {
		c, err := b.Call(b.ctx, id)
		switch {
		case stays && err != nil:
			t.Errorf("%s is gone: %v", id, err)
		case !stays && !errors.Is(err, store.ErrNotFound):
			t.Errorf("%s stays: %v", id, err)
		case stays && (id == "old2" || id == "old3") && (len(c.Events) != 1 || len(c.Log) != 1):
			t.Errorf("%s lost its events or log: %+v", id, c)
		}
	}
}
