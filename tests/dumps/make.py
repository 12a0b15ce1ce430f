#!/usr/bin/env python3
"""Makes the dumps beside this file: real servers, small data of every type they have.

    tests/dumps/make.py [NAME...]        all that are fetched, or those named

For each dump NAME.rdb a text NAME.txt tells what the server that wrote it answered for every key. A dump that
stands here is not to be made again without a reason: its bytes are the layout's proof.

Needs the masters of tests/masters (get.sh --all), and a C compiler for redis-8.10-keymeta.
"""
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
MASTERS = os.path.join(HERE, "..", "masters")
MASTERS_DIR = os.environ.get("MASTERS_DIR", os.path.expanduser("~/.cache/redis-masters"))
PORT = int(os.environ.get("DUMPS_PORT", "17720"))
FAR = 4102444800000  # 2100-01-01, so that no deadline passes by itself


class ReplyError(str):
    pass


class Client:
    def __init__(self, port=PORT):
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.file = self.sock.makefile("rb")

    def __call__(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        self.sock.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return self.read()

    def must(self, *words):
        reply = self(*words)
        if isinstance(reply, ReplyError):
            raise SystemExit(f"{words}: {reply}")
        return reply

    def line(self, text):
        return self(*text.split())

    def read(self):
        head = self.file.readline()[:-2]
        mark, rest = head[:1], head[1:]
        if mark == b"+":
            return rest
        if mark == b"-":
            return ReplyError(rest.decode())
        if mark == b":":
            return int(rest)
        if mark == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if mark == b"*":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        raise SystemExit(f"odd reply {head!r}")


# --- the data ---------------------------------------------------------------------------------------------------

def words(prefix, count):
    return [f"{prefix}{i}" for i in range(count)]


def fill(c, without=()):
    """Every type in every encoding; what a server does not know it refuses, and that is fine."""
    pairs = lambda *a: [x for pair in zip(*a) for x in pair]
    # strings
    for key, value in [("s:empty", ""), ("s:short", "hello"), ("s:int8", "-100"), ("s:int16", "-30000"),
                       ("s:int32", "2000000000"), ("s:int64", "-9000000000000000000"), ("s:zeros", "007"),
                       ("s:over", "9223372036854775808"), ("s:minint", "-9223372036854775808"),
                       ("s:lzf", "abcabcabc" * 30), ("s:long", "".join(chr(97 + i * i % 23) for i in range(700))),
                       ("1234", "a key that is a number"), ("-5", "another"), ("k" * 60, "a key that is compressed")]:
        c.must("SET", key, value)
    c.must("SET", b"s:\x00\xff\r\n \\", bytes(range(256)))
    c("APPEND", "s:raw", "12"), c("APPEND", "s:raw", "34")
    c("SETBIT", "s:bit", 77, 1)
    for i in range(40):
        c("PFADD", "hll", f"e{i}")
    # deadlines
    c.must("SET", "d:far", "x"), c.must("PEXPIREAT", "d:far", FAR)
    c.must("RPUSH", "d:list", "a"), c.must("PEXPIREAT", "d:list", FAR + 1)
    # small collections, packed
    c.must("RPUSH", "l:small", "a", "17", "-3", "x" * 50, "", "65536", "9000000000")
    c.must("SADD", "set:ints", 1, 2, -3), c.must("SADD", "set:ints32", 1, 70000), c.must("SADD", "set:ints64", 1, 1 << 40)
    c.must("SADD", "set:small", "a", "b", "17", "x" * 40)
    c.must("ZADD", "z:small", 1, "a", 2.5, "b", -0.1, "c", "inf", "d", "-inf", "e", 3, "17", 1e100, "f", 1e-7, "g")
    c.must("HMSET", "h:small", "f", "v", "17", "18", "", "", "g", "x" * 50, "h", "-1", "i", "300", "j", "70000", "k", 1 << 40)
    # and over their limits
    for name in ("ziplist", "listpack"):
        for kind in ("hash", "zset", "list", "set"):
            c("CONFIG", "SET", f"{kind}-max-{name}-entries", 6), c("CONFIG", "SET", f"{kind}-max-{name}-value", 20)
    c("CONFIG", "SET", "list-max-ziplist-size", 4)
    c("CONFIG", "SET", "set-max-intset-entries", 4)
    c.must("RPUSH", "l:big", *words("element:", 10), "x" * 30, "17", "")
    c.must("SADD", "set:big", *words("member:", 7), "y" * 30, "12", "-129")
    c.must("SADD", "set:manyints", *range(8))
    c.must("ZADD", "z:big", 1.5, "a", 0.1, "b", -1e300, "c", "inf", "d", "-inf", "e", 5, "17", 3.0000000001, "z" * 30)
    c.must("HMSET", "h:big", *pairs(words("f", 6), words("v", 6)), "a", "q" * 30, "5", "6")
    c("CONFIG", "SET", "list-max-ziplist-size", -1)
    c.must("RPUSH", "l:plain", "a", "p" * 9000, "b")
    if not isinstance(c("CONFIG", "SET", "list-compress-depth", 1), ReplyError):
        c("CONFIG", "SET", "list-max-ziplist-size", 8)
        c.must("RPUSH", "l:deep", *[f"compress me {i:06}" for i in range(40)])
    # streams
    if "streams" not in without and not isinstance(c("XADD", "x:plain", "1-1", "a", "b"), ReplyError):
        c.must("XADD", "x:plain", "1-2", "a", "c"), c.must("XADD", "x:plain", "7-0", "other", "17", "more", "x" * 30)
        c.must("XDEL", "x:plain", "1-2")
        c.must("CONFIG", "SET", "stream-node-max-entries", 3)
        for i in range(1, 9):
            c.must("XADD", "x:groups", f"{i}-{i}", "n", i)
        c.must("XGROUP", "CREATE", "x:groups", "g", "0"), c.must("XGROUP", "CREATE", "x:groups", "idle", "3-3")
        c.must("XREADGROUP", "GROUP", "g", "alice", "COUNT", 3, "STREAMS", "x:groups", ">")
        c.must("XREADGROUP", "GROUP", "g", "bob", "COUNT", 2, "STREAMS", "x:groups", ">")
        c.must("XACK", "x:groups", "g", "2-2"), c.must("XDEL", "x:groups", "4-4")
        c.must("XCLAIM", "x:groups", "g", "bob", 0, "1-1")
        c("XGROUP", "CREATECONSUMER", "x:groups", "g", "lazy")
        c.must("XADD", "x:empty", "5-5", "a", "b"), c.must("XDEL", "x:empty", "5-5")
        c("XADD", "x:idmp", "IDMP", "producer", "m1", "*", "a", "b"), c("XADD", "x:idmp", "IDMP", "producer", "m2", "*", "a", "b")
        c("XADD", "x:idmp", "IDMP", "producer", "m1", "*", "a", "b"), c("XADD", "x:idmp", "IDMPAUTO", "other", "*", "a", "c")
        c("XCFGSET", "x:groups", "IDMP-DURATION", 77, "IDMP-MAXSIZE", 55)
        c("XNACK", "x:groups", "g", "FAIL", "IDS", 2, "5-5", "3-3")
    # hash fields with deadlines
    if not isinstance(c("HPEXPIREAT", "h:small", FAR, "FIELDS", 1, "nobody"), ReplyError):
        c.must("HSET", "hx:small", "f", "v", "17", "18", "g", "x", "keep", "me")
        c.must("HPEXPIREAT", "hx:small", FAR + 5, "FIELDS", 2, "f", "g"), c.must("HPEXPIREAT", "hx:small", FAR, "FIELDS", 1, "17")
        c.must("HSET", "hx:big", *pairs(words("f", 6), words("v", 6)), "a", "q" * 30, "5", "6")
        c.must("HPEXPIREAT", "hx:big", FAR + 7, "FIELDS", 2, "f1", "5"), c.must("HPEXPIREAT", "hx:big", FAR, "FIELDS", 1, "f2")
    # arrays
    if not isinstance(c("ARSET", "ar:small", 0, "hello"), ReplyError):
        c.must("ARSET", "ar:small", 5, "17", "-3", "1.5", "", "12345678901234567890123", "x" * 60, "1.0", "0.30000000000000004")
        c.must("ARINSERT", "ar:inserted", "a", "b"), c.must("ARSET", "ar:sparse", 70000, "far")
        c.must("ARRING", "ar:ring", 3, "a", "b", "c", "d")
    # hash templates
    if "templates" not in without and not isinstance(c("HIMPORT", "PREPARE", "p", "one", "two", "17"), ReplyError):
        c.must("HIMPORT", "SET", "ht:1", "p", "v1", "2", "three"), c.must("HIMPORT", "SET", "ht:2", "p", "w1", "-2", "")
        c.must("HIMPORT", "SET", "ht:long", "p", "v" * 40, "2", "three")
        c.must("HIMPORT", "PREPARE", "q", "o" * 40, "x"), c.must("HIMPORT", "SET", "ht:3", "q", "1", "2")
    # libraries
    c("FUNCTION", "LOAD", "#!lua name=mylib\nredis.register_function('f', function(keys, args) return args[1] end)\n")
    # another database
    c.must("SELECT", 9), c.must("SET", "in9", "nine"), c.must("HSET", "h9", "a", "b"), c.must("SELECT", 0)
    # past its deadline, yet not deleted
    if not isinstance(c("DEBUG", "SET-ACTIVE-EXPIRE", 0), ReplyError):
        c.must("SET", "d:past", "x", "PX", 1)
        time.sleep(0.01)


# --- what the server says of them -------------------------------------------------------------------------------

def text(value):
    if value is None:
        return "(nil)"
    if isinstance(value, int):
        return str(value)
    return '"' + "".join(chr(b) if 0x20 <= b < 0x7f and b not in b'"\\' else f"\\x{b:02x}" for b in value) + '"'


def score(value):
    return f"{struct.unpack('>Q', struct.pack('>d', float(value)))[0]:016x}"


def fields(flat):
    return dict(zip([k.decode() for k in flat[::2]], flat[1::2]))


def stream_lines(c, key, version):
    info = c("XINFO", "STREAM", key, "FULL", "COUNT", 0) if version >= (6, 0) else ReplyError()
    if isinstance(info, ReplyError):
        info = fields(c.must("XINFO", "STREAM", key))
        yield f"last {info['last-generated-id'].decode()}"
    else:
        info = fields(info)
        yield f"last {info['last-generated-id'].decode()}"
        if "entries-added" in info:
            yield f"added {info['entries-added']} deleted {info['max-deleted-entry-id'].decode()} first {info['recorded-first-entry-id'].decode()}"
    for entry, values in c.must("XRANGE", key, "-", "+"):
        yield f"entry {entry.decode()} " + " ".join(text(v) for v in values)
    if isinstance(info.get("groups"), list):
        for group in map(fields, info["groups"]):
            # A count that the server does not know is nil.
            read = f" read {text(group['entries-read'])}" if "entries-read" in group else ""
            yield f"group {text(group['name'])} last {group['last-delivered-id'].decode()}{read}"
            for entry, consumer, delivered, count in group["pending"]:
                yield f"  pending {entry.decode()} {text(consumer)} {delivered} {count}"
            for consumer in sorted(map(fields, group["consumers"]), key=lambda x: x["name"]):
                active = f" active {consumer['active-time']}" if "active-time" in consumer else ""
                yield f"  consumer {text(consumer['name'])} seen {consumer['seen-time']}{active} pending {len(consumer['pending'])}"
    else:
        for group in map(fields, c.must("XINFO", "GROUPS", key)):
            yield f"group {text(group['name'])} last {group['last-delivered-id'].decode()}"
            for entry, consumer, _, count in c.must("XPENDING", key, group["name"], "-", "+", 1000):
                yield f"  pending {entry.decode()} {text(consumer)} ? {count}"
            for consumer in sorted(map(fields, c.must("XINFO", "CONSUMERS", key, group["name"])), key=lambda x: x["name"]):
                yield f"  consumer {text(consumer['name'])} seen ? pending {consumer['pending']}"
    if "idmp-duration" in info:
        yield f"idmp duration {info['idmp-duration']} max {info['idmp-maxsize']} producers {info['pids-tracked']} " \
              f"messages {info['iids-tracked']} added {info['iids-added']} duplicates {info['iids-duplicates']}"


def lines(c, key, kind, version):
    if kind == b"string":
        yield text(c.must("GET", key))
    elif kind == b"list":
        for element in c.must("LRANGE", key, 0, -1):
            yield text(element)
    elif kind == b"set":
        for member in sorted(c.must("SMEMBERS", key)):
            yield text(member)
    elif kind == b"zset":
        flat = c.must("ZRANGE", key, 0, -1, "WITHSCORES")
        for member, value in zip(flat[::2], flat[1::2]):
            yield f"{text(member)} {score(value)}"
    elif kind == b"hash":
        found = sorted(zip(*[iter(c.must("HGETALL", key))] * 2))
        until = c("HPEXPIRETIME", key, "FIELDS", len(found), *[f for f, _ in found])
        for at, (field, value) in enumerate(found):
            deadline = "" if isinstance(until, ReplyError) or until[at] < 0 else f" until {until[at]}"
            yield f"{text(field)} {text(value)}{deadline}"
    elif kind == b"stream":
        yield from stream_lines(c, key, version)
    elif kind == b"array":
        info = fields(c.must("ARINFO", key))
        yield f"next {text(info['next-insert-index'])}"
        for index, value in c.must("ARSCAN", key, 0, (1 << 64) - 2):
            yield f"{index if isinstance(index, int) else index.decode()} {text(value)}"
    else:
        yield "opaque"


def describe(c, version, digest=True):
    out = []
    for library in map(fields, (r if isinstance(r := c("FUNCTION", "LIST", "WITHCODE"), list) else [])):
        out.append(f"function {text(library['library_name'])} {text(library['library_code'])}")
    for db in range(16):
        c.must("SELECT", db)
        # KEYS leaves out what is past its deadline, and so do we.
        for key in sorted(c.must("KEYS", "*")):
            kind = c.must("TYPE", key)
            left = c.must("PTTL", key)
            deadline = "" if left < 0 else f" until {c.must('PEXPIRETIME', key) if version >= (7, 0) else round((time.time() * 1000 + left) / 1e6) * 1000000}"
            encoding = c.must("OBJECT", "ENCODING", key).decode()
            out.append(f"db {db} {text(key)} {kind.decode()} {encoding}{deadline}")
            out += [f"    {line}" for line in lines(c, key, kind, version)]
    # Last: the digest of 2.8 falls over a table that is still being moved.
    digest = c("DEBUG", "DIGEST") if digest else ReplyError()
    if not isinstance(digest, ReplyError):
        out.append(f"digest {digest.decode()}")
    return "\n".join(out) + "\n"


# --- the dumps --------------------------------------------------------------------------------------------------

class Server:
    def __init__(self, master, *options, port=PORT):
        script = os.path.join(MASTERS, "start.sh")
        self.pid = subprocess.run([script, master, str(port), *map(str, options)], check=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL).stdout.decode().strip()
        self.client = Client(port)
        info = self.client.must("INFO", "server").decode()
        found = re.search(r"(?:valkey|redict)_version:(\d+)\.(\d+)", info)
        if found:
            # Both are Redis 7.2 and more.
            self.version = (7, 2)
        else:
            self.version = tuple(map(int, re.search(r"redis_version:(\d+)\.(\d+)", info).groups()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run([os.path.join(MASTERS, "stop.sh"), self.pid], check=False, stderr=subprocess.DEVNULL)

    def save(self, name, digest=True):
        self.client.must("SELECT", 0)
        self.client.must("SAVE")
        directory = self.client.must("CONFIG", "GET", "dir")[1].decode()
        shutil.copy(os.path.join(directory, "dump.rdb"), os.path.join(HERE, name + ".rdb"))
        with open(os.path.join(HERE, name + ".txt"), "w") as file:
            file.write(describe(self.client, self.version, digest))


def every_type(name, master, *options):
    with Server(master, *options) as server:
        fill(server.client)
        server.save(name)


def arrays(name):
    """Indexes at the far end, over which redis-8.10's DEBUG DIGEST would count from 0."""
    with Server("redis-8.10") as server:
        c = server.client
        c.must("ARSET", "far", 1 << 40, "a", "b"), c.must("ARSET", "far", 1 << 63, "half"), c.must("ARSET", "far", (1 << 64) - 2, "last")
        c.must("ARSET", "end", 1, "x"), c.must("ARSEEK", "end", (1 << 64) - 1)
        c.must("ARINSERT", "cursor", "x"), c.must("ARSEEK", "cursor", 1 << 33)
        server.save(name, digest=False)


def modules(name):
    """Values and data of modules that we do not know: JSON, a Bloom filter, a time series, an index."""
    directory = os.path.join(MASTERS_DIR, "redis-7.4", "modules")
    load = [x for m in ("rejson", "redisbloom", "redistimeseries", "redisearch") for x in ("--loadmodule", f"{directory}/{m}.so")]
    with Server("redis-7.4", *load) as server:
        c = server.client
        c.must("SET", "plain", "text")
        c("JSON.SET", "json", "$", '{"a":[1,2.5,"three"],"b":{"c":null}}'), c("BF.ADD", "bloom", "x"), c("BF.RESERVE", "bloom2", "0.01", 10)
        c("TS.ADD", "ts", 1000, 1.5), c("TS.ADD", "ts", 2000, 2.5), c("TDIGEST.CREATE", "td"), c("TDIGEST.ADD", "td", 1, 2, 3)
        c("CMS.INITBYDIM", "cms", 3, 2), c("TOPK.RESERVE", "topk", 3), c("TOPK.ADD", "topk", "a", "b")
        c("FT.CREATE", "idx", "ON", "HASH", "PREFIX", 1, "doc:", "SCHEMA", "t", "TEXT")
        c.must("HSET", "doc:1", "t", "words in it"), c.must("SET", "after", "text")
        server.save(name)


def key_metadata(name):
    """What modules hang on keys: opcode 243 of Redis 8.6 and later."""
    with tempfile.TemporaryDirectory() as directory:
        module = os.path.join(directory, "keymeta.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", module, os.path.join(HERE, "keymeta.c")], check=True)
        with Server("redis-8.10", "--loadmodule", module, "--maxmemory-policy", "allkeys-lfu") as server:
            c = server.client
            c.must("SET", "one", "v"), c.must("SET", "both", "v"), c.must("PEXPIREAT", "both", FAR), c.must("RPUSH", "list", "a", "b")
            c.must("SET", "none", "v")
            c.must("KM.SET", "one", 0, "hello"), c.must("KM.SET", "both", 0, "hello"), c.must("KM.SET", "both", 1, "world")
            c.must("KM.SET", "list", 1, "x" * 60)
            server.save(name)


def slot_import(name):
    """A node that was importing slots: opcode 243 of Valkey 9. Caught as a replica gets it."""
    with Server("valkey-9.1", "--cluster-enabled", "yes", port=PORT) as source, \
            Server("valkey-9.1", "--cluster-enabled", "yes", port=PORT + 1) as target:
        a, b = source.client, target.client
        a.must("CLUSTER", "ADDSLOTSRANGE", 0, 16383), a.must("CLUSTER", "MEET", "127.0.0.1", PORT + 1)
        while b"cluster_state:ok" not in b.must("CLUSTER", "INFO"):
            time.sleep(0.1)
        for i in range(5):
            a.must("SET", "{x}%d" % i, f"value {i}")
        a.must("DEBUG", "SLOTMIGRATION", "PREVENT-PAUSE", 1)
        slot = a.must("CLUSTER", "KEYSLOT", "{x}")
        a.must("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, 100, 102, "NODE", b.must("CLUSTER", "MYID"))
        while not any(b"waiting-for-paused" in job for job in b.must("CLUSTER", "GETSLOTMIGRATIONS")):
            time.sleep(0.1)
        with open(os.path.join(HERE, name + ".rdb"), "wb") as file:
            file.write(transfer(PORT + 1))


def cluster(name, master):
    """What a node of a cluster says of its slots."""
    with Server(master, "--cluster-enabled", "yes") as server:
        c = server.client
        c.must("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while b"cluster_state:ok" not in c.must("CLUSTER", "INFO"):
            time.sleep(0.1)
        for i in range(5):
            c.must("SET", f"k{i}", "v"), c.must("HSET", "{k0}h", f"f{i}", "v")
        c.must("PEXPIREAT", "k1", FAR)
        c.must("SAVE")
        directory = c.must("CONFIG", "GET", "dir")[1].decode()
        shutil.copy(os.path.join(directory, "dump.rdb"), os.path.join(HERE, name + ".rdb"))


def transfer(port):
    """The RDB of a full resynchronisation, as a replica that takes any end of file gets it."""
    sock = socket.create_connection(("127.0.0.1", port))
    file = sock.makefile("rb")
    for line in (b"REPLCONF capa eof capa psync2", b"REPLCONF version 9.1.0"):
        sock.sendall(line + b"\r\n"), file.readline()
    sock.sendall(b"PSYNC ? -1\r\n")
    while not (line := file.readline()).startswith(b"$"):
        pass
    if line.startswith(b"$EOF:"):
        mark, data = line[5:45], b""
        while not data.endswith(mark):
            data += file.read1(1 << 16)
        return data[:-40]
    return file.read(int(line[1:]))


def psync(name, master, *options):
    """The same data as it goes to a replica, with the aux fields that only stand there."""
    with Server(master, *options) as server:
        c = server.client
        # The first replica makes the backlog, in which the stream then selects a database.
        transfer(PORT)
        c.must("SET", "a", "b"), c.must("SELECT", 5), c.must("SET", "c", "d")
        c("SCRIPT", "LOAD", "return 1")
        with open(os.path.join(HERE, name + ".rdb"), "wb") as file:
            file.write(transfer(PORT))


def crc64(data):
    """CRC-64 of Jones: reflected, begun at 0."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
    return crc


def read_by(name, reader, data):
    """Bytes that `reader` did not write, and what it says of them once it has read them."""
    path = os.path.join(HERE, name + ".rdb")
    with open(path, "wb") as file:
        file.write(data)
    with tempfile.TemporaryDirectory() as directory:
        shutil.copy(path, os.path.join(directory, "dump.rdb"))
        with Server(reader, "--dir", directory) as server:
            while b"loading:0" not in server.client.must("INFO", "persistence"):
                time.sleep(0.05)
            told = describe(server.client, server.version)
    with open(os.path.join(HERE, name + ".txt"), "w") as file:
        file.write(f"reader {reader}\n{told}")


def saved(master, fill, *options):
    """What a server with these data writes."""
    with Server(master, *options) as server:
        fill(server.client)
        server.client.must("SELECT", 0), server.client.must("SAVE")
        directory = server.client.must("CONFIG", "GET", "dir")[1].decode()
        with open(os.path.join(directory, "dump.rdb"), "rb") as file:
            return file.read()


def version_1(name):
    """Redis 1: what 2.8 writes when nothing may be packed, a deadline in seconds, no checksum."""
    def fill_plain(c):
        for kind in ("hash", "list", "zset"):
            c.must("CONFIG", "SET", f"{kind}-max-ziplist-entries", 0)
        c.must("CONFIG", "SET", "set-max-intset-entries", 0)
        for key, value in [("empty", ""), ("short", "hello"), ("int8", "-100"), ("int16", "-30000"), ("int32", "2000000000"),
                           ("int64", "-9000000000000000000"), ("lzf", "abcabcabc" * 30), ("1234", "a number's")]:
            c.must("SET", key, value)
        c.must("RPUSH", "list", "a", "17", "x" * 50, ""), c.must("SADD", "set", "a", 1, 70000), c.must("HMSET", "hash", "f", "v", 1, 2)
        c.must("ZADD", "zset", 1, "a", 2.5, "b", "inf", "c", "-inf", "d", 1e100, "e"), c.must("SELECT", 3), c.must("SET", "in3", "x")
    data = saved("redis-2.8", fill_plain)
    until = b"\xfd" + struct.pack("<i", 2000000000) + b"\x00\x05until\x01x"
    read_by(name, "redis-2.8", b"REDIS0001" + data[9:-9] + until + b"\xff")


def version_2(name):
    """Redis 2.2: collections in one string; a small hash is a zipmap, which needs no ziplist's setting."""
    data = saved("redis-2.8", lambda c: (c.must("RPUSH", "list", "a", "17", "x" * 50), c.must("SADD", "ints", 1, 70000),
                                         c.must("ZADD", "zset", 1, "a", 2.5, "b"), c.must("SET", "s", "v")))
    long = b"v" * 20
    zipmap = b"\x02\x01a\x01\x00b\x05field" + bytes([len(long)]) + b"\x00" + long + b"\xff"
    read_by(name, "redis-2.8", b"REDIS0002" + data[9:-9] + b"\x09\x04hash" + bytes([len(zipmap)]) + zipmap + b"\xff")


def under_version(name, master, version, without):
    """What `master` writes of data that the servers of `version` had too, under that version."""
    data = saved(master, lambda c: fill(c, without))
    data = b"REDIS%04d" % version + data[9:-8]
    read_by(name, master, data + struct.pack("<Q", crc64(data)))


def old(name):
    """Files of long ago that came with others' work; see README.md."""
    with open(os.path.join(HERE, name + ".rdb"), "rb") as file:
        read_by(name, "redis-2.8", file.read())


def encodings(name, reader):
    """Which form a server of today, with its default limits, gives each value of a dump."""
    with tempfile.TemporaryDirectory() as directory:
        shutil.copy(os.path.join(HERE, name + ".rdb"), os.path.join(directory, "dump.rdb"))
        with Server(reader, "--dir", directory) as server, open(os.path.join(HERE, name + ".encodings"), "w") as file:
            c = server.client
            c("DEBUG", "SET-ACTIVE-EXPIRE", 0)
            while b"loading:0" not in c.must("INFO", "persistence"):
                time.sleep(0.05)
            for db in range(16):
                c.must("SELECT", db)
                for key in sorted(c.must("KEYS", "*")):
                    file.write(f"db {db} {text(key)} {c.must('OBJECT', 'ENCODING', key).decode()}\n")


def payloads(name, master):
    """The keys of a dump as its own server gives them by DUMP: a line each of database, key and bytes."""
    # Without the limits under which it was filled a hash of a template is packed when it is loaded.
    limits = ("--hash-max-listpack-value", 20) if master == "redis-8.10" else ()
    with tempfile.TemporaryDirectory() as directory:
        shutil.copy(os.path.join(HERE, name + ".rdb"), os.path.join(directory, "dump.rdb"))
        with Server(master, "--dir", directory, *limits) as server, open(os.path.join(HERE, name + ".payloads"), "w") as file:
            c = server.client
            while b"loading:0" not in c.must("INFO", "persistence"):
                time.sleep(0.05)
            for db in range(16):
                c.must("SELECT", db)
                for key in sorted(c.must("KEYS", "*")):
                    file.write(f"db {db} {text(key)} {c.must('DUMP', key).hex()}\n")


PAYLOADS = ("redis-2.8", "redis-5.0", "redis-7.0", "redis-7.4", "redis-8.10", "redis-8.10-arrays", "valkey-9.1")

DUMPS = {
    "redis-2.8": lambda n: every_type(n, "redis-2.8"),
    "redis-3.2": lambda n: every_type(n, "redis-3.2"),
    "redis-5.0": lambda n: every_type(n, "redis-5.0", "--maxmemory-policy", "allkeys-lru"),
    "redis-6.0-nosum": lambda n: every_type(n, "redis-6.0", "--rdbchecksum", "no"),
    "redis-6.2": lambda n: every_type(n, "redis-6.2", "--maxmemory-policy", "allkeys-lfu"),
    "redis-7.0": lambda n: every_type(n, "redis-7.0"),
    "redis-7.0-raw": lambda n: every_type(n, "redis-7.0", "--rdbcompression", "no"),
    "redis-7.2": lambda n: every_type(n, "redis-7.2"),
    "redis-7.4": lambda n: every_type(n, "redis-7.4"),
    "redis-8.2": lambda n: every_type(n, "redis-8.2"),
    "redis-8.6": lambda n: every_type(n, "redis-8.6"),
    "redis-8.10": lambda n: every_type(n, "redis-8.10"),
    "redis-8.10-arrays": arrays,
    "redict-7.3": lambda n: every_type(n, "redict-7.3"),
    "valkey-8.1": lambda n: every_type(n, "valkey-8.1"),
    "valkey-9.0": lambda n: every_type(n, "valkey-9.0"),
    "valkey-9.1": lambda n: every_type(n, "valkey-9.1"),
    "redis-7.4-modules": modules,
    "redis-8.10-keymeta": key_metadata,
    "redis-8.10-cluster": lambda n: cluster(n, "redis-8.10"),
    "valkey-8.1-cluster": lambda n: cluster(n, "valkey-8.1"),
    "valkey-9.1-cluster": lambda n: cluster(n, "valkey-9.1"),
    "valkey-9.1-slotimport": slot_import,
    "redis-3.2-psync": lambda n: psync(n, "redis-3.2"),
    "redis-7.0-psync": lambda n: psync(n, "redis-7.0", "--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"),
    "valkey-9.1-psync": lambda n: psync(n, "valkey-9.1", "--repl-diskless-sync-delay", "0"),
    # Versions that no server at hand writes, in its bytes.
    "layout-0001": version_1,
    "layout-0002": version_2,
    "layout-0008": lambda n: under_version(n, "redis-5.0", 8, ("streams",)),
    "layout-0014": lambda n: under_version(n, "redis-8.10", 14, ("templates",)),
    **{found[:-4]: old for found in sorted(os.listdir(HERE)) if found.startswith("old-") and found.endswith(".rdb")},
}

if __name__ == "__main__":
    for wanted in sys.argv[1:] or DUMPS:
        print(wanted, flush=True)
        DUMPS[wanted](wanted)
        if wanted in PAYLOADS:
            payloads(wanted, wanted.removesuffix("-arrays"))
        odd = ("modules", "keymeta", "old-", "layout-")
        if os.path.exists(os.path.join(HERE, wanted + ".txt")) and not any(word in wanted for word in odd):
            encodings(wanted, "valkey-9.1" if wanted.startswith("valkey-9") else "redis-8.10")
