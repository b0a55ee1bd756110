# SPDX-License-Identifier: Apache-2.0
"""The zip that comes out, as EDM's dataset tool lays it out: stored, 00000/img00000000.png …, dataset.json. The bytes depend
on pixels and labels alone (and on the versions of Pillow and zlib): no times, no names of this machine."""
import io
import json
import zipfile


def image_name(index):
    number = f"{index:08d}"
    return f"{number[:5]}/img{number}.png"


def png_bytes(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=6)  # the default, said so that it stays
    return buffer.getvalue()


class DataSetZip:
    """add() images in their order, then finish(), within a `with`."""

    def __init__(self, file):
        self.zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        self.labels = []

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        if error:
            self.zip.fp = None  # given up: closing would still write, and complain of an entry that is half written
        else:
            self.zip.close()

    def add(self, png, label):
        name = image_name(len(self.labels))
        self.write(name, png)
        self.labels.append([name, label])

    def write(self, name, data):
        entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
        entry.create_system = 3  # Unix, wherever this runs
        entry.external_attr = 0o644 << 16
        self.zip.writestr(entry, data)

    def finish(self, labelled, class_names):
        """`class_names` is a key that EDM's reader passes over and onestep-train shows; none where there are no names."""
        content = {"labels": self.labels if labelled else None}
        if labelled and class_names:
            content["class_names"] = class_names
        self.write("dataset.json", json.dumps(content, ensure_ascii=False).encode())
