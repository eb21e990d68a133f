package python

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/shelf"
)

// environment is a virtual environment below the cache folder.
type environment struct{ dir string }

func (e environment) python() string { return filepath.Join(e.dir, "bin", "python") }

// ready marks an environment that is complete: it is made in its final place,
// since scripts of a virtual environment know their path.
func (e environment) ready() string { return filepath.Join(e.dir, "ready") }

// environments are those of a cache folder.
func environments(cacheDir string) shelf.Shelf {
	return shelf.Shelf{
		Dir:   filepath.Join(cacheDir, "python", "env"),
		Whole: func(dir string) bool { return exists(environment{dir: dir}.ready()) },
	}
}

// environment returns the environment with what is needed, and makes it first
// when it is not there. One process at a time makes it, the others wait. It stays
// until release is called.
func (r *Runtime) environment(ctx context.Context, python interpreter, s processor.Spec, n needs) (env environment, release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.InstallTimeout)
	defer cancel()
	env.dir, release, err = environments(s.CacheDir).Take(ctx, environmentKey(python, s, n), func(ctx context.Context, dir string) error {
		started := time.Now()
		r.config.Logger.InfoContext(ctx, "making a Python environment", "module", s.Module, "commit", s.Commit, "install", n.describe())
		if err := r.build(ctx, environment{dir: dir}, python, s, n); err != nil {
			_ = os.RemoveAll(dir)
			return err
		}
		r.config.Logger.InfoContext(ctx, "Python environment ready", "module", s.Module, "duration", time.Since(started).Round(time.Millisecond))
		return nil
	})
	if errors.Is(err, shelf.ErrBusy) {
		err = &processor.Error{Code: processor.CodeEnvironment, Message: "the Python environment is being made by another process", Err: err}
	}
	return env, release, err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// environmentKey is the same for all that need the same packages.
func environmentKey(python interpreter, s processor.Spec, n needs) string {
	h := sha256.New()
	for _, part := range append([]string{"1", python.path, python.version, n.requirements}, n.Dependencies...) {
		fmt.Fprintf(h, "%d %s\n", len(part), part)
	}
	if n.Build || n.files { // what is installed depends on files of the commit
		fmt.Fprintf(h, "%s %s\n", s.Commit, n.project)
		if s.Commit == "" {
			fmt.Fprintf(h, "%s\n", s.Dir)
		}
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

func (r *Runtime) build(ctx context.Context, env environment, python interpreter, s processor.Spec, n needs) error {
	if err := os.RemoveAll(env.dir); err != nil { // what a killed process left
		return &processor.Error{Code: processor.CodeEnvironment, Message: "cannot remove an unfinished environment", Err: err}
	}
	work, err := os.MkdirTemp("", "flow-python-")
	if err != nil {
		return &processor.Error{Code: processor.CodeEnvironment, Message: "cannot make a temporary folder", Err: err}
	}
	defer func() { _ = os.RemoveAll(work) }()
	// Installers write beside what they build, and nobody writes into a checkout.
	source := filepath.Join(work, "source")
	if err := copyTree(source, s.Dir); err != nil {
		return &processor.Error{Code: processor.CodeEnvironment, Message: "cannot copy the checkout", Err: err}
	}
	i := installer{env: env, python: python, project: filepath.Join(source, n.project), log: filepath.Join(work, "log"), needs: n}
	if err := i.run(ctx); err != nil {
		return err
	}
	return os.WriteFile(env.ready(), []byte(n.describe()+"\n"), 0o644)
}

// copyTree copies files, folders and links, all writable for their owner.
func copyTree(dst, src string) error {
	return filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		target := filepath.Join(dst, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case !d.Type().IsRegular():
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, b, info.Mode().Perm()|0o200)
	})
}

// compiled returns the folder of installed packages when the module belongs to
// one of them that has compiled parts: its source alone would not run.
func (e environment) compiled(module string) string {
	top, _, _ := strings.Cut(module, ".")
	sites, _ := filepath.Glob(filepath.Join(e.dir, "lib", "python3*", "site-packages"))
	for _, site := range sites {
		found := false
		_ = filepath.WalkDir(filepath.Join(site, top), func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".so") {
				found = true
				return fs.SkipAll
			}
			return nil
		})
		if found {
			return site
		}
	}
	return ""
}

// credentials are the user part of a URL, which never belongs into a message.
var credentials = regexp.MustCompile(`://[^/@\s]+@`)

// lastLines returns the end of an installer's output.
func lastLines(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	lines = lines[max(0, len(lines)-25):]
	return credentials.ReplaceAllString(strings.Join(lines, "\n"), "://***@")
}

func environmentError(ctx context.Context, what, detail string, err error) error {
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		what += ": it took too long"
	}
	return &processor.Error{Code: processor.CodeEnvironment, Message: what, Detail: detail, Err: err}
}
