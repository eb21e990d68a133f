"""Says what a Python project declares, without building it: prints a JSON object

    {"dependencies": ["requests>=2"], "build": false, "why": "", "roots": ["src"]}

build is true when only a build can tell the dependencies or make the modules; why
says so in words. roots are the folders, besides the project's own, that hold its
packages. Usage: project.py FOLDER. Standard library only, Python 3.8 or newer."""

import ast
import configparser
import json
import os
import re
import sys

PURE_BACKENDS = ("setuptools.build_meta", "setuptools.build_meta:__legacy__", "hatchling.build", "flit_core.buildapi",
                 "flit.buildapi", "poetry.core.masonry.api", "poetry.masonry.api", "pdm.backend", "pdm.pep517.api",
                 "uv_build")
COMPILES = ("ext_modules", "cffi_modules", "rust_extensions", "setup_requires")


class MustBuild(Exception):
    pass


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def parse_toml(text):
    for name in ("tomllib", "tomli", "pip._vendor.tomli"):
        try:
            module = __import__(name, fromlist=["loads"])
        except ImportError:
            continue
        return module.loads(text)
    if re.search(r"dependencies|dynamic|maturin|scikit|meson", text):
        raise MustBuild("this Python has no reader of TOML, and pyproject.toml seems to declare dependencies")
    return {}


def from_pyproject(folder, found):
    """Returns whether pyproject.toml itself declares the project."""
    path = os.path.join(folder, "pyproject.toml")
    if not os.path.exists(path):
        return False
    data = parse_toml(read(path))
    backend = data.get("build-system", {}).get("build-backend", PURE_BACKENDS[0])
    if backend not in PURE_BACKENDS:
        raise MustBuild("its build backend is %s" % backend)
    tool = data.get("tool", {})
    setuptools = tool.get("setuptools", {})
    if setuptools.get("ext-modules"):
        raise MustBuild("it has extension modules")
    where = setuptools.get("packages", {})
    where = where.get("find", {}).get("where", []) if isinstance(where, dict) else []
    found["roots"] += list(where) + list(setuptools.get("package-dir", {}).values())[:1]
    project = data.get("project")
    if project is None:
        needs = {k for k in tool.get("poetry", {}).get("dependencies", {}) if k != "python"}
        if needs:
            raise MustBuild("its dependencies are in Poetry's own form")
        return "poetry" in tool
    if "dependencies" in project.get("dynamic", []):
        raise MustBuild("its dependencies are dynamic")
    found["dependencies"] += project.get("dependencies", [])
    return True


def from_setup_cfg(folder, found):
    path = os.path.join(folder, "setup.cfg")
    if not os.path.exists(path):
        return
    config = configparser.ConfigParser(interpolation=None)
    config.read_string(read(path))
    for line in config.get("options", "install_requires", fallback="").splitlines():
        line = line.split(" #")[0].strip()
        if line.startswith("file:"):
            raise MustBuild("setup.cfg takes its dependencies from a file")
        if line and not line.startswith("#"):
            found["dependencies"].append(line)
    for line in config.get("options", "package_dir", fallback="").splitlines():
        name, _, folder_name = line.partition("=")
        if folder_name and not name.strip():
            found["roots"].append(folder_name.strip())


def from_setup_py(folder, found):
    path = os.path.join(folder, "setup.py")
    if not os.path.exists(path):
        return
    tree = ast.parse(read(path))
    constants = {t.id: n.value for n in tree.body if isinstance(n, ast.Assign) for t in n.targets
                 if isinstance(t, ast.Name)}
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and
             getattr(n.func, "id", getattr(n.func, "attr", "")) == "setup"]
    if len(calls) != 1:
        raise MustBuild("setup.py does not call setup() once")
    for keyword in calls[0].keywords:
        value = constants.get(getattr(keyword.value, "id", None), keyword.value)
        if keyword.arg is None:
            raise MustBuild("setup.py computes the arguments of setup()")
        if keyword.arg in COMPILES and not is_empty(value):
            raise MustBuild("setup.py has %s" % keyword.arg)
        if keyword.arg == "install_requires":
            found["dependencies"] += strings(value)
        if keyword.arg == "package_dir":
            found["roots"] += root_of(value)


def is_empty(node):
    return isinstance(node, (ast.List, ast.Tuple)) and not node.elts


def strings(node):
    try:
        value = ast.literal_eval(node)
    except ValueError:
        raise MustBuild("setup.py computes its dependencies") from None
    if isinstance(value, str):
        return [line for line in value.splitlines() if line.strip()]
    return [str(v) for v in value]


def root_of(node):
    try:
        return [v for k, v in ast.literal_eval(node).items() if k == ""]
    except ValueError:
        return []


def main(folder):
    found = {"dependencies": [], "build": False, "why": "", "roots": []}
    if os.path.isdir(os.path.join(folder, "src")):
        found["roots"].append("src")
    try:
        if not from_pyproject(folder, found):
            from_setup_cfg(folder, found)
            from_setup_py(folder, found)
    except MustBuild as e:
        found["build"], found["why"] = True, str(e)
    except Exception as e:  # a file that does not parse: the build will say what is wrong
        found["build"], found["why"] = True, "%s: %s" % (type(e).__name__, e)
    found["roots"] = [r for i, r in enumerate(found["roots"]) if r not in (".", "") and r not in found["roots"][:i]]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
