# SPDX-License-Identifier: Apache-2.0
"""Classes of image files: from a dataset.json at the top, else from the folders that they lie in, else none."""
import json
import os
import re
import typing

from common.bad_input import BadInput, reason

LABEL_FILE = "dataset.json"
MOST_CLASSES = 1_000_000
NUMBERED = re.compile(r"[0-9]{5}")  # folders of EDM's own layout, which cut a set into thousands and mean nothing


class Labels(typing.NamedTuple):
    values: list = None  # a class for each image, or None
    class_names: list = None  # or None, where classes are numbers
    origin: str = "none"  # for the report


def read_labels(files, names):
    if LABEL_FILE in files.names:
        return from_json(files.read(LABEL_FILE), files.origin(LABEL_FILE), names)
    return from_folders(files.path, names)


def from_json(text, origin, names):
    """{"labels": [[name, class], …] or null}, a label for every image and none for others."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(origin, f"is no JSON: {reason(error)}") from error
    pairs = content.get("labels", "none") if isinstance(content, dict) else "none"
    if pairs is None:
        return Labels(origin="none: dataset.json says so")
    if not isinstance(pairs, list):
        raise BadInput(origin, 'must be {"labels": [[name, class], …]} or {"labels": null}')
    wanted, labels = set(names), {}
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and type(pair[1]) is int):
            raise BadInput(origin, "holds a label that is no pair of a file's name and an integer")
        name, label = pair
        if not 0 <= label < MOST_CLASSES:
            raise BadInput(origin, f"gives '{name}' the label {label}; labels are 0 to {MOST_CLASSES - 1}")
        if name not in wanted:
            raise BadInput(origin, f"labels '{name}', and there is no such image")
        if name in labels:
            raise BadInput(origin, f"labels '{name}' twice")
        labels[name] = label
    for name in names:
        if name not in labels:
            raise BadInput(origin, f"has no label for '{name}'")
    return Labels([labels[name] for name in names], named(content.get("class_names"), origin, labels), LABEL_FILE)


def named(class_names, origin, labels):
    """The key that onestep-data writes: a name for each class."""
    if class_names is None:
        return None
    count = max(labels.values(), default=-1) + 1
    if not isinstance(class_names, list) or not all(isinstance(n, str) for n in class_names) or len(class_names) != count:
        raise BadInput(origin, f"'class_names' must be {count} strings, one a class")
    return class_names


def from_folders(path, names):
    """Each folder in which images lie, or that holds such folders, is a class, numbered by the bytes of its name; folders
    that hold everything do not count, and EDM's numbered ones are no classes."""
    parents = [name.split("/")[:-1] for name in names]
    shared = os.path.commonprefix(parents)  # of lists, part by part
    folders = [parent[len(shared) :][:1] for parent in parents]
    if all(not folder for folder in folders):
        return Labels(origin="none: all images lie in one folder")
    classes = sorted({folder[0] for folder in folders if folder}, key=os.fsencode)
    if all(NUMBERED.fullmatch(name) for name in classes):
        return Labels(origin="none: folders are numbered as in EDM's data sets")
    for name, folder in zip(names, folders):
        if not folder:
            raise BadInput(f"{path}/{name}", f"lies beside folders ({classes[0]}, …), so that these are no classes: "
                           "move it into one, or give --no-labels")
    index = {name: number for number, name in enumerate(classes)}
    printable = [os.fsencode(name).decode("utf-8", "replace") for name in classes]
    return Labels([index[folder[0]] for folder in folders], printable, "folders")
