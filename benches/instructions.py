#!/usr/bin/env python3
"""Instructions of parsing, serving reads, applying and loading, counted by callgrind and compared with a baseline.

instructions.py [--check]   measures; more than 3 % above the baseline fails, a fall is recorded in instructions.json
                            (with --check, or where CI=true, nothing is written)

What is counted are the instructions of our own program inside its `measured_` functions: neither the C library, whose
copies and comparisons are chosen by the processor, nor the functions of memchr and crc-fast, which choose for themselves.
The program has an allocator of its own. A baseline of another compiler or target says nothing about the code: then it is
measured anew and written, and nothing is compared.

Without valgrind: `skipped: callgrind`, a failure where CI=true.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BASELINE = os.path.join(HERE, "instructions.json")
MEASURES = ["parse", "get", "get_restricted", "hget", "zrange", "mixed", "apply", "load"]
# What of the program is counted; everything else is answers served.
MEASURED = {measure: f"measured_{measure}" for measure in ["parse", "apply", "load"]}
RISE_MAX = 0.03
FALL_RECORDED = 0.005
CHOSEN_BY_PROCESSOR = re.compile(r"memchr::|crc_fast::")


def toolchain():
    text = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    fields = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    return {"rustc": fields["release"] + " " + fields.get("commit-hash", "")[:9], "target": fields["host"]}


def build():
    command = ["cargo", "bench", "--locked", "-p", "nearside-server", "--bench", "instructions"]
    command += ["--no-run", "--message-format=json"]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    for line in run.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "instructions":
            return message["executable"]
    sys.exit("cargo named no program")


def count(program, measure):
    """Instructions of each function of the program itself, as callgrind wrote them."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        command = ["valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={out}", "--collect-atstart=no"]
        function = MEASURED.get(measure, "measured_serve")
        command += [f"--toggle-collect=*{function}*", "--compress-strings=no", "--compress-pos=no"]
        subprocess.run([*command, program, measure], check=True)
        total, is_ours, function, is_call = 0, False, "", False
        with open(out, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("ob="):
                    is_ours = line[3:].strip() == os.path.realpath(program)
                elif line.startswith("fn="):
                    function = line[3:].strip()
                elif line.startswith("calls="):
                    is_call = True  # the next line is what the callee took
                elif line[:1].isdigit():
                    if not is_call and is_ours and not CHOSEN_BY_PROCESSOR.search(function):
                        total += int(line.split()[1])
                    is_call = False
    if total == 0:
        sys.exit(f"nothing was counted for {measure}")
    return total


def main():
    may_write = "--check" not in sys.argv[1:] and os.environ.get("CI") != "true"
    if shutil.which("valgrind") is None:
        print("skipped: callgrind (no valgrind)")
        sys.exit(1 if os.environ.get("CI") == "true" else 0)
    ours = toolchain()
    program = build()
    counts = {measure: count(program, measure) for measure in MEASURES}
    known = json.load(open(BASELINE, encoding="utf-8")) if os.path.exists(BASELINE) else None
    is_same = known is not None and all(known[field] == ours[field] for field in ours)
    if known is not None and not is_same:
        print(f"measured anew, not compared: the baseline is of rustc {known['rustc']} for {known['target']}")
    has_failed, has_fallen = False, False
    for measure, counted in counts.items():
        line = f"{measure:14}{counted:>14,} instructions"
        was = known["instructions"].get(measure) if is_same else None
        if is_same and was is None:
            line += "  new"
            has_fallen = True
        elif is_same:
            change = counted / was - 1
            line += f"  {change:+.2%}"
            if change > RISE_MAX:
                has_failed = True
                line += f"  FAILED: more than {RISE_MAX:.0%} above the baseline"
            has_fallen |= change < -FALL_RECORDED
        print(line)
    if has_failed:
        print("If the rise is worth what it buys, say so in the commit and write the baseline again: remove")
        print("benches/instructions.json and run `make instructions`.")
        sys.exit(1)
    if may_write and (not is_same or has_fallen):
        # Only what fell: a rise below the bound is not to become the measure of the next.
        if is_same:
            counts = {measure: min(counted, known["instructions"].get(measure, counted)) for measure, counted in counts.items()}
        with open(BASELINE, "w", encoding="utf-8") as file:
            json.dump({**ours, "instructions": counts}, file, indent=2)
            file.write("\n")
        print("written: benches/instructions.json")


main()
