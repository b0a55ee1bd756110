#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times k-diffusion's samplers on the network of the Fashion-MNIST teacher in eager Python.

What build/release/bin/bench_samplers is measured against: the samplers of k-diffusion's own package, fetched into the
cache, around the network of bench_torch.py with random weights. Run both at the same thread count in turns:

  scripts/bench_samplers.py --threads 1 --batch 64 --steps 10 --repeats 5
  build/release/bin/bench_samplers runs/fashion_mnist/teacher/model.safetensors --threads 1 --batch 64 --steps 10

Prints images/s (median over the repeats) for each sampler; --json prints a line with seconds by both clocks.
"""
import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import time
import types
import zipfile

from torch_peer import cache_folder, torch
from torch_peer.networks import SPECS, Denoiser

WHEEL = "k-diffusion==0.1.1.post1"


def load_samplers():
    """k_diffusion/sampling.py of the published wheel; what it imports and these samplers do not use stands empty."""
    folder = cache_folder() / "k-diffusion"
    source = folder / "k_diffusion" / "sampling.py"
    if not source.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, WHEEL]
        subprocess.run(pip, check=True, stdout=sys.stderr)
        zipfile.ZipFile(next(folder.glob("*.whl"))).extractall(folder)

    def module(name, **contents):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(contents)

    module("scipy", integrate=None)
    module("torchdiffeq", odeint=None)
    module("torchsde")
    module("tqdm")
    module("tqdm.auto", trange=lambda n, **_: range(n), tqdm=None)
    module("k_diffusion")
    sys.modules["k_diffusion"].__path__ = [str(source.parent)]
    # Of its utilities the samplers need one: a tensor with dimensions appended until it has so many.
    module("k_diffusion.utils", append_dims=lambda x, dims: x[(...,) + (None,) * (dims - x.ndim)])
    sys.modules["k_diffusion"].utils = sys.modules["k_diffusion.utils"]
    spec = importlib.util.spec_from_file_location("k_diffusion.sampling", source)
    sampling = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sampling)
    return sampling


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    net = Denoiser(SPECS["fashion_mnist"]).eval()
    labels = torch.eye(10)[torch.arange(a.batch) % 10]
    sampling = load_samplers()
    sigmas = sampling.get_sigmas_karras(a.steps, 0.002, 80)

    def model(x, sigma, **_):
        return net(x, sigma, labels)

    for name in ("sample_heun", "sample_dpmpp_2m"):
        runs = []
        for repeat in range(a.repeats + 1):
            x = torch.randn(a.batch, 1, 28, 28) * sigmas[0]
            wall, cpu = time.perf_counter(), time.process_time()
            getattr(sampling, name)(model, x, sigmas, disable=True)
            if repeat > 0:
                runs.append((time.perf_counter() - wall, time.process_time() - cpu))
        wall, cpu = (statistics.median(run[clock] for run in runs) for clock in (0, 1))
        if a.json:
            print(json.dumps({"what": name, "items": a.batch, "wall_sec": wall, "cpu_sec": cpu}))
        else:
            print(f"{name:16} {a.batch / wall:8.1f} images/s")


if __name__ == "__main__":
    main()
