#!/usr/bin/env python3
"""nearside and redis-server as replicas of one master, measured in turn.

    side_by_side.py --nearside PATH [--keys 1000000] [--rounds 5] [--only sync,get,apply]

Both replicas hold the same data: DEBUG DIGEST and sampled answers are asserted before a figure is believed. The
measurements alternate; each row is the median of the rounds, with the ratio nearside / redis-server. CPU is
utime+stime of the server process, memory its RSS. Standard library only; loopback only.
"""
import argparse
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

MASTERS = os.environ.get("MASTERS_DIR") or os.path.expanduser("~/.cache/redis-masters")
REDIS = os.path.join(MASTERS, "redis-7.0")
TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 600)
        self.file = self.socket.makefile("rb")

    @staticmethod
    def wire(words):
        out = b"*%d\r\n" % len(words)
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            out += b"$%d\r\n%s\r\n" % (len(word), word)
        return out

    def ask(self, *words):
        self.socket.sendall(self.wire(words))
        return self.read()

    def read(self):
        line = self.file.readline()[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"$":
            return None if int(rest) < 0 else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def info(self, section):
        return dict(re.findall(r"^([^:#\r\n]+):([^\r\n]*)", self.ask("INFO", section).decode(), re.M))


class Server:
    """A process of ours, ended by its id."""

    def __init__(self, name, command, port, folder):
        self.name, self.port, self.folder = name, port, folder
        log = open(os.path.join(folder, "output.log"), "wb")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        while True:
            try:
                self.client = Client(port)
                self.client.ask("INFO", "server")
                return
            except (OSError, IndexError):
                if self.process.poll() is not None:
                    sys.exit(f"{name} ended:\n" + open(os.path.join(folder, "output.log")).read())
                time.sleep(0.01)

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup") as rollup:
            return int(re.search(r"^Rss:\s+(\d+)", rollup.read(), re.M).group(1)) * 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def redis_server(name, port, *args):
    folder = tempfile.mkdtemp(prefix="nearside-bench-")
    command = [os.path.join(REDIS, "bin", "redis-server"), "--port", str(port)]
    # not the wrapper's shell, so that the process id is the server's own
    run = os.path.join(MASTERS, ".runtime", "bookworm", "lib")
    loader = [os.path.join(run, "ld-linux-x86-64.so.2"), "--library-path", run]
    command = loader + command + [
        "--bind", "127.0.0.1", "--save", "", "--dir", folder, "--enable-debug-command", "local",
        "--client-output-buffer-limit", "replica", "0", "0", "0", "--repl-diskless-sync-delay", "0", *args]
    return Server(name, command, port, folder)


def replica(kind, master):
    port = free_port()
    if kind == "redis-server":
        return redis_server(kind, port, "--replicaof", "127.0.0.1", str(master.port))
    folder = tempfile.mkdtemp(prefix="nearside-bench-")
    command = [options.nearside, "--replicaof", f"127.0.0.1:{master.port}", "--port", str(port), "--http", "off",
               "--bind", "127.0.0.1", "--dir", folder]
    return Server(kind, command, port, folder)


def caught_up(server, master):
    while True:
        info = server.client.info("replication")
        if info.get("master_link_status") == "up" and info.get("master_sync_in_progress", "0") == "0":
            if info.get("slave_repl_offset") == master.client.info("replication")["master_repl_offset"]:
                return
        time.sleep(0.002)


def assert_same_data(server, master, sample):
    assert server.client.ask("DEBUG", "DIGEST") == master.client.ask("DEBUG", "DIGEST"), server.name
    for words in sample:
        assert server.client.ask(*words) == master.client.ask(*words), (server.name, words)


def load(port, requests):
    """Sends many writes, thousands at a time."""
    client = Client(port)
    batch, pending = bytearray(), 0

    def flush():
        client.socket.sendall(batch)
        for _ in range(pending):
            client.read()

    for words in requests:
        batch += Client.wire(words)
        pending += 1
        if pending == 2000:
            flush()
            batch, pending = bytearray(), 0
    flush()


DATA = {
    "strings of 16 B + 100 B": (
        lambda n: (("SET", f"key:{i:012d}", f"{i:0100d}") for i in range(n)),
        lambda n: [("GET", f"key:{random.randrange(n):012d}") for _ in range(1000)]),
    "hashes of 5 fields": (
        lambda n: (("HSET", f"key:{i:012d}", "name", f"n{i}", "age", i % 100, "city", "somewhere", "a", 1, "b", "two")
                   for i in range(n)),
        lambda n: [("HGET", f"key:{random.randrange(n):012d}", "name") for _ in range(1000)]),
}
KINDS = ["redis-server", "nearside"]
figures = {}


def note(row, kind, value):
    figures.setdefault(row, {}).setdefault(kind, []).append(value)


def benchmark(port, count, pipeline, *words):
    subprocess.run([os.path.join(REDIS, "redis-benchmark"), "-p", str(port), "-q", "-n", str(count), "-c", "50", "-P",
                    str(pipeline), "-r", str(options.keys), *words], check=True, stdout=subprocess.DEVNULL)


def measure_sync(data, master, asked):
    for turn in range(options.rounds):
        for kind in KINDS if turn % 2 == 0 else KINDS[::-1]:
            since = time.monotonic()
            server = replica(kind, master)
            caught_up(server, master)
            note(f"{data}: time to sync, s", kind, time.monotonic() - since)
            note(f"{data}: CPU of the sync, s", kind, server.cpu())
            note(f"{data}: RSS a key, B", kind, server.rss() / options.keys)
            if turn == 0:
                assert_same_data(server, master, asked)
            server.stop()


def measure_serving(master, asked, parts):
    servers = [replica(kind, master) for kind in KINDS]
    for server in servers:
        caught_up(server, master)
        assert_same_data(server, master, asked)
    for turn in range(options.rounds):
        for server in servers if turn % 2 == 0 else servers[::-1]:
            for pipeline, count in ((64, 2_000_000), (1, 200_000)) if "get" in parts else ():
                before, since = server.cpu(), time.monotonic()
                benchmark(server.port, count, pipeline, "GET", "key:__rand_int__")
                note(f"GET, pipeline {pipeline}: server CPU a command, µs", server.name,
                     (server.cpu() - before) * 1e6 / count)
                note(f"GET, pipeline {pipeline}: commands/s", server.name, count / (time.monotonic() - since))
        if "apply" in parts:
            before = {server.name: server.cpu() for server in servers}
            count = 500_000
            benchmark(master.port, count, 64, "SET", "key:__rand_int__", "x" * 100)
            for server in servers:
                caught_up(server, master)
                note("stream of SET: CPU a command, µs", server.name,
                     (server.cpu() - before[server.name]) * 1e6 / count)
    for server in servers:
        assert_same_data(server, master, asked)
        server.stop()


def main():
    parts = options.only.split(",") if options.only else ["sync", "get", "apply"]
    for data, (requests, sample) in DATA.items():
        master = redis_server("master", free_port())
        try:
            load(master.port, requests(options.keys))
            asked = sample(options.keys)
            if "sync" in parts:
                measure_sync(data, master, asked)
            if data.startswith("strings") and {"get", "apply"} & set(parts):
                measure_serving(master, asked, parts)
        finally:
            master.stop()
    print(f"| medians of {options.rounds}, {options.keys} keys | redis-server 7.0 | nearside | ratio | spread of ours |")
    print("|---|---|---|---|---|")
    for row, values in figures.items():
        real, ours = statistics.median(values["redis-server"]), statistics.median(values["nearside"])
        spread = f"{min(values['nearside']):.4g} – {max(values['nearside']):.4g}"
        print(f"| {row} | {real:.4g} | {ours:.4g} | {ours / real:.2f} | {spread} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nearside", required=True)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    main()
