package flags

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/elasticcode/flow/client"
	"github.com/elasticcode/flow/cmd/flow/complete"
	"github.com/elasticcode/flow/cmd/flow/exit"
	"github.com/elasticcode/flow/cmd/flow/factory"
	"github.com/elasticcode/flow/model"
)

// Endpoint adds the options that say what a socket is the address of.
func Endpoint(cmd *cobra.Command, f *factory.Factory, queue, processor, task *string) {
	cmd.Flags().StringVarP(queue, "queue", "q", "", "name of the queue")
	Two(cmd, processor, "procname", "pn", "", "name of the processor")
	cmd.Flags().StringVarP(task, "task", "t", "", "function of the processor's module")
	complete.Option(cmd, f, "queue", complete.Queues)
	complete.Option(cmd, f, "procname", complete.Processors)
	complete.Option(cmd, f, "task", complete.Tasks)
}

// Policy is how a socket runs its calls.
type Policy struct {
	cmd      *cobra.Command
	Attempts int
	Retries  int
	Backoff  time.Duration
	Max      time.Duration
	Timeout  time.Duration
	Join     string
	Limit    Limit
	Running  int
	Queue    time.Duration
}

// PolicyNames are the options of a Policy.
var PolicyNames = append([]string{
	"attempts", "retries", "backoff", "backoff-max", "timeout", "join", "max-running", "queue-timeout",
}, LimitNames...)

// Add adds the options to the command.
func (p *Policy) Add(cmd *cobra.Command) {
	p.cmd = cmd
	set := cmd.Flags()
	set.IntVar(&p.Attempts, "attempts", 1, "how often a call is run before it is given up")
	set.IntVarP(&p.Retries, "retries", "r", 0, "how often a failed call is run again: one less than --attempts")
	set.DurationVar(&p.Backoff, "backoff", time.Second, "delay before the second attempt; it doubles with each, with full jitter")
	set.DurationVar(&p.Max, "backoff-max", time.Minute, "longest delay between attempts")
	set.DurationVar(&p.Timeout, "timeout", model.DefaultTimeout, "how long a run may take")
	Choice(cmd, &p.Join, "join", "", string(model.JoinZip), "which values meet when arguments arrive one by one: the k-th of each (zip), those of one run, or the newest of each (latest)",
		string(model.JoinZip), string(model.JoinRun), string(model.JoinLatest))
	p.Limit.Add(cmd, "runs")
	set.IntVar(&p.Running, "max-running", 0, "how many calls may run at the same time, over all workers; 0 is no limit")
	set.DurationVar(&p.Queue, "queue-timeout", 0, "how long a call may wait in its queue before it expires into the dead letters; 0 is no limit")
	Exclusive(cmd, "attempts", "retries")
}

// Fill puts what was said, or its default, into a socket.
func (p *Policy) Fill(s *model.Socket) error {
	s.MaxAttempts, s.Join, s.MaxRunning = p.Attempts, model.JoinPolicy(p.Join), p.Running
	switch {
	case p.Running < 0 || p.Running > model.MaxRunning:
		return exit.Usagef("--max-running %d: give 1 to %d, or 0 for no limit", p.Running, model.MaxRunning)
	case p.Retries < 0:
		return exit.Usagef("--retries %d: give 0 or more", p.Retries)
	case p.Attempts < 1:
		return exit.Usagef("--attempts %d: give 1 or more", p.Attempts)
	case Given(p.cmd, "retries"):
		s.MaxAttempts = p.Retries + 1
	}
	err := p.Limit.Fill(&s.Limit)
	if err != nil {
		return err
	}
	if s.QueueTimeoutMS, err = Milliseconds("queue-timeout", p.Queue); err != nil {
		return err
	}
	if s.BackoffMS, err = Milliseconds("backoff", p.Backoff); err != nil {
		return err
	}
	longest := p.Max
	if !Given(p.cmd, "backoff-max") {
		longest = max(longest, p.Backoff)
	}
	if s.BackoffMaxMS, err = Milliseconds("backoff-max", longest); err != nil {
		return err
	}
	if s.TimeoutMS, err = Milliseconds("timeout", p.Timeout); err == nil && s.TimeoutMS == 0 {
		err = exit.Usagef("--timeout 0s: a run needs an end: give a timeout above 0")
	}
	return err
}

// Patch puts what was said, and nothing else, into a change of a socket.
func (p *Policy) Patch(out *client.SocketPatch) error {
	var s model.Socket
	if err := p.Fill(&s); err != nil {
		return err
	}
	if Given(p.cmd, "attempts", "retries") {
		out.MaxAttempts = &s.MaxAttempts
	}
	out.BackoffMS = If(p.cmd, "backoff", s.BackoffMS)
	if Given(p.cmd, "backoff-max") {
		out.BackoffMaxMS = &s.BackoffMaxMS
	}
	out.TimeoutMS = If(p.cmd, "timeout", s.TimeoutMS)
	out.Join = If(p.cmd, "join", s.Join)
	out.MaxRunning = If(p.cmd, "max-running", s.MaxRunning)
	out.QueueTimeoutMS = If(p.cmd, "queue-timeout", s.QueueTimeoutMS)
	var err error
	out.Rate, out.Burst, err = p.Limit.Patch()
	return err
}
