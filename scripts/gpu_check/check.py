#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tells what of OneStep works on the GPU of this machine, what differs from the CPU, and how fast it is.

  check.py [--device cuda|cpu] [--out DIR] [--seconds 480] [--torch FOLDER]

Runs the programs of the pack that this file lies in (scripts/gpu_check.sh pack), most telling ones first, each with a
limit of its own, within --seconds in all. Writes gpu_check.json and gpu_check.md into --out, row by row, and prints
what is in them in brief. Exit code 0: all that was to hold did. --device cpu walks the same path in tiny sizes, to test
the check itself. Needs Python's own library, and torch for the peers in eager PyTorch.
"""
import argparse
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

import commands
import report
import speed
from programs import Pack
from report import Row, failure


class NoDevice(Exception):
    """Nothing that follows could hold."""


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


def machine_of(options, pack):
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
    facts["before the commands below"] = pack.preparation()
    return facts


def libraries_of(pack, options, work):
    """Does every program find its shared libraries?"""
    missing_any = False
    for program in sorted((pack.root / "bin").iterdir()):
        done = subprocess.run(["ldd", str(program)], text=True, capture_output=True, env=pack.environment(1))
        missing = [line.strip() for line in (done.stdout + done.stderr).splitlines() if "not found" in line]
        if missing:
            missing_any = True
            yield Row("libraries", program.name, "FAILED", "; ".join(missing), f"ldd bin/{program.name}")
    if not missing_any:
        yield Row("libraries", "all programs", "holds", "every shared library is found")


def opened(pack, options, work):
    """Does a program open the device, and put a network on it?"""
    command = ["onestep-train", "configs/fashion_mnist/teacher.yaml", f"run.device={options.device}", *commands.FASHION,
               "--dry-run"]
    ended = pack.run(command, 180)
    if ended.code == 0:
        yield Row("the device", "a program opens it", "holds", f"{ended.seconds:.1f} s, all libraries new", ended.command)
        return
    yield failure("the device", "a program opens it", ended)
    peer = pack.run(["scripts/bench_torch.py", "--work", "teacher", "--device", options.device, "--steps", "1", "--json"], 120)
    yield Row("the device", "PyTorch's own opening", "measured", "works" if peer.code == 0 else peer.why(), peer.command)
    if ended.code is not None or peer.code != 0:  # else the first reading of gigabytes of libraries may have been slow
        raise NoDevice


def gpu_tests(pack, options, work):
    """The tests with the tag [gpu], a program each; one that skips itself on a GPU has failed."""
    section, cuda = "[gpu] tests", options.device == "cuda"
    # On a GPU a test that asserts nothing is none. Without one the pretended device's twins read the same files.
    which = ["[gpu]", "-w", "NoAssertions"] if cuda else ["[gpu],*on a pretended device"]

    def one(program):
        ended = pack.run([program.name, *which, "--reporter", "compact"], 120)
        lines = ended.out.strip().splitlines()
        skipped = [line for line in lines if "skipped: " in line]
        summary = lines[-1] if lines else ""
        if ended.code == 0 and not (skipped and cuda):
            return [Row(section, program.name, "skipped" if skipped else "holds", summary, ended.command)]
        broken = [re.sub(r"^.*/tests/", "", line) for line in lines if re.search(r":\d+: failed: ", line)] + skipped[:1]
        rows = [Row(section, f"{program.name}, {k}", "FAILED", line, ended.command) for k, line in enumerate(broken[:6], 1)]
        whole = failure(section, program.name, ended)
        if ended.code is not None and ended.code >= 0:  # the exit code is only a count
            whole.value = summary + ("" if broken else " (by a test that asserts nothing)")
        return [*rows, whole]

    for rows in pack.in_parallel(one, sorted((pack.root / "bin").glob("test_*"))):
        yield from rows


def line_by_line(pack, section, command, limit, row_of):
    """Rows of a program that compares many things, with a line of JSON for each. One that dies goes on behind what it
    died of, a few times."""
    end, done = time.monotonic() + limit, 0
    for _ in range(5):
        ended = pack.run([*command, "--json", "--from", done], end - time.monotonic(), threads=4)
        lines = ended.json_lines()
        for line in lines:
            yield row_of(line, ended)
        done += len(lines)
        if ended.code in (0, 4):  # 4: it came to its end, and something did not hold
            return
        if ended.code is None:
            break
        if lines and "CUDA error" in lines[-1].get("error", ""):  # its own row says so
            continue
        yield failure(section, f"number {done + 1}", ended)
        done += 1
    hung = ended.code is None and pack.left() > 5
    value = ended.why() + (f" in {ended.last_word()}" if ended.err else "")
    yield Row(section, f"from number {done + 1} on", "FAILED" if hung else "not run", value, ended.command, output=ended.tail())


def side_by_side(pack, options, work):
    """Every kernel, network, loss, optimiser step, sampler and metric on both devices, float32."""
    section = "CPU and device side by side, float32"

    def row_of(line, ended):
        value = line.get("error") or f"{line['difference']:.2e} of {line['tolerance']:.0e}"
        state = "holds" if line["holds"] else "FAILED"
        return Row(section, f"{line['part']}: {line['name']}", state, value, ended.command, line)

    return line_by_line(pack, section, ["compare_devices", "--device", options.device], 120, row_of)


def training(pack, options, work):
    """A run of every kind: finite, close to the CPU's and in every precision, the same bits when resumed and by graphs,
    nothing that waits in a step."""
    section = "training, whole runs"

    def row_of(line, ended):
        state = "holds" if line["holds"] else "FAILED"
        if "error" in line:
            return Row(section, line["task"], state, line["error"], ended.command, line)
        gap = line["loss_difference"]
        value = "a loss is missing or not finite, " if gap is None else f"loss differs by {gap:.1e}, "
        value += "resumed equal, " if line["resumes_equal"] else f"resumed DIFFERENT ({line['first_difference']}), "
        value += f"{line['replays']} graphs replayed "
        value += "equal, " if line["graphs_equal"] else f"DIFFERENT ({line['graph_difference']}), "
        for precision, difference in line["precisions"].items():
            value += f"{precision} not finite, " if difference is None else f"{precision} {difference:.1e}, "
        value += f"{line['syncs']:g} waits a step"
        if line["waiting"]:
            value += ": " + "; ".join(line["waiting"])
        return Row(section, line["task"], state, value, ended.command, line)

    return line_by_line(pack, section, ["compare_runs", "--device", options.device], 240, row_of)


SECTIONS = (libraries_of, opened, gpu_tests, side_by_side, training, commands.all_of, speed.all_of)


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
    machine, rows = machine_of(options, pack), []
    work = pathlib.Path(tempfile.mkdtemp(prefix="gpu_check_"))
    try:
        for section in SECTIONS:
            title = section.__doc__.strip().split("\n")[0]
            if pack.left() < 5:
                rows.append(Row("time", title, "not run", "no time was left"))
                continue
            print(f"gpu_check: {title} ({pack.left():.0f} s left)", file=sys.stderr, flush=True)
            try:
                for row in section(pack, options, work):
                    rows.append(row)
                    report.write(options.out, machine, rows, pack.ended)  # what is known survives whatever comes
            except NoDevice:
                break
            except Exception as error:  # a fault of the check itself must not hide what else there is to know
                traceback.print_exc()
                rows.append(Row("the check itself", f"{section.__module__}.{section.__name__}", "FAILED", repr(error)))
    finally:
        shutil.rmtree(work, ignore_errors=True)
        report.write(options.out, machine, rows, pack.ended)
    print(report.brief(machine, rows))
    return 1 if report.failed(rows) or report.count(rows, "not run") else 0


if __name__ == "__main__":
    sys.exit(main())
