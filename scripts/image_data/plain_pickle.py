# SPDX-License-Identifier: Apache-2.0
"""Pickles of plain values and NumPy arrays, as CIFAR's Python batches are: read, and not run.

A pickle is a program for a small stack machine. Here it is one without calls: of all globals it may name two, the parts of
an array, and what it "calls" is written down and made into an array when its content is known. Memory stays within a few
times the file's size: there is no instruction that copies what lies on the stack.
"""
import pickletools
import re
import typing

import numpy

from .bad_input import BadInput, reason

# What an array is pickled as, in NumPy 1 and 2.
GLOBALS = {
    "numpy.core.multiarray _reconstruct": "reconstruct",
    "numpy._core.multiarray _reconstruct": "reconstruct",
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
}
DTYPES = re.compile(r"[uif][1248]|b1")
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
LITERALS = {
    "BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT",
}  # fmt: skip
MARK = object()


class Global(typing.NamedTuple):
    name: str


class Made:
    """What REDUCE would have called, with the state that BUILD gives it."""

    def __init__(self, kind, arguments):
        self.kind, self.arguments, self.state = kind, arguments, None


class Refused(Exception):
    pass


def read_plain_pickle(data, name):
    """dicts, lists, tuples, strings, numbers and arrays. Throws BadInput for all else, with what the file asked for."""
    try:
        return finished(run(data))
    except Refused as error:
        raise BadInput(name, str(error)) from error
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError, UnicodeError) as error:
        raise BadInput(name, f"is a damaged pickle: {reason(error)}") from error


def run(data):
    stack, memo = [], {}

    def pop_to_mark():
        at = max(place for place, value in enumerate(stack) if value is MARK)
        values = stack[at + 1 :]
        del stack[at:]
        return values

    def pop(count):
        values = stack[len(stack) - count :]
        if len(values) != count or any(value is MARK for value in values):
            raise ValueError("its stack is too short")
        del stack[len(stack) - count :]
        return values

    def ask_for(name):
        if name not in GLOBALS:
            raise Refused(f"asks for {name.replace(' ', '.')}, which is not called: pickles of numbers alone are read")
        stack.append(Global(GLOBALS[name]))

    for opcode, argument, _ in pickletools.genops(data):
        code = opcode.name
        if code in ("PROTO", "FRAME"):
            continue
        if code == "STOP":
            return pop(1)[0]
        if code in LITERALS:
            stack.append(argument)
        elif code in CONSTANTS:
            stack.append(CONSTANTS[code])
        elif code == "MARK":
            stack.append(MARK)
        elif code == "EMPTY_DICT":
            stack.append({})
        elif code == "EMPTY_LIST":
            stack.append([])
        elif code in ("TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(tuple(pop(int(code[-1]))))
        elif code == "TUPLE":
            stack.append(tuple(pop_to_mark()))
        elif code in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif code == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif code in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif code == "GLOBAL":
            ask_for(argument)
        elif code == "STACK_GLOBAL":
            ask_for(" ".join(pop(2)))
        elif code == "REDUCE":
            called, arguments = pop(2)
            if not isinstance(called, Global):
                raise ValueError("it calls what is no function")
            stack.append(Made(called.name, arguments))
        elif code == "BUILD":
            made, state = pop(2)
            made.state = state
            stack.append(made)
        elif code in ("SETITEMS", "SETITEM"):
            values = pop_to_mark() if code == "SETITEMS" else pop(2)
            stack[-1].update(zip(values[0::2], values[1::2], strict=True))
        elif code in ("APPENDS", "APPEND"):
            values = pop_to_mark() if code == "APPENDS" else pop(1)
            stack[-1].extend(values)
        else:
            raise Refused(f"uses the pickle instruction {code}, which plain values do not need")
    raise ValueError("it does not end")


def finished(value):
    """A whole content, one level of it deep: CIFAR's is a dict of arrays, lists and strings."""
    if isinstance(value, dict):
        return {as_text(key): array_of(entry) for key, entry in value.items()}
    return array_of(value)


def as_text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else value


def array_of(value):
    if not isinstance(value, Made):
        return value
    if value.kind != "reconstruct":
        raise Refused(f"holds a {value.kind} where an array is expected")
    _, shape, dtype, fortran, content = value.state
    if not isinstance(dtype, Made) or dtype.kind != "dtype" or not DTYPES.fullmatch(as_text(dtype.arguments[0])):
        raise Refused("holds an array that is not of numbers")
    content = content.encode("latin-1") if isinstance(content, str) else content
    order = ">" if dtype.state and as_text(dtype.state[1]) == ">" else "<"
    values = numpy.frombuffer(content, numpy.dtype(as_text(dtype.arguments[0])).newbyteorder(order))
    return values.reshape(shape, order="F" if fortran else "C")
