"""The rows of the table, and the visits that measure them.

A visit is one life of one contender over one data set: started, loaded, compared with the real server's answers,
measured, compared again, ended. A figure counts only when both comparisons held. Only the visited server runs, for an
idle one with I/O threads burns a core. Never says how figures become a table.
"""
import contextlib
import json
import os
import re
import resource
import subprocess
import threading
import time
from dataclasses import dataclass

from data import GIANTS, mixed_of
from master import WireMaster
from resp import Client, wire
from servers import Server, tool

STREAMED_PER_SECOND = 200_000
UNITS_PER_SECOND = 100_000


@dataclass(frozen=True)
class Row:
    title: str
    unit: str
    goal: float | None  # of the ratio to the unit; of the figure itself where `absolute`
    absolute: bool = False
    more_is_better: bool = False


ROWS = {
    "rss strings": Row("RSS a key, strings of 16 B + 100 B", "B", 0.67),
    "rss mixed": Row("RSS, mixed: small and large hashes, sorted sets, lists, sets", "MB", 0.62),
    "rss hashes": Row("RSS a key, hashes of 5 short fields", "B", 0.65),
    "rss kilobytes": Row("RSS, strings of 1 KB", "MB", 0.87),
    "cpu strings": Row("CPU of a load at wire speed: strings", "s", 0.40),
    "cpu hashes": Row("the same, hashes of 5", "s", 0.45),
    "cpu mixed": Row("the same, mixed", "s", 0.60),
    "cpu kilobytes": Row("the same, strings of 1 KB", "s", 0.30),
    "wall strings": Row("wall time of a load: strings", "s", 0.40),
    "wall kilobytes": Row("the same, strings of 1 KB", "s", 0.30),
    "stream set": Row("CPU a streamed command, SET", "µs", 0.37),
    "stream mixed": Row("the same, ten commands of five types", "µs", 0.40),
    "get 64": Row("server CPU a GET, pipeline 64, 50 clients", "µs", 0.22),
    "hget 64": Row("the same, HGET", "µs", 0.28),
    "zrange 64": Row("the same, ZRANGE 0 9", "µs", 0.35),
    "get 1": Row("server CPU a GET, pipeline 1, 50 clients", "µs", 0.85),
    "rps 64": Row("GET a second, pipeline 64, load generator on the same cores", "k/s", 4, more_is_better=True),
    "keys": Row("KEYS * over the strings and the mixed, 1.1M keys", "s", 0.19),
    "keys p99": Row("GET p99 at 2,000/s during that", "ms", 2, absolute=True),
    "scan": Row("whole SCAN of them, COUNT 1000", "s", 0.22),
    "reads p999": Row("GET p99.9 at 2,000/s during KEYS, SORT_RO, and replies of 1M elements", "ms", 2, absolute=True),
    "reads wait": Row("how far behind the stream is meanwhile, at most", "ms", None, absolute=True),
    "frees p999": Row("GET p99.9 while the stream deletes values of 1M elements, and all", "ms", 2, absolute=True),
    "units rps": Row("GET a second of 50 connections while 100k/s of MSET and RENAME arrive", "k/s", None,
                     more_is_better=True),
    "units late": Row("how long after their time the last of those are applied", "ms", None, absolute=True),
    "resync p99": Row("GET p99 at 2,000/s during a full resync", "ms", 2, absolute=True),
    "resync failed": Row("of them answered by an error or nil", "%", 0, absolute=True),
    "resync stop": Row("for how long the new data set stops readers, at most", "ms", 1, absolute=True),
    "resync peak": Row("peak RSS in that resync, unchanged data", "MB", None),
    "resync growth": Row("that, of the same server's RSS at rest", "×", 1.15, absolute=True),
    "connection": Row("memory an idle connection, of 9,900", "KB", 0.25),
}


class Figures:
    """What was measured: for each row and contender a value a turn."""

    def __init__(self):
        self.values = {}

    def note(self, row, contender, value):
        assert row in ROWS, row
        self.values.setdefault(row, {}).setdefault(contender, []).append(value)


@dataclass
class Bench:
    """What every visit needs."""

    open_loop: str
    figures: Figures
    requests: int  # of one run of redis-benchmark at pipeline 64

    def note(self, server, **values):
        for row, value in values.items():
            self.figures.note(row.replace("_", " "), server.name, value)


def visits():
    """Each visit's data set, and the function that measures it."""
    return {
        "sync": ("strings", sync), "reads": ("strings", reads), "keyspace": ("keyspace", keyspace),
        "tails": ("giants", tails), "hashes": ("hashes", hashes), "mixed": ("mixed", mixed), "kilobytes": ("kilobytes", kilobytes),
    }


@contextlib.contextmanager
def loaded(contender, data):
    """The contender with the data in it, its master, and what the load took: (CPU seconds, wall seconds)."""
    master = WireMaster(data.rdb)
    server = None
    try:
        server = Server(contender, master.port)
        cost = transfer(server, master)
        data.check(server)
        yield server, master, cost
        assert master.syncs == server.synced, f"{contender.name} synced unasked"
    finally:
        if server:
            server.stop()
        master.stop()


def transfer(server, master):
    """Lets the sync begin that the server asked for, and waits until it is in: (CPU seconds, wall seconds)."""
    assert master.asked.wait(60), f"{server.name} asks for no full sync"
    cpu, since = server.cpu(), time.monotonic()
    master.go.set()
    caught_up(server, master)
    server.synced += 1
    return server.cpu() - cpu, time.monotonic() - since


def caught_up(server, master, seconds=300):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        info = server.client.info("replication")
        done = info["master_link_status"] == "up" and info.get("master_sync_in_progress", "0") == "0"
        if done and int(info["slave_repl_offset"]) >= master.offset:
            return
        time.sleep(0.01)
    raise TimeoutError(f"{server.name} is not at offset {master.offset} after {seconds} s: {info}")


def at_rest(server):
    """Resident bytes a moment after the load, when what was freed in the background is."""
    time.sleep(1)
    return server.rss()


def sync(bench, contender, data):
    with loaded(contender, data) as (server, master, (cpu, wall)):
        rest = at_rest(server)
        bench.note(server, cpu_strings=cpu, wall_strings=wall, rss_strings=rest / data.keys)

        server.forget_peak()
        master.cut()
        assert master.asked.wait(60), f"{server.name} does not come back"
        with open_loop(bench, server, data.keys) as latencies:
            transfer(server, master)
        peak = server.peak_rss()
        bench.note(server, resync_p99=latencies["p99"], resync_peak=peak / 1e6, resync_growth=peak / rest,
                   resync_failed=100 * (latencies["missing"] + latencies["errors"]) / latencies["answers"])
        # Only we tell.
        if stopped := server.client.info("stats").get("nearside_last_swap_usec"):
            bench.note(server, resync_stop=int(stopped) / 1e3)
        data.check(server)
    bench.note(server, connection=idle_connection(contender))


def reads(bench, contender, data):
    with loaded(contender, data) as (server, master, _):
        cpu, rate = benchmark(server, bench.requests, 64, data.keys, "GET", "key:__rand_int__")
        bench.note(server, get_64=cpu, rps_64=rate / 1e3)
        cpu, _ = benchmark(server, bench.requests // 10, 1, data.keys, "GET", "key:__rand_int__")
        bench.note(server, get_1=cpu)
        data.check(server)
        bench.note(server, stream_set=streamed(server, master, data))
        data.check(server, after_stream=True)


def keyspace(bench, contender, data):
    each = mixed_of(data.keys) // 4
    with loaded(contender, data) as (server, _, _):
        cpu, _ = benchmark(server, bench.requests // 2, 64, each, "HGET", "hash:__rand_int__", "field:3")
        bench.note(server, hget_64=cpu)
        cpu, _ = benchmark(server, bench.requests // 2, 64, each, "ZRANGE", "zset:__rand_int__", "0", "9")
        bench.note(server, zrange_64=cpu)
        client = server.connected()
        with open_loop(bench, server, data.keys) as latencies:
            since = time.monotonic()
            answer = client.ask_unread("KEYS", "*")
            wall = time.monotonic() - since
        assert int(answer[1:answer.index(b"\r")]) == data.size, f"{server.name} tells of other keys"
        bench.note(server, keys=wall, keys_p99=latencies["p99"], scan=whole_scan(client, data))
        data.check(server)


LONG_READS = (
    ("KEYS", "*"), ("SORT_RO", GIANTS["list"], "ALPHA", "LIMIT", "0", "10"), ("ZRANGE", GIANTS["zset"], "0", "-1"),
    ("SMEMBERS", GIANTS["set"]), ("HGETALL", GIANTS["hash"]), ("LRANGE", GIANTS["list"], "0", "-1"),
)


def tails(bench, contender, data):
    with loaded(contender, data) as (server, master, _):
        client = server.connected()
        with open_loop(bench, server, data.keys) as latencies, behind(server, master) as waits:
            for words in LONG_READS:
                answer = client.ask_unread(*words)
                assert answer[:1] in b"*~%", f"{server.name} answers {words} with {answer[:100]!r}"
        bench.note(server, reads_p999=latencies["p999"], reads_wait=max(waits) * 1e3)

        reading = threading.Thread(target=lambda: rates.append(benchmark(server, bench.requests // 4, 1, data.keys,
                                                                         "GET", "key:__rand_int__")[1]))
        rates, since = [], time.monotonic()
        reading.start()
        master.stream(data.stream, data.commands, UNITS_PER_SECOND)
        caught_up(server, master)
        late = time.monotonic() - since - data.commands / UNITS_PER_SECOND
        reading.join()
        bench.note(server, units_late=late * 1e3, units_rps=rates[0] / 1e3)
        data.check(server, after_stream=True)

        with open_loop(bench, server, data.keys) as latencies:
            for words in [("DEL", key) for key in GIANTS.values()] + [("FLUSHALL",)]:
                master.send(wire(*words))
                caught_up(server, master)
        bench.note(server, frees_p999=latencies["p999"])
        assert server.client.ask("DBSIZE") == 0, f"{server.name} still has keys"


@contextlib.contextmanager
def behind(server, master):
    """A SET each millisecond meanwhile; how many seconds each of them took until it was seen to be applied."""
    client, waits, ends = server.connected(), [0.0], threading.Event()

    def write():
        sent = []
        while sent or not ends.is_set():
            if not ends.wait(0.001):
                master.send(wire("SET", "beat", "x" * 100))
                sent.append((master.offset, time.monotonic()))
            at, now = int(client.info("replication")["slave_repl_offset"]), time.monotonic()
            waits.extend(now - since for offset, since in sent if offset <= at)
            sent = [each for each in sent if each[0] > at]

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield waits
    finally:
        ends.set()
        writer.join()
        client.close()


def hashes(bench, contender, data):
    with loaded(contender, data) as (server, _, (cpu, _)):
        bench.note(server, cpu_hashes=cpu, rss_hashes=at_rest(server) / data.keys)


def mixed(bench, contender, data):
    with loaded(contender, data) as (server, master, (cpu, _)):
        bench.note(server, cpu_mixed=cpu, rss_mixed=at_rest(server) / 1e6)
        bench.note(server, stream_mixed=streamed(server, master, data))
        data.check(server, after_stream=True)


def kilobytes(bench, contender, data):
    with loaded(contender, data) as (server, _, (cpu, wall)):
        bench.note(server, cpu_kilobytes=cpu, wall_kilobytes=wall, rss_kilobytes=at_rest(server) / 1e6)


def streamed(server, master, data):
    """Microseconds of CPU a command of the stream."""
    before = server.cpu()
    master.stream(data.stream, data.commands, STREAMED_PER_SECOND)
    caught_up(server, master)
    return (server.cpu() - before) * 1e6 / data.commands


def benchmark(server, count, pipeline, keys, *words):
    """Microseconds of the server's CPU a command, and commands a second."""
    before = server.cpu()
    told = subprocess.run(
        [tool("redis-benchmark"), "-p", str(server.port), "-q", "-n", str(count), "-c", "50", "-P", str(pipeline),
         "-r", str(keys), *words],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    rate = re.findall(r"([\d.]+) requests per second", told)[-1]
    return (server.cpu() - before) * 1e6 / count, float(rate)


def whole_scan(client, data):
    """Seconds of going through all keys; keys may be told twice, but none left out."""
    cursor, told, since = b"0", 0, time.monotonic()
    while True:
        answer = client.ask_unread("SCAN", cursor, "COUNT", "1000")
        # *2, $ of the cursor, the cursor, * of the keys
        lines = answer.split(b"\r\n", 4)
        cursor, told = lines[2], told + int(lines[3][1:])
        if cursor == b"0":
            break
    seconds = time.monotonic() - since
    assert told >= data.size, f"SCAN told {told} of {data.size} keys"
    return seconds


def idle_connection(contender, few=900, many=9_900):
    """Kilobytes a connection that has asked once and now is idle.

    Of a server without data, since connections are given first what a load has freed; and from few to many, since the
    first bring what all share.
    """
    server = Server(contender)
    clients, resident = [], []
    try:
        for wanted in few, many:
            new = [Client(server.port) for _ in range(wanted - len(clients))]
            clients += new
            for client in new:
                assert client.ask("PING") == b"PONG"
            # What they shrink when idle, they have by then.
            time.sleep(3)
            resident.append(server.rss())
        return (resident[1] - resident[0]) / (many - few) / 1e3
    finally:
        for client in clients:
            client.close()
        server.stop()


def enough_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 12_000:
        raise SystemExit("the bench opens 9,900 connections: ulimit -n 12000")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 12_000), hard))


def before_all_others():
    """The client's own waits for a core are not the server's: it takes one when it needs it, where we may say so."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


@contextlib.contextmanager
def open_loop(bench, server, keys):
    """GETs at 2,000 a second meanwhile; the dictionary is filled at the end."""
    client = subprocess.Popen([bench.open_loop, str(server.port), "2000", str(keys)], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, preexec_fn=before_all_others)
    latencies = {}
    try:
        assert client.stdout.readline() == "ready\n"
        yield latencies
        # So that there are enough to have a 99th percentile.
        time.sleep(0.1)
    finally:
        told, _ = client.communicate(timeout=120)
        latencies.update(json.loads(told) if told else {})
