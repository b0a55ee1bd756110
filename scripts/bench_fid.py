#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times torch-fidelity's FID between N training and N test images of Fashion-MNIST, end to end.

What onestep-evaluate is measured against: the published package, fetched into the cache, with the same network under
the same weights, which a rule makes (the real ones change no time). Run both at the same thread count, in turns:

  ninja -C build/release write_inception_rule && build/release/bin/write_inception_rule rule.safetensors
  scripts/bench_fid.py rule.safetensors --images 5000 --threads 2
  onestep-evaluate configs/fashion_mnist/inception_fid.yaml features.model=rule.safetensors --threads 2 --no-cache

(For other N, subjects.0.data.limit=N reference.data.limit=N.) Prints the seconds (wall clock, and CPU, which depends
less on what else the machine does) from images in memory to FID, and FID. --network times the network alone.
"""
import argparse
import gzip
import json
import os
import pathlib
import struct
import sys
import tempfile
import time
import warnings

from peer_packages import need

need("torch-fidelity", ["torch-fidelity==0.4.0", "torchvision==0.26.0", "numpy<3", "scipy<2", "pillow", "tqdm"])
from torch_peer import torch  # noqa: E402
import torch_fidelity  # noqa: E402


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)

    def tensor(entry):
        assert entry["dtype"] == "F32", entry
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        return torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float32).reshape(entry["shape"])

    return {name: tensor(entry) for name, entry in header.items()}


class Images(torch.utils.data.Dataset):
    """The first N images of an idx file, as torch-fidelity takes them: uint8, three channels."""

    def __init__(self, path, count):
        data = gzip.open(path).read()
        _, size, height, width = struct.unpack(">4I", data[:16])
        grey = torch.frombuffer(bytearray(data[16:]), dtype=torch.uint8).reshape(size, 1, height, width)
        self.images = grey[:count].expand(-1, 3, -1, -1)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return self.images[index]


def timed(work):
    """work()'s result, wall seconds, CPU seconds (of this process and of the loaders that it has waited for)."""
    def cpu():
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system

    wall, used = time.perf_counter(), cpu()
    result = work()
    return result, time.perf_counter() - wall, cpu() - used


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="safetensors under pytorch-fid's names")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--images", type=int, default=500, help="N")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64, help="torch-fidelity's default is 64")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--network", action="store_true", help="time the network alone, on one batch, best of 3")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.filterwarnings("ignore")
    real = Images(options.data / "train-images-idx3-ubyte.gz", options.images)
    fake = Images(options.data / "t10k-images-idx3-ubyte.gz", options.images)
    with tempfile.NamedTemporaryFile(suffix=".pth") as state:
        torch.save(read_safetensors(options.weights), state.name)
        if options.network:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

            network = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=state.name)
            batch = real.images[: options.batch].contiguous()
            network(batch)
            runs = [timed(lambda: network(batch)) for _ in range(3)]
            wall, used = min(run[1] for run in runs), min(run[2] for run in runs)
            print(f"network: {len(batch) / wall:.2f} images/s, {len(batch) / used:.2f} images per CPU second")
            return
        metrics, wall, used = timed(lambda: torch_fidelity.calculate_metrics(
            input1=fake, input2=real, fid=True, cuda=False, batch_size=options.batch, cache=False, verbose=False,
            feature_extractor="inception-v3-compat", feature_extractor_weights_path=state.name))
    fid = metrics["frechet_inception_distance"]
    if options.json:
        print(json.dumps({"what": "fid", "items": 1, "wall_sec": wall, "cpu_sec": used, "images": len(fake), "fid": float(fid)}))
        return
    print(f"{len(fake)} + {len(real)} images, {options.threads} threads: {wall:.1f} s, {used:.1f} CPU s, FID {fid:.8f}")


if __name__ == "__main__":
    main()
