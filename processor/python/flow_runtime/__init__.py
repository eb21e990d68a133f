"""What the engine offers to the code it runs. Code imports it as flow, or by this
name when it has a module called flow itself. The other files of this package are the
Python side of the child protocol, which package processor/frame specifies."""

__all__ = ["Permanent", "RetryAfter", "call"]

NOBODY = {"id": ""}
current = NOBODY  # the message of the call that runs now


class Call:
    """The call that runs now, as flow.call() shows it."""

    __slots__ = ("id", "tracking", "socket", "function", "attempt")

    def __init__(self, message):
        get = message.get
        self.id, self.tracking, self.socket = get("id", ""), get("tracking", ""), get("socket", "")
        self.function, self.attempt = get("function", ""), get("attempt", 0)

    def __repr__(self):
        return "<flow call %s of %s, attempt %d>" % (self.id, self.function, self.attempt)


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
