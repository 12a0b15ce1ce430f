"""The table: medians, ratios and spread of what was measured.

Owns how a figure is judged, and the two files: the last table between the marks of `benches/README.md`, and a dated
record with every single value, lost runs included. Never measures.
"""
import datetime
import json
import os
import platform
import statistics
import subprocess

from rows import ROWS
from servers import NEARSIDE, UNIT

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BEGIN, END = "<!-- table: written by make bench -->", "<!-- end of the table -->"


def short(value):
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ratios(row, ours, units):
    """Ours to the unit's, turn by turn: both were measured next to each other."""
    return [mine / its if its else float(mine != 0) for mine, its in zip(ours, units)]


def verdict(row, ours, units):
    """Whether the goal was reached, and whether what was gained is more than what the turns differ."""
    if row.goal is None:
        return ""
    if row.absolute:
        return "reached" if statistics.median(ours) <= row.goal else "missed"
    each = ratios(row, ours, units)
    middle, spread = statistics.median(each), max(each) - min(each)
    gain = middle - 1 if row.more_is_better else 1 - middle
    if gain <= 0:
        return "loses"
    if spread > gain:
        return "no win: the turns differ by more"
    reached = middle >= row.goal if row.more_is_better else middle <= row.goal
    return "reached" if reached else "missed"


def goal(row):
    if row.goal is None:
        return "–"
    sign = "≥" if row.more_is_better else "≤"
    return f"{sign} {row.goal:g}" + (f" {row.unit}" if row.absolute else "")


def table(values, names):
    lines = ["| | " + " | ".join(names) + " | spread of ours | goal | |", "|---" * (len(names) + 4) + "|"]
    for key, row in ROWS.items():
        found = values.get(key, {})
        units = found.get(UNIT)
        if not found or not (units or row.absolute):
            continue
        cells = []
        for name in names:
            mine = found.get(name)
            if not mine:
                cells.append("–")
            elif row.absolute or name == UNIT:
                cells.append(f"{short(statistics.median(mine))} {row.unit}")
            else:
                cells.append(f"{statistics.median(ratios(row, mine, units)):.2f}")
        ours = found.get(NEARSIDE)
        if ours:
            each = ours if row.absolute else ratios(row, ours, units)
            cells += [f"{short(min(each))} – {short(max(each))}", goal(row), verdict(row, ours, units)]
        else:
            cells += ["–", goal(row), "not measured"]
        lines.append(f"| {row.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def machine():
    with open("/proc/cpuinfo") as info:
        model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "unknown")
    # Its patches and the name of its build are the machine's own affair.
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{os.cpu_count()} × {model}, Linux {kernel}"


def revision():
    told = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty"], stdout=subprocess.PIPE, text=True)
    return told.stdout.strip() or "unknown"


def built(program):
    """When the program was built: it need not be of the revision that lies around it."""
    return f"{datetime.datetime.fromtimestamp(os.path.getmtime(program), datetime.timezone.utc):%Y-%m-%d %H:%M} UTC"


def write(figures, names, settings, failures, load):
    """Prints the table, and writes it where it is kept."""
    now = datetime.datetime.now(datetime.timezone.utc)
    made = table(figures.values, names)
    head = (f"{now:%Y-%m-%d %H:%M} UTC, revision {revision()}, {machine()}; load of the machine before {load[0]:.1f}, "
            f"after {os.getloadavg()[0]:.1f}. {settings}")
    lost = "".join(f"- {failure}\n" for failure in failures)
    print(f"\n{head}\n\n{made}\n" + (f"\nlost:\n{lost}" if lost else ""))

    folder = os.path.join(HERE, "records")
    os.makedirs(folder, exist_ok=True)
    record = os.path.join(folder, f"{now:%Y-%m-%d-%H%M%S}.md")
    values = {row: {name: [float(f"{value:.5g}") for value in found] for name, found in by_name.items()}
              for row, by_name in figures.values.items()}
    with open(record, "w") as file:
        file.write(f"# {head}\n\n{made}\n\n" + (f"Lost:\n\n{lost}\n" if lost else "") + "Every turn:\n\n```json\n"
                   + "{\n" + ",\n".join(f"  {json.dumps(row)}: {json.dumps(each, ensure_ascii=False)}"
                                        for row, each in values.items()) + "\n}\n```\n")
    print(f"kept in {os.path.relpath(record)}")
    return head, made


def into_readme(head, made):
    path = os.path.join(HERE, "README.md")
    with open(path) as file:
        before, rest = file.read().split(BEGIN)
    _, after = rest.split(END)
    with open(path, "w") as file:
        file.write(f"{before}{BEGIN}\n{head}\n\n{made}\n{END}{after}")
