# SPDX-License-Identifier: Apache-2.0
"""The directory of a zip archive that lies in memory: where each entry's bytes are. Nothing is inflated."""
import struct
from dataclasses import dataclass

from common.bad_input import BadInput, shown

MAX_ENTRIES = 100_000
END, END64, LOCATOR64, ENTRY, LOCAL = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2", b"PK\3\4"


@dataclass(frozen=True)
class Entry:
    begin: int
    size: int
    crc: int
    compressed: bool


def unpack(form, data, at):
    if not 0 <= at <= len(data) - struct.calcsize(form):
        raise BadInput("its zip directory leads outside the file: truncated or damaged")
    return struct.unpack_from(form, data, at)


def find_directory(data):
    """Offset of the central directory, and its number of entries."""
    tail = bytes(data[max(0, len(data) - 65557) :])
    end = tail.rfind(END)
    if end < 0:
        raise BadInput("a zip archive without its directory: truncated")
    end += len(data) - len(tail)
    count, size, offset = unpack("<H2I", data, end + 10)
    if end >= 20 and data[end - 20 : end - 16] == LOCATOR64:
        (end64,) = unpack("<Q", data, end - 12)
        signature, count, size, offset = unpack("<4s28x3Q", data, end64)[:4]
        if signature != END64:
            raise BadInput("its zip64 directory is damaged")
    if count > MAX_ENTRIES:
        raise BadInput(f"a zip archive of {count} entries; no checkpoint has so many")
    return offset, count


def wide_fields(extra, size, packed, offset):
    """Size, packed size and offset with those that stand in the zip64 field."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            wide = [value for (value,) in struct.iter_unpack("<Q", extra[at + 4 : at + 4 + length // 8 * 8])]
            fields = [wide.pop(0) if value == 0xFFFFFFFF and wide else value for value in (size, packed, offset)]
            return tuple(fields)
        at += 4 + length
    return size, packed, offset


def read_directory(data):
    """Name → Entry, every one inside the file."""
    at, count = find_directory(data)
    entries = {}
    for _ in range(count):
        signature, flags, method, crc, packed, size, name_length, extra_length, comment_length, offset = unpack(
            "<4s4x2H4x3I3H8xI", data, at)
        if signature != ENTRY:
            raise BadInput("its zip directory is damaged")
        unpack(f"{name_length + extra_length}x", data, at + 46)
        raw = bytes(data[at + 46 : at + 46 + name_length])
        extra = bytes(data[at + 46 + name_length : at + 46 + name_length + extra_length])
        at += 46 + name_length + extra_length + comment_length
        name = raw.decode("utf-8", "replace")
        if flags & 1:
            raise BadInput(f"entry {shown(name)} is encrypted")
        size, packed, offset = wide_fields(extra, size, packed, offset)
        local, local_name, local_extra = unpack("<4s22x2H", data, offset)
        begin = offset + 30 + local_name + local_extra
        if local != LOCAL or begin + packed > len(data):
            raise BadInput(f"entry {shown(name)} of {packed} bytes leads outside the file: truncated or damaged")
        if name in entries:
            raise BadInput(f"two entries are called {shown(name)}")
        if method == 0 and packed != size:
            raise BadInput(f"entry {shown(name)} has two sizes")
        entries[name] = Entry(begin, size, crc, method != 0)
    return entries
