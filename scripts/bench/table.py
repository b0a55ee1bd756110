# SPDX-License-Identifier: Apache-2.0
"""A bench's result as Markdown: the machine, its peak, the table, and the commands that repeat it."""


def figure(side, unit):
    """What a side does in a CPU second, or how many it takes."""
    seconds = side["cpu_sec_per_item"]
    if unit == "s":
        return f"{seconds:.3g} s"
    rate, suffix = (1e-6 / seconds, "M/s") if unit == "elements" else (1 / seconds, "images/s")
    return f"{rate:,.0f} {suffix}" if rate >= 100 else f"{rate:.3g} {suffix}"


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def share(side):
    value = side.get("share_of_peak")
    return "" if value is None else f"{100 * value:.0f} %"


def goal(row):
    return "" if row["goal"] is None else f"≥ {row['goal']:.2g} ×, {'met' if row['met'] else 'missed'}"


def line(row):
    if row["state"] != "measured":
        return f"| {cell(row['name'])} | {cell(row['what'])} | | {cell(row['peer_label'])} | {cell(row['state'])}: {cell(row['why'])} " \
               f"| {goal_text(row)} | |"
    ours, peer, unit = row["ours"], row["peer"], row["unit"]
    own = "" if ours["label"] == "OneStep" else f"{ours['label']}: "
    error = "" if row["ratio_error"] is None else f" ± {row['ratio'] * row['ratio_error']:.2f}"
    shares = " ".join(filter(None, (share(ours), share(peer) and f"({share(peer)})")))
    return f"| {cell(row['name'])} | {cell(row['what'])} | {own}{figure(ours, unit)} | {cell(peer['label'])}: {figure(peer, unit)} " \
           f"| {row['ratio']:.2f} ×{error} | {goal(row)} | {shares} |"


def goal_text(row):
    return "" if row["goal"] is None else f"≥ {row['goal']:.2g} ×"


def roofline(result):
    """A line for each operation, a column for each dtype."""
    rates = {(r["what"], r["dtype"]): f"{r['gflop_per_cpu_sec']:.0f}" for r in result["roofline"]}
    dtypes = list(dict.fromkeys(dtype for _, dtype in rates))
    lines = [f"| GFLOP a CPU second | {' | '.join(dtypes)} |", "|---|" + "---|" * len(dtypes)]
    return lines + [f"| {what} | {' | '.join(rates.get((what, dtype), '') for dtype in dtypes)} |"
                    for what in dict.fromkeys(what for what, _ in rates)]


def markdown(result):
    machine, peaks = result["machine"], result["peak"]
    lines = ["# Bench", "", f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads; LibTorch {machine['libtorch']}, "
             f"Python {machine['python']}; {machine['commit'][:10]}{' and changes' if machine['changed'] else ''}; {machine['date']}, "
             f"load {machine['load_at_start']} at the start. All figures are of CPU time, medians of {result['repeats']} runs in turns "
             "with the peer's. ± is one standard error.", ""]
    if peaks:
        lines += ["Peak, the best of the roofline: " + ", ".join(f"{peak:.0f} GFLOP a CPU second in {dtype}" for dtype, peak in peaks.items())
                  + ". Shares of it: OneStep's (the peer's).", ""]
    lines += ["| row | what | OneStep | peer | × as fast | goal | of the peak |", "|---|---|---|---|---|---|---|"]
    lines += [line(row) for row in result["rows"]]
    if result["roofline"]:
        lines += ["", "## Roofline", "", *roofline(result)]
    lines += ["", "## To repeat a row", "", "At the root of the repository; files that are named come from one run of this script.", ""]
    seen = set()
    for row in result["rows"]:
        if row["state"] == "measured":
            for side in (row["ours"], row["peer"]):
                if side["command"] not in seen:
                    seen.add(side["command"])
                    lines.append(f"- {row['name']}, {side['label']}: `{side['command']}`")
    return "\n".join(lines) + "\n"
