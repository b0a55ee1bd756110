# SPDX-License-Identifier: Apache-2.0
"""Pickles of plain values and NumPy arrays, as CIFAR's Python batches are: read, and not run. Arrays are views of the data."""
import re

import numpy

from common.bad_input import BadInput, reason
from common.pickle_machine import Budget, Record, inert, read_pickle

# What an array is pickled as, by Python 2 and 3 and NumPy 1 and 2.
GLOBALS = {
    "numpy.core.multiarray._reconstruct": inert("array"),
    "numpy._core.multiarray._reconstruct": inert("array"),
    "numpy.dtype": inert("dtype"),
    "numpy.ndarray": None,
}
DTYPES = re.compile(r"[uif][1248]|b1")


def read_numpy_pickle(data, name):
    """A dict with text as keys, of arrays, lists, strings (views of bytes where Python 2 wrote them) and numbers; or one of
    these. Throws BadInput for all else, with what the file asked for."""
    budget = Budget(opcodes=1_000_000, text=16 << 20)  # CIFAR-100's 50,000 images take a quarter at most
    try:
        value = read_pickle(data, GLOBALS, budget)
        return {key: array_of(entry) for key, entry in value.items()} if isinstance(value, dict) else array_of(value)
    except BadInput as error:
        raise BadInput(name, error) from None


def array_of(value):
    if not isinstance(value, Record):
        return value
    match value:
        case Record(name="array", state=(_, tuple(shape), Record(name="dtype") as dtype, fortran, memoryview() as content)):
            try:
                return numpy.frombuffer(content, numpy_type(dtype)).reshape(shape, order="F" if fortran else "C")
            except (ValueError, TypeError, OverflowError) as error:
                raise BadInput(f"holds a damaged array: {reason(error)}") from None
    raise BadInput("holds an array that is not made as NumPy makes them")


def numpy_type(dtype):
    match dtype:
        case Record(arguments=(kind, *_), state=(_, order, *_)) if DTYPES.fullmatch(as_text(kind)):
            return numpy.dtype(as_text(kind)).newbyteorder(">" if as_text(order) == ">" else "<")
    raise BadInput("holds an array that is not of numbers")


def as_text(value):
    """Python 2 wrote these as bytes. Empty for what is no short text."""
    value = bytes(value[:8]).decode("latin-1") if isinstance(value, memoryview) else value
    return value if isinstance(value, str) else ""
