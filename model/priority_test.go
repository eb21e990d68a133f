package model_test

import (
	"testing"
	"time"

	"github.com/elasticcode/flow/model"
)

func TestPriority(t *testing.T) {
	t.Parallel()
	for i, p := range model.Priorities() {
		if p.Check() != nil || p.Rank() != i || p.Named() != p {
			t.Errorf("%s: check %v, rank %d, named %s", p, p.Check(), p.Rank(), p.Named())
		}
	}
	for a, rest := range map[model.Priority]map[model.Priority]model.Priority{
		model.High: {model.Low: model.High, "": model.High}, "": {model.Low: "", model.High: model.High}, model.Low: {model.Low: model.Low, "": ""},
	} {
		for b, want := range rest {
			if have := model.Higher(a, b); have.Rank() != want.Rank() {
				t.Errorf("the higher of %q and %q is %q", a, b, have)
			}
		}
	}
	if model.Normal.Brief() != "" || model.High.Brief() != model.High || model.Priority("").Named() != model.Normal {
		t.Error("normal is not what is left out")
	}
}

func TestEnvelopeNeedsAKnownPriority(t *testing.T) {
	t.Parallel()
	e := model.Envelope{ID: "a", Tracking: "r", Created: time.Now(), Priority: model.High}
	if err := e.Check(); err != nil || e.Call(model.Queued).Priority != model.High {
		t.Errorf("%v, %+v", err, e.Call(model.Queued))
	}
	e.Priority = "urgent"
	if err := e.Check(); err == nil {
		t.Error("priority urgent was accepted")
	}
}
