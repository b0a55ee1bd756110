# SPDX-License-Identifier: Apache-2.0
"""Sets that are arrays of pixels already."""
import typing

import numpy
from PIL import Image

from .decode import Look


class Arrays(typing.NamedTuple):
    kind: str  # for the report: "CIFAR-10, binary"
    pixels: numpy.ndarray  # uint8 [N, H, W, C], C = 1 or 3, or [N, H, W]
    labels: numpy.ndarray = None  # integers [N]
    class_names: list = None
    passed_over: list = []

    def look(self, index):
        image = self.pixels[index]
        return Look((image.shape[1], image.shape[0]), image.ndim == 2 or image.shape[2] == 1)

    def image(self, index):
        image = self.pixels[index]
        return Image.fromarray(numpy.ascontiguousarray(image[:, :, 0] if image.shape[2:] == (1,) else image)), []

