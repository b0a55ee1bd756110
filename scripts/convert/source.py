# SPDX-License-Identifier: Apache-2.0
"""A file that is read: mapped into memory, hashed beside the work, and told apart by how it begins."""
import hashlib
import mmap
import os
import stat
import threading

from common.bad_input import BadInput, shown
from common.pickle_machine import Budget, read_pickle
from .known_globals import checkpoint_globals
from .safetensors_file import is_safetensors, read_safetensors
from .torch_storage import is_legacy, read_archive, read_legacy


class Source:
    def __init__(self, path):
        self.path = path
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise BadInput("not a regular file")
        self.file, self.hashing = open(path, "rb", buffering=0), None
        self.state = self.current_state()
        self.size = self.state.st_size
        if self.size == 0:
            self.file.close()
            raise BadInput("empty")
        self.mapping = mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ)
        self.data = memoryview(self.mapping)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing = True
        if self.hashing:
            self.hashing.join()
        self.file.close()

    def current_state(self):
        return os.fstat(self.file.fileno())

    def hash_beside(self):
        """Starts computing the SHA-256 in a thread of its own."""
        self.digest, self.failure, self.closing = hashlib.sha256(), None, False
        self.hashing = threading.Thread(target=self.hash, daemon=True)
        self.hashing.start()

    def hash(self):
        try:
            while not self.closing and (block := self.file.read(1 << 20)):
                self.digest.update(block)
        except OSError as error:
            self.failure = error

    def sha256(self):
        """The digest, of a file that was one and the same all the time."""
        self.hashing.join()
        if self.failure:
            raise self.failure
        now = self.current_state()
        if (now.st_size, now.st_mtime_ns) != (self.state.st_size, self.state.st_mtime_ns):
            raise BadInput("changed while it was read")
        return self.digest.hexdigest()

    def forget(self):
        """Gives back the pages that were read: they are the file's, and need not count as this process's."""
        self.mapping.madvise(mmap.MADV_DONTNEED)

    def contents(self):
        """What kind of file it is, the value that it holds, and its metadata (of safetensors alone)."""
        data = self.data
        budget = Budget(opcodes=1_000_000, text=64 << 20)  # ten times what an official checkpoint needs
        if data[:4] == b"PK\3\4":
            return "PyTorch archive", read_archive(data, checkpoint_globals(budget), budget), {}
        if is_safetensors(data):
            return "safetensors", *read_safetensors(data)
        if data[0] != 0x80:
            raise BadInput(f"neither a pickle nor a PyTorch archive nor safetensors; it begins with "
                           f"{shown(bytes(data[:24]).decode('latin1'))}")
        if is_legacy(data):
            return "PyTorch file of the legacy form", read_legacy(data, checkpoint_globals(budget), budget), {}
        return "pickle", read_pickle(data, checkpoint_globals(budget), budget), {}
