// Package python runs processors written in Python 3.8 or newer.
//
// # Where modules are found
//
// The module path of the processor, or the root of the repository, comes first
// on sys.path, so what runs is the file of the commit. When the repository is a
// packaged project (pyproject.toml, setup.py), its folder of packages (src, or
// the one it declares) follows. The environment below and the standard library
// come last. The user's or system's site-packages are never seen, nor is PYTHONPATH.
// The working directory is the checkout, which code must not write to.
//
// # What is installed
//
// The files are looked for in the module path first, then in the root.
//
//   - requirements.txt: everything it lists.
//   - pyproject.toml, setup.cfg, setup.py: the dependencies that they declare
//     literally. The project itself is not installed: its source is on the path.
//   - When only a build can tell (computed or dynamic dependencies, extension
//     modules, Poetry's own table), the project is built and installed.
//
// When that leaves nothing, no environment is made, nothing is downloaded and
// pip is not asked, whatever packaging files there are. Otherwise a virtual
// environment is made once for each set of requirements and interpreter, shared
// by all workers of the machine, with uv when it is there, else with the
// interpreter's pip. An interpreter that itself belongs to a virtual environment
// keeps the packages of that environment as long as there is nothing to install.
//
// # What functions may do
//
// The functions of a module are those it defines, and those it names in __all__;
// names that begin with an underscore are private. Arguments are passed as they
// came; too few or too many are Python's own TypeError. A function may ask for
// two more parameters by name: plugs, a dict in which it chooses plugs
// (plugs["name"] = value), and output, an empty dict that modules written for
// the original expect. Neither goes into **kwargs. Functions may be async: all calls
// of a process share one event loop.
//
// A result has to be a JSON value; tuples become lists and dataclasses objects, keys that
// are numbers become texts. Anything else, NaN and infinity included, is the failure
// ResultNotJSON, which says where and what to do. An exception is a failure with
// its class, text and traceback, also SystemExit and KeyboardInterrupt; arguments
// that do not fit are permanent.
//
// The module flow is there to be imported: flow.Permanent and flow.RetryAfter to
// raise, flow.call() for the id (the same in every attempt: an idempotency key),
// tracking, socket, function and attempt. When the code has a module called flow
// itself, that one wins, and ours is reached as flow_runtime. Exceptions of other
// classes say the same with an attribute: flow_permanent = True, or
// flow_retry_after = seconds.
//
// What is printed is the log of the call. Standard input is empty.
//
// What functions start ends with the worker's process, which a cancelled call or one
// that takes too long ends, too. On Linux that includes daemons (start_new_session):
// they are known by the variable FLOW_MARK of their environment.
package python
