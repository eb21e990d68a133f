package client

import (
	"time"

	"github.com/elasticcode/flow/model"
)

// resolveWait is what a request may take longer that makes the server look into
// a git repository or wait for a module to be described.
const resolveWait = 90 * time.Second

// NetworkInput declares a network.
type NetworkInput struct {
	Name string `json:"name" doc:"Name of the network" example:"default"`
}

// QueueInput declares a queue. Limits that are 0 or left out are no limits.
type QueueInput struct {
	Name         string          `json:"name" doc:"Name of the queue" example:"pyfi.queue1"`
	Type         model.QueueType `json:"type,omitempty" enum:"direct,topic,fanout" default:"direct" doc:"Which sockets a call reaches: the one it is sent to (direct), or all on the queue (topic, fanout)"`
	MessageTTLMS int64           `json:"message_ttl_ms,omitempty" minimum:"0" doc:"How long a call may wait, in milliseconds, before it expires into the dead letters"`
	MaxMessages  int64           `json:"max_messages,omitempty" minimum:"0" doc:"How many calls may wait; more are refused"`
	MaxBytes     int64           `json:"max_bytes,omitempty" minimum:"0" doc:"How many bytes of calls may wait; more are refused"`
	ExpiresMS    int64           `json:"expires_ms,omitempty" minimum:"0" doc:"After how many milliseconds without use the broker queues are removed"`
}

// QueuePatch changes the limits of a queue; nil leaves one as it is, 0 takes it away.
type QueuePatch struct {
	MessageTTLMS *int64 `json:"message_ttl_ms,omitempty" minimum:"0" doc:"How long a call may wait, in milliseconds"`
	MaxMessages  *int64 `json:"max_messages,omitempty" minimum:"0" doc:"How many calls may wait"`
	MaxBytes     *int64 `json:"max_bytes,omitempty" minimum:"0" doc:"How many bytes of calls may wait"`
	ExpiresMS    *int64 `json:"expires_ms,omitempty" minimum:"0" doc:"After how many milliseconds without use the broker queues are removed"`
}

// ProcessorInput declares a processor. At most one of Branch, Tag and Commit is
// given; none means the repository's default branch.
type ProcessorInput struct {
	Name        string `json:"name" doc:"Name of the processor" example:"proc1"`
	GitRepo     string `json:"gitrepo" doc:"URL or path of the git repository. Credentials in it (https://user:password@host/…) are taken out, kept sealed and never shown"`
	Branch      string `json:"branch,omitempty" doc:"Branch to run"`
	Tag         string `json:"tag,omitempty" doc:"Tag to run"`
	Commit      string `json:"commit,omitempty" doc:"Commit to run: its hash or the beginning of it"`
	Module      string `json:"module" doc:"Module that holds the functions" example:"pyfi.processors.sample"`
	ModulePath  string `json:"modulepath,omitempty" doc:"Folder of the repository that modules are found in; empty is its root"`
	Runtime     string `json:"runtime,omitempty" enum:"python,shell" default:"python" doc:"What runs the code"`
	Interpreter string `json:"interpreter,omitempty" doc:"Program that runs the code, where the runtime has one" example:"python3"`
	Hostname    string `json:"hostname,omitempty" doc:"Node to run on; empty lets the scheduler choose"`
	Concurrency int    `json:"concurrency,omitempty" minimum:"1" maximum:"1024" default:"1" doc:"How many workers are wanted in all"`
	Rate        string `json:"rate,omitempty" doc:"How many runs of all its sockets together may begin in a time, over all workers: 10/s, 90/m or 5/h; no limit when left out" example:"100/s"`
	Burst       int    `json:"burst,omitempty" minimum:"0" maximum:"1000000" doc:"How many may begin at once after a while without any; as many as the rate gives in a second when left out"`
}

// ProcessorPatch changes a processor; nil leaves a field as it is. A repository,
// branch, tag or commit, also the same one again, is resolved anew.
type ProcessorPatch struct {
	GitRepo     *string `json:"gitrepo,omitempty" doc:"URL or path of the git repository"`
	Branch      *string `json:"branch,omitempty" doc:"Branch to run"`
	Tag         *string `json:"tag,omitempty" doc:"Tag to run"`
	Commit      *string `json:"commit,omitempty" doc:"Commit to run"`
	Module      *string `json:"module,omitempty" doc:"Module that holds the functions"`
	ModulePath  *string `json:"modulepath,omitempty" doc:"Folder of the repository that modules are found in"`
	Interpreter *string `json:"interpreter,omitempty" doc:"Program that runs the code"`
	Hostname    *string `json:"hostname,omitempty" doc:"Node to run on; empty lets the scheduler choose"`
	Concurrency *int    `json:"concurrency,omitempty" minimum:"1" maximum:"1024" doc:"How many workers are wanted in all"`
	Rate        *string `json:"rate,omitempty" doc:"How many runs of all its sockets together may begin in a time: 10/s, 90/m or 5/h; none takes the limit away. Workers are not replaced"`
	Burst       *int    `json:"burst,omitempty" minimum:"0" maximum:"1000000" doc:"How many may begin at once after a while without any; 0 is as many as the rate gives in a second"`
}

// SocketInput declares a socket. What is left out has the defaults of model.Socket.
type SocketInput struct {
	Name         string           `json:"name" doc:"Name of the socket" example:"pyfi.processors.sample.do_this"`
	Processor    string           `json:"processor" doc:"Name of the processor"`
	Queue        string           `json:"queue" doc:"Name of the queue"`
	Task         string           `json:"task" doc:"Function of the processor's module" example:"do_this"`
	MaxAttempts  int              `json:"max_attempts,omitempty" minimum:"1" maximum:"1000" default:"1" doc:"How often a call is run before it is given up; 1 means no retry"`
	BackoffMS    int64            `json:"backoff_ms,omitempty" minimum:"0" doc:"Base of the exponential delay between attempts, in milliseconds; 1000 when left out"`
	BackoffMaxMS int64            `json:"backoff_max_ms,omitempty" minimum:"0" doc:"Cap of the delay between attempts, in milliseconds; 60000 when left out"`
	TimeoutMS    int64            `json:"timeout_ms,omitempty" minimum:"1" doc:"How long a run may take, in milliseconds; 15 minutes when left out"`
	Join         model.JoinPolicy `json:"join,omitempty" enum:"zip,run,latest" default:"zip" doc:"Which values meet when arguments arrive one by one"`

	Rate           string `json:"rate,omitempty" doc:"How many runs may begin in a time, over all workers: 10/s, 90/m or 5/h; no limit when left out" example:"10/s"`
	Burst          int    `json:"burst,omitempty" minimum:"0" maximum:"1000000" doc:"How many may begin at once after a while without any; as many as the rate gives in a second when left out"`
	MaxRunning     int    `json:"max_running,omitempty" minimum:"0" maximum:"10000" doc:"How many calls may run at the same time, over all workers; 0 or left out is no limit"`
	QueueTimeoutMS int64  `json:"queue_timeout_ms,omitempty" minimum:"0" doc:"How long a call may wait in its queue, in milliseconds, before it expires into the dead letters; 0 or left out is no limit"`
}

// SocketPatch changes a socket; nil leaves a field as it is. A socket in whose
// queue calls wait cannot move to another task, processor or queue.
type SocketPatch struct {
	Processor    *string           `json:"processor,omitempty" doc:"Name of the processor"`
	Queue        *string           `json:"queue,omitempty" doc:"Name of the queue"`
	Task         *string           `json:"task,omitempty" doc:"Function of the processor's module"`
	MaxAttempts  *int              `json:"max_attempts,omitempty" minimum:"1" maximum:"1000" doc:"How often a call is run before it is given up"`
	BackoffMS    *int64            `json:"backoff_ms,omitempty" minimum:"0" doc:"Base of the delay between attempts, in milliseconds"`
	BackoffMaxMS *int64            `json:"backoff_max_ms,omitempty" minimum:"0" doc:"Cap of the delay between attempts, in milliseconds"`
	TimeoutMS    *int64            `json:"timeout_ms,omitempty" minimum:"1" doc:"How long a run may take, in milliseconds"`
	Join         *model.JoinPolicy `json:"join,omitempty" enum:"zip,run,latest" doc:"Which values meet when arguments arrive one by one"`

	Rate           *string `json:"rate,omitempty" doc:"How many runs may begin in a time, over all workers: 10/s, 90/m or 5/h; none takes the limit away"`
	Burst          *int    `json:"burst,omitempty" minimum:"0" maximum:"1000000" doc:"How many may begin at once after a while without any; 0 is as many as the rate gives in a second"`
	MaxRunning     *int    `json:"max_running,omitempty" minimum:"0" maximum:"10000" doc:"How many calls may run at the same time, over all workers; 0 is no limit"`
	QueueTimeoutMS *int64  `json:"queue_timeout_ms,omitempty" minimum:"0" doc:"How long a call may wait in its queue, in milliseconds; 0 is no limit"`
}

// PlugInput declares a plug. A queue that does not exist is created (direct).
type PlugInput struct {
	Name     string         `json:"name" doc:"Name of the plug" example:"plug1"`
	Type     model.PlugType `json:"type,omitempty" enum:"RESULT,ERROR" default:"RESULT" doc:"Which outcome of the source it carries"`
	Source   string         `json:"source" doc:"Name of the socket whose outcome it carries"`
	Target   string         `json:"target" doc:"Name of the socket that is called with it"`
	Argument string         `json:"argument,omitempty" doc:"Argument of the target's function that the value is for; empty makes it the first argument of a call of its own"`
	Queue    string         `json:"queue,omitempty" doc:"Queue that the edge has for itself; empty delivers straight to the target's queue"`
}

// PlugPatch changes a plug; nil leaves a field as it is, "" takes an argument
// or a queue away.
type PlugPatch struct {
	Type     *model.PlugType `json:"type,omitempty" enum:"RESULT,ERROR" doc:"Which outcome of the source it carries"`
	Source   *string         `json:"source,omitempty" doc:"Name of the source socket"`
	Target   *string         `json:"target,omitempty" doc:"Name of the target socket"`
	Argument *string         `json:"argument,omitempty" doc:"Argument of the target's function that the value is for"`
	Queue    *string         `json:"queue,omitempty" doc:"Queue that the edge has for itself"`
}

// DeploymentInput places a processor on a node by hand.
type DeploymentInput struct {
	Name      string `json:"name,omitempty" doc:"Name of the deployment; PROCESSOR.NODE when left out"`
	Processor string `json:"processor" doc:"Name of the processor"`
	Node      string `json:"node" doc:"Name of the node"`
	CPUs      int    `json:"cpus,omitempty" minimum:"1" maximum:"1024" default:"1" doc:"How many workers run there"`
}

// DeploymentPatch changes a deployment; nil leaves a field as it is.
type DeploymentPatch struct {
	CPUs *int `json:"cpus,omitempty" minimum:"1" maximum:"1024" doc:"How many workers run there"`
}

func processorInput(p model.Processor) ProcessorInput {
	in := ProcessorInput{
		Name: p.Name, GitRepo: p.GitRepo, Module: p.Module, ModulePath: p.ModulePath, Runtime: p.Runtime,
		Interpreter: p.Interpreter, Hostname: p.Hostname, Concurrency: p.Concurrency,
		Rate: string(p.Rate), Burst: p.Burst,
	}
	switch p.RefKind {
	case "branch":
		in.Branch = p.Ref
	case "tag":
		in.Tag = p.Ref
	case "commit":
		in.Commit = p.Ref
	}
	return in
}
