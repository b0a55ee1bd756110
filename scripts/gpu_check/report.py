# SPDX-License-Identifier: Apache-2.0
"""What was found, as gpu_check.json and as a Markdown table."""
import json
import pathlib
from dataclasses import asdict, dataclass


@dataclass
class Row:
    """One thing that was looked at. `state`: holds, FAILED, measured (no claim is made), skipped, not run."""

    section: str
    what: str
    state: str
    value: str = ""
    repeat: str = ""  # the command that does it again
    figures: dict | None = None


def failed(rows):
    return [row for row in rows if row.state == "FAILED"]


def count(rows, state):
    return sum(row.state == state for row in rows)


def markdown(machine, rows):
    """A table a section, then a line for every failure with the command that repeats it."""
    lines = ["# GPU check", ""]
    lines += [f"- {key}: {value}" for key, value in machine.items()]
    sections = dict.fromkeys(row.section for row in rows)
    for section in sections:
        lines += ["", f"## {section}", "", "| what | state | value |", "|---|---|---|"]
        for row in rows:
            if row.section == section:
                cells = [cell.replace("|", "\\|").replace("\n", " ") for cell in (row.what, row.state, row.value)]
                lines.append(f"| {' | '.join(cells)} |")
    bad = failed(rows)
    states = {state: count(rows, state) for state in ("holds", "FAILED", "measured", "skipped", "not run")}
    lines += ["", "**" + ", ".join(f"{number} {state}" for state, number in states.items() if number) + "**"]
    if bad:
        lines += ["", "## To repeat what failed", ""]
        for row in bad:
            lines += [f"- {row.section}, {row.what}: {row.value}", f"  `{row.repeat}`"]
    return "\n".join(lines) + "\n"


def write(folder, machine, rows):
    """Both files; returns the Markdown."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    held = not failed(rows) and not count(rows, "not run")
    content = {"schema": 1, "machine": machine, "held": held, "rows": [asdict(row) for row in rows]}
    text = markdown(machine, rows)
    for name, bytes_of in (("gpu_check.json", json.dumps(content, indent=1)), ("gpu_check.md", text)):
        partial = folder / (name + ".partial")
        partial.write_text(bytes_of + "\n")
        partial.replace(folder / name)
    return text
