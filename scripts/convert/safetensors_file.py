# SPDX-License-Identifier: Apache-2.0
"""Safetensors: a length, a JSON header, the numbers."""
import json
import math
import struct

from common.bad_input import BadInput, shown
from .tensors import SIZES, float32_pieces, from_bytes

MAX_HEADER = 100 << 20
DTYPES = {"F32": "f32", "F16": "f16", "BF16": "bf16", "F64": "f64", "I64": "i64", "I32": "i32", "I16": "i16", "I8": "i8",
          "U8": "u8", "BOOL": "bool"}


def unique(pairs):
    values = dict(pairs)
    if len(values) != len(pairs):
        raise BadInput("a key stands twice in its header")
    return values


def parse_json(text, what):
    try:
        value = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{what} is not JSON: {shown(str(error))}") from None
    if not isinstance(value, dict):
        raise BadInput(f"{what} is not a JSON object")
    return value


def is_safetensors(data):
    return len(data) > 9 and 2 <= struct.unpack("<Q", data[:8])[0] <= len(data) - 8 and data[8] == ord("{")


def read_safetensors(data):
    """Name → tensor, and the metadata."""
    length = struct.unpack("<Q", data[:8])[0]
    if length > MAX_HEADER:
        raise BadInput(f"its header is {length} bytes long")
    header = parse_json(bytes(data[8 : 8 + length]), "its header")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise BadInput("its metadata is not text")
    body, tensors = data[8 + length :], {}
    for name, entry in header.items():
        match entry:
            case {"dtype": str(kind), "shape": list(shape), "data_offsets": [int(begin), int(end)]} if kind in DTYPES:
                dtype = DTYPES[kind]
            case _:
                raise BadInput(f"the entry of {shown(name)} in its header is not one of safetensors")
        if not all(type(size) is int and 0 <= size < 2**62 for size in shape) or not 0 <= begin <= end <= len(body):
            raise BadInput(f"{shown(name)} leads outside the file: truncated or damaged")
        if math.prod(shape) * SIZES[dtype] != end - begin:
            raise BadInput(f"{shown(name)} of shape {shape} has {end - begin} bytes")
        tensors[name] = from_bytes(dtype, shape, body[begin:end])
    return tensors, metadata


def header(tensors, metadata):
    entries, end = {"__metadata__": metadata}, 0
    for name, tensor in tensors.items():
        begin, end = end, end + 4 * math.prod(tensor.shape)
        entries[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def write_safetensors(file, tensors, metadata, written=lambda: None):
    """Writes to an open file. `metadata` is a function that is called last: its values must be as long as when it is
    asked the first time, with False. `written` is called after each tensor."""
    file.write(header(tensors, metadata(False)))
    for tensor in tensors.values():
        for piece in float32_pieces(tensor):
            file.write(piece)
        written()
    file.seek(0)
    file.write(header(tensors, metadata(True)))
