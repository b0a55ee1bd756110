# SPDX-License-Identifier: Apache-2.0
"""How fast, beside the same network in eager and compiled PyTorch, and how much memory it takes."""
import random
import re
import struct
import zipfile

from report import Row, failure

SECTION = "speed"
WORKS = {"teacher": "teacher", "f_distill": "f-distill cycle"}
NETWORKS = {"fashion_mnist": "quickstart's network", "ddpmpp_cifar10": "DDPM++, 56 M"}
BATCHES = (32, 256)
# How OneStep computes, and the precision of the peer beside it: float32, or TF32 for all that is narrower.
MODES = {"float32": [], "TF32": ["run.precision=tf32"], "bf16": ["run.precision=bfloat16"],
         "bf16 + graph": ["run.precision=bfloat16", "run.graph=true"], "float32 + graph": ["run.graph=true"],
         "bf16 + graph, tuned": ["run.precision=bfloat16", "run.graph=true", "run.autotune=true"]}
# Steps to be timed, (network, work, batch, mode, compiled peer), most telling ones first: time ends before the list does.
# A pair takes about twenty seconds, compiling a minute or two; what was timed before is not timed again.
LARGE = ("ddpmpp_cifar10", "teacher", 256)
FIRST = [(*LARGE, "bf16 + graph", False), (*LARGE, "bf16 + graph", True), (*LARGE, "bf16 + graph, tuned", False), (*LARGE, "TF32", False), (*LARGE, "bf16", False),
         (*LARGE, "float32", False), ("fashion_mnist", "teacher", 32, "float32", False),
         ("fashion_mnist", "teacher", 32, "float32 + graph", False), ("ddpmpp_cifar10", "f_distill", 32, "float32", False),
         ("fashion_mnist", "f_distill", 32, "float32", False), ("fashion_mnist", "f_distill", 32, "float32 + graph", False)]
SECOND = [("ddpmpp_cifar10", "teacher", 32, "float32", True), ("fashion_mnist", "teacher", 32, "float32", True),
          ("ddpmpp_cifar10", "f_distill", 256, "bf16 + graph", False)]
REST = [(network, work, batch, mode, False) for mode in ("TF32", "float32") for network in ("ddpmpp_cifar10", "fashion_mnist")
        for work in WORKS for batch in BATCHES]


def write_images(path, count, side):
    """Colour noise with ten classes, as an .npz of arr_0 [N, H, W, 3] uint8 and arr_1 [N] int64."""

    def npy(kind, shape, data):
        head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
        head += " " * (-(len(head) + 11) % 64) + "\n"
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data

    labels = struct.pack(f"<{count}q", *(i % 10 for i in range(count)))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("arr_0.npy", npy("|u1", (count, side, side, 3), random.Random(0).randbytes(count * side * side * 3)))
        archive.writestr("arr_1.npy", npy("<i8", (count,), labels))


class Bench:
    """Programs and files of this section."""

    def __init__(self, pack, options, work):
        self.pack, self.device, self.tiny = pack, options.device, options.device == "cpu"
        self.images = work / "noise.npz"
        write_images(self.images, 512, 32)
        self.data = {"fashion_mnist": ["data.root=data/fashion-mnist", "data.split=test"],
                     "ddpmpp_cifar10": [f"data={{kind: images, path: {self.images}}}"]}
        self.folder = {"fashion_mnist": "configs/fashion_mnist", "ddpmpp_cifar10": "configs/cifar10_cond"}
        self.model = {network: work / f"{network}/model.safetensors" for network in NETWORKS}
        self.seconds = 1 if self.tiny else 3
        self.known = {}  # figures of both sides: several of one stand beside one of the other

    def make_model(self, network):
        """An untrained teacher's file: one step of a training."""
        batch = 2 if self.tiny else 32
        more = [f"run.device={self.device}", f"run.batch={batch}", "run.micro_batch=0", f"run.images={batch}",
                f"run.dir={self.model[network].parent}"]
        return self.pack.run(["onestep-train", f"{self.folder[network]}/teacher.yaml", *more, *self.data[network]], 60, 2)

    def ours(self, network, work, batch, mode):
        more = [f"run.batch={batch}", "run.micro_batch=0", f"run.device={self.device}", "run.workers=1", "run.threads=1",
                *MODES[mode], *self.data[network]]
        if work != "teacher":
            more.append(f"task.teacher={self.model[network]}")
        steps = 1 if self.tiny or network != "fashion_mnist" else 10
        flags = ["--json", "--steps", steps, "--repeats", 1 if self.tiny else 12, "--seconds", self.seconds]
        return self.pack.run(["bench_steps", f"{self.folder[network]}/{work}.yaml", *more, *flags], 60)

    def peer(self, network, work, batch, tf32, compiled):
        flags = ["--device", self.device, "--batch", batch, "--seconds", self.seconds, "--json"]
        flags += (["--tf32"] if tf32 else []) + (["--compile"] if compiled else [])
        return self.pack.run(["scripts/bench_torch.py", "--work", work, "--network", network, *flags],
                             150 if compiled else 60)


def figures_of(ended):
    """The line of JSON that a bench ends in; None where it failed."""
    lines = ended.json_lines() if ended.code == 0 else []
    return lines[-1] if lines else None


def row_of(what, ended, text):
    """A measurement; running out of memory or of time is one, too, and every other failure is a failure."""
    figures = figures_of(ended)
    if figures is not None:
        return Row(SECTION, what, "measured", text(figures), ended.command, figures)
    memory = "out of memory" in (ended.err + ended.out).lower()
    if memory or ended.code is None:
        return Row(SECTION, what, "measured", "out of memory" if memory else ended.why(), ended.command, output=ended.tail())
    return failure(SECTION, what, ended)


def rate(figures):
    text = f"{figures['images_per_sec']:.4g} images/s"
    for key, words in (("ms_per_step", "{:.4g} ms a step"), ("peak_mib", "{:.0f} MiB"), ("syncs_per_step", "{} waits a step"),
                       ("compile_seconds", "compiled in {:.0f} s")):
        if figures.get(key) is not None:
            text += ", " + words.format(figures[key])
    return text


def beside(bench, network, work, batch, mode, compiled):
    """Ours and the peer in one run, and their ratio."""
    kind = f"{NETWORKS[network]}, {WORKS[work]}, batch {batch}"
    tf32 = bench.device == "cuda" and not mode.startswith("float32")
    key, other = (network, work, batch, mode), (network, work, batch, tf32, compiled)
    if key not in bench.known:
        ended = bench.ours(*key)
        bench.known[key] = figures_of(ended)
        yield row_of(f"{kind}: OneStep, {mode}", ended, rate)
    peer = f"{'torch.compile' if compiled else 'eager PyTorch'}, {'TF32' if tf32 else 'float32'}"
    if other not in bench.known:
        ended = bench.peer(*other)
        bench.known[other] = figures_of(ended)
        yield row_of(f"{kind}: {peer}", ended, rate)
    ours, theirs = bench.known[key], bench.known[other]
    if ours and theirs:
        ratio = ours["images_per_sec"] / theirs["images_per_sec"]
        yield Row(SECTION, f"{kind}: OneStep, {mode}, beside {peer}", "measured", f"{ratio:.2f} x as fast",
                  figures={"ratio": ratio})


def samplers_and_inception(bench):
    """Images/s of 18 steps of Heun's method, and of the Inception network."""
    pack, device, tiny = bench.pack, bench.device, bench.tiny
    batch, steps = 1 if tiny else 256, 18
    for network in ("fashion_mnist",) if tiny else NETWORKS:
        what = f"{NETWORKS[network]}, Heun, {steps} steps, batch {batch}"
        flags = ["--solvers", "heun", "--steps", steps, "--batch", batch, "--device", device, "--repeats", 1 if tiny else 3]
        yield row_of(f"{what}: OneStep", pack.run(["bench_samplers", bench.model[network], *flags, "--json"], 60), rate)
        yield row_of(f"{what}: eager PyTorch", bench.peer(network, "sample", batch, False, False), rate)
    batch = 1 if tiny else 256
    yield row_of(f"Inception, batch {batch}: OneStep", pack.run(["bench_metrics", "inception", batch, device], 60), rate)
    if not tiny:
        yield row_of(f"Inception, batch {batch}: torchvision's v3",
                     bench.peer("fashion_mnist", "inception", batch, False, False), rate)


def kernels(bench):
    """Our kernels beside the same composed of LibTorch's operations."""
    ended = bench.pack.run(["bench_kernels", *([] if bench.tiny else ["cuda"])], 60)
    if ended.code != 0:
        yield failure(SECTION, "kernels", ended)
        return
    shape = ""
    for line in ended.out.splitlines():
        figures = re.match(r"(.*?) +([0-9.]+ M/s, ATen .*)", line)
        if figures is None:
            shape = line + " "
        else:
            own = shape if line.startswith(" ") else ""
            yield Row(SECTION, f"kernels, {own}{figures[1].strip()}", "measured", re.sub(" +", " ", figures[2]), ended.command)


def all_of(pack, options, work):
    """Steps, samplers, Inception and kernels beside PyTorch, eager and compiled, with peaks of memory."""
    bench = Bench(pack, options, work)
    if not bench.tiny:
        yield Row(SECTION, "what runs", "measured", "OneStep with deterministic algorithms, as always; in PyTorch, cuDNN "
                  "chooses by trial. One CPU thread each")
    for network in ("fashion_mnist",) if bench.tiny else NETWORKS:
        ended = bench.make_model(network)
        if ended.code != 0:
            yield failure(SECTION, f"{NETWORKS[network]}: a model file", ended)
    if bench.tiny:
        yield from beside(bench, "fashion_mnist", "teacher", 4, "float32", False)
        yield from beside(bench, "fashion_mnist", "teacher", 4, "bf16 + graph", False)
        yield from samplers_and_inception(bench)
        yield from kernels(bench)
        return
    rest = [step for step in dict.fromkeys(SECOND + REST) if step not in FIRST]
    parts = [*(beside(bench, *step) for step in FIRST), samplers_and_inception(bench), kernels(bench),
             *(beside(bench, *step) for step in rest)]
    for done, part in enumerate(parts):
        if pack.left() < 10:
            yield Row(SECTION, f"{len(parts) - done} of {len(parts)} comparisons", "measured", "no time was left for them")
            return
        yield from part
