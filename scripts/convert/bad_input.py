# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a file, in one line."""


class BadInput(Exception):
    """A file that cannot be used; the command prints it behind the file's name and ends with exit code 3."""


def shown(value, limit=60):
    """Text out of a file as it may be printed: one line of printable ASCII, not too long."""
    text = ascii(value)[1:-1] if isinstance(value, str) else ascii(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def listed(items, limit=10):
    """The first ten, then how many more."""
    items = list(items)
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(shown(str(item), 120) for item in items[:limit]) + more
