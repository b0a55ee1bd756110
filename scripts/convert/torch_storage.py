# SPDX-License-Identifier: Apache-2.0
"""What torch.save writes: storages behind a pickle (the legacy form, also inside other pickles) or beside it in a zip."""
import struct
import zlib

from common.bad_input import BadInput, shown
from common.pickle_machine import Budget, Global, Machine
from .tensors import SIZES, Storage
from .zip_directory import read_directory

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
TYPES = {f"torch.{name}Storage": dtype for name, dtype in {
    "Float": "f32", "Half": "f16", "BFloat16": "bf16", "Double": "f64", "Long": "i64", "Int": "i32", "Short": "i16",
    "Char": "i8", "Byte": "u8", "Bool": "bool", "Untyped": "u8"}.items()}
TYPES["torch.storage.UntypedStorage"] = "u8"
STORAGE_GLOBALS = dict.fromkeys(TYPES)


class Storages:
    """The storages that a pickle refers to, by key; `locate` finds one's bytes at once where it is known."""

    def __init__(self, locate=None):
        self.by_key, self.locate = {}, locate

    def __call__(self, reference):
        """A persistent id: ("storage", type, key, device, numbers in it[, a view of it])."""
        match reference:
            case ("storage", Global(name=name), str(key), _, int(count), *view) if name in TYPES and count >= 0:
                if any(item is not None for item in view):
                    raise BadInput("a view of a storage, as PyTorch before 0.4 wrote them: save it with a later one")
            case _:
                raise BadInput("its pickle refers to something that is not a storage of PyTorch")
        if key not in self.by_key:
            storage = self.by_key[key] = Storage(TYPES[name], count)
            if self.locate:
                storage.data = self.locate(key, count * SIZES[storage.dtype])
        storage = self.by_key[key]
        if (storage.dtype, storage.count) != (TYPES[name], count):
            raise BadInput(f"storage {shown(key)} is referred to with two types or sizes")
        return storage


def is_legacy(data):
    """Whether `data` begins as torch.save's legacy form does: with a pickle of one number, in any protocol."""
    try:
        return Machine(data, 0, {}, Budget(opcodes=4, text=0)).run() == MAGIC
    except BadInput:
        return False


def read_legacy(data, known, budget):
    """The object of a legacy file or blob: four short pickles and the storages' keys, then their bytes."""
    at = 0

    def unpickle(table, persistent=None):
        nonlocal at
        machine = Machine(data, at, table, budget, persistent)
        value = machine.run()
        at = machine.at
        return value

    if unpickle({}) != MAGIC:
        raise BadInput("a storage in it does not begin as PyTorch's do")
    if unpickle({}) != PROTOCOL:
        raise BadInput("a version of PyTorch's legacy form that is not known")
    system = unpickle({})
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise BadInput("written on a big-endian machine: its numbers cannot be read")
    storages = Storages()
    value = unpickle(known, storages)
    keys = unpickle({})
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages.by_key):
        raise BadInput("its list of storages is not what its pickle refers to")
    for key in keys:
        storage = storages.by_key[key]
        length = storage.count * SIZES[storage.dtype]
        if len(data) - at < 8 + length:
            raise BadInput(f"ends within storage {shown(key)}: {length} bytes are due, "
                           f"{max(len(data) - at - 8, 0)} are left")
        if struct.unpack("<q", data[at : at + 8])[0] != storage.count:
            raise BadInput(f"storage {shown(key)} has another size than its pickle says")
        storage.data = data[at + 8 : at + 8 + length]
        at += 8 + length
    if at != len(data):
        raise BadInput(f"{len(data) - at} bytes too many behind its last storage")
    return value


def read_archive(data, known, budget):
    """The object of the zip form: NAME/data.pkl and a stored entry NAME/data/KEY for each storage."""
    entries = read_directory(data)
    pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise BadInput("a zip archive, but none of PyTorch's: it has no single data.pkl")
    root = pickles[0].removesuffix("data.pkl")
    if f"{root}constants.pkl" in entries:
        raise BadInput("a TorchScript program, not a checkpoint")

    def content(name):
        entry = entries[name]
        if entry.compressed:
            raise BadInput(f"entry {shown(name)} is compressed; PyTorch stores them")
        view = data[entry.begin : entry.begin + entry.size]
        if entry.crc not in (0, zlib.crc32(view)):  # PyTorch writes 0 where it was told not to compute them
            raise BadInput(f"entry {shown(name)} is damaged: its CRC-32 differs")
        return view

    def locate(key, length):
        name = f"{root}data/{key}"
        if name not in entries:
            raise BadInput(f"storage {shown(key)} is missing")
        view = content(name)
        if len(view) != length:
            raise BadInput(f"storage {shown(key)} has {len(view)} bytes, its pickle says {length}")
        return view

    if f"{root}byteorder" in entries and content(f"{root}byteorder") != b"little":
        raise BadInput("written on a big-endian machine: its numbers cannot be read")
    machine = Machine(content(pickles[0]), 0, known, budget, Storages(locate))
    return machine.run()
