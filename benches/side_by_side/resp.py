"""A client for the bench: requests out, answers in.

Owns one connection. Never measures anything.
"""
import re
import socket
import time


def wire(*words):
    """The request as RESP."""
    out = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(out)


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 600)
        self.file = self.socket.makefile("rb")
        self.buffer = None  # of `ask_unread`

    def ask(self, *words):
        self.socket.sendall(wire(*words))
        return self.read()

    def ask_all(self, requests, at_once=500):
        """The answers to many requests, some hundred in flight."""
        answers = []
        for start in range(0, len(requests), at_once):
            batch = requests[start:start + at_once]
            self.socket.sendall(b"".join(wire(*words) for words in batch))
            answers += [self.read() for _ in batch]
        return answers

    def ask_unread(self, *words):
        """The bytes of the answer, as they came: for answers so large that reading them would be what is measured."""
        self.socket.sendall(wire(*words) + wire("PING"))
        self.buffer = self.buffer or memoryview(bytearray(1 << 20))
        pieces, tail = [], b""
        while not tail.endswith(b"+PONG\r\n"):
            # Into one buffer that is kept: a fresh one a call would cost more than the call.
            size = self.socket.recv_into(self.buffer)
            if not size:
                raise ConnectionError("the server hung up")
            pieces.append(self.buffer[:size].tobytes())
            tail = (tail + pieces[-1])[-7:]
        return b"".join(pieces)[:-7]

    def read(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if not line:
            raise ConnectionError("the server hung up")
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"$":
            return None if int(rest) < 0 else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def info(self, section):
        return dict(re.findall(r"^([^:#\r\n]+):([^\r\n]*)", self.ask("INFO", section).decode(), re.M))

    def close(self):
        self.file.close()
        self.socket.close()


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def connected(port, process):
    """A client of a server that may still be starting; an `OSError` when it has ended."""
    while True:
        try:
            client = Client(port)
            client.ask("INFO", "server")
            return client
        except OSError:
            if process.poll() is not None:
                raise
            time.sleep(0.01)
