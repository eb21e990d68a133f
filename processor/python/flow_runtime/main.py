"""Loads one module and runs its functions as the engine says."""

import os
import sys

import flow_runtime
from flow_runtime import frames, functions, output
from flow_runtime.failures import HERE, format_error, import_frame, message_of
from flow_runtime.values import parse

PROTOCOL = 1


class FlowFinder:
    """Offers the module "flow" when the code has none of that name itself. A mere
    folder called flow, which Python would take for a package, does not count."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "flow":
            return None
        from importlib.machinery import ModuleSpec, PathFinder
        own = PathFinder.find_spec(name)
        if own is not None and own.origin is not None:
            return own
        return ModuleSpec(name, FlowFinder)

    @staticmethod
    def create_module(spec):
        return flow_runtime

    @staticmethod
    def exec_module(module):
        pass


class LoadError(Exception):
    """The module cannot be loaded; detail is its traceback."""

    def __init__(self, message, detail=""):
        super().__init__(message)
        self.detail = detail


def load(message):
    if message.get("protocol") != PROTOCOL:
        raise LoadError("the Python host speaks version %d of the protocol, the engine %s"
                        % (PROTOCOL, message.get("protocol")))
    name = message["module"]
    sys.path[:0] = message.get("path", [])
    sys.argv[:] = [name]
    functions.use(import_module(name), message["max_payload"])


def import_module(name):
    import importlib
    try:
        return importlib.import_module(name)
    except BaseException as e:
        trace, in_code = format_error(e, import_frame)
        kind, why, missing = type(e).__name__, message_of(e), isinstance(e, ModuleNotFoundError)
    if missing and not in_code:
        raise LoadError("module %s does not exist: %s: name a module of the repository, and the folder that "
                        "modules are found in as its module path" % (name, why))
    if missing:
        raise LoadError("module %s cannot be imported: %s: add it to requirements.txt, or correct the import"
                        % (name, why), trace)
    raise LoadError("module %s cannot be imported: %s: %s" % (name, kind, why), trace)


def answer_load(message):
    try:
        load(message)
    except LoadError as e:
        output.end_lines()
        frames.send_object({"type": "failed", "code": "module", "message": str(e), "detail": e.detail})
        os._exit(1)
    output.end_lines()
    frames.send_object({"type": "ready", "protocol": PROTOCOL})


def answer_describe():
    from flow_runtime import describe
    tasks = describe.describe(functions.module, functions.exposed(functions.module))
    output.end_lines()
    frames.send_object({"type": "described", "tasks": tasks})


def main():
    frames.own_descriptors()
    output.capture()
    os.register_at_fork(after_in_child=frames.in_forked_child)
    os.register_at_fork(after_in_child=output.in_forked_child)
    sys.meta_path.insert(0, FlowFinder)
    send, run = frames.send, functions.run
    for text in frames.frames():
        message, _ = parse(text)
        kind = message["type"]
        if kind == "call":
            send(run(message))
        elif kind == "load":
            answer_load(message)
        elif kind == "describe":
            answer_describe()
