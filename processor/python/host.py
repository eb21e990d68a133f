"""The Python side of Flow's child protocol: it loads one module and runs its
functions as it is told. Package processor/frame specifies the protocol, package
processor/python what people's code may do. Python 3.8 or newer; the standard
library only; what is not needed for a plain call is imported when it is needed,
because every worker waits for this file to load."""

import json
import os
import sys
import threading
import time
import types

PROTOCOL = 1
READ_FD, WRITE_FD = 3, 4
READ_SIZE = 1 << 18
MAX_LINE = 64 << 10
MAX_TEXT = 64 << 10  # of a message or a traceback
HERE = os.path.abspath(__file__)


# ---- frames ---------------------------------------------------------------

write_lock = threading.Lock()


def send(body):
    """Writes one frame; several threads of the user's code may print at once."""
    if forked:
        os._exit(70)  # a copy that came back from the call it was made in
    data = len(body).to_bytes(4, "big") + body
    with write_lock:
        try:
            n = os.write(WRITE_FD, data)
            while n < len(data):
                data = data[n:]
                n = os.write(WRITE_FD, data)
        except OSError:
            os._exit(70)  # the engine is gone


def send_object(value):
    send(json.dumps(value, separators=(",", ":")).encode())


def frames():
    """Yields the bodies of frames until the engine closes the pipe."""
    buf, pos = b"", 0
    while True:
        while len(buf) - pos >= 4:
            end = pos + 4 + int.from_bytes(buf[pos:pos + 4], "big")
            if end > len(buf):
                break
            yield buf[pos + 4:end]
            pos = end
        need = 0
        if len(buf) - pos >= 4:
            need = 4 + int.from_bytes(buf[pos:pos + 4], "big")
        parts, have = [buf[pos:]], len(buf) - pos
        while True:
            chunk = os.read(READ_FD, READ_SIZE)
            if not chunk:
                return
            parts.append(chunk)
            have += len(chunk)
            if have >= need:
                break
        buf, pos = b"".join(parts), 0


# ---- what the code prints -------------------------------------------------

class Call:
    """The call that runs now, as flow.call() shows it."""

    __slots__ = ("id", "tracking", "socket", "function", "attempt")

    def __init__(self, message):
        get = message.get
        self.id, self.tracking, self.socket = get("id", ""), get("tracking", ""), get("socket", "")
        self.function, self.attempt = get("function", ""), get("attempt", 0)

    def __repr__(self):
        return "<flow call %s of %s, attempt %d>" % (self.id, self.function, self.attempt)


NOBODY = {"id": ""}
current = NOBODY  # the message of the call that runs now
printed = False  # whether a line is begun in one of the streams


def make_streams():
    import io

    class Lines(io.RawIOBase):
        """Sends what is written to it as log frames, line by line."""

        def __init__(self, name, fd):
            self.stream, self.fd, self.partial = name, fd, b""
            self.lock = threading.RLock()

        def writable(self):
            return True

        def fileno(self):
            return self.fd

        def write(self, data):
            global printed
            data = bytes(data)
            with self.lock:
                self.partial += data
                if b"\n" in data or len(self.partial) > MAX_LINE:
                    *whole, self.partial = self.partial.split(b"\n")
                    while len(self.partial) > MAX_LINE:
                        whole.append(self.partial[:MAX_LINE])
                        self.partial = self.partial[MAX_LINE:]
                    self.emit(whole)
                printed = True
            return len(data)

        def end_line(self):
            with self.lock:
                if self.partial:
                    line, self.partial = self.partial, b""
                    self.emit([line])

        def emit(self, lines):
            if forked:
                os.write(self.fd, b"".join(line + b"\n" for line in lines))
                return
            at = time.time_ns() // 1000
            for line in lines:
                for i in range(0, max(len(line), 1), MAX_LINE):
                    text = line[i:i + MAX_LINE].decode("utf-8", "replace")
                    send_object({"type": "log", "id": current["id"], "stream": self.stream,
                                 "text": text.rstrip("\r"), "at": at})

    raws = Lines("stdout", 1), Lines("stderr", 2)
    texts = [io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
             for raw in raws]
    return raws, texts


def end_lines():
    global printed
    printed = False
    for text in streams:
        try:
            text.flush()
        except ValueError:  # the code closed it
            pass
    for raw in raw_streams:
        raw.end_line()


def await_raw_output():
    """Lets the engine take what programs that the call started wrote to file
    descriptors 1 and 2, so that it belongs to this call and not to the next."""
    import fcntl
    import termios
    deadline = time.monotonic() + 0.1
    for fd in (1, 2):
        try:
            while time.monotonic() < deadline:
                if int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"), sys.byteorder) == 0:
                    break
                time.sleep(0.0002)
        except OSError:  # closed by the code, or not a pipe
            pass


forked = False


def in_forked_child():
    """A copy of this process that the code made must not speak to the engine: it
    prints to file descriptors 1 and 2."""
    global forked, write_lock
    forked, write_lock = True, threading.Lock()
    for raw in raw_streams:
        raw.lock = threading.RLock()
    for fd in (READ_FD, WRITE_FD):
        try:
            os.close(fd)
        except OSError:
            pass


# ---- the module "flow" ----------------------------------------------------

class Permanent(Exception):
    """Raise it when trying again is useless: the call fails for good."""

    flow_permanent = True


class RetryAfter(Exception):
    """Raise it to be tried again after so many seconds, if attempts are left."""

    def __init__(self, seconds, message=""):
        super().__init__(message or "try again after %s seconds" % seconds)
        self.flow_retry_after = seconds


def call():
    """The call that runs now: id, tracking, socket, function and attempt. The id
    is the same in every attempt: use it as an idempotency key."""
    return Call(current)


def flow_module():
    module = types.ModuleType("flow", "What the engine offers to the code it runs.")
    module.Permanent, module.RetryAfter, module.call = Permanent, RetryAfter, call
    for cls in (Permanent, RetryAfter):
        cls.__module__ = "flow"
    module.__all__ = ["Permanent", "RetryAfter", "call"]
    return module


class LastFinder:
    """Offers the module "flow" when the code has none of that name itself."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "flow":
            return None
        from importlib.machinery import ModuleSpec
        return ModuleSpec(name, LastFinder)

    @staticmethod
    def create_module(spec):
        return engine_module

    @staticmethod
    def exec_module(module):
        pass


# ---- failures -------------------------------------------------------------

def cut(text, keep_end=False):
    if len(text) > MAX_TEXT:
        text = "… " + text[-MAX_TEXT:] if keep_end else text[:MAX_TEXT] + " …"
    return text.encode("utf-8", "backslashreplace").decode()


def skip_frames(tb, skipped):
    """Leaves out the frames before the user's code."""
    first = tb
    while tb is not None and skipped(tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    return tb, tb is not first


def host_frame(name):
    return name == __file__ or name == HERE


def engine_frame(name):
    return host_frame(name) or os.sep + "asyncio" + os.sep in name


def import_frame(name):
    return host_frame(name) or name.startswith("<frozen importlib") or os.sep + "importlib" + os.sep in name


def format_error(error, skipped):
    import traceback
    tb, _ = skip_frames(error.__traceback__, skipped)
    try:
        return cut("".join(traceback.format_exception(type(error), error, tb)), keep_end=True), tb is not None
    except BaseException:  # an exception whose own methods fail
        return type(error).__name__, tb is not None


def message_of(error):
    try:
        return cut(str(error))
    except BaseException:
        return "(the exception's text cannot be made)"


def failure_of(error):
    """What a function raised, as the failure of a reply."""
    trace, in_code = format_error(error, engine_frame)
    failure = {"error": type(error).__name__, "message": message_of(error), "trace": trace}
    if isinstance(error, SystemExit):
        failure["message"] = "the function called sys.exit(%s)" % ("" if error.code is None else cut(repr(error.code)))
    if isinstance(error, TypeError) and not in_code:
        failure["permanent"] = True  # the arguments do not fit, and will not fit next time
    try:
        if getattr(error, "flow_permanent", False) is True:
            failure["permanent"] = True
        after = getattr(error, "flow_retry_after", None)
        if isinstance(after, (int, float)) and not isinstance(after, bool):
            failure["retry_after_ms"] = min(max(0, int(after * 1000)), 1 << 52)
    except BaseException:  # a property that raises, or seconds that are not finite
        pass
    return failure


class NotJSON(Exception):
    pass


class TooLarge(Exception):
    pass


class NoFunction(Exception):
    pass


ENGINE_FAILURES = {NotJSON: "ResultNotJSON", TooLarge: "PayloadTooLarge", NoFunction: "FunctionNotFound"}


# ---- values ---------------------------------------------------------------

def dataclass_as_dict(value):
    """Is asked for what JSON does not know; a dataclass becomes an object."""
    if hasattr(type(value), "__dataclass_fields__"):
        return {name: getattr(value, name) for name in type(value).__dataclass_fields__}
    raise TypeError("not a JSON value")


encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"),
                           default=dataclass_as_dict)
parse = json.JSONDecoder().raw_decode
quote = json.encoder.encode_basestring_ascii


def encode(value, name):
    try:
        return encoder.encode(value).encode()
    except RecursionError:
        raise NotJSON("%s is nested too deeply for JSON" % name) from None
    except Exception as e:
        raise NotJSON(why_not_json(value, name, e)) from None


ADVICE = {
    "bytes": "decode it to text, or encode it with base64",
    "bytearray": "decode it to text, or encode it with base64",
    "set": "return a list: sorted(value)",
    "frozenset": "return a list: sorted(value)",
    "datetime": "return value.isoformat()",
    "date": "return value.isoformat()",
    "time": "return value.isoformat()",
    "timedelta": "return value.total_seconds()",
    "Decimal": "return str(value) or float(value)",
    "UUID": "return str(value)",
    "PosixPath": "return str(value)",
    "generator": "return a list: list(value)",
    "map": "return a list: list(value)",
    "filter": "return a list: list(value)",
    "range": "return a list: list(value)",
    "dict_keys": "return a list: list(value)",
    "dict_values": "return a list: list(value)",
    "ndarray": "return value.tolist()",
    "DataFrame": "return value.to_dict(orient='records')",
    "Series": "return value.tolist()",
}


def why_not_json(value, name, error):
    """Says which part of a value is not JSON, and what to do."""
    place, part = find_culprit(value, name, 0)
    if place is None:
        return "%s is not a JSON value: %s" % (name, message_of(error))
    if isinstance(part, float):
        return "%s is %r, which JSON does not have: return None or a text instead" % (place, part)
    if isinstance(part, str):
        return "%s is a text with a lone surrogate, which is not Unicode: replace it" % place
    kind = type(part).__name__
    advice = ADVICE.get(kind, "return dict, list, str, int, float, bool or None")
    return "%s is of type %s, which is not a JSON value: %s" % (place, kind, advice)


def find_culprit(value, place, depth):
    if value is None or isinstance(value, (bool, int)):
        return None, None
    if isinstance(value, float):
        return (place, value) if value != value or value in (float("inf"), float("-inf")) else (None, None)
    if isinstance(value, str):
        try:
            value.encode()
            return None, None
        except UnicodeEncodeError:
            return place, value
    if depth > 50:
        return None, None
    if hasattr(type(value), "__dataclass_fields__"):
        value = {n: getattr(value, n) for n in type(value).__dataclass_fields__}
    if isinstance(value, dict):
        for k, v in value.items():
            if not (k is None or isinstance(k, (str, int, float, bool))):
                return "a key of " + place, k
            found = find_culprit(v, "%s[%r]" % (place, k), depth + 1)
            if found[0] is not None:
                return found
        return None, None
    if isinstance(value, (list, tuple)):
        for i, v in enumerate(value):
            found = find_culprit(v, "%s[%d]" % (place, i), depth + 1)
            if found[0] is not None:
                return found
        return None, None
    return place, value


# ---- calling --------------------------------------------------------------

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


def exposed(module):
    """The functions a module offers, by name, as they are defined: its own, and
    those it names in __all__; names that begin with an underscore are private."""
    listed = getattr(module, "__all__", ())
    listed = set(listed) if isinstance(listed, (list, tuple, set)) else set()
    out = {}
    for name, value in list(vars(module).items()):
        if name.startswith("_") or not callable(value) or isinstance(value, type):
            continue
        own = getattr(value, "__module__", None) == module.__name__
        plain = isinstance(value, types.FunctionType) or hasattr(value, "__wrapped__")
        if name in listed or (own and plain):
            out[name] = value
    return out


PLAIN = frozenset((type(None), bool, int, float, str, list, tuple, dict))
now = time.time_ns
functions = {}
user_module = None
max_payload = 8 << 20
loop = None  # of asynchronous functions: one for all calls, as long as the process


def find(name):
    function = functions.get(name)
    if function is None:
        known = exposed(user_module)  # the code may define functions later on
        if name not in known:
            import difflib
            close = difflib.get_close_matches(name, known, 3)
            hint = "did you mean %s?" % " or ".join(close) if close else "it has: %s" % (", ".join(known) or "none")
            raise NoFunction("module %s has no function %s: %s" % (user_module.__name__, name, hint))
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
    global current
    get = message.get
    id, name = message["id"], message["function"]
    current = message
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
            outcome += b',"plugs":' + encode_plugs(plugs, len(value))
    except BaseException as e:  # sys.exit and KeyboardInterrupt end the call, not the process
        outcome = b',"failure":' + encode_failure(e)
    finished = now() // 1000
    if printed:
        end_lines()
    if finished - started > 300:  # nothing starts a program faster
        await_raw_output()
    current = NOBODY
    return (b'{"type":"reply","id":' + quote(id).encode() + outcome
            + b',"started":%d,"finished":%d}' % (started, finished))


def encode_plugs(plugs, size):
    parts = []
    for name, value in plugs.items():
        if not isinstance(name, str):
            raise NotJSON("a name in plugs is %r: use the name of a plug, as text" % (name,))
        part = quote(name).encode() + b":" + encode(value, "plugs[%r]" % name)
        size += len(part)
        parts.append(part)
    if size > max_payload:
        raise TooLarge("the result and the values of plugs have %d bytes of JSON together, the limit is %d"
                       % (size, max_payload))
    return b"{" + b",".join(parts) + b"}"


def encode_failure(error):
    kind = ENGINE_FAILURES.get(type(error))
    if kind is not None:
        failure = {"error": kind, "message": message_of(error), "permanent": True}
    else:
        failure = failure_of(error)
    return json.dumps(failure, separators=(",", ":")).encode()


# ---- loading --------------------------------------------------------------

class LoadError(Exception):
    def __init__(self, message, detail=""):
        super().__init__(message)
        self.detail = detail


def load(message):
    global user_module, max_payload
    if message.get("protocol") != PROTOCOL:
        raise LoadError("the Python host speaks version %d of the protocol, the engine %s"
                        % (PROTOCOL, message.get("protocol")))
    max_payload = message.get("max_payload", max_payload)
    name, folders = message["module"], message.get("path", [])
    own = [os.path.dirname(HERE), ""]  # python puts the folder of this file first, unless -I keeps it out
    sys.path[:] = [p for p in sys.path if p not in own]
    sys.path[:0] = folders
    sys.argv[:] = [name]
    import importlib
    try:
        user_module = importlib.import_module(name)
    except BaseException as e:
        trace, in_code = format_error(e, import_frame)
        if isinstance(e, ModuleNotFoundError) and not in_code:
            raise LoadError("module %s does not exist: %s: name a module of the repository, and the folder that "
                            "modules are found in as its module path" % (name, message_of(e))) from None
        if isinstance(e, ModuleNotFoundError):
            hint = "add it to requirements.txt, or correct the import" if e.name else "correct the import"
            raise LoadError("module %s cannot be imported: %s: %s" % (name, message_of(e), hint), trace) from None
        raise LoadError("module %s cannot be imported: %s: %s" % (name, type(e).__name__, message_of(e)), trace) from None
    functions.update((n, Function(f)) for n, f in exposed(user_module).items())


def sibling(name):
    """Imports a file beside this one, which is in none of the folders of sys.path."""
    from importlib import util
    spec = util.spec_from_file_location("flow_runtime." + name, os.path.join(os.path.dirname(HERE), name + ".py"))
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    for fd in (READ_FD, WRITE_FD):
        os.set_inheritable(fd, False)
        os.set_blocking(fd, True)
    global raw_streams, streams, engine_module
    raw_streams, streams = make_streams()
    sys.stdout, sys.stderr = streams
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=in_forked_child)
    engine_module = flow_module()
    sys.modules["flow_runtime"] = engine_module
    sys.meta_path.append(LastFinder)

    for body in frames():
        message, _ = parse(body.decode())
        kind = message["type"]
        if kind == "call":
            send(run(message))
        elif kind == "load":
            try:
                load(message)
            except LoadError as e:
                end_lines()
                send_object({"type": "failed", "code": "module", "message": str(e), "detail": e.detail})
                os._exit(1)
            end_lines()
            send_object({"type": "ready", "protocol": PROTOCOL})
        elif kind == "describe":
            tasks = sibling("describe").describe(user_module, exposed(user_module))
            end_lines()
            send_object({"type": "described", "tasks": tasks})


if __name__ == "__main__":
    main()
