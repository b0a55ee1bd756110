# SPDX-License-Identifier: Apache-2.0
"""What onestep-data does to pixels: each rule against arithmetic of the test's own or a reference's numbers."""
import io
import unittest

from making import GOLDEN, DataTest, chunk, exif, pattern, png, read_safetensors  # first: it finds the right Python

import numpy
from PIL import Image

from image_data.fit import FILTERS, fit


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def on_white(colour, alpha):
    """By the definition, in float64: there are no ties."""
    return numpy.rint((alpha * 1.0 * colour + (255.0 - alpha) * 255) / 255).astype(numpy.uint8)


class Rules(DataTest):
    def test_pixels_stay(self):
        for name, pixels in (("grey", pattern(5, 5)), ("rgb", pattern(5, 5, 3))):
            self.write("a.png", pixels)
            self.assert_pixels(self.convert()[0][0], pixels)
            self.assertEqual(self.report["conversions"], {}, name)

    def test_one_bit_and_narrow_grey(self):
        for depth in (1, 2, 4):
            values = pattern(8, 8) % (1 << depth)
            self.write("a.png", png(values, depth))
            self.assert_pixels(self.convert()[0][0], values * (255 // ((1 << depth) - 1)))
            self.assertEqual(self.report["conversions"], {"1-bit to grey": 1} if depth == 1 else {})

    def test_sixteen_bits_become_eight_by_257(self):
        every = numpy.arange(65536, dtype=numpy.uint16).reshape(256, 256)
        self.write("a.png", png(every, 16))
        self.assert_pixels(self.convert()[0][0], numpy.rint(every / 257).astype(numpy.uint8))
        self.assertEqual(self.report["conversions"], {"16-bit to 8-bit": 1})
        rgb = numpy.dstack([every, every[::-1], every.T])
        self.write("a.png", png(rgb, 16))
        self.assert_pixels(self.convert()[0][0], numpy.rint(rgb / 257).astype(numpy.uint8))

    def test_sixteen_bits_with_alpha(self):
        values = numpy.random.default_rng(1).integers(0, 65536, (9, 9, 4), dtype=numpy.uint16)
        eight = numpy.rint(values / 257)
        self.write("a.png", png(values, 16))
        self.assert_pixels(self.convert()[0][0], on_white(eight[:, :, :3], eight[:, :, 3:]))
        self.write("a.png", png(values[:, :, 2:], 16))
        self.assert_pixels(self.convert()[0][0], on_white(eight[:, :, 2], eight[:, :, 3]))  # and grey: two dimensions
        self.assertEqual(self.report["conversions"], {"16-bit to 8-bit": 1, "transparency on white": 1})

    def test_sixteen_bits_with_a_transparent_colour(self):
        values = numpy.full((2, 2, 3), 0x1234, numpy.uint16)
        values[0, 0, 2] += 1  # differs in a lower byte alone, and is thus another colour
        self.write("a.png", png(values, 16, extra=chunk(b"tRNS", b"\x12\x34" * 3)))
        expected = numpy.full((2, 2, 3), 255, numpy.uint8)
        expected[0, 0] = [18, 18, 18]
        self.assert_pixels(self.convert()[0][0], expected)

    def test_sixteen_bits_as_tiff_and_pgm(self):
        values = numpy.arange(0, 65536, 16, dtype=numpy.uint16).reshape(64, 64)
        self.write("a.tif", saved(Image.fromarray(values), "TIFF"))
        self.write("b.pgm", b"P5 64 64 65535\n" + values.astype(">u2").tobytes())
        for image in self.convert()[0]:
            self.assert_pixels(image, numpy.rint(values / 257).astype(numpy.uint8))

    def test_transparency_lies_on_white(self):
        colour, alpha = numpy.mgrid[0:256, 0:256].astype(numpy.uint8)
        self.write("a.png", png(numpy.dstack([colour, alpha])))
        self.assert_pixels(self.convert()[0][0], on_white(colour, alpha))
        self.write("a.png", png(numpy.dstack([colour, colour.T, alpha, alpha])))
        self.assert_pixels(self.convert()[0][0], on_white(numpy.dstack([colour, colour.T, alpha]), alpha[:, :, None]))

    def test_a_transparent_colour(self):
        pixels = numpy.array([[[1, 2, 3], [1, 2, 4]], [[9, 9, 9], [1, 2, 3]]], numpy.uint8)
        self.write("a.png", png(pixels, extra=chunk(b"tRNS", bytes([0, 1, 0, 2, 0, 3]))))
        pixels[0, 0] = pixels[1, 1] = 255
        self.assert_pixels(self.convert()[0][0], pixels)
        for depth in (1, 4, 8):  # the key counts in the file's own steps
            self.write("a.png", png(numpy.array([[0, 1], [1, 0]]), depth, extra=chunk(b"tRNS", b"\0\0")))
            step = 255 // ((1 << depth) - 1)
            self.assert_pixels(self.convert()[0][0], numpy.array([[255, step], [step, 255]], numpy.uint8))

    def test_palettes(self):
        colours = bytes([255, 0, 0, 0, 200, 0])
        index = numpy.array([[0, 1], [1, 1]])
        self.write("a.png", png(index, 8, 3, chunk(b"PLTE", colours)))
        red, green = [255, 0, 0], [0, 200, 0]
        self.assert_pixels(self.convert()[0][0], numpy.array([[red, green], [green, green]], numpy.uint8))
        self.assertEqual(self.report["conversions"], {"palette to RGB": 1})
        self.write("a.png", png(index, 8, 3, chunk(b"PLTE", colours) + chunk(b"tRNS", bytes([255, 100]))))
        green = on_white(numpy.array(green), numpy.array(100))
        self.assert_pixels(self.convert()[0][0], numpy.array([[red, green], [green, green]], numpy.uint8))
        self.assertEqual(self.report["conversions"], {"palette to RGB": 1, "transparency on white": 1})

    def test_cmyk(self):
        # Cyan and black ink: (1 - c)(1 - k), here nothing, and half of all but red.
        image = numpy.zeros((16, 16, 4), numpy.uint8)
        image[:, :] = [255, 0, 0, 128]
        for name, data in (("a.jpg", saved(Image.fromarray(image, "CMYK"), "JPEG", quality=100)),
                           ("b.tif", saved(Image.fromarray(image, "CMYK"), "TIFF"))):  # fmt: skip
            self.write(name, data)
        for got in self.convert()[0]:
            self.assertLess(numpy.abs(got.astype(int) - [0, 127, 127]).max(), 3)
        self.assertEqual(self.report["conversions"], {"CMYK to RGB": 2})
        (self.input / "b.tif").unlink()
        self.write("a.jpg", (GOLDEN / "images" / "cmyk.jpg").read_bytes())
        self.assertEqual(self.convert("--crop", "center")[0][0].shape[2], 3)

    def test_exif_orientation(self):
        stored = pattern(4, 4, 3)
        upright = {
            1: stored,
            2: stored[:, ::-1],
            3: stored[::-1, ::-1],
            4: stored[::-1],
            5: stored.transpose(1, 0, 2),
            6: numpy.rot90(stored, -1),
            7: stored[::-1, ::-1].transpose(1, 0, 2),
            8: numpy.rot90(stored, 1),
            9: stored,  # no orientation at all
        }
        for orientation, expected in upright.items():
            for order in "<>":
                self.write("a.png", png(stored, extra=chunk(b"eXIf", exif(orientation, order))))
                self.assert_pixels(self.convert()[0][0], expected)
                turned = 2 <= orientation <= 8
                self.assertEqual(self.report["conversions"], {"EXIF orientation applied": 1} if turned else {})

    def test_exif_orientation_of_jpeg_comes_before_the_crop(self):
        # Stored 8 × 16 with the upper half white; turned by 6 that is the right half of 16 × 8.
        stored = numpy.zeros((16, 8), numpy.uint8)
        stored[:8] = 255
        self.write("a.jpg", saved(Image.fromarray(stored), "JPEG", quality=100, exif=b"Exif\0\0" + exif(6)))
        image = self.convert("--crop", "center")[0][0]
        self.assertEqual(image.shape, (8, 8))
        self.assertTrue((image[:, 4:] > 250).all() and (image[:, :4] < 5).all())
        self.assertEqual(self.report["source_sizes"], {"16 × 8": 1})

    def test_damaged_exif_is_as_none(self):
        stored = pattern(4, 4)
        for data in (b"MM\0*\xff\xff\xff\xff", b"junk", exif(6)[:12]):
            self.write("a.png", png(stored, extra=chunk(b"eXIf", data)))
            self.assert_pixels(self.convert()[0][0], stored)

    def test_first_frame_of_an_animation(self):
        frames = [Image.new("RGB", (6, 6), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
        self.write("a.gif", saved(frames[0], "GIF", save_all=True, append_images=frames[1:]))
        self.write("b.webp", saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True))
        self.write("c.tif", saved(frames[0], "TIFF", save_all=True, append_images=frames[1:]))
        for image in self.convert()[0]:
            self.assert_pixels(image, numpy.broadcast_to(numpy.uint8([255, 0, 0]), (6, 6, 3)))
        self.assertEqual(self.report["conversions"]["first frame of several"], 3)

    def test_grey_where_all_are(self):
        grey, colour = pattern(3, 3), pattern(3, 3, 3)
        self.write("a.png", grey)
        self.write("b.png", png(numpy.dstack([grey, numpy.full_like(grey, 255)])))
        images, _ = self.convert()
        self.assertEqual([image.ndim for image in images], [2, 2])
        self.assertEqual(self.report["channels"], 1)
        self.write("c.png", colour)
        images, _ = self.convert()
        for image, expected in zip(images, (numpy.dstack([grey] * 3), numpy.dstack([grey] * 3), colour)):
            self.assert_pixels(image, expected)
        self.assertEqual(self.report["conversions"], {"grey to RGB": 2, "transparency on white": 1})
        images, _ = self.convert("--grey")
        luma = colour @ numpy.array([0.299, 0.587, 0.114])
        self.assertLess(numpy.abs(images[2] - luma).max(), 1)

    def test_colour_profiles_are_ignored(self):
        pixels = pattern(4, 4, 3)
        self.write("a.png", saved(Image.fromarray(pixels), "PNG", icc_profile=b"a profile that would change much"))
        self.assert_pixels(self.convert()[0][0], pixels)
        self.assertEqual(self.report["conversions"], {"colour profile ignored": 1})


class Sizes(DataTest):
    def test_resize_equals_the_oracle(self):
        tensors = read_safetensors(GOLDEN / "data" / "resize_pil.safetensors")
        compared = 0
        for name, expected in tensors.items():
            case, _, result = name.partition("/")
            filter_name, _, _ = result.partition("_")
            if filter_name not in FILTERS:
                continue
            image = Image.fromarray(tensors[f"{case}/input"].transpose(1, 2, 0))
            height, width = expected.shape[1:]
            if image.width == image.height:
                got = fit(image, width, "none", filter_name, [])
            else:
                got = image.resize((width, height), FILTERS[filter_name])
            self.assert_pixels(numpy.asarray(got), expected.transpose(1, 2, 0))
            compared += 1
        self.assertEqual(compared, 10)
        self.write("a.png", tensors["coco/input"].transpose(1, 2, 0))
        expected = tensors["coco/centre_crop_lanczos_24"].transpose(1, 2, 0)
        self.assert_pixels(self.convert("--size", 24, "--crop", "center")[0][0], expected)
        self.assertEqual(self.report["conversions"], {"cropped to a square": 1, "made smaller": 1})

    def test_box_is_the_mean(self):
        pixels = pattern(8, 8)
        self.write("a.png", pixels)
        means = pixels.reshape(4, 2, 4, 2).mean(axis=(1, 3))
        image = self.convert("--size", 4, "--resize", "box")[0][0]
        self.assertLess(numpy.abs(image - means).max(), 1.01)  # each of two passes rounds

    def test_what_is_not_square_is_refused_or_cropped(self):
        pixels = pattern(4, 7)
        self.write("a.png", pixels)
        self.refuse("in/a.png: is 7 × 4, not square: --crop center")
        self.refuse("not square", options=["--size", "4"])
        self.assert_pixels(self.convert("--crop", "center")[0][0], pixels[:, 1:5])
        self.write("a.png", pixels.T)
        self.assert_pixels(self.convert("--crop", "center")[0][0], pixels.T[1:5])

    def test_sizes_that_differ(self):
        self.write("a.png", pattern(4, 4))
        self.write("b.png", pattern(5, 5))
        self.refuse("in/b.png: is 5 × 5, but the first image", "in/a.png, is 4 × 4: --size N")
        images, _ = self.convert("--size", 4)
        self.assertEqual([image.shape for image in images], [(4, 4)] * 2)
        self.assertEqual(self.report["conversions"], {"made smaller": 1})
        self.assertEqual(self.report["source_sizes"], {"4 × 4": 1, "5 × 5": 1})
        self.assertEqual(self.convert("--size", 6)[0][0].shape, (6, 6))
        self.assertEqual(self.report["conversions"], {"made larger": 2})


if __name__ == "__main__":
    unittest.main()
