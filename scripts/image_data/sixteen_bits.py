# SPDX-License-Identifier: Apache-2.0
"""PNG files of 16 bits a channel. Of grey ones Pillow gives all 16, of others the upper 8, so that each byte is decoded for
itself here and the two are put together."""
import io
import struct
import zlib

import numpy
from PIL import Image

GREY, RGB, GREY_ALPHA, RGB_ALPHA = 0, 2, 4, 6
HEADER = struct.Struct(">8s4x4sIIBB")  # signature, length, type, width, height, depth, colour


def png_header(file):
    """(bits a channel, colour type) of a PNG file, else (0, 0). The file is left at its beginning."""
    head = file.read(HEADER.size)
    file.seek(0)
    if len(head) < HEADER.size:
        return 0, 0
    signature, kind, _, _, depth, colour = HEADER.unpack(head)
    return (depth, colour) if signature == b"\x89PNG\r\n\x1a\n" and kind == b"IHDR" else (0, 0)


def to_eight_bits(values):
    """round(v / 257): 0 … 65535 to 0 … 255, both ends exact; there are no ties, 257 being odd."""
    return ((values.astype(numpy.uint32) + 128) // 257).astype(numpy.uint8)


def read_sixteen_bits(file, formats):
    """uint16 [H, W, C] of a 16-bit PNG; C = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha."""
    _, colour = png_header(file)
    if colour == GREY:
        return numpy.asarray(Image.open(file, formats=formats)).astype(numpy.uint16)[:, :, None]
    if colour == GREY_ALPHA:
        bytes_ = decode(as_eight_bit_rgba(file.read()), formats).astype(numpy.uint16)
        return bytes_[:, :, 0::2] << 8 | bytes_[:, :, 1::2]
    mode = "RGB" if colour == RGB else "RGBA"
    data = file.read()
    # The unpacker of little-endian values takes the other byte of each pair.
    upper, lower = (decode(data, formats, f"{mode};16{order}").astype(numpy.uint16) for order in "BL")
    return upper << 8 | lower


def decode(data, formats, raw_mode=None):
    image = Image.open(io.BytesIO(data), formats=formats)
    if raw_mode:
        image.tile = [(*tile[:3], raw_mode) for tile in image.tile]
    return numpy.asarray(image)


def as_eight_bit_rgba(data):
    """Four bytes a pixel either way: the same rows and filters under the header of another kind."""
    header = data[12:24] + bytes([8, RGB_ALPHA]) + data[26:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
