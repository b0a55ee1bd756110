#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a small set of colour pictures with classes from Debian's packages alone: the emoji of Noto, grouped by Unicode.

  scripts/make_emoji.py OUT.zip [--size 32] [--skin-tones] [--sheet SHEET.png]

Pictures are the fully qualified emoji of emoji-test.txt (package unicode-data) that NotoColorEmoji.ttf (package
fonts-noto-color-emoji) draws as one glyph, 136 × 128 pixels in the middle of a white square, made smaller by Lanczos; the
nine groups of that file are the classes. A picture that came before is left out: territories that fly another's flag.

The 1,785 variants by skin tone are left out, too: with them six pictures of ten would be of "People & Body" and differ in
little but a colour; without them a class has 85 to 363 pictures. --skin-tones takes them in.

OUT is laid out as by onestep-data, and the same packages give the same bytes. Exit codes: 0 done, 1 a package is missing,
2 usage, 3 a bad or unwritable file.
"""
import argparse
import collections
import pathlib
import sys

sys.dont_write_bytecode = True
from image_data.interpreter import require_packages  # noqa: E402

require_packages("make_emoji")

from PIL import Image, ImageDraw, ImageFont, features  # noqa: E402

from common.bad_input import BadInput, reason  # noqa: E402
from common.output_file import output_file  # noqa: E402
from image_data.archive import DataSetZip, png_bytes  # noqa: E402
from image_data.fit import fit  # noqa: E402

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
LIST = "/usr/share/unicode/emoji/emoji-test.txt"
PACKAGES = {FONT: "fonts-noto-color-emoji", LIST: "unicode-data"}
STRIKE = 109  # the one size of the font's bitmaps, which are 136 × 128
WIDTH, HEIGHT = 136, 128
SKIN_TONES = {chr(code) for code in range(0x1F3FB, 0x1F3FF + 1)}
WHITE = (255, 255, 255)


def emoji_of(path):
    """(group, text) of each fully qualified emoji, in the file's order, which is that of keyboards."""
    group, found = None, []
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        if line.startswith("# group:"):
            group = line.removeprefix("# group:").strip()
        codes, _, rest = line.partition(";")
        if group and rest.split("#")[0].strip() == "fully-qualified":
            found.append((group, "".join(chr(int(code, 16)) for code in codes.split())))
    if not found:
        raise BadInput(path, "lists no fully-qualified emoji")
    return found


def draw(font, text):
    """The glyph on white, or None where the font has none, or draws the parts of a sequence side by side."""
    left, top, right, bottom = font.getbbox(text)
    if round(font.getlength(text)) != WIDTH or (right - left, bottom - top) != (WIDTH, HEIGHT):
        return None
    square = Image.new("RGB", (WIDTH, WIDTH), WHITE)
    place = (-left, (WIDTH - HEIGHT) // 2 - top)
    ImageDraw.Draw(square).text(place, text, font=font, embedded_color=True)
    return square


def pictures(options):
    """(group, picture) of each emoji that is drawn and new, and how many were left out, by reason."""
    font = ImageFont.truetype(options.font, STRIKE, layout_engine=ImageFont.Layout.RAQM)
    seen, left_out, found = set(), collections.Counter(), []
    for group, text in emoji_of(options.list):
        if not options.skin_tones and SKIN_TONES & set(text):
            left_out["skin tones"] += 1
            continue
        drawn = draw(font, text)
        if drawn is None:
            left_out["not in the font as one glyph"] += 1
            continue
        picture = fit(drawn, options.size, "none", "lanczos", [])
        if picture.tobytes() in seen:
            left_out["drawn before"] += 1
            continue
        seen.add(picture.tobytes())
        found.append((group, picture))
    return found, left_out


def contact_sheet(by_class, columns=30, rows=3):
    """A few rows of each class, spread over it."""
    side = next(iter(by_class.values()))[0].width
    sheet = Image.new("RGB", (columns * (side + 2), len(by_class) * (rows * (side + 2) + 6)), WHITE)
    for band, images in enumerate(by_class.values()):
        shown = min(len(images), columns * rows)
        for cell in range(shown):
            x, y = cell % columns * (side + 2), band * (rows * (side + 2) + 6) + cell // columns * (side + 2)
            sheet.paste(images[cell * len(images) // shown], (x, y))
    return sheet


def make(options):
    found, left_out = pictures(options)
    groups = list(dict.fromkeys(group for group, _ in found))
    by_class = {group: [picture for of, picture in found if of == group] for group in groups}
    with output_file(options.output) as file, DataSetZip(file) as archive:
        for number, group in enumerate(groups):
            for picture in by_class[group]:
                archive.add(png_bytes(picture), number)
        archive.finish(True, groups)
    if options.sheet:
        with output_file(options.sheet) as file:
            file.write(png_bytes(contact_sheet(by_class)))
    print(f"{len(found)} pictures of {options.size} × {options.size}: "
          + ", ".join(f"{group} {len(by_class[group])}" for group in groups))
    print("left out: " + ", ".join(f"{count} {why}" for why, count in left_out.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", metavar="OUT.zip", type=pathlib.Path)
    parser.add_argument("--size", type=int, default=32, metavar="N", help="width and height, default 32")
    parser.add_argument("--skin-tones", action="store_true", help="variants by skin tone, too")
    parser.add_argument("--sheet", type=pathlib.Path, metavar="FILE.png", help="a contact sheet")
    parser.add_argument("--font", default=FONT, help=f"default {FONT}")
    parser.add_argument("--list", default=LIST, help=f"default {LIST}")
    options = parser.parse_args()
    if not 1 <= options.size <= WIDTH:
        parser.error(f"--size must be 1 to {WIDTH}")
    if not features.check("raqm"):
        sys.exit("make_emoji: this Pillow cannot put sequences together: it lacks libraqm, which Debian's python3-pil has")
    for path in (options.font, options.list):
        if path in PACKAGES and not pathlib.Path(path).exists():
            sys.exit(f"make_emoji: no {path}: apt-get install {PACKAGES[path]}")
    try:
        make(options)
        return 0
    except BadInput as error:
        print(f"make_emoji: {error}", file=sys.stderr)
    except OSError as error:
        print(f"make_emoji: {error.filename or options.font}: {reason(error)}", file=sys.stderr)
    return 3


if __name__ == "__main__":
    sys.exit(main())
