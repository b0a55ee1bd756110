# SPDX-License-Identifier: Apache-2.0
"""A file that appears whole or not at all."""
import contextlib
import os
import pathlib
import tempfile


@contextlib.contextmanager
def output_file(path):
    """A binary file under a hidden name beside `path`, which takes its place at the end; gone if anything is thrown."""
    path = pathlib.Path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(handle)
            umask = os.umask(0)
            os.umask(umask)
            os.fchmod(handle, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
