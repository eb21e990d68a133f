package server

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/python"
	"github.com/elasticcode/flow/processor/shell"
	"github.com/elasticcode/flow/processor/source"
	"github.com/elasticcode/flow/server/api"
)

// Resolver looks into git repositories for the API. It reads them, and runs
// nothing of what is in them.
type Resolver struct{ sources *source.Cache }

var _ api.Resolver = (*Resolver)(nil)

// NewResolver returns a resolver over a cache of repositories.
func NewResolver(c *source.Cache) *Resolver { return &Resolver{sources: c} }

// Resolve returns the hash of the commit that a branch, tag or commit stands for.
func (r *Resolver) Resolve(ctx context.Context, url, kind, name, credentials string) (string, error) {
	return r.sources.Resolve(ctx, source.Ref{URL: url, Kind: source.Kind(kind), Name: name}, source.Credentials(credentials))
}

// CheckModule returns an error when the commit has no file (Python) or folder
// (shell) for the module.
func (r *Resolver) CheckModule(ctx context.Context, url, commit, runtime, modulepath, module, _ string) error {
	files, err := r.sources.List(ctx, url, commit, "")
	if err != nil {
		return err
	}
	if runtime == model.RuntimeShell {
		for _, folder := range shell.Folders(modulepath, module) {
			if slices.ContainsFunc(files, func(f string) bool { return folder == "" || strings.HasPrefix(f, folder+"/") }) {
				return nil
			}
		}
		return missing("folder", path.Join(modulepath, module), commit, "")
	}
	for _, file := range python.Files(modulepath, module) {
		if slices.Contains(files, file) {
			return nil
		}
	}
	return missing("module", module, commit, hint(files, modulepath, module))
}

// hint names a module of the repository that was perhaps meant: one with the
// same last name elsewhere, or else what there is.
func hint(files []string, modulepath, module string) string {
	last := module[strings.LastIndex(module, ".")+1:]
	var known []string
	for _, f := range files {
		name, ok := strings.CutSuffix(f, ".py")
		if !ok || strings.HasSuffix(name, "__init__") || name == "setup" || strings.HasPrefix(path.Base(name), "test_") {
			continue
		}
		if dotted := strings.ReplaceAll(name, "/", "."); path.Base(name) == last && modulepath == "" && strings.HasSuffix(dotted, "."+module) {
			return fmt.Sprintf("it is below %q: give that as the module path (-mp)", strings.TrimSuffix(strings.TrimSuffix(name, strings.ReplaceAll(module, ".", "/")), "/"))
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(name, strings.Trim(modulepath, "/")), "/")
		known = append(known, strings.ReplaceAll(rel, "/", "."))
	}
	if len(known) == 0 {
		return "it has no Python modules"
	}
	if len(known) > 8 {
		known = append(known[:8], "…")
	}
	return "it has these: " + strings.Join(known, ", ")
}

func missing(what, name, commit, hint string) error {
	msg := fmt.Sprintf("the repository has no %s %q at commit %.12s", what, name, commit)
	if hint != "" {
		msg += "; " + hint
	}
	return &processor.Error{Code: processor.CodeModule, Permanent: true, Message: msg}
}
