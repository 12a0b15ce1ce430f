#!/usr/bin/env python3
"""Bytes an element beside redis-server 7.0: `element_bytes.py NEARSIDE [--readme]`.

Fills one type after the other, of several sizes and numbers of elements, by the same commands on both, and compares what
each says it uses (`used_memory`) with what it said before. With `--readme` the table goes into `benches/README.md`.
Never measures time; any build will do.
"""
import argparse
import datetime
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "side_by_side"))

from resp import Client, wire  # noqa: E402
from servers import NEARSIDE, UNIT, Contender, Server  # noqa: E402
from table import machine, revision  # noqa: E402

BEGIN, END = "<!-- elements: written by benches/element_bytes.py -->", "<!-- end of the elements -->"
TYPES = ("hash", "set", "zset", "list", "stream")
SIZES = (8, 16, 64)
COUNTS = (10, 100, 1000, 100_000, 1_000_000)
# Enough elements in all that a table's step or a buffer does not show.
ELEMENTS_MIN = 200_000
AT_ONCE = 100


def element(number, size):
    """Text that is no number and like no other, in no order."""
    return (b"x%07x" % (number * 0x9E3779B1 & 0xFFFFFFF)).ljust(size, b"v")


def command(kind, key, first, behind, size):
    elements = [element(number, size) for number in range(first, behind)]
    if kind == "hash":
        return wire("HSET", key, *(word for each in elements for word in (each, each)))
    if kind == "set":
        return wire("SADD", key, *elements)
    if kind == "zset":
        return wire("ZADD", key, *(word for n, each in enumerate(elements, first) for word in (n * 7919 % 1000, each)))
    if kind == "list":
        return wire("RPUSH", key, *elements)
    return b"".join(wire("XADD", key, f"{n + 1}-0", "f", each) for n, each in enumerate(elements, first))


def requests(kind, count, size):
    """How many answers there will be, and the commands."""
    answers, made = 0, []
    for key in range(max(1, ELEMENTS_MIN // count)):
        name = b"key:%012d" % key
        for first in range(0, count, AT_ONCE):
            behind = min(first + AT_ONCE, count)
            made.append(command(kind, name, first, behind, size))
            answers += behind - first if kind == "stream" else 1
    return answers, made


def fill(server, answers, made):
    client = Client(server.port)
    left = answers
    for start in range(0, len(made), 200):
        part = b"".join(made[start:start + 200])
        client.socket.sendall(part)
        for _ in range(part.count(b"\r\n$4\r\nXADD\r\n") or len(made[start:start + 200])):
            client.read()
            left -= 1
    assert left == 0, "every command was answered"
    client.close()


def settled(client):
    """What is used once nothing moves any more."""
    before = None
    while True:
        used = int(client.info("memory")["used_memory"])
        if before is not None and abs(used - before) < 4096:
            return used
        before = used
        time.sleep(0.3)


def grown(contender, kind, count, size, answers, made):
    """By how many bytes an element the server's memory grew."""
    server = Server(contender)
    try:
        client = server.connected()
        # A database that has a key has its table.
        client.ask("SET", "anchor", "x")
        before = settled(client)
        fill(server, answers, made)
        used = settled(client) - before
        keys = max(1, ELEMENTS_MIN // count)
        assert client.ask("DBSIZE") == keys + 1
        return used / (keys * count)
    finally:
        server.stop()


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("nearside", help="the program")
    options.add_argument("--readme", action="store_true", help="write the table into benches/README.md")
    asked = options.parse_args()
    unit = Contender(UNIT, "redis-7.0")
    ours = Contender(NEARSIDE, os.path.abspath(asked.nearside))
    rows = ["| | bytes | " + " | ".join(f"{count:,}" for count in COUNTS) + " |", "|---" * (len(COUNTS) + 2) + "|"]
    print("\n".join(rows), flush=True)
    for kind in TYPES:
        for size in SIZES:
            cells = []
            for count in COUNTS:
                answers, made = requests(kind, count, size)
                theirs = grown(unit, kind, count, size, answers, made)
                mine = grown(ours, kind, count, size, answers, made)
                cells.append(f"{mine:.1f} / {theirs:.1f} = {mine / theirs:.2f}")
            rows.append(f"| {kind} | {size} | " + " | ".join(cells) + " |")
            print(rows[-1], flush=True)
    if asked.readme:
        now = datetime.datetime.now(datetime.timezone.utc)
        head = f"{now:%Y-%m-%d %H:%M} UTC, revision {revision()}, {machine()}."
        path = os.path.join(HERE, "README.md")
        with open(path) as file:
            before, rest = file.read().split(BEGIN)
        _, after = rest.split(END)
        with open(path, "w") as file:
            file.write(before + BEGIN + "\n" + head + "\n\n" + "\n".join(rows) + "\n" + END + after)


if __name__ == "__main__":
    main()
