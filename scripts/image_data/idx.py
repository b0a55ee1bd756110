# SPDX-License-Identifier: Apache-2.0
"""idx files of the MNIST family: bytes 0 0 8 rank, big-endian sizes, data; plain or gzip."""
import gzip
import io
import math
import struct
import zlib

import numpy

from common.bad_input import BadInput, reason
from .arrays import Arrays

IMAGES, LABELS = "-images-idx3-ubyte", "-labels-idx1-ubyte"
SPLITS = {"train": "train", "test": "t10k"}
MOST_BYTES = 1 << 32


def image_files(names, split):
    """Those of `names` that hold images of the split, as MNIST's files are called."""
    return [name for name in names if name.split("/")[-1].removesuffix(".gz") == SPLITS[split] + IMAGES]


def labels_beside(name):
    """What the labels' file may be called: packed as the images are, or not."""
    bare = name.removesuffix(".gz")
    if not bare.endswith(IMAGES):
        return []
    return [bare.removesuffix(IMAGES) + LABELS + suffix for suffix in ("", ".gz")]


def is_idx(head):
    return head[:3] == b"\0\0\x08"


def read_idx(file, name, rank):
    """uint8 of `rank` dimensions. No more is unpacked than the header says."""
    try:
        stream = gzip.open(file) if file.read(2) == b"\x1f\x8b" else file
        file.seek(0)
        head = stream.read(4 + 4 * rank)
        if head[:4] != bytes([0, 0, 8, rank]) or len(head) != 4 + 4 * rank:
            raise BadInput(name, f"is no idx file of bytes in {rank} dimensions")
        shape = struct.unpack(f">{rank}I", head[4:])
        size = math.prod(shape)
        if not 0 < size <= MOST_BYTES:
            raise BadInput(name, f"declares {' × '.join(map(str, shape))} bytes; 1 to {MOST_BYTES} are read")
        data = read_up_to(stream, size + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise BadInput(name, f"is truncated or damaged: {reason(error)}") from error
    if len(data) != size:
        raise BadInput(name, f"does not hold the {size} bytes that its header declares")
    return numpy.frombuffer(data, numpy.uint8).reshape(shape)


def read_up_to(stream, most):
    """Block by block: what a header declares is not taken before it is there."""
    buffer = io.BytesIO()
    while block := stream.read(min(1 << 20, most - buffer.tell())):
        buffer.write(block)
    return buffer.getbuffer()


def read_pair(images, labels, open_file, origin):
    """`images` and `labels` (None: unlabelled) are names that `open_file` takes."""
    with open_file(images) as file:
        pixels = read_idx(file, origin(images), 3)
    values = None
    if labels:
        with open_file(labels) as file:
            values = read_idx(file, origin(labels), 1)
        if len(values) != len(pixels):
            raise BadInput(origin(labels), f"holds {len(values)} labels for {len(pixels)} images")
    return Arrays("idx files", pixels, values)
