# SPDX-License-Identifier: Apache-2.0
"""The names that checkpoints may refer to, and what stands for them here: plain values and inert records."""
import struct

from common.bad_input import BadInput
from common.pickle_machine import Record, inert, plain_key
from .tensors import Tensor, make_tensor
from .torch_storage import STORAGE_GLOBALS, Storage, read_legacy

PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"

# Objects that may lie in a checkpoint and whose insides nothing needs, or that are walked through by their state.
INERT = (
    PERSISTENT,
    "torch.nn.modules.container.ModuleDict", "torch.nn.modules.container.ModuleList",
    "torch.nn.modules.container.Sequential",
    "numpy.dtype", "numpy.ndarray", "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
    "argparse.Namespace", "torch.device", "pathlib.PosixPath", "collections.defaultdict",
)
NAMES_ALONE = ("torch.float32", "torch.float16", "torch.bfloat16", "torch.float64", "torch.int64",
               *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("dict", "list", "float", "int")))
NUMPY_SCALARS = {"f8": "<d", "f4": "<f", "f2": "<e", "i8": "<q", "i4": "<i", "b1": "<?"}


def wrong(name):
    return BadInput(f"its pickle gives {name} other arguments than PyTorch does")


def ordered_dict(arguments):
    if arguments:
        raise wrong("collections.OrderedDict")
    return {}


def tensor(arguments):
    match arguments:
        case (Storage() as storage, offset, tuple(shape), tuple(strides), *_):
            return make_tensor(storage, offset, shape, strides)
    raise wrong("torch._utils._rebuild_tensor_v2")


def parameter(arguments):
    match arguments:
        case (Tensor() as data, *_):
            return data
    raise wrong("torch._utils._rebuild_parameter")


def size(arguments):
    match arguments:
        case (tuple() | list() as sizes,):
            return tuple(sizes)
    raise wrong("torch.Size")


def plain_set(arguments):
    match arguments:
        case (list(items),):
            return set(map(plain_key, items))
    raise wrong("builtins.set")


def numpy_scalar(arguments):
    match arguments:
        case (Record(name="numpy.dtype", arguments=(str(kind), *_), state=(_, "<" | "|", *_)), memoryview() as data):
            form = NUMPY_SCALARS.get(kind)
            if form and len(data) == struct.calcsize(form):
                return struct.unpack(form, data)[0]
    return Record("numpy scalar", ())


def encoded(arguments):
    match arguments:
        case (str(text), "latin1"):
            try:
                return memoryview(text.encode("latin1"))
            except UnicodeEncodeError:
                pass
    raise wrong("_codecs.encode")


def checkpoint_globals(budget):
    """Name → function of the arguments, for the pickle of a checkpoint. Blobs inside it may name storages alone."""

    def storage(arguments):
        match arguments:
            case (memoryview() as data,):
                value = read_legacy(data, STORAGE_GLOBALS, budget)
                if isinstance(value, Storage):
                    return value
        raise wrong("torch.storage._load_from_bytes")

    return {
        **dict.fromkeys(NAMES_ALONE), **STORAGE_GLOBALS, **{name: inert(name) for name in INERT},
        "collections.OrderedDict": ordered_dict,
        "dnnlib.util.EasyDict": ordered_dict,
        "torch._utils._rebuild_tensor_v2": tensor,
        "torch._utils._rebuild_tensor": tensor,
        "torch._utils._rebuild_parameter": parameter,
        "torch.storage._load_from_bytes": storage,
        "torch.Size": size,
        "builtins.set": plain_set,
        "__builtin__.set": plain_set,
        "numpy.core.multiarray.scalar": numpy_scalar,
        "numpy._core.multiarray.scalar": numpy_scalar,
        "_codecs.encode": encoded,
    }
