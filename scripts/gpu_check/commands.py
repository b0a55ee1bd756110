# SPDX-License-Identifier: Apache-2.0
"""The three commands as a user gives them, on the device and on the CPU."""
import json
import math

from report import Row, failure

SECTION = "the commands"
FASHION = ["data.root=data/fashion-mnist", "data.split=test"]
# How far a loss of the log may be from the CPU's: of the first line, which is one step, and of all lines. Rounding
# grows from step to step; what is wrong is farther off at once.
FIRST_LOSS, LATER_LOSS = 1e-3, 0.1


def log_of(folder):
    with open(folder / "log.jsonl") as file:
        return [json.loads(line) for line in file]


def losses_of(log):
    """The losses that a step descends, line by line: details have a slash in their names."""
    skipped = ("nimg", "images_per_sec")
    return [{k: v for k, v in line.items() if isinstance(v, (int, float)) and "/" not in k and k not in skipped}
            for line in log]


def difference(a, b):
    """The largest difference of two lines' losses, in units of the largest; infinite where one is missing or not finite."""
    worst, scale = 0.0, max((abs(value) for value in b.values()), default=0.0) or 1.0
    for key in a.keys() | b.keys():
        gap = abs(a.get(key, math.nan) - b.get(key, math.nan)) / scale
        worst = max(worst, gap if math.isfinite(gap) else math.inf)
    return worst


def train(pack, config, folder, device, images, more=()):
    overrides = [f"run.images={images}", "run.tick_images=32", f"run.device={device}", f"run.dir={folder}", "run.workers=1", "run.threads=1"]
    return pack.run(["onestep-train", f"configs/fashion_mnist/{config}.yaml", *overrides, *FASHION, *more], 90)


def compared(what, ended, folder, reference):
    """A training on the device beside the same one on the CPU."""
    if ended.code != 0:
        return failure(SECTION, what, ended)
    ours, theirs = losses_of(log_of(folder)), losses_of(log_of(reference))
    gaps = [difference(a, b) for a, b in zip(ours, theirs)] or [math.inf]
    holds = len(ours) == len(theirs) and gaps[0] <= FIRST_LOSS and max(gaps) <= LATER_LOSS
    value = f"losses differ by {gaps[0]:.1e} after one step, by {max(gaps):.1e} at most, {ended.seconds:.1f} s"
    return Row(SECTION, what, "holds" if holds else "FAILED", value, ended.command, {"first": gaps[0], "worst": max(gaps)})


def experiments(pack):
    """Every one-step or particle method of configs/fashion_mnist."""
    parts = {"student", "integral", "discriminator", "particles", "evaluate", "inception_fid", "teacher", "classifier",
             "sida_long"}
    return sorted(path.stem for path in (pack.root / "configs/fashion_mnist").glob("*.yaml") if path.stem not in parts)


def all_of(pack, options, work):
    """Training, every method of distillation, sampling and evaluation by their commands."""
    device, tiny = options.device, options.device == "cpu"
    images = 64 if tiny else 320
    for name in ("classifier", "teacher"):
        ended = {on: train(pack, name, work / on / name, on, images) for on in {"cpu", device}}
        if ended["cpu"].code != 0:
            yield failure(SECTION, f"{name}, on the CPU", ended["cpu"])
            return
        yield compared(name, ended[device], work / device / name, work / "cpu" / name)
    teacher = f"task.teacher={work}/cpu/teacher/model.safetensors"

    def method(name):
        more = [teacher, "run.checkpoint_images=1000000", "evaluation=null"]
        if "classifier:" in (pack.root / f"configs/fashion_mnist/{name}.yaml").read_text() + preset_of(pack, name):
            more.append(f"task.reward.classifier={work}/cpu/classifier/model.safetensors")
        if name == "dmd":
            more.append("task.regression.pairs=64")
        if name == "sida":  # all of it from the start
            more += ["task.student.start_kimg=0", "task.adversarial.start_kimg=0"]
        ended = {on: train(pack, name, work / on / name, on, images, more) for on in {"cpu", device}}
        if ended["cpu"].code != 0:
            return failure(SECTION, f"{name}, on the CPU", ended["cpu"])
        return compared(name, ended[device], work / device / name, work / "cpu" / name)

    methods = ["f_distill", "sid"] if tiny else experiments(pack)
    yield from pack.in_parallel(method, methods)
    yield sampled(pack, device, work, tiny)
    yield evaluated(pack, device, work, tiny)


def preset_of(pack, name):
    preset = pack.root / f"configs/presets/{name}.yaml"
    return preset.read_text() if preset.exists() else ""


def sampled(pack, device, work, tiny):
    model, count = work / device / "f_distill/model.safetensors", 8 if tiny else 256
    ended = pack.run(["onestep-sample", model, "--seeds", f"0-{count - 1}", "--device", device, "--npz", work / "s.npz"], 60)
    if ended.code != 0:
        return failure(SECTION, "onestep-sample", ended)
    return Row(SECTION, "onestep-sample", "holds", ended.out.strip().split("\n")[0], ended.command)


def evaluated(pack, device, work, tiny):
    """FID of one student in classifier features, the features on the device and on the CPU."""
    values = {}
    count = 32 if tiny else 512
    for on in {"cpu", device}:
        folder = work / f"report_{on}"
        ended = pack.run(["onestep-evaluate", "--generated", work / "cpu/f_distill/model.safetensors", "--seeds",
                          f"0-{count - 1}", "--reference", "data/fashion-mnist/t10k-images-idx3-ubyte.gz", "--features",
                          f"classifier:{work}/cpu/classifier/model.safetensors", "--device", on, "--no-cache", "--out",
                          folder], 90)
        if ended.code != 0:
            return failure(SECTION, f"onestep-evaluate on {on}", ended)
        values[on] = json.loads((folder / "report.json").read_text())["subjects"][0]["metrics"]["fid"]["value"]
    gap = abs(values[device] - values["cpu"]) / values["cpu"]
    return Row(SECTION, "onestep-evaluate", "holds" if gap < 1e-2 else "FAILED",
               f"FID {values[device]:.5g}, on the CPU {values['cpu']:.5g}", ended.command, values)
