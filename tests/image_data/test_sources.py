# SPDX-License-Identifier: Apache-2.0
"""What onestep-data takes for IN, with which classes and in which order."""
import gzip
import io
import json
import pickle
import tarfile
import unittest
import zipfile

from making import GOLDEN, DataTest, idx, pattern, png, python2_pickle, read_safetensors  # first: it finds the right Python

import numpy


def tar(files, mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def zipped(files, how=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


class ImageFiles(DataTest):
    def setUp(self):
        super().setUp()
        self.pixels = [numpy.full((2, 2), value, numpy.uint8) for value in range(9)]

    def values(self, images):
        return [int(image[0, 0]) for image in images]

    def test_folders_are_classes_in_the_order_of_their_bytes(self):
        for value, name in enumerate(["a/1.png", "a/deep/er/0.png", "B/9.png", "é/0.png", "a/.x.png", "c d/1.png"]):
            self.write(name, self.pixels[value])
        self.write("a/notes.txt", b"x")
        images, content = self.convert()
        self.assertEqual(self.values(images), [2, 0, 1, 5, 3])
        self.assertEqual(self.labels(content), [0, 1, 1, 2, 3])
        self.assertEqual(content["class_names"], ["B", "a", "c d", "é"])
        self.assertEqual(self.report["passed_over"], ["1 .txt", "1 hidden"])
        self.assertEqual([(c["name"], c["images"]) for c in self.report["classes"]], [("B", 1), ("a", 2), ("c d", 1), ("é", 1)])
        self.assertIn("classes (folders): B 1, a 2, c d 1, é 1", self.said)
        images, content = self.convert("--no-labels")
        self.assertEqual((len(images), content), (5, {"labels": None}))

    def test_a_folder_that_holds_everything_does_not_count(self):
        self.write("set/cat/0.png", self.pixels[0])
        self.write("set/dog/0.png", self.pixels[1])
        self.assertEqual(self.convert()[1]["class_names"], ["cat", "dog"])

    def test_without_classes(self):
        for names in (["0.png", "1.png"], ["00000/0.png", "00001/1.png"], ["one/0.png", "one/1.png"]):
            for name in names:
                self.write(name, self.pixels[0])
            self.assertEqual(self.convert()[1], {"labels": None}, names)
            for name in names:
                (self.input / name).unlink()

    def test_images_beside_folders(self):
        self.write("a.png", self.pixels[0])
        self.write("cat/b.png", self.pixels[1])
        self.refuse("in/a.png: lies beside folders (cat, …)", "--no-labels")
        self.assertEqual(len(self.convert("--no-labels")[0]), 2)

    def test_dataset_json(self):
        self.write("x/b.png", self.pixels[1])
        self.write("a.png", self.pixels[0])
        label = {"labels": [["x/b.png", 3], ["a.png", 0]]}
        self.write("dataset.json", json.dumps(label).encode())
        images, content = self.convert()
        self.assertEqual((self.values(images), self.labels(content)), ([0, 1], [0, 3]))
        self.assertNotIn("class_names", content)
        label["class_names"] = list("wxyz")
        self.write("dataset.json", json.dumps(label).encode())
        self.assertEqual(self.convert()[1]["class_names"], list("wxyz"))
        self.write("dataset.json", b'{"labels": null}')
        self.assertEqual(self.convert()[1], {"labels": None})
        for text, words in {
            "{": "is no JSON",
            "[" * 100_000: "is no JSON",
            "[]": "must be",
            '{"labels": [["a.png"]]}': "no pair",
            '{"labels": [["a.png", true]]}': "no pair",
            '{"labels": [["a.png", -1]]}': "gives 'a.png' the label -1",
            '{"labels": [["a.png", 1], ["a.png", 1]]}': "labels 'a.png' twice",
            '{"labels": [["b.png", 1]]}': "labels 'b.png', and there is no such image",
            '{"labels": [["a.png", 1]]}': "has no label for 'x/b.png'",
            '{"labels": [["a.png", 0], ["x/b.png", 1]], "class_names": ["x"]}': "'class_names' must be 2 strings",
        }.items():
            self.write("dataset.json", text.encode())
            self.refuse("in/dataset.json: ", words)

    def test_archives_are_as_folders(self):
        files = {"cat/1.png": png(self.pixels[1]), "ant/0.png": png(self.pixels[0]), "x.txt": b"x", ".h.png": b"x"}
        for name, data in files.items():
            self.write(name, data)
        folder = self.convert()
        whole = self.output.read_bytes()
        for name, data in {
            "a.zip": zipped(files),
            "b.ZIP": zipped(files, zipfile.ZIP_STORED),
            "c.tar": tar(files),
            "d.tar.gz": tar(files, "w:gz"),
            "e.tar.xz": tar(files, "w:xz"),
            "f.tar.bz2": tar({"./" + name: data for name, data in files.items()}, "w:bz2"),
        }.items():
            (self.folder / name).write_bytes(data)
            got = self.convert(source=self.folder / name)
            self.assertEqual(got[1], folder[1], name)
            self.assertEqual(self.output.read_bytes(), whole, name)

    def test_the_oracles(self):
        for name in ("rgb16_labelled.zip", "gray16_labelled.zip", "rgb16_folder"):
            expected = read_safetensors(GOLDEN / "data" / (name.removesuffix(".zip") + ".expected.safetensors"))
            images, content = self.convert(source=GOLDEN / "data" / name)
            images = numpy.stack([image.reshape(*image.shape[:2], -1).transpose(2, 0, 1) for image in images])
            self.assert_pixels(images, expected["images"])
            self.assertEqual(self.labels(content), expected["labels"].tolist())

    def test_limit_takes_the_first(self):
        for value in range(5):
            self.write(f"{value}.png", self.pixels[value])
        self.assertEqual(self.values(self.convert("--limit", 3)[0]), [0, 1, 2])

    def test_nothing_to_read(self):
        self.write("notes.txt", b"x")
        self.refuse("in: holds no images (.bmp", "passed over: 1 .txt")
        self.refuse("none: No such file", source=self.folder / "none")
        (self.folder / "x.bin").write_bytes(b"hello")
        self.refuse("x.bin: is no folder, zip, tar, idx, npz or CIFAR file", source=self.folder / "x.bin")


class Arrays(DataTest):
    def test_idx(self):
        pixels, labels = pattern(6, 5, 5), numpy.uint8([3, 1, 4, 1, 5, 9])
        self.write("train-images-idx3-ubyte.gz", gzip.compress(idx(pixels)))
        self.write("train-labels-idx1-ubyte", idx(labels))
        self.write("t10k-images-idx3-ubyte", idx(pixels[:2]))
        for source in (self.input, self.input / "train-images-idx3-ubyte.gz"):
            images, content = self.convert(source=source)
            self.assert_pixels(numpy.stack(images), pixels)
            self.assertEqual(self.labels(content), labels.tolist())
        images, content = self.convert("--split", "test")
        self.assertEqual((len(images), content["labels"]), (2, None))
        self.assertEqual(self.convert("--no-labels")[1]["labels"], None)
        images, _ = self.convert("--size", 10, source=self.write("x.idx", idx(pixels)))
        self.assertEqual(images[0].shape, (10, 10))

    def test_idx_that_is_wrong(self):
        images = "train-images-idx3-ubyte"
        self.write("train-labels-idx1-ubyte", idx(numpy.zeros(3)))
        self.write(images, idx(numpy.zeros((2, 4, 4))))
        self.refuse("train-labels-idx1-ubyte: holds 3 labels for 2 images")
        good = idx(numpy.zeros((3, 4, 4)))
        for data, words in {
            good[:-1]: "does not hold the 48 bytes",
            good + b"x": "does not hold the 48 bytes",
            gzip.compress(good)[:-9]: "is truncated or damaged",
            bytes([0, 0, 8, 3]) + b"\xff" * 12: "declares 4294967295",
            bytes([0, 0, 8, 1]) + b"\0\0\0\1x": "no idx file of bytes in 3 dimensions",
            b"": "no idx file",
        }.items():
            self.write(images, data)
            self.refuse(images, words)

    def cifar(self, layout, each=3):
        """Files of a CIFAR set, and its training images and classes."""
        parts = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]
        files, pixels, labels = {}, [], []
        for number, part in enumerate(parts):
            planes = pattern(each, 3, 32, 32, seed=number)
            classes = [(number + i) % 10 for i in range(each)]
            if layout == "binary":
                rows = [bytes([k]) + image.tobytes() for k, image in zip(classes, planes)]
                files[f"cifar-10/{part}.bin"] = b"".join(rows)
            else:
                content = {b"batch_label": b"x", b"labels": classes, b"data": planes.reshape(each, -1), b"filenames": [b"f"] * each}
                dump = python2_pickle if layout == "python 2" else lambda value: pickle.dumps(value, protocol=4)
                files[f"cifar-10/{part}"] = dump(content)
            if part != "test_batch":
                pixels.append(planes.transpose(0, 2, 3, 1))
                labels += classes
        names = [f"class {k}" for k in range(10)]
        if layout == "binary":
            files["cifar-10/batches.meta.txt"] = "\n".join(names + [""]).encode()
        else:
            meta = {b"label_names": [name.encode() for name in names], b"num_cases_per_batch": each}
            files["cifar-10/batches.meta"] = python2_pickle(meta)
        files["cifar-10/readme.html"] = b"<html>"
        return files, numpy.concatenate(pixels), labels, names

    def test_the_writer_of_this_test_is_pythons(self):
        value = {b"data": pattern(2, 300), b"labels": [1, 255, 256], b"x": b"y" * 300}
        got = pickle.loads(python2_pickle(value), encoding="bytes")
        self.assert_pixels(got[b"data"], value[b"data"])
        self.assertEqual((got[b"labels"], got[b"x"]), (value[b"labels"], value[b"x"]))

    def test_cifar10(self):
        for layout in ("binary", "python 2", "python 3"):
            files, pixels, labels, names = self.cifar(layout)
            archive = self.folder / "cifar.tar.gz"
            archive.write_bytes(tar(files, "w:gz"))
            images, content = self.convert(source=archive)
            self.assert_pixels(numpy.stack(images), pixels)
            self.assertEqual((self.labels(content), content["class_names"]), (labels, names[: max(labels) + 1]))
            for name, data in files.items():
                self.write(name, data)
            for source in (self.input, self.input / "cifar-10"):
                self.assertEqual(len(self.convert(source=source)[0]), 15)
            images, _ = self.convert("--split", "test")
            self.assert_pixels(numpy.stack(images), pattern(3, 3, 32, 32, seed=5).transpose(0, 2, 3, 1))
            one = self.input / "cifar-10" / ("data_batch_2.bin" if layout == "binary" else "data_batch_2")
            self.assert_pixels(numpy.stack(self.convert(source=one)[0]), pixels[3:6])
            (self.input / "cifar-10" / one.name.replace("2", "4")).unlink()
            self.refuse("CIFAR-10", "'cifar-10/data_batch_4", "is missing")
            for file in list((self.input / "cifar-10").iterdir()):
                file.unlink()

    def test_cifar100(self):
        planes = pattern(4, 3, 32, 32)
        rows = [bytes([19, 90 + k]) + image.tobytes() for k, image in enumerate(planes)]  # coarse and fine class
        self.write("train.bin", b"".join(rows))
        self.write("test.bin", rows[0])
        images, content = self.convert()
        self.assert_pixels(numpy.stack(images), planes.transpose(0, 2, 3, 1))
        self.assertEqual(self.labels(content), [90, 91, 92, 93])
        (self.input / "train.bin").unlink()
        batch = {b"data": planes.reshape(4, -1), b"fine_labels": [9, 8, 7, 6], b"coarse_labels": [1] * 4}
        self.write("train", python2_pickle(batch))
        self.write("meta", python2_pickle({b"fine_label_names": [b"n"] * 100}))
        self.assertEqual(self.labels(self.convert()[1]), [9, 8, 7, 6])

    def test_cifar_that_is_wrong(self):
        good = {b"labels": [1, 2], b"data": pattern(2, 3072)}
        path = self.folder / "data_batch_1"
        for batch, words in [
            (good | {b"labels": [1]}, "holds 1 labels for 2 images"),
            (good | {b"labels": [1, 10]}, "there are 10"),
            (good | {b"labels": [1, b"x"]}, "must be integers"),
            (good | {b"data": pattern(2, 3071)}, "must be uint8 [N, 3072]"),
            (good | {b"data": b"x"}, "must be uint8 [N, 3072]"),
            ({b"labels": [1]}, "'data' or 'labels' is missing"),
            ([1, 2], "'data' or 'labels' is missing"),
        ]:
            path.write_bytes(python2_pickle(batch))
            self.refuse("data_batch_1: ", words, source=path)
        path = self.folder / "data_batch_1.bin"
        path.write_bytes(b"x" * 3074)
        self.refuse("its 3074 bytes are no multiple of 3073", source=path)

    def test_npz(self):
        path = self.folder / "a.npz"
        pixels, labels = pattern(4, 6, 6, 3), numpy.array([0, 2, 1, 2])
        numpy.savez_compressed(path, pixels, labels, more=labels)
        images, content = self.convert(source=path)
        self.assert_pixels(numpy.stack(images), pixels)
        self.assertEqual(self.labels(content), [0, 2, 1, 2])
        self.assertEqual(self.report["passed_over"], ["array more"])
        for grey in (pixels[:, :, :, 0], pixels[:, :, :, :1]):
            numpy.savez(path, grey)
            images, content = self.convert(source=path)
            self.assert_pixels(numpy.stack(images), pixels[:, :, :, 0])
            self.assertEqual(content, {"labels": None})
        for arrays, words in [
            ({"x": pixels}, "holds arrays x; images are read from arr_0 or images"),
            ({"arr_0": pixels * 1.0}, "must be uint8"),
            ({"arr_0": pixels[:, :, :, :2]}, "must be uint8"),
            ({"arr_0": pixels[:0]}, "holds no pixels"),
            ({"arr_0": pixels, "arr_1": labels[:3]}, "must be integers [4]"),
            ({"arr_0": pixels, "arr_1": labels - 1}, "holds -1"),
            ({"arr_0": numpy.array([pickle])}, "is no .npz file, or is damaged: Object arrays"),
        ]:
            with zipfile.ZipFile(path, "w") as archive:
                for name, array in arrays.items():
                    buffer = io.BytesIO()
                    if array.dtype == object:
                        array = numpy.array([{}])
                    numpy.lib.format.write_array(buffer, array)
                    archive.writestr(name + ".npy", buffer.getvalue())
            self.refuse("a.npz: ", words, source=path)


if __name__ == "__main__":
    unittest.main()
