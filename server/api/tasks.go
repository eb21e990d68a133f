package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/store"
)

func (a *API) taskRoutes() {
	register(a, listOp("/v1/tasks", "list-tasks", "tasks", "List the functions of processors"), a.listTasks)
	register(a, getOp("/v1/tasks/{name}", "get-task", "tasks", "Show a function: name, or module.name"), a.getTask)
}

type tasksIn struct {
	InNetwork
	Paged
	Processor string `query:"processor" maxLength:"80" doc:"Only those of this processor"`
}

func (a *API) listTasks(ctx context.Context, in *tasksIn) (*body[model.Page[model.Task]], error) {
	page, err := a.cfg.Store.Tasks(ctx, in.Network, in.Processor, in.list())
	return &body[model.Page[model.Task]]{page}, err
}

func (a *API) getTask(ctx context.Context, in *object) (*body[model.Task], error) {
	t, err := a.cfg.Store.Task(ctx, in.Network, in.Name)
	return &body[model.Task]{t}, err
}

// How long a new socket waits for its processor's functions to be described,
// and how often it looks.
const (
	describeWait = 5 * time.Second
	describePoll = 50 * time.Millisecond
)

// function returns an error when the processor's module is known to lack the
// function. When the module was not described yet, it waits a while for an
// agent to do that; when none does, the function is taken on trust.
func (a *API) function(ctx context.Context, p model.Processor, task string) error {
	end := time.Now().Add(describeWait)
	for {
		known, err := a.described(ctx, p)
		switch {
		case err != nil:
			return err
		case len(known) > 0:
			return hasTask(p, known, task)
		case p.Status == model.StatusFailed && p.Observed == p.Generation:
			return invalid(fmt.Sprintf("processor %s cannot run: %s", p.Name, lastLine(p.Message)),
				"correct its code or settings, then 'flow update processor'")
		}
		coming, err := a.descriptionComes(ctx, p)
		if err != nil || !coming || time.Now().After(end) {
			return err
		}
		if err := pause(ctx, describePoll); err != nil {
			return err
		}
		if p, err = a.cfg.Store.Processor(ctx, p.Network, p.Name); err != nil {
			return err
		}
	}
}

// described returns the functions of the processor's module at its commit; none
// when they are not known.
func (a *API) described(ctx context.Context, p model.Processor) ([]model.Task, error) {
	tasks, err := everything(func(l store.List) (model.Page[model.Task], error) {
		return a.cfg.Store.Tasks(ctx, p.Network, p.Name, l)
	})
	return slices.DeleteFunc(tasks, func(t model.Task) bool { return t.Commit != p.Commit || t.Module != p.Module }), err
}

// descriptionComes tells whether an agent lives that may describe the processor.
func (a *API) descriptionComes(ctx context.Context, p model.Processor) (bool, error) {
	if p.Wanted == model.StatusStopped {
		return false, nil
	}
	agents, err := a.cfg.Store.AllAgents(ctx)
	return slices.ContainsFunc(agents, func(g model.Agent) bool {
		return g.Status == model.StatusRunning && time.Since(g.Beat) < model.AgentLostAfter
	}), err
}

func hasTask(p model.Processor, tasks []model.Task, name string) error {
	names := make([]string, 0, len(tasks))
	for _, t := range tasks {
		if t.Name == name {
			return nil
		}
		names = append(names, t.Name)
	}
	hint := "'flow ls tasks' shows what it has"
	if len(names) <= 12 {
		hint = "it has " + strings.Join(names, ", ")
	}
	hint += "; those of a newer commit come with 'flow update processor " + p.Name + " " + again(p) + "'"
	return invalid(fmt.Sprintf("module %s of processor %s has no function %q", p.Module, p.Name, name), hint, nearest(name, names)...)
}

// again is the option that has the processor's code looked for again.
func again(p model.Processor) string {
	switch p.RefKind {
	case "":
		return "--gitrepo " + p.GitRepo
	case "branch":
		return "--branch " + p.Ref
	}
	return "--branch NAME" // a tag or commit stays what it is
}

// takes returns an error when the socket's function is known and has no such
// argument to be fed.
func (a *API) takes(ctx context.Context, s model.Socket, argument string) error {
	p, err := a.cfg.Store.Processor(ctx, s.Network, s.Processor)
	if err != nil {
		return err
	}
	tasks, err := a.described(ctx, p)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(tasks, func(t model.Task) bool { return t.Name == s.Task })
	if i < 0 {
		return nil
	}
	return hasArgument(tasks[i], argument)
}

// hasArgument returns an error when a value cannot be brought for the argument.
func hasArgument(t model.Task, name string) error {
	if arg, ok := t.Argument(name); ok && arg.Input() {
		return nil
	}
	names := inputs(t)
	hint := "it takes no arguments"
	if len(names) > 0 {
		hint = "it takes " + strings.Join(names, ", ")
	}
	return invalid(fmt.Sprintf("function %s has no argument %q", t.Name, name), hint, nearest(name, names)...)
}

// inputs names the arguments that a caller brings values for.
func inputs(t model.Task) []string {
	var out []string
	for _, arg := range t.Arguments {
		if arg.Input() {
			out = append(out, arg.Name)
		}
	}
	return out
}

// lastLine is what a traceback ends with.
func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return "its agent gave no reason"
}

// pause waits unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
