#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One image of a one-step generator in Python: what `onestep-sample MODEL --seeds 0` is measured against.

  cold_start.py make MODEL.pt           a model of quickstart's network with random weights
  cold_start.py run MODEL.pt IMAGE.png  imports PyTorch, loads the model, makes one image, saves it
"""
import pathlib
import struct
import sys
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from torch_peer import torch  # noqa: E402
from torch_peer.networks import SPECS, Denoiser  # noqa: E402

SIGMA_INIT = 80.0


def write_png(path, grey):
    height, width = grey.shape
    rows = b"".join(b"\0" + bytes(row) for row in grey.tolist())
    chunks = ((b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, body in chunks:
            file.write(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)))


def main():
    if sys.argv[1:2] == ["make"] and len(sys.argv) == 3:
        torch.save(Denoiser(SPECS["fashion_mnist"]).state_dict(), sys.argv[2])
        return
    if sys.argv[1:2] != ["run"] or len(sys.argv) != 4:
        sys.exit(__doc__)
    spec = SPECS["fashion_mnist"]
    with torch.device("meta"):  # nothing is drawn that the file replaces
        net = Denoiser(spec)
    frequencies = net.unet.frequencies.shape
    net.load_state_dict(torch.load(sys.argv[2], weights_only=True), assign=True)
    net.unet.frequencies = 1e-4 ** (torch.arange(*frequencies) / (frequencies[0] - 1))
    torch.manual_seed(0)
    with torch.no_grad():
        x = SIGMA_INIT * torch.randn(1, spec.channels, spec.size, spec.size)
        y = net(x, torch.tensor([SIGMA_INIT]), torch.eye(spec.labels)[:1])
    write_png(sys.argv[3], (y[0, 0] * 127.5 + 128).clamp(0, 255).to(torch.uint8))


if __name__ == "__main__":
    main()
