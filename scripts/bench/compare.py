# SPDX-License-Identifier: Apache-2.0
"""Two results side by side: what got slower, or faster, beyond the noise of their repeats.

A row is judged by its ratio to the peer: both ran in turns, so that a machine that is slower today slows both. What that
leaves is compared with three per cent and with what chance makes of so few repeats (Student's t at 95 %).
"""
import math

from figures import t95

FLOOR = 0.03  # relative; less is no change, however often it is repeated
UNKNOWN = 0.15  # the same where a row ran only once: its noise is not known
SAME = ("cpu", "threads", "libtorch")  # facts without which two results differ for other reasons than ours


def limit_of(old, new):
    """How far the logarithms of two ratios may be from each other by chance."""
    if old["ratio_error"] is None or new["ratio_error"] is None:
        return UNKNOWN
    degrees = len(old["ours"]["cpu_samples"]) + len(new["ours"]["cpu_samples"]) - 2
    return max(FLOOR, t95(degrees) * math.hypot(old["ratio_error"], new["ratio_error"]))


def changes(old, new):
    """For every row of both: name, verdict, old and new ratio, limit, and the change of our own CPU time."""
    before = {row["name"]: row for row in old["rows"] if row["state"] == "measured"}
    found = []
    for row in new["rows"]:
        if row["state"] != "measured" or row["name"] not in before:
            continue
        was = before[row["name"]]
        gap, limit = math.log(row["ratio"] / was["ratio"]), limit_of(was, row)
        verdict = "slower" if gap < -limit else "faster" if gap > limit else "level"
        own = was["ours"]["cpu_sec_per_item"] / row["ours"]["cpu_sec_per_item"]
        found.append({"name": row["name"], "verdict": verdict, "old": was["ratio"], "new": row["ratio"], "limit": limit, "own": own})
    return found


def only_in_one(old, new):
    """Names of rows that one of the two has not measured."""
    names = [{row["name"] for row in result["rows"] if row["state"] == "measured"} for result in (old, new)]
    return sorted(names[0] - names[1]), sorted(names[1] - names[0])


def text(old, new):
    lines = ["# Compared", ""]
    for fact in SAME:
        if old["machine"][fact] != new["machine"][fact]:
            lines += [f"{fact} differs: {old['machine'][fact]}, now {new['machine'][fact]}: ratios may differ for that.", ""]
    found = changes(old, new)
    lines += ["| row | then | now | change | beyond chance | our CPU time alone |", "|---|---|---|---|---|---|"]
    for c in sorted(found, key=lambda c: ("slower", "faster", "level").index(c["verdict"])):
        change, own = c["new"] / c["old"] - 1, c["own"] - 1
        lines.append(f"| {c['name']} | {c['old']:.2f} × | {c['new']:.2f} × | **{c['verdict']}** {change:+.0%} "
                     f"| from {c['limit']:.0%} on | {own:+.0%} speed |")
    for names, words in zip(only_in_one(old, new), ("measured then, not now", "measured now, not then")):
        if names:
            lines += ["", f"{words}: {', '.join(names)}"]
    slower = [c["name"] for c in found if c["verdict"] == "slower"]
    lines += ["", f"slower: {', '.join(slower)}" if slower else f"none of {len(found)} rows is slower"]
    return "\n".join(lines) + "\n"
