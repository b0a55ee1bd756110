#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times a loader in Python: PNG files out of a data set zip, decoded each time by Pillow, and geometric augmentation in
eager PyTorch. What OneStep's loader (bench_loader) is measured against; on one thread.

  scripts/bench_loader.py DATA.zip [SECONDS]

Prints a line of JSON with images/s, plain and augmented.
"""
import io
import json
import math
import random
import sys
import time
import zipfile

from peer_packages import need

need("pillow", ["numpy<3", "pillow<13"])
import numpy  # noqa: E402
from torch_peer import torch  # noqa: E402
from PIL import Image  # noqa: E402

BATCH, SHARE = 64, 0.12
# Low pass of the wavelet sym6.
TAPS = [0.0154041093, 0.0034907121, -0.1179901111, -0.0483117426, 0.4910559419, 0.7876411410, 0.3379294217,
        -0.0726375228, -0.0210602925, 0.0447249018, 0.0017677118, -0.0078007083]


def read(archive, names):
    images = []
    for name in names:
        pixels = numpy.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB"))
        images.append(torch.from_numpy(pixels.copy()).permute(2, 0, 1))
    batch = torch.stack(images).float() / 127.5 - 1
    mirrored = torch.rand(len(names)) < 0.5
    return torch.where(mirrored[:, None, None, None], batch.flip(3), batch)


def matrices(count, size):
    """Affine maps of half the images' own: scale, turn, stretch, move, each for a share of them."""
    on = lambda: (torch.rand(count) < SHARE).float()
    scale, stretch = torch.exp2(0.2 * torch.randn(count) * on()), torch.exp2(0.2 * torch.randn(count) * on())
    turn, axis = (2 * torch.rand(count) - 1) * math.pi * on(), (2 * torch.rand(count) - 1) * math.pi

    def rotation(angle):
        c, s = angle.cos(), angle.sin()
        return torch.stack([torch.stack([c, -s], 1), torch.stack([s, c], 1)], 1)

    squeeze = torch.diag_embed(torch.stack([1 / stretch, stretch], 1))
    linear = rotation(turn - axis) @ squeeze @ rotation(axis) / scale[:, None, None]
    return torch.cat([linear, torch.randn(count, 2, 1) * on()[:, None, None] / 4], 2)


def augment(images):
    count, channels, height, width = images.shape
    taps = torch.tensor(TAPS)
    kernel = torch.outer(taps, taps).expand(channels, 1, -1, -1)
    padded = torch.nn.functional.pad(images, [12, 12, 12, 12], mode="reflect")
    fine = torch.nn.functional.conv_transpose2d(padded, kernel, stride=2, groups=channels)
    grid = torch.nn.functional.affine_grid(matrices(count, height), list(fine.shape), align_corners=False)
    moved = torch.nn.functional.grid_sample(fine, grid, align_corners=False)
    return torch.nn.functional.conv2d(moved, kernel, stride=2, groups=channels)[:, :, 12 : 12 + height, 12 : 12 + width]


def measure(what, archive, names, augmented, seconds):
    start, cpu, seen = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - start < seconds:
        batch = read(archive, random.choices(names, k=BATCH))
        if augmented:
            augment(batch)
        seen += BATCH
    wall = time.perf_counter() - start
    print(json.dumps({"what": what, "items": seen, "wall_sec": wall, "cpu_sec": time.process_time() - cpu,
                      "images_per_sec": round(seen / wall)}))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5
    with torch.no_grad(), zipfile.ZipFile(sys.argv[1]) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")]
        measure("plain", archive, names, False, seconds)
        measure("augmented", archive, names, True, seconds)


if __name__ == "__main__":
    main()
