package python_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/elasticcode/flow/internal/testenv"
	"github.com/elasticcode/flow/processor"
	"github.com/elasticcode/flow/processor/processortest"
	"github.com/elasticcode/flow/processor/python"
)

// wheel makes a package that pip can install without a network.
func wheel(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	info := "demo_pkg-1.0.dist-info/"
	for name, content := range map[string]string{
		"demo_pkg.py":     "ANSWER = 42\n",
		info + "METADATA": "Metadata-Version: 2.1\nName: demo-pkg\nVersion: 1.0\n",
		info + "WHEEL":    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
		info + "RECORD":   "demo_pkg.py,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n",
	} {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const wheelName = "wheels/demo_pkg-1.0-py3-none-any.whl"

func TestRequirementsAreInstalledOnce(t *testing.T) {
	t.Parallel()
	dir := processortest.Checkout(t, map[string]string{
		"m.py":             "import demo_pkg, sys\ndef f(): return [demo_pkg.ANSWER, sys.prefix]\n",
		"requirements.txt": "# offline\n--no-index\n./" + wheelName + "\n",
		wheelName:          wheel(t),
	})
	r := python.New(python.Config{Logger: testenv.Logger(t)})
	s := processor.Spec{Dir: dir, Module: "m", CacheDir: t.TempDir(), Commit: "abc"}
	for range 2 {
		started := time.Now()
		program, err := r.Prepare(testenv.Context(t, 2*time.Minute), s)
		if err != nil {
			t.Fatalf("%v\n%s", err, detail(err))
		}
		t.Logf("prepared in %v", time.Since(started))
		if got := call(t, startProgram(t, program), "f"); !strings.HasPrefix(string(got.Value), "[42,") || !strings.Contains(string(got.Value), s.CacheDir) {
			t.Errorf("got %s %+v", got.Value, got.Failure)
		}
	}
	ready, err := filepath.Glob(filepath.Join(s.CacheDir, "python", "env", "*", "ready"))
	if err != nil || len(ready) != 1 {
		t.Errorf("environments: %q %v", ready, err)
	}
}

func detail(err error) string {
	if e, ok := errors.AsType[*processor.Error](err); ok {
		return e.Detail
	}
	return ""
}

func TestInstallerThatFails(t *testing.T) {
	t.Parallel()
	dir := processortest.Checkout(t, map[string]string{
		"m.py": "", "requirements.txt": "--no-index\nno-such-package-at-all==99\n",
	})
	cache := t.TempDir()
	_, err := python.New(python.Config{Logger: testenv.Logger(t)}).Prepare(testenv.Context(t, 2*time.Minute), processor.Spec{Dir: dir, Module: "m", CacheDir: cache})
	var e *processor.Error
	if !errors.As(err, &e) || e.Code != processor.CodeEnvironment || !strings.Contains(e.Detail, "no-such-package-at-all") {
		t.Fatalf("got %v\n%s", err, detail(err))
	}
	left, err := filepath.Glob(filepath.Join(cache, "python", "env", "*", "bin"))
	if err != nil || len(left) != 0 {
		t.Errorf("an unfinished environment is left: %q %v", left, err)
	}
}

func TestInstallingHasAnEnd(t *testing.T) {
	t.Parallel()
	dir := processortest.Checkout(t, map[string]string{"m.py": "", "requirements.txt": "--no-index\nx\n"})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	r := python.New(python.Config{InstallTimeout: time.Millisecond})
	_, err := r.Prepare(ctx, processor.Spec{Dir: dir, Module: "m", CacheDir: t.TempDir()})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestPackagingWithoutDependencies prepares projects that declare none: their
// modules are found without an installer.
func TestPackagingWithoutDependencies(t *testing.T) {
	t.Parallel()
	module := "def f(): return 'ok'\n"
	for name, files := range map[string]map[string]string{
		"setup.py":            {"setup.py": "from setuptools import setup, find_packages\nsetup(name='x', version='1', packages=find_packages())\n", "pkg/m.py": module},
		"setup.py empty list": {"setup.py": "import setuptools\nNONE = []\nsetuptools.setup(name='x', install_requires=NONE)\n", "pkg/m.py": module},
		"setup.cfg":           {"setup.py": "from setuptools import setup\nsetup()\n", "setup.cfg": "[metadata]\nname = x\n[options]\npackage_dir =\n    = lib\n", "lib/pkg/m.py": module},
		"pyproject src":       {"pyproject.toml": "[project]\nname = 'x'\nversion = '1'\ndependencies = []\n", "src/pkg/m.py": module},
		"pyproject tools":     {"pyproject.toml": "[tool.black]\nline-length = 100\n", "pkg/m.py": module},
		"pyproject hatch":     {"pyproject.toml": "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n[project]\nname = 'x'\nversion = '1'\n", "pkg/m.py": module},
		"poetry":              {"pyproject.toml": "[tool.poetry]\nname = 'x'\n[tool.poetry.dependencies]\npython = '^3.8'\n", "pkg/m.py": module},
		"requirements":        {"requirements.txt": "\n# nothing\n", "pkg/m.py": module},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program, err := prepare(t, "pkg.m", files)
			if err != nil {
				t.Fatalf("%v\n%s", err, detail(err))
			}
			if r := call(t, startProgram(t, program), "f"); string(r.Value) != `"ok"` {
				t.Errorf("got %s %+v", r.Value, r.Failure)
			}
		})
	}
}

func TestDeclaredDependenciesAreInstalled(t *testing.T) {
	t.Parallel()
	for name, files := range map[string]map[string]string{
		"pyproject": {"pyproject.toml": "[project]\nname = 'x'\nversion = '1'\ndependencies = ['demo-pkg>=1']\n"},
		"setup.py":  {"setup.py": "from setuptools import setup\nsetup(name='x', install_requires=['demo-pkg'])\n"},
		"setup.cfg": {"setup.cfg": "[options]\ninstall_requires =\n    demo-pkg\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files["m.py"] = "import demo_pkg\ndef f(): return demo_pkg.ANSWER\n"
			files["requirements.txt"] = "--no-index\n--find-links wheels\n"
			files[wheelName] = wheel(t)
			program, err := prepare(t, "m", files)
			if err != nil {
				t.Fatalf("%v\n%s", err, detail(err))
			}
			if r := call(t, startProgram(t, program), "f"); string(r.Value) != "42" {
				t.Errorf("got %s %+v", r.Value, r.Failure)
			}
		})
	}
}
