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
import json
import os
import pathlib
import re
import struct
import sys
import tempfile
import warnings
import zipfile

# A tensor that tells each of the two namings.
MARKERS = ("layers.mixed.conv.weight", "Mixed_5b.branch1x1.conv.weight")


class BadInput(Exception):
    pass


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


def load_state(path):
    """Names and tensors of a TorchScript module or of a state dict."""
    import torch

    try:
        if is_torchscript(path):
            state = torch.jit.load(str(path), map_location="cpu").state_dict()
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # PyTorch throws many kinds for a file that is not one of its own
        raise BadInput(f"PyTorch cannot read it: {str(error).strip().splitlines()[0]}") from error
    if not isinstance(state, dict) or not any(marker in state for marker in MARKERS):
        raise BadInput(f"not the FID Inception network: it has neither {' nor '.join(MARKERS)}")
    # Counters of the training's batches: nothing depends on them.
    state = {name: value for name, value in state.items() if not str(name).endswith(".num_batches_tracked")}
    for name, value in state.items():
        if not (isinstance(name, str) and torch.is_tensor(value) and value.is_floating_point()):
            raise BadInput(f"'{name}' is not a tensor of floating-point numbers")
    return {name: value.detach().to(torch.float32).contiguous() for name, value in state.items()}


def safetensors_header(state, metadata):
    header, end = {"__metadata__": metadata}, 0
    for name, value in state.items():
        begin, end = end, end + 4 * value.numel()
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def write_safetensors(path, state, metadata):
    """Writes beside `path` and renames, so that the file appears whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(safetensors_header(state, metadata))
            for value in state.values():
                file.write(ctypes.string_at(value.data_ptr(), 4 * value.numel()))
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


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
        print(f"{options.input}: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return 3
    try:
        write_safetensors(options.output, state, {"source": options.input.name, "source_sha256": digest})
    except OSError as error:
        print(f"{options.output}: {error.strerror}", file=sys.stderr)
        return 3
    print(f"{options.output}: {len(state)} tensors, {sum(v.numel() for v in state.values())} numbers; "
          f"source SHA-256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
