package python

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/procgroup"
)

// needs are what the code depends on, as its files declare it.
type needs struct {
	// project is the folder, relative to the checkout, that the files are in.
	project string
	// requirements is the content of requirements.txt, empty when it lists nothing.
	requirements string
	// files says that requirements.txt names other files of the repository.
	files bool
	declared
}

// declared is what project.py prints.
type declared struct {
	Dependencies []string `json:"dependencies"`
	Build        bool     `json:"build"`
	Why          string   `json:"why"`
	Roots        []string `json:"roots"`
}

func (n needs) nothing() bool {
	return n.requirements == "" && len(n.Dependencies) == 0 && !n.Build
}

// searchPath are the folders that modules are searched in.
func (n needs) searchPath(folder string) []string {
	path := []string{folder}
	for _, root := range n.Roots {
		root = filepath.FromSlash(root)
		if filepath.IsLocal(root) {
			path = append(path, filepath.Join(folder, root))
		}
	}
	return slices.Compact(path)
}

var packaging = []string{"pyproject.toml", "setup.py", "setup.cfg"}

func findNeeds(ctx context.Context, python interpreter, host string, s processor.Spec, folder string) (needs, error) {
	project := folder
	if !hasAny(project, append(packaging, "requirements.txt")) {
		project = s.Dir
	}
	var n needs
	n.project, _ = filepath.Rel(s.Dir, project)
	content, err := os.ReadFile(filepath.Join(project, "requirements.txt"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return n, &processor.Error{Code: processor.CodeEnvironment, Message: "cannot read requirements.txt", Err: err, Permanent: true}
	}
	n.requirements, n.files = requirements(string(content))
	if hasAny(project, packaging) {
		if n.declared, err = declarations(ctx, python, host, project); err != nil {
			return n, err
		}
	}
	if project != folder { // its folders of packages are not below the module path
		n.Roots = nil
	}
	return n, nil
}

func hasAny(folder string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		info, err := os.Stat(filepath.Join(folder, name))
		return err == nil && info.Mode().IsRegular()
	})
}

// requirements returns the lines that mean something, and whether one of them
// speaks of another file of the repository.
func requirements(content string) (lines string, files bool) {
	var kept []string
	for line := range strings.Lines(content) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		kept = append(kept, line)
		if strings.HasPrefix(line, "-") || strings.HasPrefix(line, ".") || strings.Contains(line, "/") {
			files = true
		}
	}
	return strings.Join(kept, "\n"), files
}

// declareTimeout bounds the reading of a few small files.
const declareTimeout = 30 * time.Second

func declarations(ctx context.Context, python interpreter, host, project string) (declared, error) {
	ctx, cancel := context.WithTimeout(ctx, declareTimeout)
	defer cancel()
	args := []string{"-I", "-X", "utf8", filepath.Join(host, "project.py"), project}
	cmd := exec.CommandContext(ctx, python.path, args...)
	cmd.Env = procgroup.Environment()
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	var d declared
	if err == nil {
		err = json.Unmarshal(out, &d)
	}
	if err != nil {
		e := &processor.Error{Code: processor.CodeEnvironment, Message: "cannot read what the Python project declares", Err: err}
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			e.Detail = string(exit.Stderr)
		}
		return d, e
	}
	return d, nil
}

// describe says in a few words what is going to be installed.
func (n needs) describe() string {
	var parts []string
	if n.requirements != "" {
		parts = append(parts, "requirements.txt")
	}
	if len(n.Dependencies) > 0 {
		parts = append(parts, fmt.Sprintf("%d declared dependencies", len(n.Dependencies)))
	}
	if n.Build {
		parts = append(parts, "the project itself, because "+n.Why)
	}
	return strings.Join(parts, ", ")
}
