"""What a program with redis-py does at a replica: redis_py.py PARSER MASTER_PORT REPLICA_PORT.

In RESP2 and RESP3, with the parser `hiredis` or `python`.
"""
import asyncio
import sys
import threading
import time

master_port, port = map(int, sys.argv[2:4])
if sys.argv[1] == "python":
    sys.modules["hiredis"] = None  # as if it were not installed

import redis
import redis.asyncio
from redis.cache import CacheConfig

assert redis.utils.HIREDIS_AVAILABLE == (sys.argv[1] == "hiredis")


def caught_up(master, replica):
    """Waits until the replica has applied what the master has sent."""
    for _ in range(6000):
        offset = master.info("replication")["master_repl_offset"]
        if replica.info("replication")["slave_repl_offset"] == offset:
            return
        time.sleep(0.01)
    sys.exit("the replica never caught up")


def fill(master):
    master.flushall()
    pipe = master.pipeline(transaction=False)
    pipe.set("text", "value").set("number", 7)
    pipe.hset("hash", mapping={"one": "1", "two": "2"})
    pipe.rpush("list", *range(10))
    pipe.sadd("set", "a", "b", "c")
    pipe.zadd("zset", {f"m{n}": n / 2 for n in range(100)})
    pipe.xadd("stream", {"field": "value"}, id="1-1")
    for n in range(1000):
        pipe.set(f"many:{n}", n)
    pipe.execute()


def check(replica):
    assert replica.ping()
    assert replica.get("text") == "value" and replica.get("missing") is None
    assert replica.hget("hash", "one") == "1" and replica.hgetall("hash") == {"one": "1", "two": "2"}
    assert replica.lrange("list", 0, 2) == ["0", "1", "2"]
    assert replica.smembers("set") == {"a", "b", "c"}
    assert [list(pair) for pair in replica.zrange("zset", 0, 1, withscores=True)] == [["m0", 0.0], ["m1", 0.5]]
    assert replica.zscore("zset", "m3") == 1.5
    assert replica.mget("text", "missing", "number") == ["value", None, "7"]
    assert [tuple(entry) for entry in replica.xrange("stream")] == [("1-1", {"field": "value"})]
    assert len(set(replica.scan_iter("many:*", count=50))) == 1000
    assert len(dict(replica.zscan_iter("zset"))) == 100 and len(dict(replica.hscan_iter("hash"))) == 2
    assert len(set(replica.sscan_iter("set"))) == 3
    pipe = replica.pipeline(transaction=False)
    for n in range(500):
        pipe.get(f"many:{n}")
    assert pipe.execute() == [str(n) for n in range(500)]
    pipe = replica.pipeline(transaction=True)
    pipe.get("text").hlen("hash").zcard("zset")
    assert pipe.execute() == ["value", 2, 100]
    with replica.pipeline() as pipe:
        pipe.watch("text")
        pipe.multi()
        pipe.get("text")
        assert pipe.execute() == ["value"]
    try:
        replica.set("text", "other")
        sys.exit("a write was accepted")
    except redis.exceptions.ReadOnlyError:
        pass
    try:
        replica.lpop("text")
        sys.exit("a write was accepted")
    except redis.exceptions.ReadOnlyError:
        pass
    info = replica.info()
    assert info["role"] == "slave" and info["master_link_status"] == "up", info
    assert replica.role()[0] in ("slave", b"slave")
    assert replica.config_get("maxmemory*") is not None and replica.time()
    replica.client_setname("probe")
    assert replica.client_getname() == "probe" and replica.client_id() > 0
    assert any(client["name"] == "probe" for client in replica.client_list())
    assert replica.dbsize() == 1007 and replica.type("zset") == "zset" and replica.ttl("text") == -1


def waits(master, replica):
    """What comes from the master by way of the replica, to those who wait for it."""
    assert replica.eval_ro("return redis.call('GET', KEYS[1])", 1, "text") == "value"
    script = replica.register_script("return {redis.call('LLEN', KEYS[1]), ARGV[1]}")
    assert script(["list"], ["told"]) == script(["list"], ["told"]) == [10, "told"]
    for refused in ("return redis.call('DEL', KEYS[1])", "#!lua\nreturn redis.call('DEL', KEYS[1])"):
        try:
            replica.eval(refused, 1, "text")
            sys.exit("a script wrote")
        except redis.exceptions.ResponseError as error:
            assert "READONLY" in str(error) or "read only" in str(error), error
    with replica.pipeline() as pipe:
        pipe.watch("watched")
        master.set("watched", 1)
        caught_up(master, replica)
        pipe.multi()
        pipe.get("watched")
        try:
            pipe.execute()
            sys.exit("a write of the master's was not noticed")
        except redis.exceptions.WatchError:
            pass

    came = []
    reader = threading.Thread(target=lambda: came.append(replica.xread({"stream": "$"}, block=0)))
    reader.start()
    until("a blocked client", lambda: replica.info("clients")["blocked_clients"] == 1)
    master.xadd("stream", {"more": "told"}, id="2-1")
    reader.join()
    assert "told" in str(came), came

    listener = replica.pubsub(ignore_subscribe_messages=False)

    def heard():
        message = listener.get_message(timeout=30)
        return message and (message["type"], message["channel"], message["data"])

    listener.subscribe("news")
    listener.psubscribe("n*s")
    assert heard() == ("subscribe", "news", 1) and heard() == ("psubscribe", "n*s", 2)
    master.publish("news", "hello")
    assert heard() == ("message", "news", "hello") and heard() == ("pmessage", "news", "hello")
    listener.ssubscribe("shard")
    assert heard() == ("ssubscribe", "shard", 1)
    master.spublish("shard", "to one")
    assert listener.get_sharded_message(timeout=30)["data"] == "to one"
    replica.config_set("notify-keyspace-events", "Kg$")
    listener.subscribe("__keyspace@0__:event")
    assert heard() == ("subscribe", "__keyspace@0__:event", 3)
    master.set("event", 1)
    assert heard() == ("message", "__keyspace@0__:event", "set")
    replica.config_set("notify-keyspace-events", "")
    listener.close()


async def at_once(protocol):
    """Many requests at once, by asyncio's client."""
    async with redis.asyncio.Redis(port=port, decode_responses=True, protocol=protocol, max_connections=20) as replica:
        assert await asyncio.gather(*(replica.get(f"many:{n}") for n in range(20))) == [str(n) for n in range(20)]
        assert len({key async for key in replica.scan_iter("many:*")}) == 1000
        async with replica.pipeline(transaction=True) as pipe:
            assert await pipe.get("text").llen("list").execute() == ["value", 10]


def until(what, probe):
    """Waits for what nobody is told of: redis-py reads what the server pushes when it is asked for something."""
    for _ in range(6000):
        if probe():
            return
        time.sleep(0.01)
    sys.exit(f"never came: {what}")


def cached(master):
    """Reads that redis-py answers by itself, until it is told that the master wrote."""
    client = redis.Redis(port=port, decode_responses=True, protocol=3, cache_config=CacheConfig(max_size=100))
    caught_up(master, client)
    cache = client.get_cache()

    def sent():
        """How many GET and HGETALL the server has been asked for."""
        stats = plain.info("commandstats")
        return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("get", "hgetall"))

    plain = redis.Redis(port=port, decode_responses=True)
    before = sent()
    for _ in range(3):
        assert client.get("text") == "value" and client.hgetall("hash") == {"one": "1", "two": "2"}
    assert sent() == before + 2 and cache.size == 2, (sent(), before, cache.size)
    master.set("text", "changed")
    until("the changed text", lambda: client.get("text") == "changed")
    assert client.hgetall("hash") == {"one": "1", "two": "2"}
    assert sent() == before + 3, (sent(), before)
    master.hset("hash", "two", "3")
    until("the changed hash", lambda: client.hget("hash", "two") == "3" and client.hgetall("hash")["two"] == "3")
    with master.pipeline() as pipe:
        pipe.delete("text").expire("hash", 100).execute()
    until("no text", lambda: client.get("text") is None)
    master.flushall()
    until("nothing", lambda: client.hgetall("hash") == {})


master = redis.Redis(port=master_port, decode_responses=True)
for protocol in (2, 3):
    fill(master)
    replica = redis.Redis(port=port, decode_responses=True, protocol=protocol)
    caught_up(master, replica)
    check(replica)
    asyncio.run(at_once(protocol))
    waits(master, replica)
    other = redis.Redis(port=port, db=1, decode_responses=True, protocol=protocol, client_name="other")
    assert other.get("text") is None
fill(master)
cached(master)
print("redis-py", redis.__version__, "ok")
