# SPDX-License-Identifier: Apache-2.0
"""Programs of the pack, each with a limit of its own: one that hangs costs no more than that."""
import concurrent.futures
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass
class Ended:
    """How a program ended. `code` is None where it ran out of time."""

    command: str
    code: int | None
    out: str
    err: str
    seconds: float

    def why(self):
        """One line that says why it failed."""
        if self.code is None:
            return f"stopped after {self.seconds:.0f} s"
        lines = [line for line in (self.err + "\n" + self.out).splitlines() if line.strip()]
        return f"exit code {self.code}: {lines[-1].strip()[:300] if lines else 'nothing was said'}"

    def json_lines(self):
        """The lines of the output that are JSON objects."""
        lines = (line for line in self.out.splitlines() if line.startswith("{"))
        return [json.loads(line) for line in lines]


class Pack:
    """The folder that `gpu_check.sh pack` made, and the machine's LibTorch that its programs run on."""

    def __init__(self, root, torch_folder, seconds):
        self.root = pathlib.Path(root)
        self.deadline = time.monotonic() + seconds
        site = pathlib.Path(torch_folder).parent
        libraries = [self.root / "lib", pathlib.Path(torch_folder) / "lib", *sorted(site.glob("nvidia/*/lib"))]
        self.library_path = ":".join(str(folder) for folder in libraries)

    def left(self):
        """Seconds until the check has to end."""
        return self.deadline - time.monotonic()

    def in_parallel(self, work, things):
        """work(thing) of all things, a few at once; the results in the order of the things."""
        workers = max(1, min(8, len(os.sched_getaffinity(0)) // 2))
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            return list(pool.map(work, things))

    def environment(self, threads):
        return {
            **os.environ,
            "LD_LIBRARY_PATH": self.library_path,
            "ONESTEP_ROOT": str(self.root),
            "OMP_NUM_THREADS": str(threads),
            "OMP_WAIT_POLICY": "passive",
        }

    def run(self, arguments, limit, threads=1):
        """Runs bin/arguments[0], or a .py file, from the pack's folder. Never raises for what the program does."""
        arguments = [str(argument) for argument in arguments]
        program = self.root / ("" if arguments[0].endswith(".py") else "bin") / arguments[0]
        command = [sys.executable, str(program)] if arguments[0].endswith(".py") else [str(program)]
        # What a person has to type to see the same.
        shown = f"cd {shlex.quote(str(self.root))} && LD_LIBRARY_PATH={self.library_path} ONESTEP_ROOT=. "
        shown += f"OMP_NUM_THREADS={threads} " + shlex.join(
            [os.path.relpath(part, self.root) if part == str(program) else part for part in command] + arguments[1:])
        limit = min(limit, self.left())
        start = time.monotonic()
        if limit <= 1:
            return Ended(shown, None, "", "", 0.0)
        process = subprocess.Popen(command + arguments[1:], cwd=self.root, env=self.environment(threads), text=True,
                                   errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, start_new_session=True)
        try:
            out, err = process.communicate(timeout=limit)
            code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            code = None
        return Ended(shown, code, out, err, time.monotonic() - start)
