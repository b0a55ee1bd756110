# SPDX-License-Identifier: Apache-2.0
"""What IN is, found out by looking, and its images in order."""
import collections
import pathlib
import typing
import zipfile

from common.bad_input import BadInput
from . import cifar, decode, idx, npz
from .files import COMPRESSED, Files, folder_files, tar_files, zip_files
from .labels import LABEL_FILE, Labels, read_labels


class Source(typing.NamedTuple):
    kind: str
    names: list  # of the images, for messages
    look: typing.Callable  # index → decode.Look
    image: typing.Callable  # index → Pillow image in mode L or RGB, what was done
    labels: Labels
    passed_over: list  # "3 .txt"


def open_source(path, split, use_labels, scratch):
    """`split`: which half of a set that has two. `scratch`: a folder in which a compressed tar may be unpacked."""
    path = pathlib.Path(path)
    if path.is_dir():
        return of_files(folder_files(path), "folder", split, use_labels)
    with open(path, "rb") as file:
        head = file.read(512)
    if path.suffix.lower() == ".npz":
        return of_arrays(npz.read_npz(path), path, use_labels)
    if layout := cifar.layout_of_file(path.name):
        with open(path, "rb") as file:
            pixels, labels = cifar.read_batch(layout, file.read(), path)
        return of_arrays(cifar.Arrays(f"a batch of {layout.kind}", pixels, labels), path, use_labels)
    if zipfile.is_zipfile(path) or path.suffix.lower() == ".zip":
        return of_files(zip_files(path), "zip archive", split, use_labels)
    if idx.is_idx(head) or path.name.removesuffix(".gz").endswith("-ubyte"):
        beside = [name for name in idx.labels_beside(path.name) if (path.parent / name).is_file()]
        return of_idx(path.name, beside, lambda name: open(path.parent / name, "rb"), path.parent.joinpath, use_labels)
    if head[257:262] == b"ustar" or any(head.startswith(magic) for magic in COMPRESSED):
        return of_files(tar_files(path, scratch), "tar archive", split, use_labels)
    raise BadInput(path, "is no folder, zip, tar, idx, npz or CIFAR file")


def of_files(files: Files, container, split, use_labels):
    if found := cifar.find_layout(set(files.names)):
        return of_arrays(cifar.read_cifar(*found, files, split), files.path, use_labels)
    if images := idx.image_files(files.names, split):
        beside = [name for name in idx.labels_beside(images[0]) if name in files.names]
        return of_idx(images[0], beside, files.open, files.origin, use_labels)
    suffixes = {name: pathlib.PurePosixPath(name).suffix.lower() for name in files.names}
    names = [name for name in files.names if suffixes[name] in decode.SUFFIXES]
    others = [suffix for name, suffix in suffixes.items() if suffix not in decode.SUFFIXES and name != LABEL_FILE]
    passed_over = [f"{count} {suffix or 'without suffix'}" for suffix, count in sorted(collections.Counter(others).items())]
    passed_over += [f"{files.hidden} hidden"] if files.hidden else []
    passed_over += files.not_entered
    if not names:
        raise BadInput(files.path, f"holds no images ({' '.join(sorted(decode.SUFFIXES))})"
                       + (f"; passed over: {', '.join(passed_over)}" if passed_over else ""))

    def opened(read):
        return lambda index: read(lambda: files.open(names[index]), files.origin(names[index]))

    labels = read_labels(files, names) if use_labels else Labels(origin="none: --no-labels")
    return Source(f"{container} of images", [files.origin(name) for name in names], opened(decode.look),
                  opened(decode.decode), labels, passed_over)


def of_idx(images, labels_beside, open_file, origin, use_labels):
    arrays = idx.read_pair(images, labels_beside[0] if labels_beside and use_labels else None, open_file, origin)
    return of_arrays(arrays, origin(images), use_labels)


def of_arrays(arrays, path, use_labels):
    labels = Labels(origin="none")
    if use_labels and arrays.labels is not None:
        labels = Labels([int(label) for label in arrays.labels], arrays.class_names, arrays.kind)
    names = [f"{path}, image {index}" for index in range(len(arrays.pixels))]
    return Source(arrays.kind, names, arrays.look, arrays.image, labels, arrays.passed_over)
