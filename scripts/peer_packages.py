# SPDX-License-Identifier: Apache-2.0
"""Packages that peers are made of: fetched once into a folder of OneStep's cache, and importable from there."""
import os
import pathlib
import subprocess
import sys


def need(name, packages):
    """To be called before PyTorch is imported, which looks for NumPy then."""
    cache = os.environ.get("ONESTEP_CACHE") or pathlib.Path(
        os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache", "onestep")
    folder = pathlib.Path(cache, f"{name}-{sys.version_info.major}.{sys.version_info.minor}")
    if not (folder / "done").exists():
        print("fetching", *packages, file=sys.stderr)
        pip = [sys.executable, "-m", "pip", "install", "-q", "--root-user-action=ignore", "--no-deps", "--upgrade"]
        subprocess.run([*pip, "--target", folder, *packages], check=True, stdout=sys.stderr)
        (folder / "done").touch()
    sys.path.insert(0, str(folder))
