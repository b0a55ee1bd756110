#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Converts the weights of the FID Inception network (TensorFlow, 2015-12-05) to the safetensors file OneStep reads.

  scripts/convert_inception.py IN.{pt,pth} OUT.safetensors [--sha256 HEX]

IN is NVIDIA's inception-2015-12-05.pt (TorchScript) or pytorch-fid's pt_inception-2015-12-05-6726825d.pth (a state
dict); names stay as they are there. The metadata of OUT holds the name and SHA-256 of IN. With --sha256, or where IN's
name ends in the first 8 digits of its SHA-256 as PyTorch's downloads do, another content is refused. No code out of IN is
run: pickles are read as weights only. Needs PyTorch, nothing else; LibTorch's copy does:

  PYTHONPATH=~/.cache/onestep/libtorch-2.11.0-cpu scripts/convert_inception.py …

Exit codes: 0 done, 1 no PyTorch, 2 usage, 3 a bad file.
"""
import argparse
import ctypes
import hashlib
import math
import pathlib
import re
import sys
import warnings
import zipfile

from common.bad_input import BadInput, reason
from common.output_file import output_file
from convert.safetensors_file import write_safetensors
from convert.tensors import from_bytes

# A tensor that tells each of the two namings.
MARKERS = ("layers.mixed.conv.weight", "Mixed_5b.branch1x1.conv.weight")


def file_sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_sha256(path, digest, wanted):
    named = re.search(r"-([0-9a-f]{8})\.pth?$", path.name)
    for prefix, origin in ((wanted, "--sha256"), (named and named[1], "the file's name")):
        if prefix and not digest.startswith(prefix.lower()):
            raise BadInput(f"its SHA-256 is {digest}, {origin} says {prefix}: damaged, or another file")


def is_torchscript(path):
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def as_tensor(value):
    """What convert/ writes, of a tensor of PyTorch."""
    import torch

    value = value.detach().to(torch.float32).contiguous()
    return from_bytes("f32", value.shape, ctypes.string_at(value.data_ptr(), 4 * value.numel()))


def load_state(path):
    """Names and tensors of a TorchScript module or of a state dict."""
    import torch

    try:
        if is_torchscript(path):
            state = torch.jit.load(str(path), map_location="cpu").state_dict()
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # PyTorch throws many kinds for a file that is not one of its own
        raise BadInput(f"PyTorch cannot read it: {reason(error)}") from error
    if not isinstance(state, dict) or not any(marker in state for marker in MARKERS):
        raise BadInput(f"not the FID Inception network: it has neither {' nor '.join(MARKERS)}")
    # Counters of the training's batches: nothing depends on them.
    state = {name: value for name, value in state.items() if not str(name).endswith(".num_batches_tracked")}
    for name, value in state.items():
        if not (isinstance(name, str) and torch.is_tensor(value) and value.is_floating_point()):
            raise BadInput(f"'{name}' is not a tensor of floating-point numbers")
    return {name: as_tensor(value) for name, value in state.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", metavar="IN", type=pathlib.Path)
    parser.add_argument("output", metavar="OUT", type=pathlib.Path)
    parser.add_argument("--sha256", metavar="HEX", help="what IN's SHA-256 must be, or begin with")
    options = parser.parse_args()
    if options.sha256 and not re.fullmatch(r"[0-9a-fA-F]{8,64}", options.sha256):
        parser.error("--sha256 takes 8 to 64 hexadecimal digits")
    warnings.filterwarnings("ignore")  # of NumPy, which is not needed
    try:
        digest = file_sha256(options.input)
        check_sha256(options.input, digest, options.sha256)
        state = load_state(options.input)
    except ImportError as error:
        sys.exit(f"convert_inception: needs PyTorch ({error}); see --help")
    except (BadInput, OSError) as error:
        print(f"{options.input}: {reason(error)}", file=sys.stderr)
        return 3
    try:
        with output_file(options.output) as file:
            write_safetensors(file, state, lambda _: {"source": options.input.name, "source_sha256": digest})
    except OSError as error:
        print(f"{options.output}: {error.strerror}", file=sys.stderr)
        return 3
    print(f"{options.output}: {len(state)} tensors, {sum(math.prod(tensor.shape) for tensor in state.values())} numbers; "
          f"source SHA-256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
