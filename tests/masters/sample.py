#!/usr/bin/env python3
"""Sample data for `make run`: sample.py fill PORT, then sample.py write PORT (until ended).

Fills a master on the loopback address with a few thousand keys of every type, and keeps a light stream of writes
going. Standard library only.
"""
import random
import socket
import sys
import time


class Master:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.file = self.socket.makefile("rb")

    def send(self, requests):
        """Sends many requests at once and reads their replies; an error ends the program."""
        wire = bytearray()
        for words in requests:
            wire += b"*%d\r\n" % len(words)
            for word in words:
                word = str(word).encode()
                wire += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(wire)
        for words in requests:
            self.reply(words)

    def reply(self, words):
        line = self.file.readline()
        if not line:
            sys.exit(0)  # the master has ended, and so do we
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            sys.exit(f"{words}: {rest.decode()}")
        if kind == b"$" and int(rest) >= 0:
            self.file.read(int(rest) + 2)
        if kind == b"*":
            for _ in range(max(int(rest), 0)):
                self.reply(words)


def fill(master):
    some = random.Random(1)
    master.send([["SET", "sample:string", "hello from the master"], ["SET", "sample:number", 42]])
    master.send([["HSET", "sample:hash", "name", "nearside", "role", "replica", "port", 6380]])
    master.send([["RPUSH", "sample:list"] + [f"element {n}" for n in range(20)]])
    master.send([["SADD", "sample:set"] + [f"member {n}" for n in range(20)], ["SADD", "sample:integers", *range(50)]])
    for start in range(0, 2000, 500):
        pairs = [word for n in range(start, start + 500) for word in (some.randrange(10_000), f"player:{n}")]
        master.send([["ZADD", "sample:zset", *pairs]])
    master.send([["XADD", "sample:stream", "*", "event", n, "value", some.random()] for n in range(200)])
    master.send([["XGROUP", "CREATE", "sample:stream", "workers", 0]])
    master.send([["XREADGROUP", "GROUP", "workers", "one", "COUNT", 5, "STREAMS", "sample:stream", ">"]])
    master.send([["PFADD", "sample:visitors"] + [f"visitor {n}" for n in range(1000)]])
    master.send([["SETBIT", "sample:bitmap", n * 7, 1] for n in range(200)])
    places = [("13.361389", "38.115556", "Palermo"), ("15.087269", "37.502669", "Catania")]
    master.send([["GEOADD", "sample:geo", *place] for place in places])
    master.send([["SET", "sample:expiring", "gone in an hour", "EX", 3600]])
    master.send([["HSET", "sample:session", "token", "gone in an hour", "user", 7]])
    master.send([["HEXPIRE", "sample:session", 3600, "FIELDS", 1, "token"]])
    library = "#!lua name=sample\nserver.register_function('hello', function() return 'hello' end)"
    master.send([["FUNCTION", "LOAD", library]])
    for start in range(0, 50_000, 1000):
        master.send([["SET", f"user:{n}", f"value of user {n} " + "." * 60] for n in range(start, start + 1000)])
        master.send([["HSET", f"profile:{n}", "id", n, "visits", n % 97] for n in range(start, start + 1000, 10)])


def write(master):
    some = random.Random()
    count = 0
    while True:
        count += 1
        player = f"player:{some.randrange(2000)}"
        master.send([["INCR", "sample:counter"], ["ZINCRBY", "sample:zset", 1, player]])
        master.send([["SET", f"user:{some.randrange(50_000)}", f"written at {time.time():.3f}"]])
        if count % 10 == 0:
            master.send([["XADD", "sample:stream", "MAXLEN", "~", 1000, "*", "event", count, "player", player]])
        time.sleep(0.05)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("fill", "write"):
        sys.exit(__doc__)
    try:
        {"fill": fill, "write": write}[sys.argv[1]](Master(int(sys.argv[2])))
    except (KeyboardInterrupt, ConnectionError):
        pass
