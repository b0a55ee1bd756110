# SPDX-License-Identifier: Apache-2.0
"""Tensors as views of a file's bytes, and their numbers as float32, a piece at a time."""
import itertools
import math
import struct
from array import array
from dataclasses import dataclass
from typing import Optional

from common.bad_input import BadInput

SIZES = {"f32": 4, "f16": 2, "bf16": 2, "f64": 8, "i64": 8, "i32": 4, "i16": 2, "i8": 1, "u8": 1, "bool": 1}
PIECE = 1 << 20  # numbers
MAX_DIMENSIONS = 8


@dataclass(eq=False)
class Storage:
    """`count` numbers in a row; `data` is set when it is known where they lie."""

    dtype: str
    count: int
    data: Optional[memoryview] = None


@dataclass(eq=False)
class Tensor:
    """A strided view of a storage, inside it."""

    storage: Storage
    offset: int
    shape: tuple
    strides: tuple

    @property
    def dtype(self):
        return self.storage.dtype


@dataclass(eq=False)
class Joined:
    """Tensors one below the other, along the first dimension."""

    parts: list
    dtype = "f32"

    @property
    def shape(self):
        return (sum(part.shape[0] for part in self.parts), *self.parts[0].shape[1:])


def row_major(shape):
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def make_tensor(storage, offset, shape, strides):
    """Checked: whole numbers, not negative, no element twice, none outside the storage."""
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, Storage) or len(shape) != len(strides) or len(shape) > MAX_DIMENSIONS:
        raise BadInput("a tensor that is not made as PyTorch makes them")
    if not all(type(number) is int and 0 <= number < 2**62 for number in numbers):
        raise BadInput("a tensor whose sizes are no sizes")
    count = math.prod(shape)
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides))
    if count and (last >= storage.count or count > storage.count):
        raise BadInput(f"a tensor of sizes {list(shape)}, offset {offset} and strides {list(strides)} "
                       f"leaves its storage of {storage.count} numbers")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def from_bytes(dtype, shape, data):
    count = len(data) // SIZES[dtype]
    return make_tensor(Storage(dtype, count, memoryview(data)), 0, tuple(shape), row_major(shape))


def is_contiguous(tensor):
    plain = row_major(tensor.shape)
    return all(size == 1 or a == b for size, a, b in zip(tensor.shape, tensor.strides, plain))


def pieces(tensor):
    """The tensor's numbers in order, as they are stored: byte strings of at most PIECE numbers."""
    size, count = SIZES[tensor.dtype], math.prod(tensor.shape)
    if count == 0:
        return
    if is_contiguous(tensor):
        begin, end = tensor.offset * size, (tensor.offset + count) * size
        for at in range(begin, end, PIECE * size):
            yield tensor.storage.data[at : min(at + PIECE * size, end)]
        return
    view = tensor.storage.data.cast({1: "B", 2: "H", 4: "I", 8: "Q"}[size])
    (*outer, width), (*steps, step) = tensor.shape, tensor.strides
    gathered = bytearray()
    for index in itertools.product(*map(range, outer)):
        at = tensor.offset + sum(i * s for i, s in zip(index, steps))
        for column in range(0, width, PIECE):
            some = min(PIECE, width - column)
            first = at + column * step
            gathered += view[first : first + (some - 1) * step + 1 : step or 1].tobytes() * (1 if step else some)
            if len(gathered) >= PIECE * size:
                yield gathered
                gathered = bytearray()
    yield gathered


def widen_half(data):
    return array("f", struct.unpack(f"<{len(data) // 2}e", data))


def widen_bfloat16(data):
    wide = bytearray(2 * len(data))  # the upper halves of float32
    wide[2::4], wide[3::4] = data[0::2], data[1::2]
    return wide


AS_FLOAT32 = {"f32": lambda data: data, "f16": widen_half, "bf16": widen_bfloat16,
              "f64": lambda data: array("f", memoryview(data).cast("B").cast("d"))}


def float32_pieces(tensor):
    """The tensor's numbers in order, as float32: exact but for f64, which is rounded."""
    for part in tensor.parts if isinstance(tensor, Joined) else [tensor]:
        convert = AS_FLOAT32[part.dtype]
        for piece in pieces(part):
            yield convert(piece)


def same(a, b):
    return a.shape == b.shape and all(bytes(x) == bytes(y) for x, y in zip(float32_pieces(a), float32_pieces(b)))


def values(tensor):
    """A small tensor's numbers as a list."""
    data = b"".join(bytes(piece) for piece in float32_pieces(tensor))
    return list(struct.unpack(f"<{len(data) // 4}f", data))
