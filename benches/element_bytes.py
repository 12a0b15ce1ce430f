#!/usr/bin/env python3
"""Bytes an element beside redis-server 7.0: `element_bytes.py NEARSIDE [--most COUNT] [--readme]`.

Fills one value after the other, of each type, of several sizes and numbers of elements, by the same commands on both, and
compares what MEMORY USAGE (SAMPLES 0) says of it. `used_memory` moves by half a megabyte with buffers and what threads keep
of the allocator's, which is more than most of these values; that ours says the truth is a test of the store. With `--readme` the
table goes into `benches/README.md`. Never measures time; any build will do.
"""
import argparse
import datetime
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "side_by_side"))

from resp import wire  # noqa: E402
from servers import NEARSIDE, UNIT, Contender, Server  # noqa: E402
from table import machine, revision  # noqa: E402

BEGIN, END = "<!-- elements: written by benches/element_bytes.py -->", "<!-- end of the elements -->"
TYPES = ("hash", "set", "zset", "list", "stream")
SIZES = (8, 16, 64)
COUNTS = (10, 100, 1000, 100_000, 1_000_000)
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


def usage(client, kind, count, size):
    """What a value takes, an element."""
    key = b"key:%012d" % count
    for first in range(0, count, AT_ONCE):
        behind = min(first + AT_ONCE, count)
        client.socket.sendall(command(kind, key, first, behind, size))
        for _ in range(behind - first if kind == "stream" else 1):
            client.read()
    used = client.ask("MEMORY", "USAGE", key, "SAMPLES", "0")
    client.ask("UNLINK", key)
    return used / count


def table_of(clients, counts):
    rows = ["| | bytes | " + " | ".join(f"{count:,}" for count in counts) + " |", "|---" * (len(counts) + 2) + "|"]
    print("\n".join(rows), flush=True)
    for kind in TYPES:
        for size in SIZES:
            both = [[usage(client, kind, count, size) for client in clients] for count in counts]
            cells = [f"{mine:.1f} / {theirs:.1f} = {mine / theirs:.2f}" for mine, theirs in both]
            rows.append(f"| {kind} | {size} | " + " | ".join(cells) + " |")
            print(rows[-1], flush=True)
    return rows


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("nearside", help="the program")
    options.add_argument("--readme", action="store_true", help="write the table into benches/README.md")
    options.add_argument("--most", type=int, default=COUNTS[-1], help="the most elements of a value")
    asked = options.parse_args()
    counts = [count for count in COUNTS if count <= asked.most]
    get = os.path.join(os.path.dirname(HERE), "tests/masters/get.sh")
    subprocess.run([get, "--only", "redis-7.0"], check=True, stdout=subprocess.DEVNULL)
    unit = Contender(UNIT, "redis-7.0")
    ours = Contender(NEARSIDE, os.path.abspath(asked.nearside))
    servers = [Server(contender) for contender in (ours, unit)]
    try:
        rows = table_of([server.connected() for server in servers], counts)
    finally:
        for server in servers:
            server.stop()
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
