// Package resulttest is the conformance suite of package result: what every
// driver promises, written down as tests. A driver's own test opens it on a
// fresh set of calls and calls Run.
package resulttest

import (
	"testing"

	"github.com/elasticcode/flow/internal/faultproxy"
	"github.com/elasticcode/flow/result"
)

// Bench is what a test works with: two clients of the same results, which no
// other test uses.
type Bench struct {
	// Store is the one under test; it reaches the server through Proxy, if there
	// is one.
	Store result.Store
	// Other stands for another process; it reaches the server directly.
	Other result.Store
	Proxy *faultproxy.Proxy // nil for a store without a server
	// Flush makes the server lose all results, claims, limits and large values.
	Flush func()
}

// Open returns a fresh bench.
type Open func(t *testing.T) Bench

// Run runs the suite for a store on a server.
func Run(t *testing.T, open Open) {
	RunLocal(t, open)
	s := suite{open: open}
	run(t, []test{
		{"WaitSurvivesCuts", s.waitSurvivesCuts},
		{"WaitSurvivesAnOutage", s.waitSurvivesAnOutage},
		{"WaitUnreachable", s.waitUnreachable},
		{"Unreachable", s.unreachable},
		{"Stalled", s.stalled},
		{"BlobsUnreachable", s.blobsUnreachable},
	})
}

// RunLocal runs what does not need a server that can be cut off: all that there
// is to promise for a store in this process.
func RunLocal(t *testing.T, open Open) {
	s := suite{open: open}
	run(t, []test{
		{"PutAndGet", s.putAndGet},
		{"Nothing", s.nothing},
		{"Refuses", s.refuses},
		{"OddIDs", s.oddIDs},
		{"BigBatch", s.bigBatch},
		{"BigValue", s.bigValue},
		{"FirstStays", s.firstStays},
		{"FirstStaysInABatch", s.firstStaysInABatch},
		{"FirstOfManyStays", s.firstOfManyStays},
		{"ResultsExpire", s.resultsExpire},
		{"Forget", s.forget},
		{"Claim", s.claim},
		{"ClaimFinished", s.claimFinished},
		{"ClaimBatch", s.claimBatch},
		{"ClaimRace", s.claimRace},
		{"LeaseEnds", s.leaseEnds},
		{"RenewKeeps", s.renewKeeps},
		{"PutEndsClaims", s.putEndsClaims},
		{"PutWithoutTheClaim", s.putWithoutTheClaim},
		{"Release", s.release},
		{"Probe", s.probe},
		{"WaitAfterPut", s.waitAfterPut},
		{"WaitBeforePut", s.waitBeforePut},
		{"WaitBesideAClaim", s.waitBesideAClaim},
		{"ManyWaiters", s.manyWaiters},
		{"WaitFollowsJoined", s.waitFollowsJoined},
		{"WaitJoinedInACircle", s.waitJoinedInACircle},
		{"WaitNeedsADeadline", s.waitNeedsADeadline},
		{"WaitEnds", s.waitEnds},
		{"WaitSurvivesAFlush", s.waitSurvivesAFlush},
		{"Take", s.take},
		{"Refill", s.refill},
		{"TakeRace", s.takeRace},
		{"RateChanges", s.rateChanges},
		{"Enter", s.enter},
		{"EnterRace", s.enterRace},
		{"PlacesEnd", s.placesEnd},
		{"Await", s.await},
		{"HandOver", s.handOver},
		{"RoomAfterFlush", s.roomAfterFlush},
		{"LimitsRefuse", s.limitsRefuse},
		{"Blobs", s.blobs},
		{"BlobsAreForgotten", s.blobsAreForgotten},
	})
}

// RunMemory runs the suite of result.Memory, for drivers that can forget.
func RunMemory(t *testing.T, open Open) {
	s := suite{open: open}
	run(t, []test{
		{"Since", s.since},
		{"BeginAnew", s.beginAnew},
	})
}

type test struct {
	name string
	test func(*testing.T)
}

func run(t *testing.T, tests []test) {
	t.Helper()
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t)
		})
	}
}

type suite struct{ open Open }
