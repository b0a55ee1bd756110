#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times the work of OneStep's apps in plain PyTorch, on the CPU or a CUDA GPU.

What OneStep is measured against: the same networks, losses, optimiser, average and batch, written in torch_peer/ from
the papers and sharing no code with lib/. Run both at the same thread count, beside each other or in turns, on the same
machine. This file and the folder torch_peer/ beside it are all that it needs, with a torch 2.11 for this Python: its
own, or the wheel of scripts/setup.sh.

  scripts/bench_torch.py --work teacher --threads 2 --steps 40 --json
  scripts/bench_torch.py --work f_distill --network ddpmpp_cifar10 --device cuda --batch 64 --seconds 20 --json

  teacher    a training step of the denoiser: EDM's loss, Adam, moving average
  f_distill  a whole cycle of f-distill: student, fake score and discriminator
  f_distill_published  a cycle as its authors run it (FastGen): the student learns in one of five iterations
  sample     a batch of images by Heun's method in 18 steps
  inception  features of torchvision's Inception v3 (exit code 3 where there is no torchvision)
  forward    a forward pass of the raw network of --network, without gradients
  backward   forward and backward pass of it; beside both: bench_networks with a file of configs/networks (sit_b_2:
             dit_b_2.yaml, ddpmpp_cifar10: cifar10_cond_ddpmpp.yaml, adm_imagenet64: imagenet64_adm.yaml)

Prints images/s (median over the repeats, wall clock), and the CPU milliseconds of a step, which depend less on what
else the machine does. peak_mib is the GPU memory of tensors at its highest in the timed repeats. compile_seconds is
what the first step takes longer with --compile; a second run finds much of it in the compiler's own cache. float32 is
float32 but with --tf32. On a GPU cuDNN chooses its algorithms by trial. Exit codes: 1 failed, 2 usage, 3 no
torchvision, 4 out of memory.
"""
import argparse
import json
import statistics
import sys
import time
import traceback

from torch_peer import torch
from torch_peer.networks import SPECS, count
from torch_peer.works import WORKS, MissingPackage

WARM_UP = 3  # steps that are not timed: allocators, cuDNN's trials, and the compiler


def positive(kind):
    def parse(text):
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    parse.__name__ = kind.__name__  # of which argparse makes its message
    return parse


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", choices=WORKS, required=True, help="what is timed")
    parser.add_argument("--network", choices=SPECS, default="fashion_mnist", help="of all works but inception")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=positive(int), default=32, help="images a step")
    parser.add_argument("--threads", type=positive(int), default=1, help="intra-op threads")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=positive(int), help="steps a repeat")
    length.add_argument("--seconds", type=positive(float), default=10, help="or what all repeats take, about")
    parser.add_argument("--repeats", type=positive(int), default=5)
    parser.add_argument("--tf32", action="store_true", help="TF32 in matrix products and convolutions on a GPU")
    parser.add_argument("--compile", nargs="?", const="default", choices=("default", "max-autotune"),
                        help="torch.compile the networks, in this mode")
    parser.add_argument("--channels-last", action="store_true", help="NHWC activations and weights")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args()
    if options.tf32 and options.device == "cpu":
        parser.error("--tf32 is for --device cuda")
    return options


def prepare(options):
    """Settings of the whole process."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.device == "cuda":
        if not torch.cuda.is_available():
            sys.exit("bench_torch: torch sees no CUDA device")
        torch.backends.cuda.matmul.allow_tf32 = options.tf32
        torch.backends.cudnn.allow_tf32 = options.tf32
        torch.backends.cudnn.benchmark = True


def wait(options):
    """Until the GPU has done what it was told."""
    if options.device == "cuda":
        torch.cuda.synchronize()


def timed(work, steps, options):
    """Wall and CPU seconds of so many steps, and what the last of them gave."""
    wait(options)
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        result = work.step()
    wait(options)
    return time.perf_counter() - wall, time.process_time() - cpu, result


def steps_for(seconds, work, options):
    """How many steps take so long, by trying more and more of them."""
    steps = 1
    while True:
        wall = timed(work, steps, options)[0]
        if wall >= seconds / 4:
            return max(1, round(seconds / wall * steps))
        steps *= 2


def measure(options):
    prepare(options)
    on_gpu = options.device == "cuda"
    work = WORKS[options.work](options)
    if options.compile:
        work.compile(options.compile)
    warm_up = [timed(work, 1, options)[0] for _ in range(WARM_UP)]
    steps = options.steps or steps_for(options.seconds / options.repeats, work, options)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    runs = [timed(work, steps, options) for _ in range(options.repeats)]
    rates = [steps * work.images / wall for wall, _, _ in runs]
    wall, cpu = (statistics.median(run[clock] for run in runs) for clock in (0, 1))
    return {
        "what": options.work,  # this and the next three are what scripts/bench.sh reads
        "items": steps * work.images,
        "wall_sec": wall,
        "cpu_sec": cpu,
        "work": options.work,
        "network": "inception_v3" if options.work == "inception" else options.network,
        "device": options.device,
        "device_name": torch.cuda.get_device_name() if on_gpu else None,
        "mode": f"compile, {options.compile}" if options.compile else "eager",
        "tf32": options.tf32,
        "cudnn_benchmark": on_gpu,
        "channels_last": options.channels_last,
        "batch": options.batch,
        "threads": options.threads,
        "parameters": count(work.net),
        "steps": steps,
        "repeats": options.repeats,
        "images_per_sec": round(statistics.median(rates), 2),
        "images_per_sec_best": round(max(rates), 2),
        "ms_per_step": round(1e3 * wall / steps, 3),
        "cpu_ms_per_step": round(1e3 * cpu / steps, 3),
        "peak_mib": round(torch.cuda.max_memory_allocated() / 2**20, 1) if on_gpu else None,
        "compile_seconds": round(warm_up[0] - min(warm_up), 1) if options.compile else None,
        "finite": bool(runs[-1][2].isfinite().all()),  # of the last step's loss or images
        "torch": torch.__version__,
    }


def out_of_memory(error):
    """Also where the compiler, a library or a CPU allocator says it in words of its own."""
    words = str(error).lower()
    said = any(phrase in words for phrase in ("out of memory", "can't allocate memory", "status_alloc_failed"))
    return said or isinstance(error, (torch.OutOfMemoryError, MemoryError))


def main():
    options = parse_options()
    where = f"bench_torch: {options.work} at batch {options.batch} on {options.device}"
    try:
        result = measure(options)
    except MissingPackage as error:
        print(f"bench_torch: {error}", file=sys.stderr)
        sys.exit(3)
    except Exception as error:  # whatever it is, the last line says what failed
        if out_of_memory(error):
            print(f"{where}: out of memory", file=sys.stderr)
            sys.exit(4)
        traceback.print_exc()
        message = (str(error).strip() or "no message").splitlines()[0]
        print(f"{where}: {type(error).__name__}: {message}", file=sys.stderr)
        sys.exit(1)
    if options.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:20} {value}")


if __name__ == "__main__":
    main()
