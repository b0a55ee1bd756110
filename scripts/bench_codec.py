#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times diffusers' autoencoders in eager PyTorch on the CPU, without gradients and with random weights.

What build/release/bin/bench_codec is measured against. diffusers and what it imports are fetched into the cache. Run
both at the same thread count in turns:

  scripts/bench_codec.py kl --side 256
  build/release/bin/bench_codec kl --side 256

Prints milliseconds by both clocks, medians over the repeats.
"""
import argparse
import statistics
import time

from peer_packages import need

need("diffusers", ["diffusers==0.35.2", "huggingface_hub<1.0", "safetensors", "numpy", "pillow", "regex", "requests",
                   "filelock", "importlib_metadata", "zipp", "packaging", "pyyaml", "tqdm", "typing_extensions",
                   "urllib3", "idna", "certifi", "charset_normalizer", "fsspec", "hf_xet"])

from torch_peer import torch  # noqa: E402: after NumPy has been found
from diffusers import AutoencoderKL, AutoencoderTiny  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", choices=("kl", "tiny"), default="kl")
    parser.add_argument("--side", type=int, default=256, help="height and width of the images")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--channels-last", action="store_true", help="NHWC activations and weights")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.kind == "kl":
        model = AutoencoderKL(block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4,
                              down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)
    else:
        model = AutoencoderTiny()
    images = torch.randn(options.batch, 3, options.side, options.side)
    if options.channels_last:
        model = model.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    latents = torch.randn(options.batch, 4, options.side // 8, options.side // 8)
    with torch.inference_mode():
        for what, run in (("encode", lambda: model.encode(images)), ("decode", lambda: model.decode(latents))):
            run()
            wall, cpu = [], []
            for _ in range(options.repeats):
                start = time.perf_counter(), time.process_time()
                run()
                wall.append(1e3 * (time.perf_counter() - start[0]))
                cpu.append(1e3 * (time.process_time() - start[1]))
            print(f"{what}: {statistics.median(wall):.1f} ms (CPU {statistics.median(cpu):.1f})")


if __name__ == "__main__":
    main()
