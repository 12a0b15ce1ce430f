"""A master that does nothing but send: a prepared RDB at wire speed, then prepared bytes at a steady pace.

Owns the replica's connection and the offset. A real master would be measured with its replica on a machine of few
cores, and its fork and its RDB writer are no replica's merit. Never decides when: a transfer begins when it is told.
"""
import select
import socket
import threading
import time

from resp import wire

REPLID = b"6e65617273696465206265736964652061207265"
MARK = b"x" * 40
# A real master's; replicas give up after 60 s of silence.
PING_EVERY = 5
# About what one core's worth of clients writes: chunks each 2 ms, as from a master's event loop.
CHUNK_SECONDS = 0.002


class WireMaster:
    def __init__(self, rdb):
        self.pinged = 0.0
        self.rdb = rdb
        self.offset = 1
        self.syncs = 0
        self.asked = threading.Event()  # a replica asked for a full sync
        self.go = threading.Event()  # and gets it
        self.writing = threading.Lock()
        self.connection = None
        self.ends = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while not self.ends:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.serve(connection)
            except OSError:
                pass
            self.connection = None
            connection.close()

    def serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = b""
        while True:
            if not select.select([connection], [], [], PING_EVERY)[0]:
                self.ping()
                continue
            got = connection.recv(4096)
            if not got:
                return
            buffer += got
            while (request := take(buffer)) is not None:
                words, buffer = request
                self.answer(connection, [word.upper() for word in words])

    def answer(self, connection, words):
        if words[0] == b"PSYNC":
            self.transfer(connection)
        elif words[:2] == [b"REPLCONF", b"ACK"]:
            self.ping()
        elif words[0] == b"PING":
            connection.sendall(b"+PONG\r\n")
        else:
            connection.sendall(b"+OK\r\n")

    def transfer(self, connection):
        """A full sync, whatever was asked: the same history, too far back to go on from."""
        self.syncs += 1
        self.offset += 100_000_000 if self.syncs > 1 else 0
        self.asked.set()
        self.go.wait()
        self.go.clear()
        connection.sendall(b"+FULLRESYNC %s %d\r\n$EOF:%s\r\n" % (REPLID, self.offset, MARK))
        with open(self.rdb, "rb") as rdb:
            connection.sendfile(rdb)
        connection.sendall(MARK)
        self.pinged = time.monotonic()
        self.connection = connection

    def ping(self):
        with self.writing:
            if self.connection and time.monotonic() - self.pinged > PING_EVERY:
                self.pinged = time.monotonic()
                self.write(wire("PING"))

    def write(self, part):
        self.offset += len(part)
        self.connection.sendall(part)

    def send(self, part):
        """Sends whole commands."""
        with self.writing:
            self.write(part)

    def stream(self, stream, commands, per_second):
        """Sends the stream at a steady pace: a flood would measure the spools."""
        chunk = int(len(stream) / commands * per_second * CHUNK_SECONDS)
        due = time.monotonic()
        # No PING in the middle of a command.
        with self.writing:
            for start in range(0, len(stream), chunk):
                time.sleep(max(0, due - time.monotonic()))
                self.write(stream[start:start + chunk])
                due += CHUNK_SECONDS

    def cut(self):
        """Ends the connection; the replica will ask again."""
        self.asked.clear()
        self.connection.shutdown(socket.SHUT_RDWR)

    def stop(self):
        self.ends = True
        self.go.set()
        for each in (self.listener, self.connection):
            try:
                each and each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.listener.close()


def take(buffer):
    """The first whole request and what follows it, or None."""
    # A replica that is loading says that it lives by empty lines.
    buffer = buffer.lstrip(b"\n")
    lines = buffer.split(b"\r\n")
    if not buffer.startswith(b"*"):
        return (lines[0].split() or [b""], b"\r\n".join(lines[1:])) if len(lines) > 1 else None
    count = 2 * int(lines[0][1:]) + 1 if len(lines) > 1 else len(lines)
    if len(lines) <= count:
        return None
    return lines[2:count:2], b"\r\n".join(lines[count:])
