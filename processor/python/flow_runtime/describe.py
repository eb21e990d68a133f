"""Describes the functions of a module as Flow's tasks: their arguments, defaults,
documentation, source, and JSON Schemas made from type hints. host.py loads this
file when it is asked; it is not needed for running calls."""

import dataclasses
import enum
import inspect
import json
import sys
import typing

MAX_SOURCE = 64 << 10


def describe(module, functions):
    return [describe_function(module, name, f) for name, f in functions.items()]


def describe_function(module, name, function):
    hints = hints_of(function)
    task = {"module": module.__name__, "name": name, "doc": inspect.getdoc(function) or "",
            "source": source_of(function), "arguments": []}
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some built in functions do not tell
        parameters = [inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
                      inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)]
    for position, p in enumerate(parameters):
        task["arguments"].append(describe_parameter(p, position, hints))
    if "return" in hints:
        returns = schema(hints["return"])
        if returns:
            task["returns"] = returns
    return task


def describe_parameter(p, position, hints):
    out = {"name": p.name, "position": position, "kind": p.kind.name, "has_default": p.default is not p.empty}
    if p.default is not p.empty:
        try:
            out["default"] = json.loads(json.dumps(p.default, allow_nan=False))
        except Exception:
            out["default"] = None
    if p.name in hints:
        s = schema(hints[p.name])
        if s:
            out["schema"] = s
    return out


def hints_of(function):
    try:
        return typing.get_type_hints(function)
    except Exception:  # a name in a hint that does not exist, say: the others count all the same
        pass
    out = {}
    for name, hint in getattr(function, "__annotations__", {}).items():
        try:
            out[name] = eval(hint, getattr(function, "__globals__", {})) if isinstance(hint, str) else hint
        except Exception:
            continue
    return out


def source_of(function):
    try:
        return inspect.getsource(inspect.unwrap(function))[:MAX_SOURCE]
    except (OSError, TypeError):
        return ""


SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null",
          list: "array", tuple: "array", dict: "object"}


def schema(hint, depth=0):
    """Returns the JSON Schema of a hint; {} accepts anything."""
    if depth > 8:  # a type that contains itself
        return {}
    try:
        return schema_of(hint, depth)
    except Exception:
        return {}


def schema_of(hint, depth):
    if hint is None:
        return {"type": "null"}
    if isinstance(hint, type) and hint in SIMPLE:
        return {"type": SIMPLE[hint]}
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union or is_new_union(origin):
        return union(args, depth)
    if origin is typing.Literal:
        return literal(args)
    if origin is getattr(typing, "Annotated", ()):
        return schema(args[0], depth + 1)
    if origin is tuple:
        return fixed_or_list(args, depth)
    if isinstance(origin, type):
        import collections.abc as abc
        if issubclass(origin, abc.Mapping):
            return with_items("object", "additionalProperties", args[1:2], depth)
        if issubclass(origin, abc.Collection) or origin is abc.Iterable:
            return with_items("array", "items", args[:1], depth)
        return {}
    if isinstance(hint, type):
        return schema_of_class(hint, depth)
    return {}


def is_new_union(origin):
    if sys.version_info < (3, 10):
        return False
    import types
    return origin is types.UnionType


def with_items(kind, key, args, depth):
    out = {"type": kind}
    if args:
        items = schema(args[0], depth + 1)
        if items:
            out[key] = items
    return out


def fixed_or_list(args, depth):
    if len(args) == 2 and args[1] is Ellipsis:
        return with_items("array", "items", args[:1], depth)
    if not args or args == ((),):
        return {"type": "array"}
    return {"type": "array", "prefixItems": [schema(a, depth + 1) for a in args],
            "minItems": len(args), "maxItems": len(args)}


def union(args, depth):
    parts = [schema(a, depth + 1) for a in args]
    if any(not p for p in parts):
        return {}
    if all(set(p) == {"type"} and isinstance(p["type"], str) for p in parts):
        return {"type": [p["type"] for p in parts]}
    return {"anyOf": parts}


def literal(values):
    return {"enum": [v.value if isinstance(v, enum.Enum) else v for v in values]}


def schema_of_class(cls, depth):
    if dataclasses.is_dataclass(cls):
        hints = hints_of(cls)
        fields = {f.name: schema(hints.get(f.name), depth + 1) if f.name in hints else {}
                  for f in dataclasses.fields(cls)}
        required = [f.name for f in dataclasses.fields(cls)
                    if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING]
        return an_object(fields, required)
    if issubclass(cls, dict) and hasattr(cls, "__total__"):  # TypedDict
        hints = hints_of(cls)
        required = getattr(cls, "__required_keys__", None)
        if required is None:
            required = hints if cls.__total__ else ()
        return an_object({k: schema(h, depth + 1) for k, h in hints.items()}, [k for k in hints if k in required])
    if issubclass(cls, enum.Enum):
        values = [m.value for m in cls]
        return {"enum": values} if all(isinstance(v, (str, int, float, bool)) for v in values) else {}
    for base, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"),
                       (dict, "object"), (list, "array"), (tuple, "array")):
        if issubclass(cls, base):
            return {"type": name}
    return {}


def an_object(fields, required):
    out = {"type": "object", "properties": fields}
    if required:
        out["required"] = required
    return out
