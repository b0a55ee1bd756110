#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scripts/convert_inception.py on small files of both kinds. Exits with 77, "skipped", without PyTorch."""
import contextlib
import hashlib
import io
import json
import pathlib
import runpy
import struct
import sys
import tempfile
import types
import unittest
import unittest.mock
import warnings

warnings.filterwarnings("ignore")
try:
    import torch
except ImportError as problem:
    print("skipped:", problem)
    sys.exit(77)

SCRIPT = pathlib.Path(__file__).parents[2] / "scripts" / "convert_inception.py"
sys.dont_write_bytecode = True
sys.path.insert(0, str(SCRIPT.parent))  # as when it is run by its name


def convert(*arguments):
    """Runs the script in this process (PyTorch takes seconds to start): its exit code and what it said."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        with unittest.mock.patch("sys.argv", [str(SCRIPT), *map(str, arguments)]):
            try:
                code = runpy.run_path(str(SCRIPT))["main"]()
            except SystemExit as end:
                code = end.code
    return types.SimpleNamespace(returncode=code, stderr=said.getvalue())


def read(path):
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    values = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        numbers = struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])
        values[name] = torch.tensor(numbers).reshape(entry["shape"])
    return values, metadata


class Layer(torch.nn.Module):
    """As a convolution of NVIDIA's file names its tensors."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(2, 3, 1, 1))
        self.beta = torch.nn.Parameter(torch.randn(2))
        self.register_buffer("mean", torch.randn(2))
        self.register_buffer("var", torch.rand(2))

    def forward(self, x):
        x = torch.nn.functional.conv2d(x, self.weight)
        return torch.nn.functional.batch_norm(x, self.mean, self.var, bias=self.beta, eps=1e-3)


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        mixed = torch.nn.Sequential()
        mixed.add_module("conv", Layer())
        self.layers = torch.nn.Sequential()
        self.layers.add_module("mixed", mixed)
        self.output = torch.nn.Linear(2, 5)

    def forward(self, x):
        return self.output(self.layers(x).mean([2, 3]))


class ConvertInception(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.output = self.folder / "out.safetensors"

    def check(self, source, expected):
        result = convert(source, self.output)
        self.assertEqual(result.returncode, 0, result.stderr)
        values, metadata = read(self.output)
        self.assertEqual(list(values), list(expected))
        for name, value in expected.items():
            self.assertTrue(torch.equal(values[name], value.float()), name)
        self.assertEqual(metadata["source_sha256"], hashlib.sha256(source.read_bytes()).hexdigest())
        self.assertEqual(metadata["source"], source.name)
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), sorted([source.name, self.output.name]))

    def refuse(self, source, *words, options=()):
        result = convert(source, self.output, *options)
        self.assertEqual(result.returncode, 3, result.stderr)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
        for word in (str(source), *words):
            self.assertIn(word, result.stderr)
        self.assertFalse(self.output.exists())

    def state(self):
        return {
            "Mixed_5b.branch1x1.conv.weight": torch.randn(2, 3, 1, 1).double(),
            "Mixed_5b.branch1x1.bn.running_var": torch.rand(6)[::2],
            "Mixed_5b.branch1x1.bn.num_batches_tracked": torch.tensor(7),
            "fc.bias": torch.randn(5),
        }

    def save(self, value, name="in.pth"):
        torch.save(value, self.folder / name)
        return self.folder / name

    def test_state_dict(self):
        state = self.state()
        source = self.save(state)
        del state["Mixed_5b.branch1x1.bn.num_batches_tracked"]
        self.check(source, state)

    def test_torchscript(self):
        module = torch.jit.script(Network().eval())
        module.save(str(self.folder / "in.pt"))
        self.check(self.folder / "in.pt", module.state_dict())

    def test_digest(self):
        source = self.save(self.state())
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        self.refuse(source, digest, "--sha256 says 00000000", options=["--sha256", "00000000"])
        self.refuse(self.save(self.state(), "in-0123abcd.pth"), "the file's name says 0123abcd")
        (self.folder / "in-0123abcd.pth").unlink()
        self.assertEqual(convert(source, self.output, "--sha256", digest.upper()).returncode, 0)
        self.assertEqual(convert(source, self.output, "--sha256", "xyz").returncode, 2)

    def test_not_the_network(self):
        self.refuse(self.save({"conv.weight": torch.zeros(1)}), "not the FID Inception network")
        self.refuse(self.save([1, 2]), "not the FID Inception network")
        self.refuse(self.save(self.state() | {"extra": 3}), "'extra' is not a tensor")

    def test_not_a_file_of_pytorch(self):
        source = self.folder / "in.pth"
        self.refuse(source, "No such file")
        source.write_bytes(b"no weights here")
        self.refuse(source, "PyTorch cannot read it")
        whole = self.save(self.state()).read_bytes()
        source.write_bytes(whole[: len(whole) // 2])
        self.refuse(source, "PyTorch cannot read it")

    def test_code_in_a_pickle_is_not_run(self):
        sprung = self.folder / "sprung"

        class Trap:
            def __reduce__(self):
                return pathlib.Path.touch, (sprung,)

        self.refuse(self.save(self.state() | {"trap": Trap()}), "PyTorch cannot read it")
        self.assertFalse(sprung.exists())


if __name__ == "__main__":
    unittest.main()
