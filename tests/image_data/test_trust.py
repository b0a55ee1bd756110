# SPDX-License-Identifier: Apache-2.0
"""onestep-data on files that are broken or hostile, when it is interrupted, and that it gives the same bytes again."""
import gzip
import importlib.util
import os
import pickle
import shutil
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
import unittest
import unittest.mock
import zipfile

from making import SCRIPT, DataTest, chunk, idx, onestep_data, pattern, png, python2_pickle  # first: it finds the right Python

import numpy
from PIL import Image

from common.bad_input import BadInput
from image_data import interpreter
from image_data.numpy_pickle import read_numpy_pickle


class Trap:
    def __init__(self, called, *arguments):
        self.reduced = called, arguments

    def __reduce__(self):
        return self.reduced


class Pickles(DataTest):
    def test_a_hostile_batch_is_not_run(self):
        sprung = self.folder / "sprung"
        path = self.folder / "data_batch_1"
        for protocol in (0, 2, 4):
            for trap, name in [
                (Trap(os.system, f"touch {sprung}"), "posix.system"),
                (Trap(eval, f"open({str(sprung)!r}, 'w')"), "builtins.eval"),
                (Trap(os.mkdir, str(sprung)), "posix.mkdir"),
            ]:
                path.write_bytes(pickle.dumps({"labels": [trap], "data": 0}, protocol=protocol))
                name = name.replace("builtins", "__builtin__") if protocol < 3 else name
                words = f"names {name}, which plain data does not need: refused, nothing was run"
                self.refuse(f"data_batch_1: {words if protocol else 'pickle opcode 0x64'}", source=path)
        self.assertFalse(sprung.exists())

    def refuse_pickle(self, data, words):
        started = time.process_time()
        with self.assertRaises(BadInput, msg=data[:80]) as caught:
            read_numpy_pickle(data, "batch")
        self.assertLess(time.process_time() - started, 10)
        self.assertIn(words, str(caught.exception), data[:80])
        self.assertTrue(str(caught.exception).startswith("batch: "))

    def test_what_arrays_do_not_need_is_refused(self):
        for data, words in {
            b"cposix\nsystem\n.": "names posix.system, which",
            b"\x8c\x05posix\x8c\x06system\x93.": "names posix.system, which",
            b"\x8c\x05numpy\x8c\x04load\x93.": "names numpy.load, which",
            b"ctorch._utils\n_rebuild_tensor_v2\n.": "names torch._utils._rebuild_tensor_v2, which",
            b"U\x05posixU\x06system\x93.": "misuses a memoryview",
            b"(inumpy\nload\n.": "pickle opcode 0x69",
            b"X\x01\0\0\0xQ.": "refers to data outside itself",
            b"\x82\x01.": "pickle opcode 0x82",
            b"cnumpy\nndarray\n)\x81.": "calls numpy.ndarray: refused, nothing was run",
            b"cnumpy\nndarray\n)R.": "calls numpy.ndarray: refused, nothing was run",
            b"cnumpy\ndtype\n)R.": "an array that is not made as NumPy makes them",
            b"K\x01)R.": "misuses a int",
            b"e.": "looks for a mark that is not there",
            b"h\x05.": "entry 5 of its memo, which it never made",
            b".": "takes from an empty stack",
            b"(\x85.": "takes from an empty stack",
            b"]q\x00h\x00a": "ends within its pickle",
            b"N.N": "1 bytes too many",
        }.items():
            self.refuse_pickle(b"\x80\x02" + data, words)
        self.refuse_pickle(b"", "ends within its pickle")

    def test_sizes(self):
        for opcode in (b"T", b"U", b"B", b"\x8e", b"X", b"\x8d"):
            self.refuse_pickle(b"\x80\x02" + opcode + b"\xff" * 8 + b"abc.", "ends within its pickle")
        self.refuse_pickle(b"\x80\x02T\xf0\xff\xff\xffabc.", "ends within its pickle")  # -16: not backwards
        self.refuse_pickle(b"\x80\x02j\xff\xff\xff\xff.", "entry 4294967295 of its memo")
        self.assertEqual(read_numpy_pickle(b"\x80\x02K\x07r\xff\xff\xff\xff.", "batch"), 7)  # an index costs nothing
        self.refuse_pickle(b"\x80\x02" + b"}" * 1_000_001 + b".", "more opcodes")
        self.refuse_pickle(b"\x80\x02X" + struct.pack("<I", 20 << 20) + b"a" * (20 << 20) + b".", "more text")
        self.refuse_pickle(b"\x80\x02\x8b\xff\xff\xff\x7f.", "integer of 2147483647 bytes")
        self.refuse_pickle(b"\x80\x02}T\xff\0\x01\0" + bytes(0x100FF) + b"Ns.", "a key of a dict")
        self.refuse_pickle(b"\x80\x02" + b"(" * 100_000 + b".", "nested more than 1000 deep")

    def test_arrays_that_lie(self):
        array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R(K\x01%s%s\x89U\x02abtb."
        kind = b"cnumpy\ndtype\nU\x02%sK\0K\x01\x87R(K\x03U\x01%sNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
        small, huge = b"K\x02\x85", b"\x8a\x08" + b"\xff" * 7 + b"\x0f\x85"
        for shape, code, order, expected in [
            (small, b"u1", b"|", [97, 98]), (b"K\x01\x85", b"u2", b"<", [0x6261]), (b"K\x01\x85", b"u2", b">", [0x6162]),
        ]:  # fmt: skip
            read = read_numpy_pickle(b"\x80\x02" + array % (shape, kind % (code, order)), "batch")
            self.assertEqual(read.tolist(), expected)
        numbers = kind % (b"u1", b"|")
        for shape, dtype, words in [
            (huge, numbers, "a damaged array"),
            (b"U\x01x\x85", numbers, "a damaged array"),
            (b"(" + b"K\x01" * 1000 + b"t", numbers, "a damaged array"),
            (small, kind % (b"u4", b"<"), "a damaged array"),
            (small, kind % (b"f1", b"<"), "a damaged array"),
            (b"K\x02", numbers, "not made as NumPy"),
            (small, b"N", "not made as NumPy"),
            (small, kind % (b"O8", b"|"), "an array that is not of numbers"),
            (small, kind % (b"V8", b"|"), "an array that is not of numbers"),
            (small, b"cnumpy\ndtype\n)R", "an array that is not of numbers"),
        ]:
            self.refuse_pickle(b"\x80\x02" + array % (shape, dtype), words)

    def test_a_batch_is_not_copied(self):
        content = {"data": numpy.zeros((10_000, 3072), numpy.uint8), "labels": list(range(10)) * 1000}
        for protocol in (3, 4):
            data = pickle.dumps(content, protocol=protocol)
            tracemalloc.start()
            self.addCleanup(tracemalloc.stop)
            read = read_numpy_pickle(data, "batch")
            self.assertLess(tracemalloc.get_traced_memory()[1], 1 << 20)
            tracemalloc.stop()
            self.assertTrue(numpy.shares_memory(read["data"], numpy.frombuffer(data, numpy.uint8)))
            self.assertEqual(read["data"].shape, (10_000, 3072))

    def test_deep_nesting_and_any_change_end_in_one_error(self):
        deep = b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
        self.assertIsInstance(read_numpy_pickle(deep, "batch"), list)
        path = self.folder / "data_batch_1"
        for data in (deep, b"\x80\x02}(U\x04data" + deep[2:-1] + b"U\x06labels" + deep[2:-1] + b"u."):
            path.write_bytes(data)
            self.refuse("data_batch_1: ", source=path)
        value = {b"labels": [1, 2], b"data": pattern(2, 8)}
        for whole in (pickle.dumps(value, protocol=4), python2_pickle(value)):
            for place in range(len(whole)):
                for data in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x15]) + whole[place + 1 :]):
                    try:
                        read_numpy_pickle(data, "batch")
                    except BadInput:
                        pass


class Broken(DataTest):
    def test_broken_images_are_named_or_skipped(self):
        good = png(pattern(6, 6, 3))
        self.write("a.png", good)
        self.write("b.png", good[:70])
        self.write("c.jpg", b"no image")
        self.write("d.png", b"")
        damaged = bytearray(good)
        damaged[good.index(b"IDAT") + 10] ^= 255
        self.write("e.png", bytes(damaged))
        self.write("f.png", good)
        self.refuse("in/c.jpg: is no image of these kinds: PNG, JPEG")  # heads come first, then pixels
        images, _ = self.convert("--skip-broken")
        self.assertEqual(len(images), 2)
        skipped = {os.path.basename(entry["name"]): entry["reason"] for entry in self.report["skipped"]}
        self.assertEqual(sorted(skipped), ["b.png", "c.jpg", "d.png", "e.png"])
        self.assertTrue(all(skipped.values()))
        self.assertIn(f"skipped {self.input}/c.jpg: is no image", self.said)
        for name in ("c.jpg", "d.png"):
            (self.input / name).unlink()
        self.refuse("in/b.png: cannot be read: ")
        for name in ("a.png", "f.png"):
            (self.input / name).unlink()
        self.refuse("holds no image that can be read", options=["--skip-broken"])

    def test_members_that_are_damaged(self):
        path = self.folder / "in.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.png", png(pattern(4, 4)) + bytes(100_000))
        whole = path.read_bytes()
        path.write_bytes(whole.replace(bytes(10_000), b"x" + bytes(9_999)))  # behind what Pillow reads
        self.refuse("in.zip/a.png: cannot be read: Bad CRC-32", source=path)
        path.write_bytes(whole[: len(whole) // 2])
        self.refuse("in.zip: is no zip archive, or is truncated", source=path)
        (self.folder / "in.tar.gz").write_bytes(gzip.compress(b"x" * 2000)[:-12])
        self.refuse("in.tar.gz: is no tar archive, or is truncated", source=self.folder / "in.tar.gz")

    def test_kinds_that_have_no_rule(self):
        Image.fromarray(numpy.zeros((4, 4), numpy.float32)).save(self.input / "a.tif")
        self.refuse("in/a.tif: has pixels of the kind F")

    def test_names_that_lead_out(self):
        path = self.folder / "in.zip"
        for name in ("../a.png", "/etc/a.png", "x/../../a.png"):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr(name, png(pattern(4, 4)))
            self.refuse(f"in.zip: holds '{name}': names that lead out", source=path)
        with self.assertWarns(UserWarning), zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.png", png(pattern(4, 4)))
            archive.writestr("a.png", png(pattern(4, 4)))
        self.refuse("in.zip: holds 'a.png' twice", source=path)

    def test_links(self):
        self.write("a/0.png", pattern(4, 4))
        (self.input / "a" / "1.png").symlink_to("0.png")
        (self.input / "loop").symlink_to(self.input)
        with self.subTest("a link to the folder itself leads out of it, too"):
            self.refuse("in/loop: is a link that leads out of")
        (self.input / "loop").unlink()
        (self.input / "b").symlink_to("a")
        self.assertEqual(len(self.convert()[0]), 2)
        self.assertEqual(self.report["passed_over"], ["linked folder b"])
        (self.input / "passwd.png").symlink_to("/etc/passwd")
        self.refuse("in/passwd.png: is a link that leads out of")
        (self.input / "passwd.png").unlink()
        (self.input / "a" / "2.png").symlink_to("nowhere.png")
        self.refuse("in/a/2.png: cannot be read: No such file")
        (self.input / "a" / "2.png").unlink()
        os.mkfifo(self.input / "a" / "3.png")
        self.refuse("in/a/3.png: is no regular file")


class Bombs(DataTest):
    def test_pixels(self):
        header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
        small = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
        for width in (20_000, 60_000):  # Pillow warns of the first and refuses the second
            self.write("a.png", small.replace(header, struct.pack(">II", width, width) + header[8:]))
            self.refuse("in/a.png: ")
        self.write("a.png", small)
        self.refuse("in/a.png: has more than 134217728 pixels: taken for a decompression bomb")

    def test_unpacked_sizes(self):
        path = self.folder / "in.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("a.png", "w") as member:
                for _ in range(257):
                    member.write(bytes(1 << 20))
        self.refuse("in.zip/a.png: has 269484032 bytes; 268435456 at most", source=path)
        bomb = bytes([0, 0, 8, 3]) + struct.pack(">III", 1, 2, 2) + bytes(1 << 24)
        self.write("train-images-idx3-ubyte.gz", gzip.compress(bomb))
        self.refuse("does not hold the 4 bytes that its header declares")


class Behaviour(DataTest):
    def test_the_same_bytes_again(self):
        names = [f"{'abc'[i % 3]}/{i:03d}.png" for i in range(60)]
        for i, name in enumerate(names):
            self.write(name, pattern(9 + i % 5, 9 + i % 5, 3, seed=i))
        options = ["--size", "8", "--skip-broken"]
        self.write("b/broken.png", b"x")
        self.convert("--threads", 1, *options)
        first = self.output.read_bytes()
        self.convert("--threads", 5, *options)
        self.assertEqual(self.output.read_bytes(), first)
        other = self.folder / "elsewhere"
        for i, name in reversed(list(enumerate(names))):
            (other / name).parent.mkdir(parents=True, exist_ok=True)
            (other / name).write_bytes(png(pattern(9 + i % 5, 9 + i % 5, 3, seed=i)))
            os.utime(other / name, (1e9, 1e9))
        self.convert(*options, source=other)
        self.assertEqual(self.output.read_bytes(), first)

    def test_its_own_output_comes_out_as_it_went_in(self):
        for i in range(4):
            self.write(f"{'ab'[i % 2]}/{i}.png", pattern(4, 4, seed=i))
        self.convert()
        first = self.output.read_bytes()
        copy = self.folder / "copy.zip"
        copy.write_bytes(first)
        self.convert(source=copy)
        self.assertEqual(self.output.read_bytes(), first)
        self.convert(source=self.output)  # onto itself
        self.assertEqual(self.output.read_bytes(), first)

    def test_the_first_bad_image_is_named_whatever_the_threads(self):
        good = png(pattern(4, 4))
        for i in range(100):
            self.write(f"{i:03d}.png", good[:50] if i in (31, 32, 90) else good)
        for threads in (1, 2, 7):
            self.refuse("in/031.png", options=["--threads", threads])

    def test_interrupted_it_leaves_nothing(self):
        source = self.folder / "in-images-idx3-ubyte"
        source.write_bytes(idx(numpy.broadcast_to(pattern(128, 128), (4_000, 128, 128))))
        for number in (signal.SIGINT, signal.SIGTERM):
            process = subprocess.Popen([sys.executable, SCRIPT, source, self.output, "--report", self.folder / "r.json"],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
            self.addCleanup(process.kill)
            deadline = time.monotonic() + 120
            while not any(p.stat().st_size > 10_000 for p in self.folder.glob(".out.zip.*")):
                self.assertIsNone(process.poll())
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.01)
            process.send_signal(number)
            _, said = process.communicate(timeout=20)
            self.assertEqual(process.returncode, 128 + number)
            self.assertEqual(said.decode(), "onestep-data: interrupted; nothing was written\n")
            self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["in", source.name])

    def test_what_was_there_stays_when_it_fails(self):
        self.output.write_bytes(b"before")
        self.write("a.png", b"x")
        self.refuse("in/a.png")
        self.assertEqual(self.output.read_bytes(), b"before")

    def test_usage(self):
        self.write("a.png", pattern(4, 4))
        for options in (["--size", "0"], ["--size", "x"], ["--crop", "left"], ["--resize", "cubic"], ["--limit", "-1"]):
            self.refuse(options[0], options=options, code=2)
        result = onestep_data(self.input, self.folder / "out.tar")
        self.assertEqual(result.code, 2)
        self.assertIn("OUT must end in .zip", result.err)
        for output, options in ((self.folder / "none" / "o.zip", []), (self.output, ["--report", "/proc/none/r.json"])):
            result = onestep_data(self.input, output, *options)
            self.assertEqual(result.code, 3)
            self.assertRegex(result.err, r"(none/o\.zip|none/r\.json): No such file or directory\n$")
        self.assertEqual([path.name for path in self.folder.iterdir()], ["in"])

    def test_installed(self):
        self.write("a.png", pattern(4, 4))
        program = self.folder / "bin" / "onestep-data"
        program.parent.mkdir()
        shutil.copy(SCRIPT, program)
        for package in ("common", "image_data"):
            shutil.copytree(SCRIPT.parent / package, self.folder / "share" / "onestep" / package)
        done = subprocess.run([program, self.input, self.output], cwd="/", capture_output=True)
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_a_missing_module_names_the_package(self):
        with unittest.mock.patch.object(importlib.util, "find_spec", lambda name: None):
            with unittest.mock.patch.object(interpreter, "DEBIAN", sys.executable):
                with self.assertRaises(SystemExit) as end:
                    interpreter.require_packages("onestep-data")
        self.assertEqual(end.exception.code, "onestep-data: needs PIL and numpy: apt-get install python3-pil python3-numpy")


if __name__ == "__main__":
    unittest.main()
