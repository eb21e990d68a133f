"""Frames: a length of four bytes and a JSON object, on two file descriptors."""

import json
import os
import threading

READ_FD, WRITE_FD = 3, 4
READ_SIZE = 1 << 18
forked = False  # this is a copy of the process, which the code made
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


def own_descriptors():
    """Keeps the pipes from programs that the code starts."""
    for fd in (READ_FD, WRITE_FD):
        os.set_inheritable(fd, False)
        os.set_blocking(fd, True)


def in_forked_child():
    """A copy of this process must not speak to the engine."""
    global forked, write_lock
    forked, write_lock = True, threading.Lock()
    for fd in (READ_FD, WRITE_FD):
        try:
            os.close(fd)
        except OSError:
            pass
