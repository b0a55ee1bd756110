#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times OneStep beside its peers on the CPU, row by row of rows.py: scripts/bench.sh builds, and calls this.

  scripts/bench.sh --quick                              two repeats, without what takes minutes
  scripts/bench.sh --only teacher edm --repeats 9       rows whose names begin so
  scripts/bench.sh --compare OLD/bench.json             all of it, then what got slower since
  scripts/bench.sh --compare OLD.json --new NEW.json    the same of two results; nothing is run
  scripts/bench.sh --list                               the rows
"""
import argparse
import json
import os
import pathlib
import sys

import compare
import machine
import needs
import programs
import rows as table_of_rows
import table
from figures import ratio_of, round_to, side_of, with_shares
from files import Files, Missing

SCHEMA = 1
ROOT = pathlib.Path(__file__).resolve().parents[2]


def cache_folder():
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("ONESTEP_CACHE") or pathlib.Path(cache) / "onestep")


def say(text):
    print("bench:", text, file=sys.stderr, flush=True)


class Failed(Exception):
    """A program did not do what a row asks of it."""


class Bench:
    """The run: its programs, the files that they are given, and what is known of the machine."""

    def __init__(self, options):
        self.options, self.threads = options, options.threads
        folder = options.out.resolve() / "files"
        folder = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
        self.files = Files(folder, self.program, options.threads, 2 if options.quick else 5)
        self.machine, self.peak, self.known = machine.facts(ROOT, options.threads), {}, {}

    def program(self, command):
        return programs.run(command, ROOT, self.threads, cache_folder())

    def checked(self, name, check):
        """A check of needs.py, once."""
        if name not in self.known:
            self.known[name] = check(self)
        return self.known[name]

    def roofline(self):
        """GFLOP a CPU second of each shape, and the best of them by dtype."""
        found = []
        for dtype in ("float32", *([] if needs.bf16(self) else ["bfloat16"])):
            ended = self.program(f"bench_roofline {self.threads} {dtype}")
            if ended.code != 0:
                raise Failed(f"{ended.command}: {ended.why()}")
            found += [{"what": line["what"], "dtype": dtype, "gflop_per_cpu_sec": round_to(line["gflop"] / line["cpu_sec"])}
                      for line in ended.lines()]
            self.peak[dtype] = max(row["gflop_per_cpu_sec"] for row in found if row["dtype"] == dtype)
        return found


def groups(rows):
    """Rows with one command in common are measured in the same turns."""
    found = {}
    for row in rows:
        found.setdefault(row.ours.command, []).append(row)
    return list(found.values())


def samples_of(side, ended):
    """{name of the line: ((CPU, wall) seconds an item, GFLOP an item or None)}."""
    if side.whole:
        return {side.what or "": ((ended.cpu, ended.wall), None)}
    lines = [line for line in ended.lines() if side.what in (None, line["what"]) and side.side in (None, line.get("side"))]
    return {line["what"]: ((line["cpu_sec"] / line["items"], line["wall_sec"] / line["items"]),
                           line["gflop"] / line["items"] if "gflop" in line else None) for line in lines}


def run_in_turns(bench, rows, repeats):
    """Each command of these rows in turns, forwards and backwards: {command: what its runs ended in}. A command that
    fails runs no more."""
    sides = {side.command: side for row in rows for side in (row.ours, row.peer)}
    ended = {command: [] for command in sides}
    failed = {}

    def once(command):
        done = bench.program(command.format_map(bench.files))
        if done.code != 0:
            failed[command] = f"{done.command}: {done.why()}"
        return done

    for command, side in sides.items():
        if side.warm:
            once(command)
    for turn in range(repeats):
        for command in list(sides)[:: -1 if turn % 2 else 1]:
            if command not in failed:
                ended[command].append(once(command))
    return ended, failed


def described(row, line=None):
    return {"name": f"{row.name} {line}" if line else row.name, "what": row.what, "unit": row.unit, "dtype": row.dtype, "goal": row.goal,
            "peer_label": row.peer.label}


def not_run(row, why, state="not run"):
    return described(row) | {"state": state, "why": why}


def results_of(bench, row, ended):
    """What a row came to: one result, or one for each line of its programs."""
    ours, peer = ([samples_of(side, done) for done in ended[side.command]] for side in (row.ours, row.peer))
    names = list(ours[0]) if row.each else [None]
    if not row.each and any(len(run) != 1 for run in ours + peer):
        raise Failed(f"{row.ours.command} and {row.peer.command}: not one line each that the row asks for")
    for name in names:
        def picked(runs):
            return [run[name] if row.each else next(iter(run.values())) for run in runs]

        own, theirs = picked(ours), picked(peer)
        result = described(row, name) | {
            "state": "measured",
            "ours": side_of(row.ours.label, ended[row.ours.command][0].command, [sample for sample, _ in own]),
            "peer": side_of(row.peer.label, ended[row.peer.command][0].command, [sample for sample, _ in theirs])}
        result |= ratio_of(result["ours"], result["peer"])
        result["met"] = None if row.goal is None else result["ratio"] >= row.goal
        if own[0][1] is not None:
            with_shares(result, own[0][1], bench.peak.get(row.dtype))
        yield result


def measured(bench, group):
    """Results of rows that share a command; yields them in the rows' order."""
    able = []
    for row in group:
        why = needs.why_not(row, bench)
        if why:
            yield not_run(row, why)
        else:
            able.append(row)
    if not able:
        return
    repeats = min([bench.options.repeats, *(row.most for row in able)])
    try:
        ended, failed = run_in_turns(bench, able, repeats)
    except Missing as error:
        yield from (not_run(row, str(error), "FAILED") for row in able)
        return
    for row in able:
        why = failed.get(row.ours.command) or failed.get(row.peer.command)
        try:
            yield from [not_run(row, why, "FAILED")] if why else results_of(bench, row, ended)
        except (Failed, KeyError, ValueError) as error:  # a program that prints something else
            yield not_run(row, f"{type(error).__name__}: {error}", "FAILED")


def in_order(results, rows):
    """As the table has them; what a row of many lines became stays together."""
    place = {row.name: number for number, row in enumerate(rows)}
    return sorted(results, key=lambda result: place[result["name"].split(" ")[0]])


def write(folder, result):
    """bench.json and bench.md; whole or not at all."""
    for name, text in (("bench.json", json.dumps(result, indent=1, ensure_ascii=False) + "\n"), ("bench.md", table.markdown(result))):
        partial = folder / (name + ".partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(folder / name)


def bench_all(options):
    rows, left_out = table_of_rows.chosen(options.only, options.quick)
    os.chdir(ROOT)  # where the commands that are shown are to be typed
    options.out.mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    result = {"schema": SCHEMA, "machine": bench.machine, "repeats": options.repeats, "quick": options.quick, "roofline": [],
              "peak": bench.peak, "rows": [not_run(row, "--quick leaves it out") for row in left_out]}
    say("the roofline")
    result["roofline"] = bench.roofline()
    for group in groups(rows):
        say(", ".join(row.name for row in group))
        for one in measured(bench, group):
            result["rows"] = in_order([*result["rows"], one], table_of_rows.ROWS)
            say(f"  {one['name']}: " + (f"{one['ratio']:.2f} ×" if one["state"] == "measured" else f"{one['state']}: {one['why']}"))
        write(options.out, result)  # what is known survives whatever comes
    write(options.out, result)
    return result


def read(path):
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"bench: {path}: {error}")
    if not isinstance(result, dict) or result.get("schema") != SCHEMA:
        sys.exit(f"bench: {path}: not a bench.json of schema {SCHEMA}")
    return result


def whole_number(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def parse_options(arguments):
    parser = argparse.ArgumentParser(prog="bench.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two repeats, without what takes minutes")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="rows whose names begin so")
    parser.add_argument("--threads", type=whole_number, default=1, help="of both sides")
    parser.add_argument("--repeats", type=whole_number, help="runs of each side; 5, with --quick 2")
    parser.add_argument("--out", type=pathlib.Path, help="folder of bench.json and bench.md (build/bench)")
    parser.add_argument("--compare", type=pathlib.Path, metavar="OLD.json", help="say what got slower since")
    parser.add_argument("--new", type=pathlib.Path, metavar="NEW.json", help="with --compare: run nothing, take this result")
    parser.add_argument("--list", action="store_true", help="print the rows")
    parser.add_argument("--from", dest="start", type=pathlib.Path, default=pathlib.Path.cwd(), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.new and not options.compare:
        parser.error("--new goes with --compare")
    options.repeats = options.repeats or (2 if options.quick else 5)
    options.out = options.start / options.out if options.out else ROOT / "build/bench"
    for name in ("compare", "new"):
        if getattr(options, name):
            setattr(options, name, options.start / getattr(options, name))
    return options


def main(arguments=None):
    options = parse_options(arguments)
    if options.list:
        for row in table_of_rows.ROWS:
            print(f"{row.name:20} {row.what}; beside {row.peer.label}{', slow' if row.slow else ''}")
        return 0
    old = read(options.compare) if options.compare else None  # before minutes are spent
    try:
        result = read(options.new) if options.new else bench_all(options)
    except (ValueError, Failed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2 if isinstance(error, ValueError) else 1
    if not options.new:
        print(table.markdown(result))
    if old:
        print(compare.text(old, result))
    return 1 if any(row["state"] == "FAILED" for row in result["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())
