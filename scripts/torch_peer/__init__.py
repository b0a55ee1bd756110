# SPDX-License-Identifier: Apache-2.0
"""What scripts/bench_torch.py measures. Importing it finds torch: `from torch_peer import torch`.

This Python's own torch is taken when it is a 2.11, unless LIBTORCH_ROOT names a wheel; else the wheel that
scripts/setup.sh fetched, so that OneStep and its peer run on the same library.
"""
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import warnings

VERSION = "2.11"


def cache_folder():
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("ONESTEP_CACHE") or pathlib.Path(cache) / "onestep")


def installed_version():
    """The version of this Python's own torch, without importing it: a second torch could not be imported then."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    version = pathlib.Path(spec.origin).with_name("version.py")
    found = re.search(r"__version__ *= *['\"]([^'\"]+)", version.read_text()) if version.exists() else None
    return found[1] if found else None


def use_wheel():
    """Makes the wheel importable in this interpreter: its folder, and the pure Python packages that it needs."""
    root = os.environ.get("LIBTORCH_ROOT")
    wheels = [pathlib.Path(root)] if root else sorted(cache_folder().glob(f"libtorch-{VERSION}.*-*/torch"))
    if not wheels:
        sys.exit(f"no LibTorch in the cache, and this Python's torch is {installed_version()}, not {VERSION}: "
                 "run scripts/setup.sh")
    wheel = wheels[-1]
    tag = f"cpython-{sys.version_info.major}{sys.version_info.minor}-"
    if not any(wheel.glob(f"_C.{tag}*.so")):
        sys.exit(f"{wheel} is for another Python than this {sys.version.split()[0]}")
    packages = cache_folder() / f"python-{sys.version_info.major}.{sys.version_info.minor}"
    if not (packages / "done").exists():
        needed = ["typing_extensions", "sympy", "filelock", "networkx", "jinja2", "fsspec", "mpmath", "markupsafe"]
        print("fetching", *needed, file=sys.stderr)
        pip = [sys.executable, "-m", "pip", "install", "-q", "--root-user-action=ignore", "--no-deps", "--upgrade"]
        subprocess.run([*pip, "--target", str(packages), *needed], check=True, stdout=sys.stderr)
        (packages / "done").touch()
    sys.path[:0] = [str(wheel.parent), str(packages)]


def find_torch():
    if os.environ.get("LIBTORCH_ROOT") or not (installed_version() or "").startswith(VERSION + "."):
        use_wheel()
    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
    try:
        import torch
    except (OSError, ValueError, ImportError) as error:
        sys.exit(f"torch cannot be imported; without a CUDA toolkit Python needs the whole wheel: {error}")
    return torch


torch = find_torch()
