// Package result is the contract for the outcomes of calls: kept for a while,
// found by id, waited for; and for the claims that keep two copies of one call
// from running at the same time.
//
// It is the fast copy and the bell. The database holds the truth of history;
// what is lost here (a flushed Redis) costs a repeat at most, never a call.
package result

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/elasticcode/flow/model"
)

// Result is how a call ended.
type Result struct {
	Call    string          `json:"call"`
	State   model.State     `json:"state"` // terminal
	Value   json.RawMessage `json:"value,omitempty"`
	Failure *model.Failure  `json:"failure,omitempty"`
	// Plugs are the values the code chose plugs for, by plug name; kept so that
	// a repeat can forward them again without running the code again.
	Plugs map[string]json.RawMessage `json:"plugs,omitempty"`
	// Refs are the large values of Value and Plugs ("/value", "/plugs/NAME"),
	// where there is null.
	Refs []model.Ref `json:"refs,omitempty"`
	// Joined names the call that an argument became part of: its outcome is
	// the outcome of this one.
	Joined   string    `json:"joined,omitempty"`
	Attempt  int       `json:"attempt,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
}

// Claim is the answer to the wish to run a call.
type Claim struct {
	// Granted says that the caller may run it, until the lease ends.
	Granted bool
	// Token grows with every grant for the same call.
	Token int64
	// Unsure says of a grant that the store lost what it knew less than Unsettled ago:
	// somebody may run the call, or have run it, although it is granted. Memory tells
	// which calls that can be said of.
	Unsure bool
	// Result is how the call ended already, if it did; then Granted is false.
	Result *Result
	// Holder is who runs it now, and Remaining how long their lease lasts, when
	// it is neither granted nor ended.
	Holder    string
	Remaining time.Duration
}

// Store keeps results. Methods may be called at the same time from many goroutines.
type Store interface {
	// Put keeps the results for ttl, ends the claims on their calls and wakes
	// who waits, in one round trip. The first result of a call stays, so that two
	// attempts cannot tell two stories: a later one is ignored, though it may prolong
	// the time for which the first is kept. It returns the earlier results that
	// stayed: they are how those calls ended.
	Put(ctx context.Context, ttl time.Duration, results ...Result) (earlier []Result, err error)
	// Get returns the results that are known, by call id.
	Get(ctx context.Context, calls ...string) (map[string]Result, error)
	// Wait returns the call's result as soon as it is known, and follows Joined
	// to the end. It needs a context with a deadline and returns its error when
	// that passes first.
	Wait(ctx context.Context, call string) (Result, error)
	// Claim asks to run the calls, for holder, until the lease ends; in one
	// round trip. Claiming again what the holder holds renews the lease under
	// the same token. The answers are in the order of the calls.
	Claim(ctx context.Context, holder string, lease time.Duration, calls ...string) ([]Claim, error)
	// Release ends the holder's claims without a result.
	Release(ctx context.Context, holder string, calls ...string) error
	// Forget removes results, so that the calls can run again.
	Forget(ctx context.Context, calls ...string) error
}

// CheckClaim tells what is wrong with the arguments of Claim, for drivers.
func CheckClaim(holder string, lease time.Duration, calls []string) error {
	if holder == "" || lease < time.Millisecond {
		return fmt.Errorf("claim calls for %q and %v: a claim needs a holder and a lease of a millisecond or longer", holder, lease)
	}
	if i := slices.Index(calls, ""); i >= 0 {
		return fmt.Errorf("claim calls: number %d has no id", i)
	}
	return nil
}

// Unsettled is for how long after a loss of memory every grant is Unsure. Longer than
// the first message of a call stays on its way through a worker, while the second one,
// sent since nobody knew whether the first had arrived, is run by another.
const Unsettled = time.Minute

// Memory is a Store that can lose what it knew, like a Redis that is flushed or
// restarted. A claim it grants may then be for a call that has ended.
type Memory interface {
	// Since is the time from which on the store has forgotten nothing. What
	// happened before may be unknown to it. It and the present are by the store's
	// clock: that of the caller may be wrong.
	Since(ctx context.Context) (since, now time.Time, err error)
	// BeginAnew says that nothing has happened yet, so that there is nothing the
	// store could have forgotten. It changes nothing in a store that is in use.
	BeginAnew(ctx context.Context) error
}

// ErrUnavailable says that the store cannot be reached now.
var ErrUnavailable = errors.New("the result store cannot be reached")

// ErrRefused says that the store answers, and does not let this user in.
var ErrRefused = errors.New("the result store refuses this user")
