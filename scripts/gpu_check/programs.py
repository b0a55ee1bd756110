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
import tempfile
import time
from dataclasses import dataclass

# Where containers put the driver's libraries, if the system's loader does not know them.
DRIVER_FOLDERS = ("/usr/local/nvidia/lib64", "/usr/local/nvidia/lib")


@dataclass
class Ended:
    """How a program ended. `code` is None where it ran out of time, or where none was left to start it."""

    command: str
    code: int | None
    out: str
    err: str
    seconds: float

    def why(self):
        """One line that says why it failed."""
        if self.code is None:
            return f"stopped after {self.seconds:.0f} s" if self.seconds else "no time was left"
        end = f"exit code {self.code}" if self.code >= 0 else signal.Signals(-self.code).name
        return f"{end}: {self.last_word()[:300]}"

    def last_word(self):
        """What it said last on standard error, but for LibTorch's warnings and traces; else on standard output."""
        for text in (self.err, self.out):
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            said = [line for line in lines if not line.startswith(("[W", "frame #", "Exception raised from"))]
            thrown = [line for line in said if line.startswith("what():")]
            if said:
                return (thrown or said)[-1]
        return "nothing was said"

    def tail(self):
        """The end of all that it said."""
        return "\n".join(f"--- {name}\n{text[-3000:]}" for name, text in (("stdout", self.out), ("stderr", self.err)) if text)

    def json_lines(self):
        """The lines of the output that are JSON objects; one that was cut off is none."""
        found = []
        for line in self.out.splitlines():
            try:
                value = json.loads(line) if line.startswith("{") else None
            except ValueError:
                continue
            if isinstance(value, dict):
                found.append(value)
        return found


class Pack:
    """The folder that `gpu_check.sh pack` made, and the machine's LibTorch that its programs run on."""

    def __init__(self, root, torch_folder, seconds):
        self.root = pathlib.Path(root)
        self.deadline = time.monotonic() + seconds
        self.ended = []  # every program that ran: where the time went
        site = pathlib.Path(torch_folder).parent
        folders = [pathlib.Path(torch_folder) / "lib", *sorted(site.glob("nvidia/*/lib"))]
        # What the machine needs to find its driver stays.
        given = [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
        folders += given + [folder for folder in DRIVER_FOLDERS if os.path.isdir(folder)]
        self.library_path = ":".join(str(folder) for folder in folders)

    def left(self):
        """Seconds until the check has to end."""
        return self.deadline - time.monotonic()

    def in_parallel(self, work, things):
        """work(thing) of all things, a few at once; the results in the order of the things."""
        workers = max(1, min(8, len(os.sched_getaffinity(0)) // 2))
        with concurrent.futures.ThreadPoolExecutor(workers) as pool:
            yield from pool.map(work, things)

    def preparation(self):
        """What a person types once before the command of any row."""
        return f"cd {shlex.quote(str(self.root))}; export ONESTEP_ROOT=. LD_LIBRARY_PATH={shlex.quote(self.library_path)}"

    def environment(self, threads, python=False):
        ours = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
        if not python:  # which finds its own torch, and what that needs
            ours |= {"LD_LIBRARY_PATH": self.library_path, "ONESTEP_ROOT": str(self.root)}
        return os.environ | ours

    def run(self, arguments, limit, threads=1):
        """Runs bin/arguments[0], or a .py file, from the pack's folder. Never raises for what the program does."""
        name, *rest = map(str, arguments)
        python = name.endswith(".py")
        program = name if python else f"bin/{name}"
        command = ([sys.executable] if python else []) + [str(self.root / program), *rest]
        shown = f"OMP_NUM_THREADS={threads} " + shlex.join((["python3"] if python else []) + [program, *rest])
        limit = min(limit, self.left())
        if limit <= 1:
            return Ended(shown, None, "", "", 0.0)
        # Into files, not pipes: whoever reads a pipe to its end waits for all that a program has started.
        with tempfile.TemporaryFile("w+", errors="replace") as out, tempfile.TemporaryFile("w+", errors="replace") as err:
            start = time.monotonic()
            process = subprocess.Popen(command, cwd=self.root, env=self.environment(threads, python), stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=err, start_new_session=True)
            code = waited(process, limit)
            seconds = time.monotonic() - start
            kill_group(process.pid)
            if code is None:
                waited(process, 10)  # not for ever: a driver can hold a dead process
            out.seek(0)
            err.seek(0)
            self.ended.append(Ended(shown, code, out.read(), err.read(), seconds))
        return self.ended[-1]


def waited(process, limit):
    """The exit code, or None where it did not come in time."""
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        return None


def kill_group(group):
    """The process and all that it has started."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
