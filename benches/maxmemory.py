#!/usr/bin/env python3
"""How far above maxmemory a server goes while large values are written: maxmemory.py NEARSIDE [--turns 3]

Beside redis-server 7.0, both as masters, in turns: keys of a kilobyte up to the bound, then values of 4 MB one after
another. Each value that was taken must be read back whole at once, unless it is evicted by then, or there is no figure.
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

SMALL, LARGE, LARGE_BYTES = 50_000, 40, 4_000_000
# After so long it is no longer waited for.
WAIT_S = 30


def used(client):
    return int(client.info("memory")["used_memory"])


def turn(name, command):
    folder = pathlib.Path(tempfile.mkdtemp())
    port = free_port()
    server = subprocess.Popen([*command, "--port", str(port), "--dir", str(folder)], stdout=subprocess.DEVNULL)
    try:
        client = connected(port, server)
        client.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        client.ask_all([("SET", f"small:{number}", "x" * 1000) for number in range(SMALL)])
        bound = used(client)
        client.ask("CONFIG", "SET", "maxmemory", bound)
        value, refused, most = b"y" * LARGE_BYTES, 0, 0
        begun = time.perf_counter()
        for number in range(LARGE):
            try:
                client.ask("SET", f"large:{number}", value)
                # (It may be evicted before it is asked for.)
                assert client.ask("GET", f"large:{number}") in (value, None)
            except RuntimeError as error:
                assert str(error).startswith("OOM "), error
                refused += 1
            most = max(most, used(client) - bound)
        wrote = time.perf_counter() - begun
        while used(client) > bound and time.perf_counter() - begun - wrote < WAIT_S:
            time.sleep(0.01)
        below = time.perf_counter() - begun - wrote
        below = f"below it after {below:.2f} s" if used(client) <= bound else f"not below it after {WAIT_S} s"
        print(f"{name}: bound {bound / 1e6:.1f} MB, at most {most / 1e6:.1f} MB above it, {refused} of {LARGE} refused, "
              f"{wrote:.2f} s; {below}", flush=True)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("nearside")
    options.add_argument("--turns", type=int, default=3)
    given = options.parse_args()
    subprocess.run([HERE.parent / "tests/masters/get.sh", "--only", "redis-7.0"], check=True, stdout=subprocess.DEVNULL)
    for _ in range(given.turns):
        turn("redis 7.0", [tool("redis-server"), "--save", ""])
        turn("nearside", [given.nearside, "--http", "off"])


main()
