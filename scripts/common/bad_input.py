# SPDX-License-Identifier: Apache-2.0
"""What is wrong with somebody's file, in one line."""


class BadInput(Exception):
    """A file that cannot be used; exit code 3. BadInput(what), or BadInput(name, what) where several files are read."""

    def __init__(self, *name_and_what):
        *name, self.what = map(str, name_and_what)
        self.name = ": ".join(name)
        super().__init__(": ".join([*name, self.what]))


def reason(error):
    """What a library says, in one line and never empty."""
    text = getattr(error, "strerror", None) or str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__


def shown(value, limit=60):
    """Text out of a file as it may be printed: one line of printable ASCII, not too long."""
    text = ascii(value)[1:-1] if isinstance(value, str) else ascii(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def listed(items, limit=10):
    """The first ten, then how many more."""
    items = list(items)
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(shown(str(item), 120) for item in items[:limit]) + more
