#!/usr/bin/env python3
"""How long a SET waits while BGSAVE runs, beside redis-server 7.0: bgsave.py NEARSIDE [--keys 2000000] [--turns 3]

Both as masters, in turns. One client sends one SET after another before and during a BGSAVE; the file must be whole and
the last SET readable, or there is no figure.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "side_by_side"))
from resp import connected, free_port  # noqa: E402
from servers import tool  # noqa: E402


def told(client, field):
    return client.info("persistence")[field]


def sets(client, keys, is_over):
    """Milliseconds of each SET until `is_over`, which is asked by another connection now and then."""
    waits, number = [], 0
    while number % 200 or not is_over():
        begun = time.perf_counter()
        client.ask("SET", f"key:{number * 7919 % keys}", "x" * 100)
        waits.append((time.perf_counter() - begun) * 1000)
        number += 1
    return sorted(waits)


def shown(waits):
    at = lambda share: waits[min(int(len(waits) * share), len(waits) - 1)]
    return f"p50 {at(0.5):.3f} ms, p99 {at(0.99):.2f} ms, longest {waits[-1]:.1f} ms, of {len(waits)}"


def turn(name, command, keys):
    folder = pathlib.Path(tempfile.mkdtemp())
    port = free_port()
    server = subprocess.Popen([*command, "--port", str(port), "--dir", str(folder)], stdout=subprocess.DEVNULL)
    try:
        client, other = connected(port, server), connected(port, server)
        client.ask("DEBUG", "POPULATE", keys, "key", 100)
        until = time.perf_counter() + 3
        before = sets(client, keys, lambda: time.perf_counter() > until)
        begun = time.perf_counter()
        other.ask("BGSAVE")
        during = sets(client, keys, lambda: told(other, "rdb_bgsave_in_progress") == "0")
        took = time.perf_counter() - begun
        assert told(other, "rdb_last_bgsave_status") == "ok"
        # Redis shortens what DEBUG POPULATE makes.
        assert (folder / "dump.rdb").stat().st_size > keys * 20
        client.ask("SET", "key:0", "last")
        assert other.ask("GET", "key:0") == b"last"
        print(f"{name}: without BGSAVE {shown(before)}; during it, {took:.1f} s, {shown(during)}", flush=True)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("nearside")
    options.add_argument("--keys", type=int, default=2_000_000)
    options.add_argument("--turns", type=int, default=3)
    given = options.parse_args()
    subprocess.run([HERE.parent / "tests/masters/get.sh", "--only", "redis-7.0"], check=True, stdout=subprocess.DEVNULL)
    redis = [tool("redis-server"), "--save", "", "--enable-debug-command", "local"]
    for _ in range(given.turns):
        turn("redis 7.0", redis, given.keys)
        turn("nearside", [given.nearside, "--http", "off"], given.keys)


main()
