package server

import (
	"context"

	"github.com/elasticcode/flow/processor/source"
	"github.com/elasticcode/flow/server/api"
)

// Resolver looks into git repositories for the API.
type Resolver struct{ sources *source.Cache }

var _ api.Resolver = (*Resolver)(nil)

// NewResolver returns a resolver over a cache of repositories.
func NewResolver(c *source.Cache) *Resolver { return &Resolver{sources: c} }
