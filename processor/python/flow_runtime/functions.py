"""The functions of the module, and running them."""

import time
import types

import flow_runtime
from flow_runtime import output
from flow_runtime.failures import NoFunction, TooLarge, encode_failure
from flow_runtime.values import encode, encode_plugs, quote


class Function:
    """A function and what is passed to it besides the caller's arguments."""

    __slots__ = ("target", "plugs", "output")

    def __init__(self, target):
        self.target = target
        names = keyword_names(target)
        self.plugs, self.output = "plugs" in names, "output" in names


def keyword_names(target):
    """The names of the parameters that can be passed by keyword."""
    code = getattr(target, "__code__", None)
    if code is not None and not hasattr(target, "__wrapped__"):
        first = getattr(code, "co_posonlyargcount", 0)
        return code.co_varnames[first:code.co_argcount + code.co_kwonlyargcount]
    import inspect
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return ()
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def exposed(of):
    """The functions a module offers, by name, as they are defined: its own, and
    those it names in __all__; names that begin with an underscore are private."""
    listed = getattr(of, "__all__", ())
    listed = set(listed) if isinstance(listed, (list, tuple, set)) else set()
    out = {}
    for name, value in list(vars(of).items()):
        if name.startswith("_") or not callable(value) or isinstance(value, type):
            continue
        own = getattr(value, "__module__", None) == of.__name__
        plain = isinstance(value, types.FunctionType) or hasattr(value, "__wrapped__")
        if name in listed or (own and plain):
            out[name] = value
    return out


PLAIN = frozenset((type(None), bool, int, float, str, list, tuple, dict))
now = time.time_ns
functions = {}
module = None  # the user's
max_payload = 8 << 20
loop = None  # of asynchronous functions: one for all calls, as long as the process


def use(user_module, limit):
    """Makes the functions of a module those that run can run."""
    global module, max_payload
    module, max_payload = user_module, limit
    functions.update((name, Function(f)) for name, f in exposed(module).items())


def find(name):
    function = functions.get(name)
    if function is None:
        known = exposed(module)  # the code may define functions later on
        if name not in known:
            import difflib
            close = difflib.get_close_matches(name, known, 3)
            hint = "did you mean %s?" % " or ".join(close) if close else "it has: %s" % (", ".join(known) or "none")
            raise NoFunction("module %s has no function %s: %s" % (module.__name__, name, hint))
        function = functions[name] = Function(known[name])
    return function


def finish_async(coroutine):
    global loop
    import asyncio
    if loop is None or loop.is_closed():
        loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(coroutine)
    except Exception:
        raise
    except BaseException:  # sys.exit stopped the loop in the middle
        loop = None
        raise


def run(message):
    """Runs a call and returns the body of its reply."""
    get = message.get
    id, name = message["id"], message["function"]
    flow_runtime.current = message
    started = now() // 1000
    try:
        function = find(name)
        args = get("args") or ()
        kwargs = get("kwargs") or {}
        plugs = None
        if function.plugs and "plugs" not in kwargs:
            kwargs["plugs"] = plugs = {}
        if function.output and "output" not in kwargs:
            kwargs["output"] = {}
        result = function.target(*args, **kwargs)
        if type(result) not in PLAIN and hasattr(result, "__await__"):
            result = finish_async(result)
        value = b"null" if result is None else encode(result, "the result")
        if len(value) > max_payload:
            raise TooLarge("the result has %d bytes of JSON, the limit is %d: return a reference to where the data is, "
                           "or split the work" % (len(value), max_payload))
        outcome = b',"value":' + value
        if plugs:
            outcome += b',"plugs":' + encode_plugs(plugs, len(value), max_payload)
    except BaseException as e:  # sys.exit and KeyboardInterrupt end the call, not the process
        outcome = b',"failure":' + encode_failure(e)
    finished = now() // 1000
    if output.begun:
        output.end_lines()
    if finished - started > 300:  # nothing starts a program faster
        output.await_raw_output()
    flow_runtime.current = flow_runtime.NOBODY
    return (b'{"type":"reply","id":' + quote(id).encode() + outcome
            + b',"started":%d,"finished":%d}' % (started, finished))
