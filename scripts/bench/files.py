# SPDX-License-Identifier: Apache-2.0
"""What stands in braces in a command: settings, and files that are made when a row first asks for them. They stay in the
output folder, so that a command can be repeated."""
import json
import random
import struct
import zipfile
import zlib


class Missing(Exception):
    """A file could not be made; says why."""


class Shards:
    """{shard[32]}: images that one of the threads computes of a batch of 32."""

    def __init__(self, threads):
        self.threads = threads

    def __getitem__(self, batch):
        return -(-int(batch) // self.threads)


class Files(dict):
    """For str.format_map. `program` runs a command of the table, and returns how that ended."""

    def __init__(self, folder, program, threads, inner):
        super().__init__(folder=folder, threads=threads, inner=inner, shard=Shards(threads))
        self.folder, self.program = folder, program
        folder.mkdir(parents=True, exist_ok=True)

    def __missing__(self, name):
        self[name] = path = MAKERS[name](self)
        return path

    def run(self, command):
        ended = self.program(command.format_map(self))
        if ended.code != 0:
            raise Missing(f"{ended.command}: {ended.why()}")


def untrained(name, config, more):
    """A teacher's model file: one step of a training."""

    def make(files):
        run_folder = files.folder / name
        forget(run_folder)
        files.run(f"onestep-train {config} {more} run.device=cpu run.batch=2 run.micro_batch=0 run.images=2 run.dir={run_folder} "
                  "--no-cache")
        return run_folder / "model.safetensors"

    return make


def forget(folder):
    """An older run there would be gone on with."""
    for path in sorted(folder.glob("**/*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def images(files):
    """A data set of 256 smooth colour pictures of 32 × 32 in ten classes; PNG, each row filtered by Sub."""
    path, chance = files.folder / "images.zip", random.Random(0)
    with zipfile.ZipFile(path, "w") as archive:
        labels = []
        for number in range(256):
            name = f"{number:05}.png"
            archive.writestr(name, png(picture(chance, 32), 32))
            labels.append([name, number % 10])
        archive.writestr("dataset.json", json.dumps({"labels": labels}))
    return path


def picture(chance, side):
    """Rows of RGB bytes: a slope in each channel and a little noise."""
    slopes = [(chance.uniform(-4, 4), chance.uniform(-4, 4)) for _ in range(3)]

    def value(x, y, across, down):
        return min(255, max(0, round(128 + across * (x - side / 2) + down * (y - side / 2) + chance.gauss(0, 6))))

    return [bytes(value(x, y, *slope) for x in range(side) for slope in slopes) for y in range(side)]


def png(rows, side):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    filtered = b"".join(b"\x01" + bytes((row[i] - (row[i - 3] if i > 2 else 0)) & 255 for i in range(len(row))) for row in rows)
    header = struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(filtered)) + chunk(b"IEND", b"")


def inception(files):
    """The network under weights that a rule makes: the real ones take the same time."""
    path = files.folder / "inception.safetensors"
    if not path.exists():
        files.run(f"write_inception_rule {path}")
    return path


def python_model(files):
    path = files.folder / "python_model.pt"
    files.run(f"scripts/bench/cold_start.py make {path}")
    return path


MAKERS = {
    "images": images,
    "fashion_teacher": untrained("fashion_teacher", "configs/fashion_mnist/teacher.yaml", "data.split=test"),
    "edm_teacher": untrained("edm_teacher", "configs/cifar10_cond/teacher.yaml",
                             "'data={{kind: images, path: {images}}}' task.network.model_channels=16 "
                             "task.network.augment_dim=0 task.augmentation=0"),
    "inception": inception,
    "python_model": python_model,
}
