#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks report.json files against lib/evaluation/report.schema.json.

    scripts/validate_report.py REPORT.json…

Prints what is wrong, one line each with file and place; exits 1 if anything is, 2 where the Python package
jsonschema (Debian: python3-jsonschema) or a file is missing.
"""
import json
import os
import pathlib
import sys

try:
    from jsonschema import Draft202012Validator
except ImportError:
    # Another Python may come first in PATH; the distribution's has the distribution's packages.
    system = "/usr/bin/python3"
    if os.path.realpath(sys.executable) != os.path.realpath(system) and os.path.exists(system):
        os.execv(system, [system, *sys.argv])
    print("validate_report: needs the Python package jsonschema (apt-get install python3-jsonschema)", file=sys.stderr)
    sys.exit(2)

SCHEMA = pathlib.Path(__file__).resolve().parent.parent / "lib/evaluation/report.schema.json"


def undocumented(schema, place="$"):
    """Keys without a description, and objects that would let unknown keys pass (but for the configuration's)."""
    for key, value in schema.get("properties", {}).items():
        if "description" not in value and "description" not in schema_at(value):
            yield f"{place}.{key}: no description"
        yield from undocumented(value, f"{place}.{key}")
    if "properties" in schema and schema.get("additionalProperties") is not False:
        yield f"{place}: additionalProperties is not false"
    for key, value in schema.get("$defs", {}).items():
        yield from undocumented(value, f"{place}.$defs.{key}")
    for value in [schema.get("items", {}), *schema.get("anyOf", [])]:
        yield from undocumented(value, place + "[]")


def schema_at(value):
    return ROOT["$defs"].get(value.get("$ref", "").removeprefix("#/$defs/"), {})


def check(path):
    """One line for everything that a report has wrong."""
    report = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    for error in Draft202012Validator(ROOT).iter_errors(report):
        yield f"{path}: {error.json_path}: {error.message}"


def main(paths):
    if not paths:
        sys.exit(__doc__)
    Draft202012Validator.check_schema(ROOT)
    wrong = [f"{SCHEMA.name}: {line}" for line in undocumented(ROOT)]
    for path in paths:
        try:
            wrong += check(path)
        except (OSError, ValueError) as error:
            print(f"validate_report: {path}: {error}", file=sys.stderr)
            return 2
    for line in wrong:
        print(line)
    return 1 if wrong else 0


ROOT = json.loads(SCHEMA.read_text(encoding="utf-8"))
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
