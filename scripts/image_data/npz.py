# SPDX-License-Identifier: Apache-2.0
"""Arrays in an .npz file: images arr_0, classes arr_1 if they are there, as ADM's sampling scripts write them."""
import zipfile

import numpy

from common.bad_input import BadInput, reason
from .arrays import Arrays
from .labels import MOST_CLASSES

IMAGES, LABELS = ("arr_0", "images"), ("arr_1", "labels")


def read_npz(path):
    try:
        with numpy.load(path, allow_pickle=False) as file:
            names = set(file.files)
            images = next((name for name in IMAGES if name in names), None)
            labels = next((name for name in LABELS if name in names), None)
            if images is None:
                raise BadInput(path, f"holds arrays {', '.join(sorted(names))}; images are read from {' or '.join(IMAGES)}")
            pixels = file[images]
            values = file[labels] if labels else None
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError) as error:
        raise BadInput(path, f"is no .npz file, or is damaged: {reason(error)}") from error
    if pixels.dtype != numpy.uint8 or not (pixels.ndim == 3 or (pixels.ndim == 4 and pixels.shape[3] in (1, 3))):
        raise BadInput(path, f"array '{images}' must be uint8 [N, H, W, C], C = 1 or 3, or [N, H, W], "
                       f"got {pixels.dtype} {list(pixels.shape)}")
    if pixels.size == 0:
        raise BadInput(path, f"array '{images}' holds no pixels")
    if values is not None:
        if values.dtype.kind not in "iu" or values.shape != (len(pixels),):
            raise BadInput(path, f"array '{labels}' must be integers [{len(pixels)}], got {values.dtype} {list(values.shape)}")
        if values.min() < 0 or values.max() >= MOST_CLASSES:
            raise BadInput(path, f"array '{labels}' holds {values.min()} to {values.max()}; "
                           f"labels are 0 to {MOST_CLASSES - 1}")
    rest = sorted(names - {images, labels})
    return Arrays("arrays of an .npz file", pixels, values, None, [f"array {name}" for name in rest])
