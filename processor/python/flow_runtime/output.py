"""What the code prints, line by line, as the log of the call that runs."""

import io
import json
import os
import sys
import threading
import time

import flow_runtime
from flow_runtime import frames

MAX_LINE = 64 << 10
quote = json.encoder.encode_basestring_ascii
begun = False  # something was printed since the last end_lines
raw_streams, streams = (), ()


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
        global begun
        data = bytes(data)
        with self.lock:
            begun = True
            self.partial += data
            if b"\n" in data or len(self.partial) > MAX_LINE:
                *whole, self.partial = self.partial.split(b"\n")
                while len(self.partial) > MAX_LINE:
                    whole.append(self.partial[:MAX_LINE])
                    self.partial = self.partial[MAX_LINE:]
                self.emit(whole)
        return len(data)

    def end_line(self):
        with self.lock:
            if self.partial:
                line, self.partial = self.partial, b""
                self.emit([line])

    def emit(self, lines):
        if frames.forked:
            os.write(self.fd, b"".join(line + b"\n" for line in lines))
            return
        at = b',"at":%d}' % (time.time_ns() // 1000)
        head = (b'{"type":"log","id":' + quote(flow_runtime.current["id"]).encode()
                + b',"stream":"' + self.stream + b'","text":')
        for line in lines:
            for i in range(0, max(len(line), 1), MAX_LINE):
                text = line[i:i + MAX_LINE].decode("utf-8", "replace").rstrip("\r")
                frames.send(head + quote(text).encode() + at)


def capture():
    """Takes the place of sys.stdout and sys.stderr."""
    global raw_streams, streams
    raw_streams = [Lines(b"stdout", 1), Lines(b"stderr", 2)]
    streams = [io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
               for raw in raw_streams]
    sys.stdout, sys.stderr = streams


def end_lines():
    """Sends lines that were begun and not ended."""
    global begun
    begun = False
    for text, raw in zip(streams, raw_streams):
        try:
            text.flush()
        except ValueError:  # the code closed it
            pass
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


def in_forked_child():
    """A copy of this process prints to file descriptors 1 and 2 themselves."""
    for raw in raw_streams:
        raw.lock = threading.RLock()
