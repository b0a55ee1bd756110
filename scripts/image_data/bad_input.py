# SPDX-License-Identifier: Apache-2.0
"""What is wrong with somebody's file."""


class BadInput(Exception):
    """`what` is wrong with the file `name`; exit code 3."""

    def __init__(self, name, what):
        super().__init__(f"{name}: {what}")
        self.name, self.what = str(name), what


def reason(error):
    """What a library says, in one line and never empty."""
    text = getattr(error, "strerror", None) or str(error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__
