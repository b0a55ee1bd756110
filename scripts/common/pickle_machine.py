# SPDX-License-Identifier: Apache-2.0
"""An interpreter of pickles that executes nothing.

It builds plain values (None, numbers, strings, tuples, lists, dicts, sets, views of bytes) and, for the globals of a
table that it is given, whatever the table's own function makes of the arguments. A global that is not in the table is
refused by name before anything is made of it. Protocols 2 to 5; opcodes that plain data does not need are refused.
Python 2's strings, which may be text or not, are views of bytes, and text as keys of a dict.
Memory and time are bounded by the file's size and by `Budget`: lengths are compared with what is left before anything
is read, byte strings are views, and the memo is a dict, so that a huge index costs nothing.
"""
import struct
from dataclasses import dataclass, field
from typing import Callable, Optional

from .bad_input import BadInput, shown

MAX_DEPTH = 1000
MAX_LINE = 256
MAX_LONG = 1024  # bytes of one integer
MAX_KEY = 2**32  # integers that collide in a dict need more bits than this
MAX_KEY_BYTES = 256  # of Python 2's text


@dataclass
class Budget:
    """What one file may still ask for, its nested pickles together."""

    opcodes: int
    text: int  # bytes


@dataclass(frozen=True)
class Global:
    """A name of the table, and what a call of it makes; None where it is only ever passed on."""

    name: str
    make: Optional[Callable] = None


@dataclass(eq=False)
class Record:
    """An object of a class that is not rebuilt: how it was made, and the state that it would have been given."""

    name: str
    arguments: tuple
    state: object = field(default=None, repr=False)


def inert(name):
    """What a table makes of a class or function that is not called: a record of the call."""
    return lambda arguments: Record(name, arguments)


def read_pickle(data, known, budget):
    """The value of a pickle that is all of `data`; see Machine."""
    machine = Machine(data, 0, known, budget)
    value = machine.run()
    if machine.at != len(data):
        raise BadInput(f"{len(data) - machine.at} bytes too many behind its pickle")
    return value


class Machine:
    """Reads the pickle that begins at byte `at` of `data`; `at` is behind it after `run`.

    known: name → function of the argument tuple, or None. persistent: what becomes of a persistent id."""

    def __init__(self, data, at, known, budget, persistent=None):
        self.data, self.at, self.known, self.budget, self.persistent = memoryview(data), at, known, budget, persistent
        self.stack, self.outer, self.memo = [], [], {}

    def run(self):
        while True:
            code = self.number("<B")
            action = OPCODES.get(code)
            if action is None:
                raise BadInput(f"pickle opcode 0x{code:02x} at byte {self.at - 1}: plain data does not need it")
            self.budget.opcodes -= 1
            if self.budget.opcodes < 0:
                raise BadInput("its pickle has more opcodes than data of its kind needs")
            if action is STOP:
                return self.pop()
            action(self)

    # What opcodes are made of.
    def take(self, length):
        if length > len(self.data) - self.at:
            raise BadInput(f"ends within its pickle: {length} bytes are due at byte {self.at}, "
                           f"{len(self.data) - self.at} are left")
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self, length):
        data = self.take(length)
        self.budget.text -= length
        if self.budget.text < 0:
            raise BadInput("its pickle holds more text than data of its kind needs")
        try:
            return str(data, "utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise BadInput(f"text of its pickle before byte {self.at} is not UTF-8") from None

    def line(self):
        for length in range(min(MAX_LINE, len(self.data) - self.at)):
            if self.data[self.at + length] == 0x0A:
                line = self.text(length)
                self.at += 1
                return line
        raise BadInput(f"its pickle has no line at byte {self.at}, where there should be one")

    def long(self, length):
        if not 0 <= length <= MAX_LONG:
            raise BadInput(f"an integer of {length} bytes in its pickle")
        return int.from_bytes(self.take(length), "little", signed=True)

    def push(self, value):
        self.stack.append(value)

    def pop(self, kind=object):
        if not self.stack:
            raise BadInput(f"its pickle takes from an empty stack at byte {self.at}")
        value = self.stack.pop()
        if not isinstance(value, kind):
            raise BadInput(f"its pickle misuses a {type(value).__name__} at byte {self.at}")
        return value

    def top(self, kind):
        value = self.pop(kind)
        self.push(value)
        return value

    def mark(self):
        if len(self.outer) >= MAX_DEPTH:
            raise BadInput(f"its pickle is nested more than {MAX_DEPTH} deep")
        self.outer.append(self.stack)
        self.stack = []

    def pop_mark(self):
        if not self.outer:
            raise BadInput(f"its pickle looks for a mark that is not there at byte {self.at}")
        items, self.stack = self.stack, self.outer.pop()
        return items

    # Opcodes with more than a line to them.
    def proto(self):
        version = self.number("<B")
        if not 2 <= version <= 5:
            raise BadInput(f"pickle protocol {version}; 2 to 5 are known")

    def frame(self):
        length = self.number("<Q")
        if length > len(self.data) - self.at:
            raise BadInput(f"ends within its pickle: a frame of {length} bytes, {len(self.data) - self.at} are left")

    def get(self, index):
        if index not in self.memo:
            raise BadInput(f"its pickle asks for entry {index} of its memo, which it never made")
        self.push(self.memo[index])

    def put(self, index):
        self.memo[index] = self.top(object)

    def find(self, module, name):
        full = f"{module}.{name}"
        if full not in self.known:
            raise BadInput(f"names {shown(full)}, which plain data does not need: refused, nothing was run")
        self.push(Global(full, self.known[full]))

    def stack_global(self):
        name, module = self.pop(str), self.pop(str)
        self.find(module, name)

    def call(self):
        arguments, what = self.pop(tuple), self.pop(Global)
        if what.make is None:
            raise BadInput(f"its pickle calls {what.name}: refused, nothing was run")
        self.push(what.make(arguments))

    def build(self):
        state, target = self.pop(), self.top(object)
        if isinstance(target, Record):
            target.state = state
        elif not isinstance(target, dict):  # attributes of an OrderedDict, such as _metadata: nothing needs them
            raise BadInput(f"its pickle gives a state to a {type(target).__name__}")

    def persistent_id(self):
        if self.persistent is None:
            raise BadInput("its pickle refers to data outside itself")
        self.push(self.persistent(self.pop(tuple)))

    def extend(self, items):
        self.top(list).extend(items)

    def add(self, items):
        self.top(set).update(map(plain_key, items))

    def set_items(self, items):
        target = self.top(dict)
        if len(items) % 2:
            raise BadInput(f"its pickle has a key without a value at byte {self.at}")
        for key, value in zip(items[::2], items[1::2]):
            target[plain_key(key)] = value


def plain_key(key):
    """Keys are short plain values: hashing one must be neither deep nor slow."""
    if key is None or isinstance(key, str) or isinstance(key, int) and abs(key) < MAX_KEY:
        return key
    if isinstance(key, memoryview) and len(key) <= MAX_KEY_BYTES:
        return str(key, "latin-1")
    raise BadInput(f"a key of a dict in its pickle is a {type(key).__name__}")


def STOP(machine):
    """Marks the last opcode in the table."""


OPCODES = {
    0x80: Machine.proto,
    0x95: Machine.frame,
    ord("."): STOP,
    ord("0"): lambda m: m.pop(),
    ord("1"): lambda m: m.pop_mark(),
    ord("2"): lambda m: m.push(m.top(object)),
    ord("("): Machine.mark,
    # numbers and such
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    ord("J"): lambda m: m.push(m.number("<i")),
    ord("K"): lambda m: m.push(m.number("<B")),
    ord("M"): lambda m: m.push(m.number("<H")),
    0x8A: lambda m: m.push(m.long(m.number("<B"))),
    0x8B: lambda m: m.push(m.long(m.number("<i"))),
    ord("G"): lambda m: m.push(m.number(">d")),
    # text and bytes
    0x8C: lambda m: m.push(m.text(m.number("<B"))),
    ord("X"): lambda m: m.push(m.text(m.number("<I"))),
    0x8D: lambda m: m.push(m.text(m.number("<Q"))),
    ord("U"): lambda m: m.push(m.take(m.number("<B"))),
    ord("T"): lambda m: m.push(m.take(m.number("<I"))),  # signed by the book; a negative length is thus too long
    ord("C"): lambda m: m.push(m.take(m.number("<B"))),
    ord("B"): lambda m: m.push(m.take(m.number("<I"))),
    0x8E: lambda m: m.push(m.take(m.number("<Q"))),
    0x96: lambda m: m.push(m.take(m.number("<Q"))),
    # containers
    ord("]"): lambda m: m.push([]),
    ord("}"): lambda m: m.push({}),
    ord(")"): lambda m: m.push(()),
    0x8F: lambda m: m.push(set()),
    0x85: lambda m: m.push((m.pop(),)),
    0x86: lambda m: m.push(tuple([m.pop(), m.pop()][::-1])),
    0x87: lambda m: m.push(tuple([m.pop(), m.pop(), m.pop()][::-1])),
    ord("t"): lambda m: m.push(tuple(m.pop_mark())),
    ord("l"): lambda m: m.push(m.pop_mark()),
    ord("a"): lambda m: m.extend([m.pop()]),
    ord("e"): lambda m: m.extend(m.pop_mark()),
    ord("s"): lambda m: m.set_items([m.pop(), m.pop()][::-1]),
    ord("u"): lambda m: m.set_items(m.pop_mark()),
    0x90: lambda m: m.add(m.pop_mark()),
    # the memo
    0x94: lambda m: m.put(len(m.memo)),
    ord("q"): lambda m: m.put(m.number("<B")),
    ord("r"): lambda m: m.put(m.number("<I")),
    ord("h"): lambda m: m.get(m.number("<B")),
    ord("j"): lambda m: m.get(m.number("<I")),
    # objects
    ord("c"): lambda m: m.find(m.line(), m.line()),
    0x93: Machine.stack_global,
    ord("R"): Machine.call,
    0x81: Machine.call,  # NEWOBJ: a class and the arguments of its __new__
    ord("b"): Machine.build,
    ord("Q"): Machine.persistent_id,
}
