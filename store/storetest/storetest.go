// Package storetest is the one suite that every driver of the store passes.
package storetest

import (
	"context"
	"testing"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/store"
)

// Run runs the suite. open returns a store on an empty database that belongs to
// the test; the same one again when it is called again with the same name.
func Run(t *testing.T, open func(t testing.TB, name string) *store.Store) {
	t.Helper()
	for name, test := range map[string]func(t *testing.T, b *bundle){
		"Objects":        objects,
		"References":     references,
		"Suggestions":    suggestions,
		"Paging":         paging,
		"Processors":     processors,
		"Hosts":          hosts,
		"Plans":          plans,
		"Lost":           lost,
		"Tasks":          tasks,
		"Endpoints":      endpoints,
		"Deployments":    deployments,
		"Users":          users,
		"Calls":          calls,
		"CallFacts":      callFacts,
		"CallUnfit":      callUnfit,
		"CallPaging":     callPaging,
		"CallPeriod":     callPeriod,
		"CallCount":      callCount,
		"CallTree":       callTree,
		"CallReopen":     callReopen,
		"CallDead":       callDead,
		"CallRedrive":    callRedrive,
		"CallPrune":      callPrune,
		"CallRefs":       callRefs,
		"JoinRefs":       joinRefs,
		"Blobs":          blobs,
		"BlobSweep":      blobSweep,
		"CallCancel":     callCancel,
		"CallUnfinished": callUnfinished,
		"JoinCancel":     joinCancel,
		"CallOrder":      callOrder,
		"CallStates":     callStates,
		"CallRace":       callRace,
		"CallCrowd":      callCrowd,
		"JoinPolicy":     joinPolicy,
		"JoinZip":        joinZip,
		"JoinRun":        joinRun,
		"JoinHighest":    joinHighest,
		"JoinLatest":     joinLatest,
		"JoinRepeat":     joinRepeat,
		"JoinExpiry":     joinExpiry,
		"JoinOnce":       joinOnce,
		"JoinRace":       joinRace,
		"Busy":           busy,
		"Dump":           dump,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, setup(t, open))
		})
	}
	t.Run("CallAppend", func(t *testing.T) {
		t.Parallel()
		callAppend(t, setup(t, open), setup(t, open))
	})
	t.Run("Migrations", func(t *testing.T) {
		t.Parallel()
		migrations(t, open)
	})
}

// bundle is what each test starts with: a database of its own.
type bundle struct {
	*store.Store
	ctx  context.Context
	name string
}

func fresh(t *testing.T, open func(t testing.TB, name string) *store.Store) *bundle {
	t.Helper()
	name := testenv.Prefix(t)
	return &bundle{Store: open(t, name), ctx: testenv.Context(t, Limit), name: name}
}

func setup(t *testing.T, open func(t testing.TB, name string) *store.Store) *bundle {
	t.Helper()
	b := fresh(t, open)
	must(t, b.Migrate(b.ctx))
	return b
}
