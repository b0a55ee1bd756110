#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times a training step of the Fashion-MNIST teacher in eager Python, with the torch of scripts/setup.sh's wheel.

What onestep-train is measured against: the same network (DDPM++ under EDM preconditioning on 2x2 patches, one
attention block), the same loss, Adam, EMA and batch, written here from the papers and sharing no code with lib/.
Run both at the same thread count, beside each other or in turns, on the same machine:

  scripts/bench_unet_step.py --threads 2 --batch 32 --steps 40 --repeats 5 --json

Prints images/s (median over the repeats, wall clock) and the CPU milliseconds of a step, which depend less on what
else the machine does. Python packages that the wheel needs go into the cache beside it, once.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time
import warnings


def cache_folder():
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("ONESTEP_CACHE") or pathlib.Path(cache) / "onestep")


def find_torch():
    """Makes the wheel importable in this interpreter: its folder, and the pure Python packages that it needs."""
    root = os.environ.get("LIBTORCH_ROOT")
    wheels = [pathlib.Path(root)] if root else sorted(cache_folder().glob("libtorch-2.11.0-*/torch"))
    if not wheels:
        sys.exit("no LibTorch in the cache: run scripts/setup.sh")
    wheel = wheels[-1]
    tag = f"cpython-{sys.version_info.major}{sys.version_info.minor}-"
    if not any(wheel.glob(f"_C.{tag}*.so")):
        sys.exit(f"{wheel} is for another Python than this {sys.version.split()[0]}")
    packages = cache_folder() / f"python-{sys.version_info.major}.{sys.version_info.minor}"
    if not (packages / "done").exists():
        needed = ["typing_extensions", "sympy", "filelock", "networkx", "jinja2", "fsspec", "mpmath", "markupsafe"]
        print("fetching", *needed, file=sys.stderr)
        pip = [sys.executable, "-m", "pip", "install", "-q", "--root-user-action=ignore", "--no-deps", "--upgrade"]
        subprocess.run([*pip, "--target", str(packages), *needed], check=True, stdout=sys.stderr)
        (packages / "done").touch()
    sys.path[:0] = [str(wheel.parent), str(packages)]
    warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
    try:
        import torch
    except (OSError, ValueError, ImportError) as error:
        sys.exit(f"torch cannot be imported; without a CUDA toolkit Python needs the whole wheel: {error}")
    return torch


torch = find_torch()
F = torch.nn.functional


def conv(channels_in, channels_out, kernel, gain=1.0):
    """A convolution that keeps the size, Kaiming-normal weights times `gain`, no bias at the start."""
    layer = torch.nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2)
    with torch.no_grad():
        layer.weight.mul_(0).add_(gain * torch.randn_like(layer.weight) / math.sqrt(channels_in * kernel**2))
        layer.bias.zero_()
    return layer


def norm(channels):
    return torch.nn.GroupNorm(min(32, channels // 4), channels, eps=1e-6)


def resize(x, direction):
    """Filter [1, 1]: halving averages 2x2 pixels, doubling repeats each."""
    if direction == "down":
        return F.avg_pool2d(x, 2)
    return F.interpolate(x, scale_factor=2, mode="nearest") if direction == "up" else x


class Attention(torch.nn.Module):
    """One head over all pixels; softmax in float32."""

    def __init__(self, channels):
        super().__init__()
        self.norm, self.qkv = norm(channels), conv(channels, 3 * channels, 1)
        self.proj = conv(channels, channels, 1, 1e-5)

    def forward(self, x):
        n, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n, c, 3, h * w).unbind(2)
        weights = torch.einsum("ncq,nck->nqk", q, k / math.sqrt(c)).softmax(2)
        return self.proj(torch.einsum("nqk,nck->ncq", weights, v).reshape(x.shape)) + x


class Block(torch.nn.Module):
    """x + conv1(silu(norm1(conv0(silu(norm0(x))) + affine(embedding)))), resized on the way in, times sqrt(1/2)."""

    def __init__(self, channels_in, channels_out, embedding, direction=None, attention=False):
        super().__init__()
        self.direction = direction
        self.norm0, self.conv0 = norm(channels_in), conv(channels_in, channels_out, 3)
        self.affine = torch.nn.Linear(embedding, channels_out)
        self.norm1, self.conv1 = norm(channels_out), conv(channels_out, channels_out, 3, 1e-5)
        self.skip = conv(channels_in, channels_out, 1) if direction or channels_in != channels_out else None
        self.attention = Attention(channels_out) if attention else None

    def forward(self, x, embedding):
        y = self.conv0(resize(F.silu(self.norm0(x)), self.direction))
        y = self.conv1(F.silu(self.norm1(y + self.affine(embedding)[:, :, None, None])))
        short = resize(x, self.direction)
        y = (y + (self.skip(short) if self.skip else short)) * math.sqrt(0.5)
        return self.attention(y) * math.sqrt(0.5) if self.attention else y


class UNet(torch.nn.Module):
    """DDPM++ at two resolutions: every encoder output is a skip, taken up in reverse by the decoder's blocks."""

    def __init__(self, channels_io=4, base=16, mult=(1, 2), blocks=1, labels=10):
        super().__init__()
        embedding = 4 * base
        self.base, self.labels = base, labels
        self.map_label = torch.nn.Linear(labels, base)
        self.map0, self.map1 = torch.nn.Linear(base, embedding), torch.nn.Linear(embedding, embedding)
        encoder, widths, width = [conv(channels_io, base, 3)], [base], base
        for level, m in enumerate(mult):
            if level > 0:
                encoder.append(Block(width, width, embedding, "down"))
                widths.append(width)
            for _ in range(blocks):
                encoder.append(Block(width, base * m, embedding))
                width = base * m
                widths.append(width)
        middle = [Block(width, width, embedding, attention=True), Block(width, width, embedding)]
        decoder = []
        for level, m in reversed(list(enumerate(mult))):
            stage = [] if level == len(mult) - 1 else [Block(width, width, embedding, "up")]
            for _ in range(blocks + 1):
                stage.append(Block(width + widths.pop(), base * m, embedding))
                width = base * m
            decoder.append(torch.nn.ModuleList(stage))
        self.encoder, self.middle = torch.nn.ModuleList(encoder), torch.nn.ModuleList(middle)
        self.decoder = torch.nn.ModuleList(decoder)
        self.out_norm, self.out_conv = norm(width), conv(width, channels_io, 3, 1e-5)

    def forward(self, x, c_noise, labels):
        half = self.base // 2
        angles = torch.outer(c_noise, 1e-4 ** (torch.arange(half) / (half - 1)))
        emb = torch.cat([angles.sin(), angles.cos()], dim=1)
        emb = emb + self.map_label(labels * math.sqrt(self.labels))
        emb = F.silu(self.map1(F.silu(self.map0(emb))))
        skips = []
        for layer in self.encoder:
            x = layer(x, emb) if isinstance(layer, Block) else layer(x)
            skips.append(x)
        for block in self.middle:
            x = block(x, emb)
        for stage in self.decoder:
            for block in stage:
                x = block(x if block.direction else torch.cat([x, skips.pop()], dim=1), emb)
        return self.out_conv(F.silu(self.out_norm(x)))


def denoise(net, x, sigma, labels, sigma_data=0.7):
    """D = c_skip x + c_out F(c_in x; ln(sigma) / 4) on 2x2 patches as channels (Karras et al. 2022, table 1)."""
    s = sigma.reshape(-1, 1, 1, 1)
    total = s**2 + sigma_data**2
    patches = F.pixel_unshuffle(x / total.sqrt(), 2)
    if net.channels_last:
        patches = patches.contiguous(memory_format=torch.channels_last)
    raw = F.pixel_shuffle(net(patches, sigma.log() / 4, labels), 2)
    return x * sigma_data**2 / total + raw * s * sigma_data / total.sqrt()


class Trainer:
    def __init__(self, options):
        torch.manual_seed(0)
        self.batch = options.batch
        self.net = UNet()
        self.net.channels_last = options.channels_last
        if options.channels_last:
            self.net.to(memory_format=torch.channels_last)
        self.parameters = list(self.net.parameters())
        self.ema = [p.detach().clone() for p in self.parameters]
        self.adam = torch.optim.Adam(self.parameters, lr=4e-3, betas=(0.9, 0.99), fused=True)
        self.images = torch.randint(0, 256, (4096, 1, 28, 28), dtype=torch.uint8)
        self.labels = torch.randint(0, 10, (4096,))

    def step(self, sigma_data=0.7):
        chosen = torch.randint(0, 4096, (self.batch,))
        y = self.images[chosen].float() / 127.5 - 1
        labels = F.one_hot(self.labels[chosen], 10).float() * (torch.rand(self.batch, 1) >= 0.1)
        sigma = (torch.randn(self.batch) * 1.2 - 1.0).exp()
        s = sigma.reshape(-1, 1, 1, 1)
        weight = (s**2 + sigma_data**2) / (s * sigma_data) ** 2
        denoised = denoise(self.net, y + s * torch.randn_like(y), sigma, labels)
        loss = (weight * (denoised - y) ** 2).mean()
        self.adam.zero_grad()
        loss.backward()
        self.adam.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.ema, self.parameters, 1 - 0.5 ** (self.batch / 5000))
        return loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, help="intra-op threads")
    parser.add_argument("--batch", type=int, default=32, help="images a step")
    parser.add_argument("--steps", type=int, default=40, help="steps a repeat")
    parser.add_argument("--repeats", type=int, default=5, help="repeats, after one that is not counted")
    parser.add_argument("--channels-last", action="store_true", help="NHWC activations and weights")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if min(options.threads, options.batch, options.steps, options.repeats) < 1:
        parser.error("threads, batch, steps and repeats must be at least 1")
    torch.set_num_threads(options.threads)
    trainer = Trainer(options)
    rates, cpu_ms = [], []
    for repeat in range(options.repeats + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(options.steps):
            loss = trainer.step()
        if repeat > 0:
            rates.append(options.steps * options.batch / (time.perf_counter() - wall))
            cpu_ms.append(1e3 * (time.process_time() - cpu) / options.steps)
    result = {
        "what": "python eager, torch " + torch.__version__,
        "parameters": sum(p.numel() for p in trainer.parameters),
        "threads": options.threads,
        "batch": options.batch,
        "steps": options.steps,
        "channels_last": options.channels_last,
        "images_per_sec": round(statistics.median(rates), 1),
        "images_per_sec_best": round(max(rates), 1),
        "cpu_ms_per_step": round(statistics.median(cpu_ms), 2),
        "loss": round(loss, 4),
    }
    if options.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:20} {value}")


if __name__ == "__main__":
    main()
