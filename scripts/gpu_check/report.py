# SPDX-License-Identifier: Apache-2.0
"""What was found, as gpu_check.json, as a Markdown table, and in brief."""
import json
import pathlib
from dataclasses import asdict, dataclass

STATES = ("holds", "FAILED", "measured", "skipped", "not run")


@dataclass
class Row:
    """One thing that was looked at. `state`: holds, FAILED, measured (no claim is made), skipped, not run."""

    section: str
    what: str
    state: str
    value: str = ""
    repeat: str = ""  # the command that does it again
    figures: dict | None = None
    output: str = ""  # of the program, where that failed


def failure(section, what, ended):
    """A row for a program that failed, or that there was no time to start."""
    state = "FAILED" if ended.seconds else "not run"
    return Row(section, what, state, ended.why(), ended.command, output=ended.tail())


def failed(rows):
    return [row for row in rows if row.state == "FAILED"]


def count(rows, state):
    return sum(row.state == state for row in rows)


def totals(rows):
    return ", ".join(f"{number} {state}" for state in STATES if (number := count(rows, state)))


def by_section(rows):
    sections = {}
    for row in rows:
        sections.setdefault(row.section, []).append(row)
    return sections


def markdown(machine, rows):
    """A table a section, then a line for every failure with the command that repeats it."""
    lines = ["# GPU check", ""]
    lines += [f"- {key}: {value}" for key, value in machine.items()]
    for section, some in by_section(rows).items():
        lines += ["", f"## {section}", "", "| what | state | value |", "|---|---|---|"]
        for row in some:
            cells = [cell.replace("|", "\\|").replace("\n", " ") for cell in (row.what, row.state, row.value)]
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"**{totals(rows)}**"]
    if failed(rows):
        lines += ["", "## To repeat what failed", ""]
        for row in failed(rows):
            lines += [f"- {row.section}, {row.what}: {row.value}"] + ([f"  `{row.repeat}`"] if row.repeat else [])
    return "\n".join(lines) + "\n"


def brief(machine, rows):
    """What fits the 12,000 characters that are often all to be seen of a run elsewhere: figures, then failures."""

    def shortened(lines, most):
        kept, size = [], 0
        for line in lines:
            size += len(line) + 1
            if size > most:
                return [*kept, f"  … and {len(lines) - len(kept)} more"]
            kept.append(line)
        return kept

    def listed(states, most):
        some = [row for row in rows if row.state in states]
        lines = [f"  {row.section}, {row.what}: {row.value.replace(chr(10), ' ')[:250]}" for row in some]
        return [" and ".join(states) + ":", *shortened(lines, most)] if lines else []

    lines = ["# GPU check, in brief"] + [f"{key}: {value[:150]}" for key, value in machine.items()]
    lines += listed(["measured"], 5000)
    lines += [f"{section}: {totals(some)}" for section, some in by_section(rows).items()]
    lines += listed(["FAILED", "not run"], 4500)
    return "\n".join([*lines, totals(rows)]) + "\n"


def write(folder, machine, rows, programs=()):
    """Both files."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    held = not failed(rows) and not count(rows, "not run")
    ran = [{"command": ended.command, "code": ended.code, "seconds": round(ended.seconds, 1)} for ended in programs]
    content = {"schema": 1, "machine": machine, "held": held, "rows": [asdict(row) for row in rows], "programs": ran}
    for name, text in (("gpu_check.json", json.dumps(content, indent=1)), ("gpu_check.md", markdown(machine, rows))):
        partial = folder / (name + ".partial")
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(folder / name)
