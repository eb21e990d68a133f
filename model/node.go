package model

import "time"

// HeartbeatEvery is how often an agent reports, and AgentLostAfter how long it
// may be silent before its node counts as down.
const (
	HeartbeatEvery = 3 * time.Second
	AgentLostAfter = 12 * time.Second
)

// Node is a host that can run workers.
type Node struct {
	Object          // Name is the hostname
	Cores    int    `json:"cores"`        // of the hardware
	Memory   int64  `json:"memory_bytes"` // of the hardware
	MemFree  int64  `json:"memory_free_bytes"`
	Load     string `json:"load,omitempty"` // load averages over 1, 5 and 15 minutes, where the system tells
	Status   Status `json:"status"`
	Platform string `json:"platform"` // for example linux/amd64
}

// Agent is the process on a node that runs its workers.
type Agent struct {
	Object           // Name is <node>.agent
	Node   string    `json:"node"`
	CPUs   int       `json:"cpus"` // workers it may run
	PID    int       `json:"pid"`
	Status Status    `json:"status"`
	Beat   time.Time `json:"heartbeat"` // when it was last heard of
	// Version is the version of the flow program it runs.
	Version string    `json:"version"`
	Started time.Time `json:"started"`
}

// Deployment says "run this processor with N CPUs on that node".
type Deployment struct {
	Object
	Processor string `json:"processor"`
	Node      string `json:"node"`
	CPUs      int    `json:"cpus"`
	// Manual is true when a person made it; the scheduler leaves it alone.
	Manual bool   `json:"manual"`
	Status Status `json:"status"`
}

// Worker is one slot of a deployment: a supervised child process that hosts the
// processor's code.
type Worker struct {
	Object                // Name is <node>.<processor>.<slot>
	Node       string     `json:"node"`
	Processor  string     `json:"processor"`
	Deployment string     `json:"deployment"`
	Slot       int        `json:"slot"`
	PID        int        `json:"pid"` // of the child process; 0 when none runs
	Status     Status     `json:"status"`
	Message    string     `json:"message,omitempty"` // why it is not running
	Restarts   int        `json:"restarts"`
	Commit     string     `json:"commit"`
	Generation int64      `json:"generation"`
	Started    *time.Time `json:"started,omitempty"`
}

// Heartbeat is what an agent reports: the node, itself, and its workers as they
// are now.
type Heartbeat struct {
	Node       Node              `json:"node"`
	Agent      Agent             `json:"agent"`
	Workers    []Worker          `json:"workers"`
	Processors []ProcessorReport `json:"processors"`
}

// ProcessorReport is what an agent found out about a processor's code.
type ProcessorReport struct {
	Processor  string `json:"processor"`
	Network    string `json:"network"`
	Generation int64  `json:"generation"`
	Commit     string `json:"commit"`
	Status     Status `json:"status"`
	Message    string `json:"message,omitempty"`
}

// Assignment is everything an agent needs to run one deployment.
type Assignment struct {
	Deployment Deployment `json:"deployment"`
	Processor  Processor  `json:"processor"`
	// Sockets are the processor's own, with what their calls need to travel.
	Sockets []Endpoint `json:"sockets"`
	// Credentials for the repository ("user:password"); only ever sent to agents.
	Credentials string `json:"credentials,omitempty"`
}

// Endpoint is a socket with its surroundings: its task, its queue and the edges
// around it.
type Endpoint struct {
	Socket Socket `json:"socket"`
	Queue  Queue  `json:"queue"`
	// Module is the processor's module; with the task it names the shared queue.
	Module string `json:"module"`
	// ProcessorLimit bounds how fast the runs of all sockets of the processor begin.
	ProcessorLimit Limit `json:"processor_limit,omitzero"`
	// In are plugs that own a queue and end here; Out are plugs that begin here.
	In  []Plug `json:"in"`
	Out []Edge `json:"out"`
}

// Edge is a plug together with the address of its target.
type Edge struct {
	Plug Plug `json:"plug"`
	// Target and TargetQueue give the address that the plug delivers to.
	Target      Socket `json:"target"`
	TargetQueue Queue  `json:"target_queue"`
}

// Plan is what one node is wanted to run.
type Plan struct {
	// Version changes whenever the plan does.
	Version     string       `json:"version"`
	Assignments []Assignment `json:"assignments"`
}
