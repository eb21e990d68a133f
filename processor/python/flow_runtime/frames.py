"""Frames: a length of four bytes and a JSON object, on two file descriptors."""

import io
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
    """Yields the texts of frames until the engine closes the pipe. What is read goes into
    one buffer again and again: a new one for each read would be asked of the system, and
    given back, each time."""
    source = io.FileIO(READ_FD, closefd=False)
    view, start, end = memoryview(bytearray(READ_SIZE)), 0, 0
    while True:
        need = 4
        while end - start >= need:
            need = 4 + int.from_bytes(view[start:start + 4], "big")
            if end - start < need:
                break
            yield str(view[start + 4:start + need], "utf-8")
            start += need
            need = 4
        if need > len(view) or len(view) > READ_SIZE >= need:  # a large frame comes, or was there
            old, view = view, memoryview(bytearray(max(need, READ_SIZE)))
            view[:end - start] = old[start:end]
        elif start > 0:
            view[:end - start] = bytes(view[start:end])
        start, end = 0, end - start
        n = source.readinto(view[end:])
        if not n:
            return
        end += n


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
