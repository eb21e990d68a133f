"""What a function raised, as the failure of a reply."""

import json
import os

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MAX_TEXT = 64 << 10  # of a message or a traceback


class NotJSON(Exception):
    """The result is not a JSON value."""


class TooLarge(Exception):
    """The result is over the limit."""


class NoFunction(Exception):
    """The module has no such function."""


ENGINE_FAILURES = {NotJSON: "ResultNotJSON", TooLarge: "PayloadTooLarge", NoFunction: "FunctionNotFound"}


def cut(text, keep_end=False):
    if len(text) > MAX_TEXT:
        text = "… " + text[-MAX_TEXT:] if keep_end else text[:MAX_TEXT] + " …"
    return text.encode("utf-8", "backslashreplace").decode()


def call_frame(name):
    """Whether a file is on the way from the engine to a function."""
    return name.startswith(HERE) or os.sep + "asyncio" + os.sep in name


def import_frame(name):
    """Whether a file is on the way from the engine to a module."""
    return name.startswith(HERE) or name.startswith("<frozen importlib") or os.sep + "importlib" + os.sep in name


def format_error(error, skipped):
    """Returns the traceback without the frames before the user's code, and
    whether any are left."""
    import traceback
    tb = error.__traceback__
    while tb is not None and skipped(tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
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
    trace, in_code = format_error(error, call_frame)
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


def encode_failure(error):
    kind = ENGINE_FAILURES.get(type(error))
    if kind is not None:
        failure = {"error": kind, "message": message_of(error), "permanent": True}
    else:
        failure = failure_of(error)
    return json.dumps(failure, separators=(",", ":")).encode()
