# SPDX-License-Identifier: Apache-2.0
"""A plain state dict in torch.save's zip form, which torch.load(…, weights_only=True) reads."""
import math
import struct
import zipfile

from .tensors import float32_pieces, row_major

ROOT = "archive"
ALIGNMENT = 64


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value):
    if value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little")
    return b"\x8a" + bytes([len(data)]) + data


def integers(numbers):
    return b"(" + b"".join(map(integer, numbers)) + b"t"


def pickled(tensors):
    """The pickle of an OrderedDict of float32 tensors, each with a storage of its own, whose keys are 0, 1, …"""
    empty = b"ccollections\nOrderedDict\n)R"
    items = []
    for key, (name, tensor) in enumerate(tensors.items()):
        storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(str(key)) + text("cpu")
        storage += integer(math.prod(tensor.shape)) + b"tQ"
        view = integer(0) + integers(tensor.shape) + integers(row_major(tensor.shape))
        items.append(text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + view + b"\x89" + empty + b"tR")
    return b"\x80\x02" + empty + b"(" + b"".join(items) + b"u."


def write_torch(file, tensors, written=lambda: None):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:

        def entry(name, size):
            info = zipfile.ZipInfo(f"{ROOT}/{name}")  # the date is 1980's: the same tensors make the same bytes
            info.file_size = size
            zip64 = 20 if size * 1.05 > zipfile.ZIP64_LIMIT else 0
            begin = file.tell() + 30 + len(info.filename) + zip64 + 4
            padding = -begin % ALIGNMENT
            info.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
            return archive.open(info, "w")

        def add(name, data):
            with entry(name, len(data)) as out:
                out.write(data)

        add("data.pkl", pickled(tensors))
        add("byteorder", b"little")
        for key, tensor in enumerate(tensors.values()):
            with entry(f"data/{key}", 4 * math.prod(tensor.shape)) as out:
                for piece in float32_pieces(tensor):
                    out.write(piece)
            written()
        add("version", b"3\n")
