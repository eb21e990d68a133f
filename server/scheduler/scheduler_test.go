package scheduler

import (
	"fmt"
	"sort"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elasticcode/flow/model"
)

func proc(name string, cpus int, change ...func(*model.Processor)) model.Processor {
	p := model.Processor{Object: model.Object{ID: name, Network: "default", Name: name, Created: time.Unix(int64(len(name)), 0)}, Concurrency: cpus, Wanted: model.StatusRunning}
	for _, c := range change {
		c(&p)
	}
	return p
}

func node(name string, cpus int) model.Agent {
	return model.Agent{Node: name, CPUs: cpus, Status: model.StatusRunning}
}

func on(host string) func(*model.Processor) { return func(p *model.Processor) { p.Hostname = host } }

// apply makes the deployments as Place says.
func apply(have, put []model.Deployment, remove []string) []model.Deployment {
	byID := map[string]model.Deployment{}
	for _, d := range append(have, put...) {
		byID[d.ID] = d
	}
	for _, id := range remove {
		delete(byID, id)
	}
	var out []model.Deployment
	for _, d := range byID {
		out = append(out, d)
	}
	return out
}

func show(ds []model.Deployment) string {
	var out []string
	for _, d := range ds {
		out = append(out, fmt.Sprintf("%s@%s:%d", d.Processor, d.Node, d.CPUs))
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}

func TestPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		processors []model.Processor
		agents     []model.Agent
		want       string
	}{
		"one fits":             {[]model.Processor{proc("a", 2)}, []model.Agent{node("n", 4)}, "a@n:2"},
		"wants more than all":  {[]model.Processor{proc("a", 5)}, []model.Agent{node("n", 2)}, "a@n:2"},
		"each gets one":        {[]model.Processor{proc("a", 5), proc("bb", 5), proc("ccc", 5)}, []model.Agent{node("n", 2)}, "a@n:1 bb@n:1 ccc@n:1"},
		"the rest in turns":    {[]model.Processor{proc("a", 5), proc("bb", 5)}, []model.Agent{node("n", 5)}, "a@n:3 bb@n:2"},
		"spread":               {[]model.Processor{proc("a", 4)}, []model.Agent{node("m", 2), node("n", 2)}, "a@m:2 a@n:2"},
		"pinned":               {[]model.Processor{proc("a", 4, on("m"))}, []model.Agent{node("m", 2), node("n", 8)}, "a@m:2"},
		"pinned where no one":  {[]model.Processor{proc("a", 4, on("x"))}, []model.Agent{node("n", 8)}, ""},
		"nobody alive":         {[]model.Processor{proc("a", 4)}, nil, ""},
		"stopped":              {[]model.Processor{proc("a", 4, func(p *model.Processor) { p.Wanted = model.StatusStopped })}, []model.Agent{node("n", 8)}, ""},
		"a dead node is empty": {[]model.Processor{proc("a", 1)}, []model.Agent{{Node: "n", CPUs: 9, Status: model.StatusDown}, node("m", 1)}, "a@m:1"},
	} {
		put, remove := Place(c.processors, nil, c.agents)
		if got := show(apply(nil, put, remove)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestPlaceLeavesManualDeploymentsAlone(t *testing.T) {
	t.Parallel()
	manual := model.Deployment{Object: model.Object{ID: "d", Network: "default", Name: "mine"}, Processor: "a", Node: "n", CPUs: 1, Manual: true}
	put, remove := Place([]model.Processor{proc("a", 3)}, []model.Deployment{manual}, []model.Agent{node("n", 4)})
	if got := show(apply([]model.Deployment{manual}, put, remove)); got != "a@n:1 a@n:2" {
		t.Errorf("%s (removed %v)", got, remove)
	}
}

func TestPlaceMovesFromADeadNode(t *testing.T) {
	t.Parallel()
	was := model.Deployment{Object: model.Object{ID: "d", Network: "default"}, Processor: "a", Node: "n", CPUs: 1}
	dead := model.Agent{Node: "n", CPUs: 1, Status: model.StatusDown}
	if put, remove := Place([]model.Processor{proc("a", 1)}, []model.Deployment{was}, []model.Agent{dead}); len(put)+len(remove) != 0 {
		t.Errorf("with nowhere to go it changed: %v %v", put, remove)
	}
	put, remove := Place([]model.Processor{proc("a", 1)}, []model.Deployment{was}, []model.Agent{dead, node("m", 1)})
	if got := show(apply([]model.Deployment{was}, put, remove)); got != "a@m:1" {
		t.Errorf("it did not move: %s", got)
	}
}

// TestPlaceProperties: whatever there is, placing settles at once, gives every
// processor that can run somewhere a worker, and nobody more than it wants.
func TestPlaceProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var processors []model.Processor
		var agents []model.Agent
		for i := range rapid.IntRange(0, 6).Draw(t, "processors") {
			host := rapid.SampledFrom([]string{"", "", "n0", "n1", "gone"}).Draw(t, "host")
			processors = append(processors, proc(fmt.Sprint("p", i), rapid.IntRange(1, 5).Draw(t, "wants"), on(host)))
		}
		for i := range rapid.IntRange(0, 4).Draw(t, "nodes") {
			agents = append(agents, node(fmt.Sprint("n", i), rapid.IntRange(1, 6).Draw(t, "cpus")))
		}
		put, remove := Place(processors, nil, agents)
		have := apply(nil, put, remove)
		if put, remove = Place(processors, have, agents); len(put)+len(remove) != 0 {
			t.Fatalf("a second look changes it again: put %s remove %v", show(put), remove)
		}
		for _, p := range processors {
			total, possible := 0, false
			for _, d := range have {
				if d.Processor == p.Name {
					total += d.CPUs
				}
			}
			for _, a := range agents {
				possible = possible || p.Hostname == "" || p.Hostname == a.Node
			}
			if possible != (total > 0) || total > p.Concurrency {
				t.Fatalf("%s wants %d, can run: %v, has %d: %s", p.Name, p.Concurrency, possible, total, show(have))
			}
		}
	})
}
