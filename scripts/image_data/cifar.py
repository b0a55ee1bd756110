# SPDX-License-Identifier: Apache-2.0
"""CIFAR-10 and CIFAR-100 as Krizhevsky publishes them: binary batches, or pickled ones, which are read and not run."""
import typing

import numpy

from common.bad_input import BadInput
from .arrays import Arrays
from .numpy_pickle import read_numpy_pickle

SIDE, PIXELS = 32, 3 * 32 * 32


class Layout(typing.NamedTuple):
    kind: str
    train: tuple
    test: tuple
    names: str  # the file that names the classes
    classes: int
    label_bytes: int = 0  # before each image of a binary batch; the last one is the class. 0: pickled
    labels: str = ""  # the key of a pickled batch
    class_names: str = ""  # the key of a pickled file of names


LAYOUTS = (
    Layout("CIFAR-10, pickled", tuple(f"data_batch_{i}" for i in range(1, 6)), ("test_batch",), "batches.meta", 10,
           labels="labels", class_names="label_names"),
    Layout("CIFAR-100, pickled", ("train",), ("test",), "meta", 100,
           labels="fine_labels", class_names="fine_label_names"),
    Layout("CIFAR-10, binary", tuple(f"data_batch_{i}.bin" for i in range(1, 6)), ("test_batch.bin",),
           "batches.meta.txt", 10, label_bytes=1),
    Layout("CIFAR-100, binary", ("train.bin",), ("test.bin",), "fine_label_names.txt", 100, label_bytes=2),
)  # fmt: skip


def find_layout(names):
    """The layout that names of files belong to, and the folder in which they lie ("a/"), or None."""
    for layout in LAYOUTS:
        for name in names:
            folder, _, base = name.rpartition("/")
            folder += "/" if folder else ""
            if base == layout.train[0] and (layout.label_bytes or folder + layout.names in names):
                return layout, folder
    return None


def layout_of_file(name):
    """Of a single batch."""
    return next((layout for layout in LAYOUTS if name in layout.train + layout.test), None)


def read_cifar(layout, folder, files, split):
    parts = [folder + part for part in (layout.train if split == "train" else layout.test)]
    for part in parts:
        if part not in files.names:
            raise BadInput(files.path, f"is {layout.kind}, and '{part}' is missing")
    batches = [read_batch(layout, files.read(part), files.origin(part)) for part in parts]
    names = folder + layout.names
    class_names = read_names(layout, files.read(names), files.origin(names)) if names in files.names else None
    pixels, labels = (numpy.concatenate(arrays) for arrays in zip(*batches))
    return Arrays(f"{layout.kind}, {split}", pixels, labels, class_names)


def read_batch(layout, data, name):
    """uint8 [N, 32, 32, 3] and the classes."""
    if layout.label_bytes:
        row = layout.label_bytes + PIXELS
        if not data or len(data) % row:
            raise BadInput(name, f"is {layout.kind}, and its {len(data)} bytes are no multiple of {row}")
        rows = numpy.frombuffer(data, numpy.uint8).reshape(-1, row)
        pixels, labels = rows[:, layout.label_bytes :], rows[:, layout.label_bytes - 1]
    else:
        content = read_numpy_pickle(data, name)
        if not isinstance(content, dict) or "data" not in content or layout.labels not in content:
            raise BadInput(name, f"is no batch of {layout.kind}: 'data' or '{layout.labels}' is missing")
        pixels, labels = content["data"], content[layout.labels]
        if not isinstance(pixels, numpy.ndarray) or pixels.dtype != numpy.uint8 or pixels.shape[1:] != (PIXELS,):
            raise BadInput(name, f"its 'data' must be uint8 [N, {PIXELS}]")
        if not isinstance(labels, (list, numpy.ndarray)) or any(not isinstance(k, (int, numpy.integer)) for k in labels):
            raise BadInput(name, f"its '{layout.labels}' must be integers")
        labels = numpy.asarray(labels)
    if len(labels) != len(pixels) or len(pixels) == 0:
        raise BadInput(name, f"holds {len(labels)} labels for {len(pixels)} images")
    if labels.min() < 0 or labels.max() >= layout.classes:
        raise BadInput(name, f"holds class {max(labels.max(), -labels.min())}; there are {layout.classes}")
    return pixels.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels


def read_names(layout, data, name):
    if layout.label_bytes:
        names = [line for line in data.decode("utf-8", "replace").splitlines() if line]
    else:
        content = read_numpy_pickle(data, name)
        names = content.get(layout.class_names) if isinstance(content, dict) else None
        if isinstance(names, list):
            names = [str(n, "utf-8", "replace") if isinstance(n, memoryview) else n for n in names]
    if not isinstance(names, list) or len(names) != layout.classes or not all(isinstance(n, str) for n in names):
        raise BadInput(name, f"does not hold {layout.classes} names of classes")
    return names
