package access

import (
	"fmt"
	"slices"

	"github.com/elasticcode/flow/model"
)

// Sets of scopes. A scope is never implied by another: it is listed.
var (
	admins  = []model.Scope{model.ScopeAdmin}
	anybody = []model.Scope{model.ScopeAdmin, model.ScopeAgent}
)

// table says which scopes may do an operation, by the operation's id in the
// OpenAPI document. What is not listed is denied to all.
var table = map[string][]model.Scope{
	"list-networks": admins, "create-network": admins, "get-network": admins, "delete-network": admins,

	"list-queues": admins, "create-queue": admins, "get-queue": admins, "update-queue": admins, "delete-queue": admins,
	"queue-depth": admins, "peek-queue": admins, "purge-queue": admins,

	"list-processors": admins, "create-processor": admins, "get-processor": admins, "update-processor": admins,
	"delete-processor": admins, "start-processor": admins, "stop-processor": admins, "restart-processor": admins,

	"list-sockets": admins, "create-socket": admins, "get-socket": admins, "update-socket": admins, "delete-socket": admins,
	"list-plugs": admins, "create-plug": admins, "get-plug": admins, "update-plug": admins, "delete-plug": admins,

	"list-deployments": admins, "create-deployment": admins, "get-deployment": admins, "update-deployment": admins,
	"delete-deployment": admins,

	"list-nodes": admins, "get-node": admins, "list-agents": admins, "get-agent": admins, "list-workers": admins,
	"list-tasks": admins, "get-task": admins,

	"submit-call": admins, "submit-calls": admins, "list-calls": admins, "get-call": admins, "get-result": admins,
	"get-tree": admins, "get-run": admins, "cancel-call": admins, "cancel-run": admins,

	"list-dead": admins, "edit-dead": admins, "redrive-dead": admins, "drop-dead": admins, "withdraw-dead": admins,

	"listen": admins, "status": admins, "whoami": anybody,
	"create-token": admins, "list-tokens": admins, "delete-token": admins,

	// What an agent does. The plan holds the credentials of the repositories
	// that the node needs.
	"heartbeat": anybody, "get-plan": anybody, "get-assignment": anybody, "report-tasks": anybody, "ended-calls": anybody,
	"get-value": anybody,
}

// Allow returns nil when the scope may do the operation, else ErrDenied, wrapped.
func Allow(scope model.Scope, operation string) error {
	scopes, known := table[operation]
	switch {
	case !known:
		return fmt.Errorf("%w: nobody may do %q", ErrDenied, operation)
	case !slices.Contains(scopes, scope):
		return fmt.Errorf("%w: its scope is %q, and %q needs %q", ErrDenied, scope, operation, scopes[0])
	}
	return nil
}

// Operations lists the operations of the table, in order.
func Operations() []string {
	out := make([]string, 0, len(table))
	for op := range table {
		out = append(out, op)
	}
	slices.Sort(out)
	return out
}
