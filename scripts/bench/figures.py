# SPDX-License-Identifier: Apache-2.0
"""What repeats of a measurement say: medians, ratios of medians, and how far chance may have moved them."""
import math
import statistics

# Student's t, two-sided 95 %, by degrees of freedom; of more the last.
T95 = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 10: 2.23, 12: 2.18, 15: 2.13,
       20: 2.09, 30: 2.04, 60: 2.00}
OF_MEDIAN = math.sqrt(math.pi / 2)  # the standard error of a median is so many times that of a mean (of normal numbers)


def t95(degrees):
    return T95[max(known for known in T95 if known <= max(degrees, 1))]


def log_error(logs):
    """Standard error of the median of these logarithms; None of fewer than two."""
    return OF_MEDIAN * statistics.stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else None


def side_of(label, command, samples):
    """A side of a row. `samples`: (CPU, wall) seconds an item, one for each repeat."""
    cpu, wall = ([round_to(sample[clock]) for sample in samples] for clock in (0, 1))
    middle = statistics.median(cpu)
    return {"label": label, "command": command, "cpu_sec_per_item": middle, "wall_sec_per_item": statistics.median(wall),
            "spread": round_to((max(cpu) - min(cpu)) / middle) if len(cpu) > 1 else None, "cpu_samples": cpu,
            "wall_samples": wall}


def ratio_of(ours, peer):
    """How many times as fast ours is, by CPU time; its standard error as a share, from the pairs that ran in turns; and by
    the clock on the wall."""
    pairs = zip(ours["cpu_samples"], peer["cpu_samples"])
    error = log_error([math.log(theirs / own) for own, theirs in pairs])
    return {"ratio": round_to(peer["cpu_sec_per_item"] / ours["cpu_sec_per_item"]),
            "ratio_error": None if error is None else round_to(error),
            "ratio_wall": round_to(peer["wall_sec_per_item"] / ours["wall_sec_per_item"])}


def with_shares(row, gflop, peak):
    """GFLOP a CPU second of both sides, and their shares of the machine's peak. Both do the same passes."""
    for side in (row["ours"], row["peer"]):
        rate = gflop / side["cpu_sec_per_item"]
        side["gflop_per_cpu_sec"] = round_to(rate)
        side["share_of_peak"] = round_to(rate / peak) if peak else None
    row["gflop_per_item"] = round_to(gflop)


def round_to(value, digits=5):
    return float(f"{value:.{digits}g}")
