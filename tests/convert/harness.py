# SPDX-License-Identifier: Apache-2.0
"""What the tests of onestep-convert share: running it, reading what it wrote, asking for one clear line."""
import contextlib
import io
import json
import pathlib
import struct
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
sys.path.insert(0, str(ROOT / "scripts"))

from convert.command import main  # noqa: E402

FORMATS = {"F32": "f", "F16": "e", "F64": "d", "I64": "q"}


def run(*arguments):
    """Exit code, standard output and standard error of the command, in this process."""
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    return code, out.getvalue(), said.getvalue()


def read(path):
    """Name → (dtype, shape, bytes) of a safetensors file, and its metadata."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        tensors[name] = (entry["dtype"], entry["shape"], data[begin:end])
    return tensors, metadata


def write(path, tensors, metadata=None):
    """The reverse of read()."""
    header, body = {"__metadata__": metadata or {}}, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def golden_weights(name):
    """The weights of a reference case and what the case says of itself."""
    tensors, metadata = read(GOLDEN / name)
    return ({key.removeprefix("weights/"): value for key, value in tensors.items() if key.startswith("weights/")},
            json.loads(metadata["case"]))


class ConvertTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.output = self.folder / "out.safetensors"

    def convert(self, source, *options, output=None):
        """Converts; the tensors and the metadata of what came out, and what was said."""
        output = output or self.output
        code, out, said = run(source, output, *options)
        self.assertEqual((code, said), (0, ""))
        self.assertEqual([p for p in self.folder.iterdir() if p.name.startswith(".")], [])
        return *(read(output) if output.suffix == ".safetensors" else (None, None)), out

    def refuse(self, source, *words, options=(), output=None):
        """It ends with code 3, says one line that names the file and holds the words, and leaves nothing behind."""
        before = sorted(self.folder.iterdir())
        code, out, said = run(source, output or self.output, *options)
        self.assertEqual((code, out), (3, ""), said)
        self.assertEqual(said.count("\n"), 1, said)
        self.assertLess(len(said), 2500)
        self.assertTrue(said.isprintable() or said[:-1].isprintable(), said)
        for word in (str(source), *words):
            self.assertIn(word, said)
        self.assertEqual(sorted(self.folder.iterdir()), before)
        return said
