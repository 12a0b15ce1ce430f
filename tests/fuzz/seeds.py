#!/usr/bin/env python3
"""Makes the corpus of each target: dumps and DUMP payloads of real servers, and the requests and answers of the cases."""
import os
import pathlib
import shlex

HERE = pathlib.Path(__file__).parent
DUMPS = HERE.parent / "dumps"
CASES = HERE.parent / "cases"


def write(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def bulk(words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


# A byte before each says how long the pieces are.
for dump in DUMPS.glob("*.rdb"):
    write("rdb_file", dump.stem, b"\x05" + dump.read_bytes())

# The version, and the payload without its footer.
for file in DUMPS.glob("*.payloads"):
    for at, line in enumerate(file.read_text().splitlines()):
        payload = bytes.fromhex(line.rsplit(" ", 1)[1])
        write("rdb_value", f"{file.stem}-{at}", payload[-10:-9] + payload[:-10])
# A template whose names stand one by one, which no server at hand gives.
write("rdb_value", "template", b"\x0f\x1d\x01\x02\xc0\x11\x01o\x0e\x0e\0\0\0\x03\0\x04\x01\x07\x01\x81y\x02\xff")

for case in CASES.glob("*.txt"):
    asked, answered = b"", b""
    for line in case.read_text().splitlines():
        mark, _, rest = line.partition(" ")
        if mark in (">", "!"):
            try:
                words = [word.encode() for word in shlex.split(rest)]
            except ValueError:
                continue
            asked += bulk(words) if len(asked) % 3 else rest.encode() + b"\r\n"
        elif mark == "<":
            answered += b"$%d\r\n%s\r\n" % (len(rest.encode()), rest.encode())
    write("requests", case.stem, b"\x05" + asked)
    write("replies", case.stem, b"\x05" + answered)
write("requests", "mixed", b'\x05*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING "a\\x41" b\r\n*0\r\n')
write("replies", "resp2", b"\x03*3\r\n:1\r\n$-1\r\n+OK\r\n-ERR no\r\n")
write("replies", "resp3", b"\x03%1\r\n$1\r\na\r\n~1\r\n,1.5\r\n_\r\n#t\r\n(12\r\n=5\r\ntxt:a\r\n>1\r\n+m\r\n")
