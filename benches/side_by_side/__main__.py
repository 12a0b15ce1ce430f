#!/usr/bin/env python3
"""nearside beside real servers, as replicas that get the same data in the same run.

    python3 benches/side_by_side --nearside PATH --open-loop PATH [--rounds 5] [--peer-rounds 2] [--keys 1000000]
        [--only sync,reads,keyspace,tails,hashes,mixed,kilobytes] [--contenders nearside,valkey] [--readme]

Each data set is made once by a real server. Then each contender has its turn, forwards and backwards (A B B A), as
often as there are rounds; those that are neither the unit nor nearside in the first rounds only. `rows.py` says what a
turn is. Standard library only, loopback only, temporary folders only.
"""
import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback

import data
import rows
import servers
import table


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nearside", required=True, type=os.path.abspath, help="the program, built for release")
    parser.add_argument("--open-loop", required=True, type=os.path.abspath, help="the client of benches/open_loop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer-rounds", type=int, default=2, help="of the contenders beside the unit and nearside")
    parser.add_argument("--keys", type=int, default=1_000_000, help="of strings; the other sets go along")
    parser.add_argument("--only", default="", help="visits, by name")
    parser.add_argument("--contenders", default="", help="words of the names of those that take part beside the unit")
    parser.add_argument("--readme", action="store_true", help="put the table into benches/README.md")
    return parser.parse_args()


def main():
    options = arguments()
    taking_part = servers.contenders(options.nearside)
    if words := [word for word in options.contenders.split(",") if word]:
        taking_part = [each for each in taking_part
                       if each.name == servers.UNIT or any(word in each.name for word in words)]
    visits = {name: visit for name, visit in rows.visits().items()
              if not options.only or name in options.only.split(",")}
    rows.enough_files()
    bench = rows.Bench(options.open_loop, rows.Figures(), requests=options.keys * 2)
    # Ended from outside, it ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    failures, load, since = [], os.getloadavg(), time.monotonic()
    folder = tempfile.mkdtemp(prefix="nearside-bench-data-")
    made = None, None
    try:
        for name, (wanted, measure) in visits.items():
            if made[0] != wanted:
                say(since, f"making {wanted}")
                made = wanted, data.make(wanted, folder, options.keys, options.keys // 2)
            for turn in range(options.rounds):
                for contender in taking_part if turn % 2 == 0 else taking_part[::-1]:
                    if contender.only and name not in contender.only:
                        continue
                    if contender.is_peer and turn >= options.peer_rounds:
                        continue
                    say(since, f"{name}, turn {turn + 1}: {contender.name}")
                    try:
                        measure(bench, contender, made[1])
                    except Exception as error:  # the others' turns still count, and the table says that this is lost
                        traceback.print_exc()
                        failures.append(f"{name}, turn {turn + 1}, {contender.name}: {type(error).__name__}: {error}")
    except (SystemExit, KeyboardInterrupt):
        failures.append("ended before its time")  # what was measured is written down all the same
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    settings = (f"{options.keys} keys, medians of {options.rounds}, of the peers of "
                f"{min(options.peer_rounds, options.rounds)}, {time.monotonic() - since:.0f} s; "
                f"nearside built {table.built(options.nearside)}.")
    head, text = table.write(bench.figures, [each.name for each in taking_part], settings, failures, load)
    if options.readme and not failures:
        table.into_readme(head, text)
    sys.exit(1 if failures else 0)


def say(since, what):
    print(f"{time.monotonic() - since:6.1f} s  {what}", file=sys.stderr)


if __name__ == "__main__":
    main()
