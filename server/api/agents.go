package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"time"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

// planRecheck is how often a waiting request for a plan looks again without
// having heard of a change, in case the news was lost.
const planRecheck = 5 * time.Second

func (a *API) agentRoutes() {
	const tag = "agents"
	beat := op(http.MethodPost, "/v1/agents/heartbeat", "heartbeat", tag, "Report a node, its agent and its workers",
		http.StatusBadRequest, http.StatusUnprocessableEntity)
	readsJSON(&beat, 8<<20)
	register(a, beat, a.heartbeat)
	describeJSON[model.Heartbeat](a, beat)

	plan := op(http.MethodGet, "/v1/plan", "get-plan", tag, "Show what a node is wanted to run, waiting for a change when asked to", http.StatusUnprocessableEntity)
	plan.Description = "Answers 304 when the plan is still the version given, after the wait."
	register(a, plan, a.getPlan)

	one := op(http.MethodGet, "/v1/processors/{name}/assignment", "get-assignment", tag, "Show what a worker of a processor needs to run it", http.StatusNotFound)
	register(a, one, a.getAssignment)

	register(a, op(http.MethodPost, "/v1/agents/ended", "ended-calls", tag, "List those of the calls given that have ended",
		http.StatusBadRequest, http.StatusUnprocessableEntity), a.endedCalls)

	value := op(http.MethodGet, "/v1/agents/blobs/{hash}", "get-value", tag, "Fetch a large value of a call by the SHA-256 of its bytes",
		http.StatusNotFound, http.StatusUnprocessableEntity)
	register(a, value, a.getValue)

	tasks := op(http.MethodPut, "/v1/processors/{name}/tasks", "report-tasks", tag, "Report the functions of a processor's module",
		http.StatusBadRequest, http.StatusNotFound, http.StatusConflict)
	readsJSON(&tasks, 32<<20)
	register(a, tasks, a.reportTasks)
	describeJSON[client.TasksReport](a, tasks)
}

// heartbeatIn and tasksReport are read leniently: an agent of another version
// may say more or less than this server knows.
type heartbeatIn struct {
	RawBody []byte `contentType:"application/json"`
}

func (a *API) heartbeat(ctx context.Context, in *heartbeatIn) (*body[client.HeartbeatAnswer], error) {
	var h model.Heartbeat
	if err := json.Unmarshal(in.RawBody, &h); err != nil {
		return nil, undecoded(err)
	}
	if err := check(model.CheckName("node", h.Node.Name)); err != nil {
		return nil, err
	}
	if err := a.cfg.Store.Heartbeat(ctx, h); err != nil {
		return nil, err
	}
	if taken := a.followers.unknown(h.Node.Name); taken != "" {
		a.taken(ctx, h.Node.Name, taken)
	}
	v, _, err := a.plans.of(ctx, h.Node.Name)
	if err != nil {
		return nil, err
	}
	return &body[client.HeartbeatAnswer]{client.HeartbeatAnswer{PlanVersion: v}}, nil
}

type planIn struct {
	Node    string `query:"node" required:"true" maxLength:"255" doc:"Name of the node"`
	Version string `query:"version" maxLength:"128" doc:"Version of the plan that is known"`
	Wait    string `query:"wait" maxLength:"32" doc:"Wait so long for another version, for example 20s; at most 1m"`
}

func (a *API) getPlan(ctx context.Context, in *planIn) (*body[model.Plan], error) {
	wait, err := waiting(in.Wait)
	if err != nil {
		return nil, err
	}
	waitCtx, cancel := a.until(ctx, wait)
	defer cancel()
	for {
		rung, epoch := a.bell.wait()
		v, assignments, err := a.plans.of(ctx, in.Node)
		if err != nil {
			return nil, err
		}
		if v != in.Version || in.Version == "" {
			a.followers.told(in.Node)
			return a.plan(ctx, v, assignments)
		}
		// What it knows is what is: it has taken every change before this one.
		leave := a.followers.follow(in.Node, epoch)
		if a.followers.has(in.Node, v) {
			a.taken(ctx, in.Node, v)
		}
		again := heard(waitCtx, rung)
		if leave(); !again {
			return nil, notModified{}
		}
	}
}

// heard waits for a change, or for the time to look without one; it is false
// when ctx has ended.
func heard(ctx context.Context, rung <-chan struct{}) bool {
	t := time.NewTimer(planRecheck)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-rung:
	case <-t.C:
	}
	return ctx.Err() == nil
}

// plan fills in the credentials of repositories, for the agent alone.
func (a *API) plan(ctx context.Context, v string, assignments []model.Assignment) (*body[model.Plan], error) {
	for i, as := range assignments {
		c, err := a.credentials(ctx, as.Processor.ID)
		if err != nil {
			// One processor that cannot be fetched must not keep the others from running.
			a.log.ErrorContext(ctx, "credentials not given to agent", "processor", as.Processor.Name, "err", err)
			continue
		}
		assignments[i].Credentials = c
	}
	return &body[model.Plan]{model.Plan{Version: v, Assignments: filled(assignments)}}, nil
}

type assignmentIn struct {
	InNetwork
	Named
}

// getAssignment is for a worker that a person starts by hand.
func (a *API) getAssignment(ctx context.Context, in *assignmentIn) (*body[model.Assignment], error) {
	p, err := a.cfg.Store.Processor(ctx, in.Network, in.Name)
	if err != nil {
		return nil, err
	}
	sockets, err := a.cfg.Store.EndpointsOf(ctx, in.Network, in.Name)
	if err != nil {
		return nil, err
	}
	c, err := a.credentials(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	return &body[model.Assignment]{model.Assignment{Processor: p, Sockets: sockets, Credentials: c}}, nil
}

type endedIn struct{ Body client.EndedQuery }

// endedCalls is for workers whose result store has lost its memory.
func (a *API) endedCalls(ctx context.Context, in *endedIn) (*body[client.EndedAnswer], error) {
	out := client.EndedAnswer{Calls: []model.Call{}}
	for _, id := range in.Body.Calls {
		c, err := a.cfg.Store.Call(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
		case err != nil:
			return nil, err
		case c.State.Terminal():
			c.Log = nil
			out.Calls = append(out.Calls, c)
		}
	}
	return &body[client.EndedAnswer]{out}, nil
}

// acted is what of an assignment an agent acts on, besides its sockets.
func acted(as model.Assignment) model.Assignment {
	as.Sockets = nil
	as.Deployment.Status, as.Deployment.Updated = "", time.Time{}
	p := &as.Processor
	p.Status, p.Message, p.Observed, p.Updated = "", "", 0, time.Time{}
	return as
}

func hexed(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)[:16]) }

// notModified is the answer 304.
type notModified struct{}

// Error says what the status means.
func (notModified) Error() string { return "the plan has not changed" }

// GetStatus returns 304.
func (notModified) GetStatus() int { return http.StatusNotModified }

type tasksReport struct {
	InNetwork
	Named
	RawBody []byte `contentType:"application/json"`
}

func (a *API) reportTasks(ctx context.Context, in *tasksReport) (*struct{}, error) {
	var report client.TasksReport
	if err := json.Unmarshal(in.RawBody, &report); err != nil {
		return nil, undecoded(err)
	}
	p, err := a.cfg.Store.Processor(ctx, in.Network, in.Name)
	if err != nil {
		return nil, err
	}
	if report.Generation > 0 && report.Generation < p.Generation && report.Commit != p.Commit {
		return nil, &store.Conflict{Kind: "processor", Name: p.Name, Why: fmt.Sprintf("it is at generation %d and not %d", p.Generation, report.Generation)}
	}
	if err := a.cfg.Store.PutTasks(ctx, in.Network, in.Name, report.Commit, report.Tasks); err != nil {
		return nil, err
	}
	a.announce(ctx, "task", in.Network, in.Name, "updated")
	return nil, nil
}
