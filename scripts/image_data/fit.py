# SPDX-License-Identifier: Apache-2.0
"""Crop and resize. Both are Pillow's own: 8-bit, antialiased, the horizontal pass first."""
from PIL import Image

from common.bad_input import BadInput

FILTERS = {"lanczos": Image.Resampling.LANCZOS, "box": Image.Resampling.BOX}
CROPS = ("none", "center")


def fitted_size(size, name, target, crop):
    """Width and height behind `fit`, or BadInput where an image has to be square and is not."""
    width, height = size
    if width != height and crop == "none":
        raise BadInput(name, f"is {width} × {height}, not square: --crop center takes the square in its middle")
    side = target or min(size)
    return side, side


def fit(image, target, crop, resize, done):
    """The middle square of an image, offsets rounded down, at `target` × `target` pixels, where that is given."""
    width, height = image.size
    if width != height and crop == "center":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
        done.append("cropped to a square")
    if target and image.width != target:
        done.append("made smaller" if image.width > target else "made larger")
        image = image.resize((target, target), FILTERS[resize])
    return image
