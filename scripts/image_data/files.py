# SPDX-License-Identifier: Apache-2.0
"""A folder, a zip archive or a tar archive: the names of its files, sorted, and their contents."""
import bz2
import gzip
import io
import lzma
import os
import pathlib
import shutil
import stat
import tarfile
import tempfile
import typing
import zipfile

from common.bad_input import BadInput, reason

MOST_BYTES = 1 << 28  # of a file; onestep-train reads no larger ones either
COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}


class Files(typing.NamedTuple):
    path: pathlib.Path
    names: list  # below path, with '/', in the order of their bytes
    open: typing.Callable  # name → binary file, seekable; from any thread
    not_entered: list = []  # "linked folder x"
    hidden: int = 0  # names that begin with a dot

    def origin(self, name):
        """How messages call a file."""
        return f"{self.path}/{name}"

    def read(self, name):
        with self.open(name) as file:
            return file.read()


def is_hidden(name):
    return any(part.startswith(".") for part in name.split("/"))


def sorted_names(names):
    return sorted(names, key=os.fsencode)


def folder_files(path):
    """Hidden files are passed over, links to folders not entered, and links that lead out of the folder refused."""
    names, not_entered, hidden = [], [], 0
    root = path.resolve()

    def fail(error):
        raise BadInput(error.filename, reason(error))

    def check_link(place):
        if place.is_symlink() and root not in place.resolve().parents:
            raise BadInput(place, f"is a link that leads out of {path}: copy what it points to there")

    for here, folders, files in os.walk(path, onerror=fail):
        place = pathlib.Path(here)
        below = place.relative_to(path)
        hidden += sum(is_hidden(name) for name in folders + files)
        folders[:] = [name for name in folders if not is_hidden(name)]
        for name in folders:
            check_link(place / name)
            if (place / name).is_symlink():
                not_entered.append(f"linked folder {(below / name).as_posix()}")
        for name in files:
            if not is_hidden(name):
                check_link(place / name)
                names.append((below / name).as_posix())

    def open_file(name):
        status = os.stat(path / name)
        if not stat.S_ISREG(status.st_mode):
            raise BadInput(path / name, "is no regular file")
        check_size(path / name, status.st_size)
        return open(path / name, "rb")

    return Files(path, sorted_names(names), open_file, sorted(not_entered), hidden)


def zip_files(path):
    try:
        archive = zipfile.ZipFile(path)
        members = [member for member in archive.infolist() if not member.is_dir()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise BadInput(path, f"is no zip archive, or is truncated: {reason(error)}") from error
    by_name, hidden = visible(path, ((member.filename, member) for member in members))

    def open_member(name):
        check_size(f"{path}/{name}", by_name[name].file_size)
        return archive.open(by_name[name])

    return Files(path, sorted_names(by_name), open_member, [], hidden)


def tar_files(path, scratch):
    """A compressed archive is unpacked into a file without a name in the folder `scratch`."""
    file = open(path, "rb")
    try:
        unpack = next((opens for magic, opens in COMPRESSED.items() if file.peek(8).startswith(magic)), None)
        if unpack:
            packed, file = file, tempfile.TemporaryFile(dir=scratch)
            with packed, unpack(packed) as stream:
                shutil.copyfileobj(stream, file, 1 << 20)
            file.seek(0)
        members = list(tarfile.TarFile(fileobj=file))
    except (tarfile.TarError, EOFError, lzma.LZMAError, gzip.BadGzipFile, ValueError, OverflowError) as error:
        raise BadInput(path, f"is no tar archive, or is truncated: {reason(error)}") from error
    not_entered = [f"link {m.name}" for m in members if m.issym() or m.islnk()]
    members = [member for member in members if member.isreg() and not member.issparse()]
    by_name, hidden = visible(path, ((member.name, member) for member in members))
    length = os.fstat(file.fileno()).st_size

    def open_member(name):
        member = by_name[name]
        check_size(f"{path}/{name}", member.size)
        if member.offset_data + member.size > length:
            raise BadInput(f"{path}/{name}", "is truncated")
        return io.BytesIO(os.pread(file.fileno(), member.size, member.offset_data))

    return Files(path, sorted_names(by_name), open_member, sorted(not_entered), hidden)


def visible(path, members):
    """The members by name that are not hidden, and how many are. Throws for a name that leads out, or is there twice."""
    kept = {}
    for name, member in members:
        name = name.removeprefix("./")
        if name.startswith("/") or ".." in name.split("/"):
            raise BadInput(path, f"holds '{name}': names that lead out of an archive are refused")
        if name in kept:
            raise BadInput(path, f"holds '{name}' twice")
        kept[name] = member
    shown = {name: member for name, member in kept.items() if not is_hidden(name)}
    return shown, len(kept) - len(shown)


def check_size(name, size):
    if size > MOST_BYTES:
        raise BadInput(name, f"has {size} bytes; {MOST_BYTES} at most are read")
