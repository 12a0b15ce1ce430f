"""The contenders: which there are, how each is started, and what the kernel says of its process.

Owns the processes and their temporary folders, and ends them by their own id. Every contender runs with the defaults
it is shipped with: nothing is set but addresses, folders, and the master to follow. Never says what is measured.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from resp import connected, free_port

MASTERS = os.environ.get("MASTERS_DIR") or os.path.expanduser("~/.cache/redis-masters")
UNIT = "redis 7.0"
NEARSIDE = "nearside"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Contender:
    name: str
    program: str  # a folder of MASTERS, or the path of nearside
    arguments: tuple = ()
    only: tuple = ()  # the visits it takes part in; none named: all

    @property
    def is_peer(self):
        """Neither what everything is a ratio to, nor what is measured."""
        return self.name not in (UNIT, NEARSIDE)


PEERS = [
    Contender(UNIT, "redis-7.0"),
    Contender("redis 8.6", "redis-8.6-deb"),
    Contender("valkey 9.1", "valkey-9.1-deb"),
    # I/O threads serve clients; a load or a stream is not theirs.
    Contender("valkey 9.1, io-threads 2", "valkey-9.1-deb", ("--io-threads", "2"), ("reads", "keyspace")),
    # What can be had by setting: the data of before are kept while the new ones come.
    Contender("redis 7.0, swapdb", "redis-7.0", ("--repl-diskless-load", "swapdb"), ("sync", "kilobytes")),
]


def contenders(nearside):
    """Those that are here, the unit first and nearside last."""
    here = [peer for peer in PEERS if os.path.exists(os.path.join(MASTERS, peer.program, "redis-server"))]
    for peer in PEERS:
        if peer not in here:
            print(f"skipped: {peer.name} (tests/masters/get.sh --only {peer.program})", file=sys.stderr)
    if not here or here[0].name != UNIT:
        sys.exit(f"{UNIT} is the unit of every ratio, and not here")
    return here + [Contender(NEARSIDE, nearside)]


def tool(name):
    """A program beside the unit's server, such as redis-benchmark."""
    return os.path.join(MASTERS, "redis-7.0", name)


class Server:
    """A process of ours."""

    def __init__(self, contender, master_port=None):
        self.name = contender.name
        self.synced = 0  # full syncs that were asked of it
        self.folder = tempfile.mkdtemp(prefix="nearside-bench-")
        self.log = os.path.join(self.folder, "output.log")
        self.port = free_port()
        common = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.folder, *contender.arguments]
        if os.path.isabs(contender.program):
            command = [contender.program, *common, "--http", "127.0.0.1:0"]
            command += ["--replicaof", f"127.0.0.1:{master_port}"] if master_port else []
        else:
            command = [os.path.join(MASTERS, contender.program, "redis-server"), *common]
            command += ["--replicaof", "127.0.0.1", str(master_port)] if master_port else []
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            self.client = self.connected()
        except BaseException:
            self.stop()
            raise

    def connected(self):
        try:
            return connected(self.port, self.process)
        except OSError:
            with open(self.log) as log:
                sys.exit(f"{self.name} ended:\n{log.read()}")

    def cpu(self):
        """Seconds of processor time, of all its threads, user's and kernel's."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def rss(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup") as rollup:
            return int(re.search(r"^Rss:\s+(\d+)", rollup.read(), re.M).group(1)) * 1024

    def forget_peak(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w") as refs:
            refs.write("5")

    def peak_rss(self):
        """The most that was resident since `forget_peak`."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"^VmHWM:\s+(\d+)", status.read(), re.M).group(1)) * 1024

    def stop(self):
        # Not SIGTERM: with their default save points the others would write their data down first.
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
