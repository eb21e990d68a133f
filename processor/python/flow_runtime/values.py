"""Values as JSON, and why some are not."""

import json

from flow_runtime.failures import NotJSON, TooLarge, message_of


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


def encode_plugs(plugs, size, limit):
    """Encodes what a function put into plugs, beside a result of so many bytes."""
    parts = []
    for name, value in plugs.items():
        if not isinstance(name, str):
            raise NotJSON("a name in plugs is %r: use the name of a plug, as text" % (name,))
        part = quote(name).encode() + b":" + encode(value, "plugs[%r]" % name)
        size += len(part)
        parts.append(part)
    if size > limit:
        raise TooLarge("the result and the values of plugs have %d bytes of JSON together, the limit is %d"
                       % (size, limit))
    return b"{" + b",".join(parts) + b"}"
