# SPDX-License-Identifier: Apache-2.0
"""How far the work is, on stderr: one line that is written over on a terminal, else a line every ten seconds."""
import sys
import time


class Progress:
    def __init__(self, program, what, total):
        self.program, self.what, self.total = program, what, total
        self.terminal = sys.stderr.isatty()
        self.began = self.told = time.monotonic()

    def tell(self, count):
        now = time.monotonic()
        if now - self.told < (0.2 if self.terminal else 10):
            return
        self.told = now
        rate = count / max(now - self.began, 1e-9)
        text = f"{self.program}: {self.what} {count} of {self.total}, {rate:.0f} a second"
        sys.stderr.write(f"\r{text}\x1b[K" if self.terminal else f"{text}\n")
        sys.stderr.flush()

    def end(self):
        if self.terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
