// Package eventtest is the conformance suite of package event: what every
// driver promises, written down as tests. A driver's own test opens it on a
// fresh set of channels and calls Run.
package eventtest

import (
	"testing"

	"github.com/elasticcode/flow/event"
	"github.com/elasticcode/flow/internal/faultproxy"
)

// Bench is what a test works with: two clients of the same channels, which no
// other test uses.
type Bench struct {
	// Bus is the one under test; it reaches the server through Proxy.
	Bus event.Bus
	// Other stands for another process; it reaches the server directly.
	Other event.Bus
	Proxy *faultproxy.Proxy
}

// Features says what a driver may do differently.
type Features struct {
	// BacklogSlack is how many times its backlog's length a bus may keep, when
	// every message is published alone; 0 means 2.
	BacklogSlack int
	// PublishBuffers says that Publish may take news while the server cannot be
	// reached, to send them later.
	PublishBuffers bool
}

// Open returns a fresh bench whose buses keep a backlog of that length.
type Open func(t *testing.T, backlog int) Bench

// Run runs the suite.
func Run(t *testing.T, f Features, open Open) {
	if f.BacklogSlack == 0 {
		f.BacklogSlack = 2
	}
	s := suite{features: f, open: open}
	for _, c := range []struct {
		name string
		test func(*testing.T)
	}{
		{"Message", s.message},
		{"Patterns", s.patterns},
		{"NamesWithOddCharacters", s.oddNames},
		{"Batch", s.batch},
		{"RefusesNoChannel", s.refusesNoChannel},
		{"ReadyMissesNothing", s.readyMissesNothing},
		{"NowLeavesThePastOut", s.nowLeavesThePastOut},
		{"SinceThenLive", s.sinceThenLive},
		{"SinceIsATime", s.sinceIsATime},
		{"AfterResumes", s.afterResumes},
		{"AfterInsideABatch", s.afterInsideABatch},
		{"AfterNoID", s.afterNoID},
		{"BacklogIsBounded", s.backlogIsBounded},
		{"SlowListener", s.slowListener},
		{"EndsWithContext", s.endsWithContext},
		{"EndsWithContextUnreachable", s.endsUnreachable},
		{"SurvivesCuts", s.survivesCuts},
		{"ResumesAfterAnOutage", s.resumesAfterAnOutage},
		{"StartsDuringAnOutage", s.startsDuringAnOutage},
		{"PublishUnreachable", s.publishUnreachable},
		{"ManyPublishers", s.manyPublishers},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t)
		})
	}
}

type suite struct {
	features Features
	open     Open
}
