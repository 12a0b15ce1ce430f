"""The data sets: how each is made, and the answers that a real server gives about it.

Owns the RDB files, the streams of writes, and the sampled answers before and after the stream. All of it is made once
in a run, by the unit's server, in a temporary folder. Values are text that does not compress, so that no contender is
measured by its LZF decoder. Never talks to a contender.
"""
import base64
import os
import random
import shutil

from resp import wire
from servers import PEERS, Server

SAMPLES = 10_000
POOL = base64.b64encode(random.Random(7).randbytes(1 << 20))


def text(number, length):
    """Some text of this length, the same for the same number."""
    start = number * 7919 % (len(POOL) - length)
    return POOL[start:start + length]


def strings(keys):
    for i in range(keys):
        yield b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$100\r\n%s\r\n" % (i, text(i, 100))


def kilobytes(keys):
    for i in range(keys):
        yield b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$1024\r\n%s\r\n" % (i, text(i, 1024))


def hashes(keys):
    for i in range(keys):
        yield wire("HSET", b"key:%012d" % i, "name", text(i, 8), "city", text(i + 1, 8), "age", i % 100,
                   "mail", text(i + 2, 14), "seen", 1_600_000_000 + i)


MIXED_TYPES = ("hash", "zset", "list", "set")


def mixed_shape(keys):
    """Each key's type, its number within the type, and how many elements it has."""
    # Of 105,000 keys: 100,000 of 10 elements, 4,996 of 100, 4 of 25,000: 1.6 million.
    large, medium = 4, max(4, keys * 4_996 // 105_000 // 4 * 4)
    for i in range(keys):
        elements = keys * 25_000 // 105_000 if i < large else 100 if i < large + medium else 10
        yield MIXED_TYPES[i % 4], i // 4, elements


def mixed(keys):
    for kind, i, elements in mixed_shape(keys):
        key = b"%s:%012d" % (kind.encode(), i)
        for start in range(0, elements, 500):
            part = range(start, min(start + 500, elements))
            if kind == "hash":
                yield wire("HSET", key, *(word for n in part for word in (b"field:%d" % n, text(i + n, 10))))
            elif kind == "zset":
                yield wire("ZADD", key, *(word for n in part for word in (n * 3, b"member:%d:%d" % (i, n))))
            elif kind == "list":
                yield wire("RPUSH", key, *(text(i * 31 + n, 18) for n in part))
            else:
                yield wire("SADD", key, *(b"member:%d:%d" % (i, n) for n in part))


def stream_of_set(keys, commands):
    chance = random.Random(1)
    for i in range(commands):
        yield b"*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$100\r\n%s\r\n" % (chance.randrange(keys), text(i, 100))


def stream_of_mixed(keys, commands):
    """Writes that a master passes on as they came."""
    chance = random.Random(2)
    for i in range(commands):
        number = chance.randrange(keys // 4)
        key, n = b"%012d" % number, chance.randrange(12)
        yield wire(*(
            ("SET", b"text:" + key, text(i, 20)),
            ("INCRBY", b"count:" + key, n),
            ("HSET", b"hash:" + key, b"field:%d" % n, text(i, 10)),
            ("HDEL", b"hash:" + key, b"field:%d" % n),
            ("ZADD", b"zset:" + key, i % 1000, b"member:%d:%d" % (number, n)),
            ("ZREM", b"zset:" + key, b"member:%d:%d" % (number, n)),
            ("RPUSH", b"list:" + key, text(i, 18)),
            ("LPOP", b"list:" + key),
            ("SADD", b"set:" + key, b"member:%d:%d" % (number, n)),
            ("SREM", b"set:" + key, b"member:%d:%d" % (number, n)),
        )[i % 10])


GIANTS = {"hash": b"giant:hash", "zset": b"giant:zset", "list": b"giant:list", "set": b"giant:set"}


def giants(elements):
    """A value of each type with that many elements."""
    for start in range(0, elements, 500):
        part = range(start, min(start + 500, elements))
        yield wire("HSET", GIANTS["hash"], *(word for n in part for word in (b"field:%d" % n, text(n, 10))))
        yield wire("ZADD", GIANTS["zset"], *(word for n in part for word in (n * 3, b"member:%d" % n)))
        yield wire("RPUSH", GIANTS["list"], *(text(n * 31, 18) for n in part))
        yield wire("SADD", GIANTS["set"], *(b"member:%d" % n for n in part))


def stream_of_units(commands):
    """Writes to two keys each, which nobody may see half done."""
    for i in range(commands // 2):
        yield wire("MSET", b"from:%d" % i, text(i, 20), b"beside:%d" % (i % 1000), text(i, 20))
        yield wire("RENAME", b"from:%d" % i, b"to:%d" % (i % 1000))


def sample_strings(keys):
    chance = random.Random(3)
    return [("GET", b"key:%012d" % chance.randrange(keys)) for _ in range(SAMPLES)]


def sample_hashes(keys):
    chance = random.Random(3)
    return [("HGETALL", b"key:%012d" % chance.randrange(keys)) for _ in range(SAMPLES)]


def sample_mixed(keys):
    chance = random.Random(3)
    whole = {"hash": ("HGETALL",), "zset": ("ZRANGE", "0", "-1", "WITHSCORES"), "list": ("LRANGE", "0", "-1"),
             "set": ("SMEMBERS",)}
    asked = []
    for n in range(SAMPLES):
        kind = MIXED_TYPES[n % 4]
        command, *rest = whole[kind]
        # The large ones always, once.
        number = 0 if n < 4 else chance.randrange(1, keys // 4)
        asked.append((command, b"%s:%012d" % (kind.encode(), number), *rest))
    for kind in (b"text", b"count"):
        asked += [("GET", b"%s:%012d" % (kind, chance.randrange(keys // 4))) for _ in range(SAMPLES // 10)]
    return asked


def sample_keyspace(keys):
    return sample_strings(keys) + sample_mixed(mixed_of(keys))


def mixed_of(keys):
    """The mixed data set's keys: 105,000 where the others have a million."""
    return max(400, keys * 105 // 1000 // 4 * 4)


def comparable(words, answer):
    """The answer, in an order of its own where the command promises none."""
    if words[0] == "SMEMBERS":
        return sorted(answer)
    if words[0] == "HGETALL":
        return sorted(zip(answer[::2], answer[1::2]))
    return answer


def pieces(requests, size=4 << 20):
    """The requests' bytes, some megabytes at a time."""
    batch, held = [], 0
    for request in requests:
        batch.append(request)
        held += len(request)
        if held > size:
            yield b"".join(batch)
            batch, held = [], 0
    yield b"".join(batch)


class Data:
    """One data set: its RDB, its stream of writes, and what a real server answers with and without them."""

    def __init__(self, name, folder, keys, requests, sample, stream=(), commands=0):
        self.name, self.keys, self.commands = name, keys, commands
        self.rdb = os.path.join(folder, f"{name}.rdb")
        self.sample = sample
        self.stream = wire("SELECT", "0") + b"".join(stream) if commands else b""
        server = Server(PEERS[0])
        try:
            self.fill(server, requests)
            server.client.ask("SAVE")
            shutil.move(os.path.join(server.folder, "dump.rdb"), self.rdb)
            self.answers = self.answers_of(server.client)
            self.size = server.client.ask("DBSIZE")
            if self.stream:
                self.fill(server, [self.stream])
                self.answers_after = self.answers_of(server.client)
        finally:
            server.stop()

    @staticmethod
    def fill(server, requests):
        """Writes without waiting for answers; the server says none, but for the last."""
        client = server.connected()
        client.socket.sendall(wire("CLIENT", "REPLY", "OFF"))
        for piece in pieces(requests):
            client.socket.sendall(piece)
        client.socket.sendall(wire("CLIENT", "REPLY", "ON"))
        assert client.read() == b"OK"
        client.close()

    def answers_of(self, client):
        return [comparable(words, answer) for words, answer in zip(self.sample, client.ask_all(self.sample))]

    def check(self, server, after_stream=False):
        """Fails where the server's answers are not the real one's."""
        wanted = self.answers_after if after_stream else self.answers
        for words, want, got in zip(self.sample, wanted, self.answers_of(server.client)):
            assert want == got, f"{server.name} answers {words} with {got!r:.200}, not {want!r:.200}"


def make(name, folder, keys, commands):
    """The data set of this name."""
    few = mixed_of(keys)
    if name == "strings":
        return Data(name, folder, keys, strings(keys), sample_strings(keys), stream_of_set(keys, commands), commands)
    if name == "hashes":
        return Data(name, folder, keys, hashes(keys), sample_hashes(keys))
    if name == "mixed":
        return Data(name, folder, few, mixed(few), sample_mixed(few), stream_of_mixed(few, commands), commands)
    if name == "kilobytes":
        return Data(name, folder, keys, kilobytes(keys), sample_strings(keys))
    if name == "giants":
        both = (request for requests in (strings(keys), giants(keys)) for request in requests)
        return Data(name, folder, keys, both, sample_strings(keys), stream_of_units(commands), commands)
    assert name == "keyspace"
    both = (request for requests in (strings(keys), mixed(few)) for request in requests)
    return Data(name, folder, keys, both, sample_keyspace(keys))
