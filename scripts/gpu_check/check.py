#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tells what of OneStep works on the GPU of this machine, what differs from the CPU, and how fast it is.

  check.py [--device cuda|cpu] [--out DIR] [--seconds 480] [--torch FOLDER]

Runs the programs of the pack that this file lies in (scripts/gpu_check.sh pack), most telling ones first, each with a
limit of its own, within --seconds in all. Writes gpu_check.json and gpu_check.md into --out and prints the latter.
Exit code 0: all that was to hold did. --device cpu walks the same path in tiny sizes, to test the check itself.
Needs Python's own library, and torch for the peers in eager PyTorch.
"""
import argparse
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import traceback

import commands
import report
import speed
from programs import Pack
from report import Row


def torch_folder():
    """The torch package of this Python: its LibTorch is what the programs run on."""
    code = "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
    asked = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True)
    if asked.returncode != 0:
        sys.exit("gpu_check: this Python has no torch; name its folder with --torch")
    return asked.stdout.strip()


def first_line(command):
    """What a command says first, or why it said nothing."""
    try:
        done = subprocess.run(command, text=True, capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (done.stdout or done.stderr).strip().split("\n")[0]


def machine_of(options):
    facts = {
        "device": options.device,
        "kernel": platform.platform(),
        "Python": platform.python_version(),
        "cores": str(len(os.sched_getaffinity(0))),
    }
    with open("/proc/cpuinfo") as file:
        facts["CPU"] = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown")
    version = pathlib.Path(options.torch) / "version.py"
    facts["LibTorch"] = next((line.split("'")[1] for line in version.read_text().splitlines()
                              if line.startswith("__version__")), "unknown") if version.exists() else "unknown"
    if options.device == "cuda":
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total,compute_cap", "--format=csv,noheader"]
        facts["GPU, driver, memory, compute capability"] = first_line(query)
    return facts


def libraries_of(pack, options, work):
    """Does every program find its shared libraries?"""
    rows = []
    for program in sorted((pack.root / "bin").iterdir()):
        done = subprocess.run(["ldd", str(program)], text=True, capture_output=True, env=pack.environment(1))
        missing = [line.split()[0] for line in done.stdout.splitlines() if "not found" in line]
        if missing:
            rows.append(Row("libraries", program.name, "FAILED", "missing: " + ", ".join(missing), f"ldd {program}"))
    return rows or [Row("libraries", "all programs", "holds", "every shared library is found")]


def gpu_tests(pack, options, work):
    """The tests with the tag [gpu], a program each; one that skips itself on a GPU has failed."""

    def one(program):
        ended = pack.run([program.name, "[gpu]", "--reporter", "console"], 120)
        skipped = ended.out.count("skipped: ")
        summary = next((line for line in reversed(ended.out.splitlines()) if line.strip("=- ")), "")
        if ended.code != 0 or (skipped and options.device != "cpu"):
            why = ended.why() if ended.code != 0 else next(x for x in ended.out.splitlines() if "skipped: " in x).strip()
            return Row("[gpu] tests", program.name, "FAILED", f"{summary.strip()} ({why})", ended.command)
        return Row("[gpu] tests", program.name, "skipped" if skipped else "holds", summary.strip())

    programs = sorted((pack.root / "bin").glob("test_*"))
    return pack.in_parallel(one, programs)


def side_by_side(pack, options, work):
    """Every kernel, network, loss, optimiser step, sampler and metric on both devices, float32."""
    ended = pack.run(["compare_devices", "--device", options.device, "--json"], 150, threads=4)
    rows = []
    for line in ended.json_lines():
        value = line.get("error") or f"{line['difference']:.2e} of {line['tolerance']:.0e}"
        state = "holds" if line["holds"] else "FAILED"
        rows.append(Row("CPU and device side by side, float32", f"{line['part']}: {line['name']}", state, value,
                        ended.command, line))
    if ended.code not in (0, 4) or not rows:
        rows.append(Row("CPU and device side by side, float32", "all", "FAILED", ended.why(), ended.command))
    return rows


def training(pack, options, work):
    """A run of every kind: finite, close to the CPU's, the same bits when resumed, nothing that waits in a step."""
    ended = pack.run(["compare_runs", "--device", options.device, "--json"], 150)
    rows = []
    for line in ended.json_lines():
        what, section = line["task"], "training, whole runs"
        if "error" in line:
            rows.append(Row(section, what, "FAILED", line["error"], ended.command, line))
            continue
        value = f"loss differs by {line['loss_difference']:.1e}, "
        value += f"resumed {'equal' if line['resumes_equal'] else 'DIFFERENT'}, {line['syncs']:g} waits a step"
        rows.append(Row(section, what, "holds" if line["holds"] else "FAILED", value, ended.command, line))
    if ended.code not in (0, 4) or not rows:
        rows.append(Row("training, whole runs", "all", "FAILED", ended.why(), ended.command))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--out", default="gpu_check", help="folder of the two files")
    parser.add_argument("--seconds", type=float, default=480, help="the check ends within about this time")
    parser.add_argument("--torch", help="the torch folder of a 2.11 wheel, if not that of this Python")
    options = parser.parse_args()
    options.torch = options.torch or torch_folder()
    options.out = pathlib.Path(options.out).resolve()
    pack = Pack(pathlib.Path(__file__).resolve().parents[2], options.torch, options.seconds)
    machine, rows = machine_of(options), []
    work = pathlib.Path(tempfile.mkdtemp(prefix="gpu_check_"))
    try:
        for section in (libraries_of, gpu_tests, side_by_side, training, commands.all_of, speed.all_of):
            if pack.left() < 5:
                rows.append(Row("time", section.__doc__.strip().split("\n")[0], "not run", "no time was left"))
                continue
            print(f"gpu_check: {section.__doc__.strip().splitlines()[0]} ({pack.left():.0f} s left)", file=sys.stderr)
            try:
                rows += section(pack, options, work)
            except Exception as error:  # a fault of the check itself must not hide what else there is to know
                traceback.print_exc()
                rows.append(Row("the check itself", f"{section.__module__}.{section.__name__}", "FAILED", repr(error)))
            report.write(options.out, machine, rows)  # what is known by now survives whatever comes
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(report.write(options.out, machine, rows))
    return 1 if report.failed(rows) or report.count(rows, "not run") else 0


if __name__ == "__main__":
    sys.exit(main())
