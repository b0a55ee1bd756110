# SPDX-License-Identifier: Apache-2.0
"""A file → 8-bit grey or RGB pixels. The rules, which `onestep-data --help` tells, too:

EXIF orientation is applied; of an animation the first frame is taken; colour profiles are ignored.
1-bit becomes grey, a palette RGB, CMYK (and YCCK) RGB by Pillow's rule; 16 bits become 8 as round(v / 257).
Transparency is laid on white: round((a c + (255 - a) 255) / 255).
"""
import io
import typing
import warnings

import numpy
from PIL import Image

from common.bad_input import BadInput, reason
from .sixteen_bits import GREY_ALPHA, png_header, read_sixteen_bits, to_eight_bits

# Formats whose decoders read pixels and run nothing (EPS would start Ghostscript).
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
SUFFIXES = set(".png .jpg .jpeg .jpe .jfif .webp .gif .bmp .tif .tiff .ppm .pgm .pbm .pnm .jp2 .j2k".split())
MOST_PIXELS = 1 << 27  # of a source image; more is taken for a decompression bomb

GREY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"}
SIXTEEN_BIT_MODES = {"I;16", "I;16B", "I;16L", "I;16N"}
WIDE_GREY_FORMATS = {"PNG", "PPM"}  # whose mode I holds 16-bit values, not 32-bit ones

ORIENTATION = 0x0112
TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Look(typing.NamedTuple):
    """What a file's head tells: width and height when upright, and whether its pixels are grey."""

    size: tuple
    grey: bool


def prepare_pillow():
    """Once a process: Pillow's limit on pixels is an error, and its other warnings are not shown."""
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def guarded(read):
    """read(file, name) as a function of what opens the file. Archives and decoders throw anything when a file is damaged:
    all of it becomes BadInput, of the file's name."""

    def call(open_file, name):
        try:
            with open_file() as file:
                return read(file, name)
        except (BadInput, MemoryError):
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise BadInput(name, f"has more than {MOST_PIXELS} pixels: taken for a decompression bomb") from error
        except Image.UnidentifiedImageError as error:
            raise BadInput(name, f"is no image of these kinds: {', '.join(FORMATS)}") from error
        except Exception as error:
            raise BadInput(name, f"cannot be read: {reason(error)}") from error

    return call


@guarded
def look(file, name):
    _, colour = png_header(file)
    image = Image.open(file, formats=FORMATS)
    check_kind(image, name)
    size = image.size[::-1] if orientation(image) >= 5 else image.size
    return Look(size, image.mode in GREY_MODES or (image.format == "PNG" and colour == GREY_ALPHA))


@guarded
def decode(file, name):
    """The image, in mode L or RGB, and what was done to it, in the words of the report."""
    file = io.BytesIO(file.read())  # whole, so that an archive's checksum is compared
    depth, _ = png_header(file)
    image = Image.open(file, formats=FORMATS)
    check_kind(image, name)
    if image.format == "PNG":  # whose checksums Pillow compares when asked alone
        image.verify()
        file.seek(0)
        image = Image.open(file, formats=FORMATS)
    done = []
    turn = TO_UPRIGHT.get(orientation(image))
    if image.info.get("icc_profile"):
        done.append("colour profile ignored")
    if getattr(image, "is_animated", False):
        done.append("first frame of several")
        image.seek(0)
    pixels = flat(file, image, depth, done)
    if turn is not None:
        done.append("EXIF orientation applied")
        pixels = pixels.transpose(turn)
    return pixels, done


def check_kind(image, name):
    wide_grey = image.mode == "I" and image.format in WIDE_GREY_FORMATS
    known = GREY_MODES - {"I"} | {"P", "PA", "RGB", "RGBX", "RGBA", "RGBa", "CMYK"}
    if not wide_grey and image.mode not in known:
        raise BadInput(name, f"has pixels of the kind {image.mode}, which is neither 8-bit nor 16-bit grey or colour")
    if image.format != "PNG" and any(";16" in str(tile[3]) for tile in image.tile) and image.mode not in GREY_MODES:
        raise BadInput(name, f"is a 16-bit colour image in {image.format}: save it as PNG first")


def orientation(image):
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF data, which many a photo has: as if there were none
        return 1


def flat(file, image, depth, done):
    """Mode L or RGB, nothing transparent."""
    if depth == 16 or image.mode in SIXTEEN_BIT_MODES or image.mode == "I":
        done.append("16-bit to 8-bit")
        return flat_sixteen_bits(file, image, depth, done)
    if image.mode == "CMYK":
        done.append("CMYK to RGB")
        return image.convert("RGB")
    if image.mode in ("P", "PA"):
        done.append("palette to RGB")
        transparent = image.mode == "PA" or "transparency" in image.info
        return on_white(numpy.asarray(image.convert("RGBA")), done) if transparent else image.convert("RGB")
    if image.mode in ("La", "RGBa"):  # colours multiplied by alpha
        image = image.convert(image.mode.upper())
    if image.mode in ("LA", "RGBA"):
        return on_white(numpy.asarray(image), done)
    key = image.info.get("transparency")
    if image.mode == "1":
        done.append("1-bit to grey")
    pixels = image.convert("L" if image.mode in GREY_MODES else "RGB")
    if key is None:
        return pixels
    scale = 255 // ((1 << depth) - 1) if image.mode in GREY_MODES and 0 < depth < 8 else 1
    return on_white(with_alpha(numpy.asarray(pixels), numpy.multiply(key, scale), 255), done)


def flat_sixteen_bits(file, image, depth, done):
    if depth == 16:
        key = image.info.get("transparency")
        file.seek(0)
        values = read_sixteen_bits(file, FORMATS)
        if key is not None and values.shape[2] in (1, 3):
            values = with_alpha(values, key, 65535)
    else:
        values = numpy.asarray(image).astype(numpy.uint16)[:, :, None]
    values = to_eight_bits(values)
    if values.shape[2] in (2, 4):
        return on_white(values, done)
    return Image.fromarray(values[:, :, 0] if values.shape[2] == 1 else values)


def with_alpha(values, key, opaque):
    """A channel more, 0 where a pixel has the transparent colour."""
    values = values.reshape(*values.shape[:2], -1)
    alpha = numpy.where((values == key).all(axis=2), 0, opaque).astype(values.dtype)
    return numpy.dstack([values, alpha])


def on_white(values, done):
    """uint8 [H, W, C + 1], alpha last, over white."""
    done.append("transparency on white")
    colour, alpha = values[:, :, :-1].astype(numpy.uint32), values[:, :, -1:].astype(numpy.uint32)
    mixed = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(numpy.uint8)
    return Image.fromarray(mixed[:, :, 0] if mixed.shape[2] == 1 else mixed)
