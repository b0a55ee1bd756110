# SPDX-License-Identifier: Apache-2.0
"""onestep-data IN OUT.zip"""
import argparse
import contextlib
import os
import pathlib
import signal
import sys

from common.bad_input import BadInput, reason
from common.output_file import output_file
from . import decode
from .archive import DataSetZip, png_bytes
from .fit import CROPS, FILTERS, fit, fitted_size
from .in_order import in_order
from .progress import Progress
from .report import Report
from .sources import open_source

PROGRAM = "onestep-data"

HELP = """Makes a data set of images that onestep-train, onestep-evaluate and EDM's tools read: a zip of PNG files of one size.

  onestep-data photos/ photos.zip --size 64 --crop center
  onestep-data cifar-10-python.tar.gz cifar10.zip

IN is found out by looking: a folder, zip or tar (.gz, .bz2, .xz) of images; the files of CIFAR-10 or CIFAR-100, binary or
pickled (read, and not run), in a folder or archive; idx files with their labels beside; an .npz with arr_0, uint8
[N, H, W, C] or [N, H, W], and classes arr_1. Image files: PNG, JPEG, WebP, GIF, BMP, TIFF, PNM, JPEG 2000.

Classes come from a dataset.json at the top of IN; else each folder in IN is one, in the order of their names' bytes (a
folder that holds everything does not count; folders named by five digits are EDM's numbering, and no classes)."""

RULES = """What is done to images, and counted in the report:
  The EXIF orientation is applied. Of an animation the first frame is taken. Colour profiles are ignored.
  Palettes become RGB, 1-bit grey, CMYK RGB by Pillow's rule; 16 bits become 8: round(v / 257).
  Transparency is laid on white: round((a c + (255 - a) 255) / 255).
  The set is grey where all its images are, else grey ones become RGB.
  All have one size, which is square: --size, --crop, --resize. Order: that of the names' bytes.

What is refused, with exit code 3 and the file's name: what no decoder can read whole (--skip-broken leaves it out and
counts it), more than 2^27 pixels, 32-bit pixels, names that lead out of an archive or are there twice, links that lead out
of a folder. Hidden files and other suffixes are passed over and counted; links to folders are not entered.

OUT appears whole or not at all. The same images give the same bytes, wherever they lie (with one Pillow and one zlib).
Exit codes: 0 done, 1 Pillow or NumPy missing, 2 usage or too little memory, 3 a bad file, 130 interrupted."""


def parse(arguments):
    parser = argparse.ArgumentParser(PROGRAM, description=HELP, epilog=RULES, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("input", metavar="IN", type=pathlib.Path)
    parser.add_argument("output", metavar="OUT.zip", type=pathlib.Path)
    parser.add_argument("--size", type=positive, metavar="N", help="width and height; default: as they are, all alike")
    parser.add_argument("--crop", choices=CROPS, default="none",
                        help="center: the square in the middle; none: what is not square is refused (default)")
    parser.add_argument("--resize", choices=FILTERS, default="lanczos", help="filter of --size, default lanczos")
    parser.add_argument("--grey", action="store_true", help="colours become grey, 0.299 R + 0.587 G + 0.114 B")
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N images only")
    parser.add_argument("--split", choices=("train", "test"), default="train", help="of CIFAR and MNIST, default train")
    parser.add_argument("--no-labels", action="store_true", help="leave out classes")
    parser.add_argument("--skip-broken", action="store_true", help="leave out images that cannot be read, and count them")
    parser.add_argument("--report", type=pathlib.Path, metavar="FILE.json", help="what was done, as JSON, too")
    parser.add_argument("--threads", type=positive, metavar="N", default=len(os.sched_getaffinity(0)),
                        help="default: one a core; the result does not depend on it")
    options = parser.parse_args(arguments)
    if options.output.suffix.lower() != ".zip":
        parser.error(f"OUT must end in .zip, got {options.output}")
    return options


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def survey(source, options, report):
    """Looks at the head of every image: which can be used, their common size, and whether all are grey. What cannot come
    out well is thus said before the work begins."""

    def look(index):
        try:
            seen = source.look(index)
            return index, seen, fitted_size(seen.size, source.names[index], options.size, options.crop)
        except BadInput as error:
            if not options.skip_broken:
                raise
            return index, error, None

    count = min(len(source.names), options.limit or len(source.names))
    progress = Progress(PROGRAM, "looked at", count)
    chosen, size, grey, first = [], None, True, None
    for index, seen, fitted in in_order(look, range(count), options.threads):
        progress.tell(index)
        if fitted is None:
            report.skip(seen)
            continue
        if size is None:
            size, first = fitted, source.names[index]
        if fitted != size:
            raise BadInput(source.names[index], f"is {fitted[0]} × {fitted[1]}, but the first image, {first}, is "
                           f"{size[0]} × {size[1]}: --size N makes them alike")
        chosen.append(index)
        grey = grey and seen.grey
    progress.end()
    return chosen, size, grey or options.grey


def convert(source, options, report, file):
    chosen, size, grey = survey(source, options, report)
    mode = "L" if grey else "RGB"

    def work(index):
        try:
            image, done = source.image(index)
        except BadInput as error:
            if not options.skip_broken:
                raise
            return index, error, None, None
        source_size = image.size
        image = fit(image, options.size, options.crop, options.resize, done)
        if image.mode != mode:
            done.append("colour to grey" if grey else "grey to RGB")
            image = image.convert(mode)
        return index, png_bytes(image), source_size, done

    labels, progress = source.labels, Progress(PROGRAM, "converted", len(chosen))
    with DataSetZip(file) as archive:
        for index, result, source_size, done in in_order(work, chosen, options.threads):
            if isinstance(result, BadInput):
                report.skip(result)
                continue
            label = labels.values[index] if labels.values else None
            archive.add(result, label)
            report.add(source_size, done, label)
            progress.tell(len(archive.labels))
        if not archive.labels:
            raise BadInput(options.input, "holds no image that can be read")
        classes = max(report.classes, default=-1) + 1
        archive.finish(labels.values is not None, labels.class_names and labels.class_names[:classes])
    progress.end()
    report.finish(size, 1 if grey else 3, labels.class_names)


def run(options):
    decode.prepare_pillow()
    report_file = output_file(options.report) if options.report else contextlib.nullcontext()
    with output_file(options.output) as file, report_file as report_to:
        source = open_source(options.input, options.split, not options.no_labels, options.output.parent)
        told = {name: getattr(options, name) for name in ("size", "crop", "resize", "grey", "limit", "split", "skip_broken")}
        report = Report(source, told)
        convert(source, options, report, file)
        if options.report:
            report_to.write(report.json().encode())
    print(report.text())


def stop(number, _):
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt(number)


def main(arguments=None):
    options = parse(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        run(options)
        return 0
    except BadInput as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 3
    except OSError as error:
        print(f"{PROGRAM}: {error.filename or options.output}: {reason(error)}", file=sys.stderr)
        return 3
    except MemoryError:
        print(f"{PROGRAM}: {options.input}: too little memory", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(f"{PROGRAM}: interrupted; nothing was written", file=sys.stderr)
        return 128 + interrupt.args[0]
