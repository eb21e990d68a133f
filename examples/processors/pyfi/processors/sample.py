"""Small functions to try Flow with.

A processor's functions are plain Python: they take values and return values
that are JSON. Many of these accept ``*args, plugs={}, output={}, **kwargs`` as
the functions of older modules do; none of that is required.
"""

import time


def do_something(message, *args, plugs={}, output={}, **kwargs):
    """Returns the message as text, marked by this function."""
    return "Do something: " + str(message)


def do_this(message, *args, plugs={}, output={}, **kwargs):
    """Returns the message as text, marked by this function, and prints it: what a
    function prints is the log of the call."""
    print("do_this got", message)
    return "Do this: " + str(message)


def do_that(message, *args, plugs={}, output={}, **kwargs):
    """Returns the message as text, marked by this function."""
    return "Do that: " + str(message)


def emit_one(one=None, *args, plugs={}, output={}, **kwargs):
    """Returns what it is given, or 1: a source for the first argument of add_two."""
    return 1 if one is None else one


def emit_two(two=None, *args, plugs={}, output={}, **kwargs):
    """Returns what it is given, or 5: a source for the second argument of add_two."""
    return 5 if two is None else two


def add_two(one, two, *args, plugs={}, output={}, **kwargs):
    """Adds two values. Connect a plug to each argument: it runs when both are there."""
    return one + two


def emit_add(one, five=5, *args, plugs={}, output={}, **kwargs):
    """Adds a number to what it is given."""
    return one + five


def add_data(data: list) -> dict:
    """Counts a list of values and adds up those that are numbers."""
    numbers = [d for d in data if isinstance(d, (int, float)) and not isinstance(d, bool)]
    return {"count": len(data), "sum": sum(numbers)}


def raise_error(message="this function always fails"):
    """Always fails: see where an ERROR plug leads."""
    raise ValueError(message)


def report_error(failure, *args, plugs={}, output={}, **kwargs):
    """Makes a line of text of what an ERROR plug carries."""
    return "%s: %s" % (failure.get("error"), failure.get("message"))


def flaky(message, fails: int = 2):
    """Fails in its first attempts and then succeeds: give its socket retries."""
    import flow  # what the engine tells about the call that runs
    attempt = flow.call().attempt
    if attempt <= fails:
        raise ConnectionError("attempt %d fails on purpose" % attempt)
    return "attempt %d worked: %s" % (attempt, message)


def slow(seconds: float = 1.0):
    """Sleeps, printing as it goes, and returns how long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        left = end - time.monotonic()
        print("%.1f seconds left" % left)
        time.sleep(max(0.0, min(1.0, left)))
    return seconds
