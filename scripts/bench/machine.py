# SPDX-License-Identifier: Apache-2.0
"""Where and of what a bench was made: what figures depend on."""
import datetime
import os
import pathlib
import platform
import re
import subprocess

FLAGS = re.compile(r"avx.*|amx.*|fma|f16c|vnni.*|sve.*|asimd.*|bf16")  # those that matrix products ask for


def cpu():
    """Model and vector instructions, as the kernel names them."""
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.M)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.M)
    return model[1] if model else platform.machine(), [f for f in (flags[1].split() if flags else []) if FLAGS.fullmatch(f)]


def said(command, root):
    try:
        return subprocess.run(command, cwd=root, text=True, capture_output=True, timeout=60).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def libtorch(root):
    """The version of the LibTorch that build/release was configured with."""
    cache = root / "build/release/CMakeCache.txt"
    found = re.search(r"^LIBTORCH_ROOT:[A-Z]+=(.*)$", cache.read_text(), re.M) if cache.exists() else None
    version = pathlib.Path(found[1], "version.py") if found else None
    found = re.search(r"__version__ *= *['\"]([^'\"]+)", version.read_text()) if version and version.exists() else None
    return found[1] if found else "unknown"


def facts(root, threads):
    model, flags = cpu()
    return {
        "cpu": model,
        "flags": flags,
        "cores": len(os.sched_getaffinity(0)),
        "threads": threads,
        "load_at_start": round(os.getloadavg()[0], 2),
        "kernel": platform.release(),
        "libtorch": libtorch(root),
        "python": platform.python_version(),
        "compiler": said(["c++", "--version"], root).split("\n")[0],
        "commit": said(["git", "rev-parse", "HEAD"], root),
        "changed": bool(said(["git", "status", "--porcelain", "--untracked-files=no"], root)),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }
