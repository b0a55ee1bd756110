# SPDX-License-Identifier: Apache-2.0
"""What the tests of onestep-data share: writers of small files that are independent of what is tested, and the command."""
import contextlib
import io
import json
import os
import pathlib
import struct
import sys
import tempfile
import types
import unittest
import zipfile
import zlib

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
SCRIPT = ROOT / "scripts" / "onestep-data"
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))

from image_data.interpreter import require_packages  # noqa: E402

try:
    require_packages("the tests of onestep-data")
except SystemExit as missing:
    print("skipped:", missing)
    sys.exit(77)

import numpy  # noqa: E402
from PIL import Image  # noqa: E402

from image_data import command  # noqa: E402


def onestep_data(*arguments):
    """Runs the command in this process: its exit code and what it said."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = command.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    return types.SimpleNamespace(code=code, out=out.getvalue(), err=err.getvalue())


def png(pixels, depth=8, colour=None, extra=b""):
    """A PNG file of uint8 or uint16 [H, W, C], as the specification lays it out; `extra` chunks before the pixels."""
    pixels = numpy.asarray(pixels)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[pixels.shape[2]] if colour is None else colour
    kind = ">u2" if depth == 16 else "u1"
    rows = [row.astype(kind).tobytes() for row in pixels]
    if depth < 8:
        rows = [pack(row[:, 0], depth) for row in pixels]
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def pack(row, depth):
    bits = "".join(f"{value:0{depth}b}" for value in row)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def exif(orientation, order=">"):
    head = {">": b"MM\0*", "<": b"II*\0"}[order]
    return head + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def idx(values):
    values = numpy.asarray(values, numpy.uint8)
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def python2_pickle(value):
    """As cPickle of Python 2 wrote it, protocol 2: strings of bytes are BINSTRING, arrays a call of _reconstruct."""

    def text(data):
        return b"U" + bytes([len(data)]) + data if len(data) < 256 else b"T" + struct.pack("<i", len(data)) + data

    def number(n):
        return b"K" + bytes([n]) if 0 <= n < 256 else b"J" + struct.pack("<i", n)

    def whole(entry):
        if isinstance(entry, bytes):
            return text(entry)
        if isinstance(entry, int):
            return number(entry)
        if isinstance(entry, list):
            return b"](" + b"".join(map(whole, entry)) + b"e"
        if isinstance(entry, dict):
            return b"}(" + b"".join(whole(k) + whole(v) for k, v in entry.items()) + b"u"
        reconstruct = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + number(0) + b"\x85" + text(b"b") + b"\x87R"
        kind = b"cnumpy\ndtype\n" + text(b"u1") + number(0) + number(1) + b"\x87R"
        state = b"(" + number(3) + text(b"|") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
        shape = b"(" + b"".join(map(number, entry.shape)) + b"t"
        return reconstruct + b"(" + number(1) + shape + kind + state + b"\x89" + text(entry.tobytes()) + b"tb"

    return b"\x80\x02" + whole(value) + b"."


def read_safetensors(path):
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    kinds = {"U8": "u1", "F32": "<f4", "F64": "<f8", "I64": "<i8"}
    values = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            values[name] = numpy.frombuffer(data[begin:end], kinds[entry["dtype"]]).reshape(entry["shape"])
    return values


def pattern(*shape, seed=0):
    return numpy.random.default_rng(seed).integers(0, 256, shape, dtype=numpy.uint8)


class DataTest(unittest.TestCase):
    """A folder of its own for each test, with files to be read in `input` and what comes out beside it."""

    def setUp(self):
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # where fsync costs nothing
        folder = tempfile.TemporaryDirectory(dir=memory)
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.input = self.folder / "in"
        self.output = self.folder / "out.zip"
        self.input.mkdir()

    def write(self, name, data):
        path = self.input / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else png(data))
        return path

    def convert(self, *options, source=None):
        """The images as a list of uint8 arrays, [H, W] or [H, W, 3], and dataset.json; sets self.report."""
        report = self.folder / "report.json"
        result = onestep_data(source or self.input, self.output, "--report", report, *options)
        self.assertEqual(result.code, 0, result.err)
        self.report = json.loads(report.read_text())
        self.said = result.out
        with zipfile.ZipFile(self.output) as archive:
            names = archive.namelist()
            self.assertEqual(names, [f"{i // 1000:05d}/img{i:08d}.png" for i in range(len(names) - 1)] + ["dataset.json"])
            self.assertEqual({entry.compress_type for entry in archive.infolist()}, {zipfile.ZIP_STORED})
            images = [numpy.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in names[:-1]]
            content = json.loads(archive.read("dataset.json"))
        if content["labels"] is not None:
            self.assertEqual([name for name, _ in content["labels"]], names[:-1])
        return images, content

    def labels(self, content):
        return [label for _, label in content["labels"]]

    def assert_pixels(self, got, expected):
        expected = numpy.asarray(expected)
        self.assertEqual(got.shape, expected.shape)
        self.assertTrue(numpy.array_equal(got, expected), f"\n{got}\n{expected}")

    def refuse(self, *words, source=None, options=(), code=3):
        before = sorted(path.name for path in self.folder.iterdir())
        result = onestep_data(source or self.input, self.output, *options)
        self.assertEqual(result.code, code, result.err)
        if code == 3:
            self.assertEqual(len(result.err.strip().splitlines()), 1, result.err)
        for word in words:
            self.assertIn(str(word), result.err)
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), before)
