# SPDX-License-Identifier: Apache-2.0
"""The Python that has Pillow and NumPy."""
import importlib.util
import os
import sys

PACKAGES = {"PIL": "python3-pil", "numpy": "python3-numpy"}
DEBIAN = "/usr/bin/python3"  # the one that Debian's packages are for; another may come first in PATH


def require_packages(program):
    """Goes on in Debian's Python where this one lacks a package, or ends with one line that says what to install."""
    missing = [module for module in PACKAGES if importlib.util.find_spec(module) is None]
    if not missing:
        return
    if sys.executable != DEBIAN and os.access(DEBIAN, os.X_OK):
        os.execv(DEBIAN, [DEBIAN, *sys.argv])
    sys.exit(f"{program}: needs {' and '.join(missing)}: apt-get install {' '.join(PACKAGES[m] for m in missing)}")
