# SPDX-License-Identifier: Apache-2.0
"""The table: what is timed, beside what, and what it should come to. A new claim is a new row."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Side:
    """A program, and which of the lines of JSON that it prints count: those with these values. What stands in braces in
    the command is made or filled in by files.py."""

    label: str
    command: str
    what: str | None = None
    side: str | None = None
    whole: bool = False  # no JSON: the process from start to end is what is timed
    warm: bool = False  # run once before it counts: something is cached on the way


@dataclass(frozen=True)
class Row:
    """`goal`: how many times as fast as the peer. `most`: no more repeats than that. `slow`: left out by --quick."""

    name: str
    what: str
    ours: Side
    peer: Side
    goal: float | None = None
    unit: str = "images"  # per CPU second; or "s", CPU seconds
    dtype: str = "float32"  # whose peak its shares are of
    each: bool = False  # a row of its own for every line, by its `what`
    slow: bool = False
    most: int = 100
    needs: tuple = ()  # of needs.py


def steps(config, more, steps=10):
    """Our training steps. A batch is one shard on one thread; with more threads each takes a share."""
    return Side("OneStep", f"bench_steps {config} {more} run.device=cpu run.workers={{threads}} run.threads=1 "
                f"--steps {steps} --repeats {{inner}} --alone --json")


def torch(work, network, batch, steps=10, compiled=False):
    command = f"scripts/bench_torch.py --work {work} --network {network} --batch {batch} --threads {{threads}} " \
              f"--steps {steps} --repeats {{inner}} --json"
    if compiled:
        return Side("torch.compile", command + " --compile max-autotune", warm=True)
    return Side("eager PyTorch", command)


TEACHERS = "teacher's step, quickstart's network, batch 32"
F_DISTILLS = "f-distill's step, quickstart's networks, batch 32"
EDM_TEACHERS = "teacher's step, EDM's DDPM++ of 16 base channels at 32², batch 16"
EDM_CYCLES = "f-distill's cycle as published (five iterations), EDM's DDPM++ of 16 base channels at 32², batch 16"

FASHION = "run.batch=32 run.micro_batch={shard[32]}"
EDM = "run.batch=16 run.micro_batch={shard[16]} 'data={{kind: images, path: {images}}}'"
EDM_NETWORK = "task.network.model_channels=16 task.network.augment_dim=0 task.augmentation=0"
TEACHER = steps("configs/fashion_mnist/teacher.yaml", FASHION)
F_DISTILL = steps("configs/fashion_mnist/f_distill.yaml", FASHION + " task.teacher={fashion_teacher}", 5)
EDM_TEACHER = steps("configs/cifar10_cond/teacher.yaml", f"{EDM} {EDM_NETWORK}", 2)
EDM_CYCLE = steps("configs/cifar10_cond/f_distill.yaml", EDM + " task.teacher={edm_teacher}", 5)  # steps: one cycle


def bf16(name, what, side):
    ours = Side("OneStep, bf16", side.command + " run.precision=bfloat16")
    return Row(name, what, ours, Side("OneStep, float32", side.command), 1.7, dtype="bfloat16",
               needs=("bf16", "run.precision"))


def compiled(name, what, ours, peer):
    return Row(name, what, ours, peer, 1.2, slow=True, most=3, needs=("compiler",))


def network(name, what, config, spec, batch):
    ours = f"bench_networks configs/networks/{config}.yaml --batch {batch} --threads {{threads}} --repeats {{inner}} --json"
    passes = (("forward", "forward"), ("backward", "forward and backward"))
    rows = [Row(f"{name}-{work}", f"{what}, batch {batch}, {words}", Side("OneStep", ours, work),
                torch(work, spec, batch, 1), slow=True, most=3) for work, words in passes]
    return rows + [Row(f"{name}-{work}-bf16", "the same", Side("OneStep, bf16", ours + " --precision bfloat16", work),
                       Side("OneStep, float32", ours, work), 1.7, dtype="bfloat16", slow=True, most=3, needs=("bf16",))
                   for work, _ in passes]


def sampler(name, solver, peer, evaluations):
    ours = "bench_samplers {fashion_teacher} --solvers heun,dpmpp2m --steps 10 --batch 64 --threads {threads} " \
           "--repeats {inner} --json"
    theirs = "scripts/bench_samplers.py --steps 10 --batch 64 --threads {threads} --repeats {inner} --json"
    return Row(name, f"10 steps of {solver} ({evaluations} network calls), batch 64", Side("OneStep", ours, solver),
               Side("k-diffusion", theirs, peer))


def metric(name, what, arguments, peer, **more):
    return Row(name, what, Side("OneStep", f"bench_metrics {arguments}"),
               Side(peer, f"scripts/bench_metrics.py {arguments}"), unit="s", **more)


KERNELS = "bench_kernels --json"
LOADERS = Side("OneStep", "bench_loader {images} 2", "plain"), Side("Pillow and PyTorch", "scripts/bench_loader.py {images} 2", "plain")

ROWS = [
    Row("teacher", TEACHERS, TEACHER, torch("teacher", "fashion_mnist", 32), 1.6),
    compiled("teacher-compiled", TEACHERS, TEACHER, torch("teacher", "fashion_mnist", 32, compiled=True)),
    bf16("teacher-bf16", TEACHERS, TEACHER),
    Row("f-distill", F_DISTILLS, F_DISTILL,
        torch("f_distill", "fashion_mnist", 32, 5), 1.6),
    compiled("f-distill-compiled", F_DISTILLS, F_DISTILL, torch("f_distill", "fashion_mnist", 32, 5, compiled=True)),
    bf16("f-distill-bf16", F_DISTILLS, F_DISTILL),
    Row("edm-teacher", EDM_TEACHERS, EDM_TEACHER,
        torch("teacher", "edm_base16", 16, 2), 1.6),
    bf16("edm-teacher-bf16", EDM_TEACHERS, EDM_TEACHER),
    Row("edm-cycle", EDM_CYCLES, EDM_CYCLE,
        Side("FastGen's method in eager PyTorch", torch("f_distill_published", "edm_base16", 16, 1).command), 2.0),
    compiled("edm-cycle-compiled", EDM_CYCLES, EDM_CYCLE, torch("f_distill_published", "edm_base16", 16, 1, compiled=True)),
    bf16("edm-cycle-bf16", EDM_CYCLES, EDM_CYCLE),
    *network("ddpmpp", "DDPM++ for CIFAR-10", "cifar10_cond_ddpmpp", "ddpmpp_cifar10", 4),
    *network("adm", "ADM for ImageNet-64", "imagenet64_adm", "adm_imagenet64", 1),
    *network("sit-s", "SiT-S/2", "dit_s_2", "sit_s_2", 8),
    *network("sit-b", "SiT-B/2", "dit_b_2", "sit_b_2", 4),
    sampler("sampler-dpmpp2m", "dpmpp2m", "sample_dpmpp_2m", 10),
    sampler("sampler-heun", "heun", "sample_heun", 19),
    metric("root-1024", "Fréchet distance of two 1024 × 1024 covariances", "root 1024", "scipy's sqrtm"),
    metric("root-2048", "Fréchet distance of two 2048 × 2048 covariances", "root 2048", "scipy's sqrtm", slow=True, most=3),
    metric("neighbours-64", "precision, recall, density, coverage of 10,000 against 10,000, 64 features", "neighbours 10000 64",
           "torch-fidelity's precision and recall", slow=True, most=3),
    metric("neighbours-2048", "precision, recall, density, coverage of 10,000 against 10,000, 2048 features",
           "neighbours 10000 2048", "torch-fidelity's precision and recall", slow=True, most=2),
    Row("fid", "FID of 500 + 500 images in Inception features, end to end",
        Side("OneStep", "onestep-evaluate configs/fashion_mnist/inception_fid.yaml features.model={inception} "
             "subjects.0.data.limit=500 reference.data.limit=500 --threads {threads} --no-cache out={folder}/fid", whole=True),
        Side("torch-fidelity", "scripts/bench_fid.py {inception} --images 500 --threads {threads} --json"),
        3.0, unit="s", slow=True, most=2),
    Row("cold-start", "one image from a model file to a PNG, from the start of the process",
        Side("OneStep", "onestep-sample {fashion_teacher} --solver one_step --seeds 0 --out {folder}/cold", whole=True, warm=True),
        Side("Python and PyTorch", "scripts/bench/cold_start.py run {python_model} {folder}/cold.png", whole=True, warm=True),
        unit="s"),
    Row("loader", "loader, 3 × 32 × 32 PNG in a zip", *LOADERS),
    Row("loader-augmented", "loader, 3 × 32 × 32 PNG in a zip, augmented at 0.12", *(Side(s.label, s.command, "augmented") for s in LOADERS)),
    Row("kernels", "beside what it replaces", Side("OneStep", KERNELS, side="OneStep"), Side("composed ATen", KERNELS, side="ATen"),
        unit="elements", each=True, most=2),
]


def chosen(only, quick):
    """Rows by the beginnings of their names, all without; and those that --quick leaves out."""
    rows = [row for row in ROWS if not only or any(row.name == name or row.name.startswith(name) for name in only)]
    unknown = [name for name in only if not any(row.name.startswith(name) for row in ROWS)]
    if unknown:
        raise ValueError(f"--only {unknown[0]}: no row begins like that; --list has their names")
    left_out = [row for row in rows if quick and row.slow and row.name not in only]
    return [row for row in rows if row not in left_out], left_out
