# SPDX-License-Identifier: Apache-2.0
"""Programs, run to their end with what they took: CPU and wall seconds of the process and of all that it waited for."""
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

LIMIT = 3600  # seconds of wall time: beside busy processes a program gets a share of the machine


@dataclass
class Ended:
    command: str  # as a person types it
    code: int
    out: str
    err: str
    wall: float
    cpu: float

    def why(self):
        """One line that says why it failed."""
        if self.code == -signal.SIGKILL and self.wall >= LIMIT:
            return f"stopped after {LIMIT} s"
        end = f"exit code {self.code}" if self.code >= 0 else signal.Signals(-self.code).name
        for text in (self.err, self.out):
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            lines = [line for line in lines if not line.startswith(("[W", "frame #"))]
            if lines:
                return f"{end}: {lines[-1][:200]}"
        return end

    def lines(self):
        """The lines of the output that are measurements; a compiler prints braces of its own."""
        found = [json.loads(line) for line in self.out.splitlines() if line.startswith('{"what":')]
        return [line for line in found if "cpu_sec" in line]


def arguments_of(command, root):
    """A command of the table: its first word is a program of the build, or a script."""
    name, *rest = shlex.split(command)
    if name.endswith(".py"):
        return [sys.executable, str(root / name), *rest]
    return [str(root / "build/release/bin" / name), *rest]


def shown(command, threads):
    """The same to be typed at the root of the repository."""
    name, *rest = shlex.split(command)
    return f"OMP_NUM_THREADS={threads} " + shlex.join([name if name.endswith(".py") else f"build/release/bin/{name}", *rest])


def run(command, root, threads, cache):
    """Never raises for what the program does."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor")}
    # Into files, not pipes: whoever reads a pipe to its end waits for all that a program has started.
    with tempfile.TemporaryFile("w+", errors="replace") as out, tempfile.TemporaryFile("w+", errors="replace") as err:
        start = time.perf_counter()
        process = subprocess.Popen(arguments_of(command, root), cwd=root, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=out, stderr=err, start_new_session=True)
        alarm = threading.Timer(LIMIT, kill_group, [process.pid])
        alarm.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # Ctrl-C ends what is timed, too
            kill_group(process.pid)
            raise
        finally:
            alarm.cancel()
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)  # nobody needs to wait for it again
        out.seek(0)
        err.seek(0)
        return Ended(shown(command, threads), process.returncode, out.read(), err.read(), wall, usage.ru_utime + usage.ru_stime)


def kill_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
