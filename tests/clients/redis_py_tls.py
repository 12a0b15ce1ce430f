"""Connects with redis-py by TLS as each line of its input says, and prints what came of it: redis_py_tls.py PORT.

A line is the authority's file, the client's certificate and key, the user and the password, with tabs between.
"""
import sys

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def outcome(authority, certificate, key, user, password):
    client = redis.Redis(
        host="localhost",
        port=int(sys.argv[1]),
        username=user or None,
        password=password or None,
        decode_responses=True,
        ssl=True,
        ssl_ca_certs=authority,
        ssl_certfile=certificate or None,
        ssl_keyfile=key or None,
        retry=Retry(NoBackoff(), 0),
    )
    pipe = client.pipeline(transaction=False)
    for _ in range(1000):
        pipe.get("text")
    return pipe.execute()[-1]


for line in sys.stdin:
    try:
        print("value:", outcome(*line.rstrip("\n").split("\t")), flush=True)
    except (redis.exceptions.RedisError, OSError) as error:
        print("error:", str(error).replace("\n", " "), flush=True)
