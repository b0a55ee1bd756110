# SPDX-License-Identifier: Apache-2.0
"""What a row needs of the machine and of the programs: each check returns why it cannot be had, or nothing."""
import os
import pathlib
import shutil
import sysconfig


def compiler(bench):
    """Inductor writes C++ that includes Python's headers."""
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        return "torch.compile needs a C++ compiler (g++)"
    headers = pathlib.Path(sysconfig.get_paths()["include"])
    if not (headers / "Python.h").exists():
        return f"torch.compile needs Python's headers: there is no {headers}/Python.h (package python3-dev)"
    return None


def bf16(bench):
    if not {"avx512_bf16", "amx_bf16"} & set(bench.machine["flags"]):
        return "this CPU has neither avx512_bf16 nor AMX"
    return None


def precision(bench):
    ended = bench.program("onestep-train --help-config")
    if ended.code != 0:
        return ended.why()
    known = any(line.split()[:1] == ["run.precision"] for line in ended.out.splitlines())
    return None if known else "this build has no key run.precision"


CHECKS = {"compiler": compiler, "bf16": bf16, "run.precision": precision}


def why_not(row, bench):
    return next((why for need in row.needs if (why := bench.checked(need, CHECKS[need]))), None)
