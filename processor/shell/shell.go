package shell

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/elasticcode/flow/model"
	"github.com/elasticcode/flow/processor"
)

// Config is what a Runtime needs.
type Config struct {
	// Logger says what was found; nil is silence.
	Logger *slog.Logger
}

// Runtime runs executable files.
type Runtime struct{ logger *slog.Logger }

var _ processor.Runtime = (*Runtime)(nil)

// New returns a Runtime.
func New(c Config) *Runtime {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Runtime{logger: c.Logger.With("component", "shell")}
}

// Prepare finds the executable files.
func (r *Runtime) Prepare(ctx context.Context, s processor.Spec) (processor.Program, error) {
	folder, err := findFolder(s)
	if err != nil {
		return nil, err
	}
	files, err := executables(folder, s.Module)
	if err != nil {
		return nil, err
	}
	r.logger.DebugContext(ctx, "executable files found", "module", s.Module, "commit", s.Commit, "functions", len(files))
	return &program{spec: s, files: files}, nil
}

// Folders returns the folders of a repository, with slashes, of which one has
// to exist for the module to be there.
func Folders(modulePath, module string) []string {
	out := []string{join(modulePath, module)}
	if strings.Contains(module, ".") {
		out = append(out, join(modulePath, strings.ReplaceAll(module, ".", "/")))
	}
	return out
}

func join(modulePath, module string) string {
	return filepath.ToSlash(filepath.Join(filepath.FromSlash(modulePath), filepath.FromSlash(module)))
}

func findFolder(s processor.Spec) (string, error) {
	for _, folder := range Folders(s.ModulePath, s.Module) {
		if !filepath.IsLocal(filepath.FromSlash(folder)) {
			return "", badModule("module %q leaves the repository: name a folder inside it", s.Module)
		}
		path := filepath.Join(s.Dir, filepath.FromSlash(folder))
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return path, nil
		}
	}
	return "", badModule("the repository has no folder %q: the module of a shell processor is a folder of executable files",
		Folders(s.ModulePath, s.Module)[0])
}

func badModule(format string, args ...any) *processor.Error {
	return &processor.Error{Code: processor.CodeModule, Message: fmt.Sprintf(format, args...), Permanent: true}
}

// executables returns the executable files of a folder by function name.
func executables(folder, module string) (map[string]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, &processor.Error{Code: processor.CodeModule, Message: "cannot read the folder of the module", Err: err}
	}
	files := map[string]string{}
	var others []string
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		info, err := os.Stat(path) // what a link leads to
		if err != nil || !info.Mode().IsRegular() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if info.Mode().Perm()&0o111 == 0 {
			others = append(others, e.Name())
			continue
		}
		name := strings.TrimSuffix(e.Name(), filepath.Ext(e.Name()))
		if before, ok := files[name]; ok {
			return nil, badModule("folder %s has two files for function %s, %s and %s: rename one",
				module, name, filepath.Base(before), e.Name())
		}
		files[name] = path
	}
	if len(files) == 0 && len(others) > 0 {
		return nil, badModule("folder %s has no executable file: mark %s as executable (git update-index --chmod=+x FILE) and commit",
			module, strings.Join(others, ", "))
	}
	if len(files) == 0 {
		return nil, badModule("folder %s has no files: put executable files into it", module)
	}
	return files, nil
}

// program is a folder of executable files.
type program struct {
	spec  processor.Spec
	files map[string]string // path by function
}

// Describe returns a task for each file. Files take any arguments.
func (p *program) Describe(context.Context) ([]model.Task, error) {
	var tasks []model.Task
	for _, name := range p.names() {
		source := readSource(p.files[name])
		tasks = append(tasks, model.Task{
			Module: p.spec.Module, Name: name, Commit: p.spec.Commit, Doc: headComment(source), Source: source,
			Arguments: []model.Argument{
				{Name: "args", Position: 0, Kind: model.VarPositional},
				{Name: "kwargs", Position: 1, Kind: model.VarKeyword},
			},
		})
	}
	return tasks, nil
}

func (p *program) names() []string {
	names := make([]string, 0, len(p.files))
	for name := range p.files {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Close has nothing to give back.
func (p *program) Close() {}

// Start returns a process that is ready at once: each call starts its own.
func (p *program) Start(context.Context) (processor.Process, error) {
	return start(p), nil
}
