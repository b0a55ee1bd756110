# SPDX-License-Identifier: Apache-2.0
"""An assembler of pickles: what PyTorch and EDM would have written, and what they never would."""
import math
import struct

STORAGES = {"F32": "FloatStorage", "F16": "HalfStorage", "BF16": "BFloat16Storage", "I64": "LongStorage"}
SIZES = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8}


def text(value):
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def value(item):
    """Plain values; bytes are taken as pickled already."""
    match item:
        case bytes():
            return item
        case None:
            return b"N"
        case bool():
            return b"\x88" if item else b"\x89"
        case int():
            data = item.to_bytes(item.bit_length() // 8 + 1, "little", signed=True)
            return b"\x8a" + bytes([len(data)]) + data
        case float():
            return b"G" + struct.pack(">d", item)
        case str():
            return text(item)
        case tuple():
            return b"(" + b"".join(map(value, item)) + b"t"
        case list():
            return b"](" + b"".join(map(value, item)) + b"e"
        case set():
            return b"\x8f(" + b"".join(map(value, item)) + b"\x90"
        case dict():
            return b"}(" + b"".join(value(key) + value(one) for key, one in item.items()) + b"u"
    raise TypeError(type(item))


def binary(data):
    return b"\x8e" + struct.pack("<Q", len(data)) + data


def name(full):
    module, _, last = full.rpartition(".")
    return text(module) + text(last) + b"\x93"


def call(full, *arguments):
    return name(full) + value(arguments) + b"R"


def new(full, state):
    return name(full) + b")\x81" + value(state) + b"b"


def whole(item, protocol=4):
    return bytes([0x80, protocol]) + value(item) + b"."


def legacy(item, keys=(), storages=(), magic=0x1950A86A20F9469CFC6C, version=1001, little=True):
    """torch.save's legacy form: `storages` are pairs of a count and bytes."""
    system = {"protocol_version": version, "little_endian": little, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = b"".join(whole(part, 2) for part in (magic, version, system, item, list(keys)))
    return head + b"".join(struct.pack("<q", count) + data for count, data in storages)


def storage_id(dtype, key, count, *view):
    return value(("storage", name(f"torch.{STORAGES[dtype]}"), key, "cuda:0", count, *view)) + b"Q"


def blob(dtype, data, count=None):
    """The storage inside an official pickle: a legacy file of its own."""
    count = len(data) // SIZES[dtype] if count is None else count
    return legacy(storage_id(dtype, "94630470208608", count, None), ["94630470208608"], [(count, data)])


def tensor(dtype, shape, data, offset=0, strides=None, storage=None):
    storage = storage or call("torch.storage._load_from_bytes", binary(blob(dtype, data)))
    strides = [math.prod(shape[i + 1 :]) for i in range(len(shape))] if strides is None else strides
    return call("torch._utils._rebuild_tensor_v2", storage, offset, tuple(shape), tuple(strides), False,
                call("collections.OrderedDict"))


def parameter(pickled):
    return call("torch._utils._rebuild_parameter", pickled, False, call("collections.OrderedDict"))


def persistent(class_name, state):
    return call("torch_utils.persistence._reconstruct_persistent_obj",
                {"type": "class", "version": 6, "module_src": "raise SystemExit('this was run')", "class_name": class_name,
                 "state": state})


def module(class_name, tensors, state=None, modules=None):
    """A persistent module with `tensors` (dotted name → pickled tensor) in modules below it."""
    own = {key: parameter(one) for key, one in tensors.items() if "." not in key and key not in ("u", "freqs")}
    buffers = {key: one for key, one in tensors.items() if key in ("u", "freqs")}
    below = {}
    for key, one in tensors.items():
        if "." in key:
            first, rest = key.split(".", 1)
            below.setdefault(first, {})[rest] = one
    children = {key: module("Linear", inner) for key, inner in below.items()} | (modules or {})
    return persistent(class_name, {
        "training": False, "_parameters": own, "_buffers": buffers, "_non_persistent_buffers_set": set(),
        "_backward_hooks": call("collections.OrderedDict"), "_modules": children, **(state or {})})


def edm(precond, network, arguments, tensors, state=None):
    """A snapshot: `tensors` are dotted name → pickled tensor, of the network without "model."; `state` adds to what
    the preconditioning records."""
    inner = module(network, tensors, {"label_dropout": 0, "_init_args": (), "_init_kwargs": arguments})
    own = {"u": state.pop("u")} if state and "u" in state else {}
    outer = module(precond, own, {"sigma_data": 0.5, "_init_args": (), "_init_kwargs": {}, **(state or {})},
                   {"model": inner})
    return whole({"ema": outer, "loss_fn": persistent("EDMLoss", {}), "augment_pipe": None, "dataset_kwargs": {}})
