# SPDX-License-Identifier: Apache-2.0
"""What the tests of scripts/bench share: where it is, and results that are written by hand."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts" / "bench"))

from figures import ratio_of, side_of  # noqa: E402


def result_row(name, ours, peer, goal=None):
    """A measured row of these CPU seconds; by the wall clock both take twice as long."""
    row = {"name": name, "what": "words", "unit": "images", "dtype": "float32", "goal": goal, "peer_label": "peer", "state": "measured",
           "ours": side_of("OneStep", "ours", [(s, 2 * s) for s in ours]), "peer": side_of("peer", "theirs", [(s, 2 * s) for s in peer])}
    row |= ratio_of(row["ours"], row["peer"])
    row["met"] = None if goal is None else row["ratio"] >= goal
    return row


def result_of(*rows, **machine):
    facts = {"cpu": "a CPU", "cores": 2, "threads": 1, "libtorch": "2.11", "python": "3", "commit": "c" * 40, "changed": False,
             "date": "today", "load_at_start": 0.0, "flags": []} | machine
    return {"schema": 1, "machine": facts, "repeats": 3, "quick": False, "roofline": [], "peak": {}, "rows": list(rows)}
