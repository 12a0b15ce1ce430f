#!/usr/bin/env python3
"""Records transcripts of commands on data from a real server.

    record.py PORT FILE...     answers of the server on PORT replace those in each FILE

A file has lines `> command`, each followed by `< answer` in wire form with line ends shown as `|`; lines `@ resp3` and
`@ resp2` choose the protocol, `#` begins a remark. The server is emptied before each file. The same files are run
against the handlers by unit tests.
"""
import socket
import sys


class Server:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def ask(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.answer()

    def answer(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind in b"$=":
            return line + (self.file.read(int(rest) + 2) if int(rest) >= 0 else b"")
        if kind in b"*~>%":
            count = max(int(rest), 0) * (2 if kind == b"%" else 1)
            return line + b"".join(self.answer() for _ in range(count))
        return line


def record(port, path):
    server = Server(port)
    server.ask("FLUSHALL")
    server.ask("FUNCTION FLUSH")
    out = []
    with open(path) as file:
        for line in file:
            line = line.rstrip("\n")
            if line.startswith("< "):
                continue
            out.append(line)
            if line.startswith("@ resp"):
                server.ask("HELLO " + line[-1])
            if line.startswith("> "):
                answer = server.ask(line[2:]).decode("utf-8", "replace").replace("\r\n", "|")
                assert "\n" not in answer and "\r" not in answer, line
                out.append("< " + answer)
    with open(path, "w") as file:
        file.write("\n".join(out) + "\n")


if __name__ == "__main__":
    for path in sys.argv[2:]:
        record(int(sys.argv[1]), path)
