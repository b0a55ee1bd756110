# SPDX-License-Identifier: Apache-2.0
"""A file that appears whole or not at all."""
import contextlib
import os
import tempfile


@contextlib.contextmanager
def output_file(path):
    """An unbuffered file under a temporary name beside `path`, synced and renamed at the end; removed on any error."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "w+b", buffering=0) as raw:
            yield Whole(raw)
            os.fsync(handle)
            umask = os.umask(0)
            os.umask(umask)
            os.fchmod(handle, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


class Whole:
    """An unbuffered file whose write() writes all."""

    def __init__(self, raw):
        self.raw, self.seek, self.tell, self.flush = raw, raw.seek, raw.tell, raw.flush

    def write(self, data):
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            done += self.raw.write(view[done:])
        return done

    def seekable(self):
        return True
