#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""onestep-convert on files that were made to do harm, within 1 GiB of address space: each ends with code 3 and one line."""
import itertools
import math
import pickle
import resource
import struct
import time
import unittest
import zipfile
import zlib

from harness import GOLDEN, ConvertTest, run

import pickles
from pickles import binary, blob, call, legacy, name, storage_id, tensor, text, value, whole

from convert.expected_tensors import dit
from convert.network_config import complete
from convert.tensors import row_major

LIMIT = 1 << 30


def setUpModule():
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))


class Hostile(ConvertTest):
    def setUp(self):
        super().setUp()
        self.sprung = self.folder / "sprung"
        self.source = self.folder / "in.pkl"

    def refuse_bytes(self, data, *words, **options):
        self.source.write_bytes(data)
        started = time.process_time()
        said = self.refuse(self.source, *words, **options)
        self.assertLess(time.process_time() - started, 10)
        self.assertFalse(self.sprung.exists())
        return said

    def refuse_ema(self, pickled, *words):
        return self.refuse_bytes(whole({"ema": pickled}), *words)


class ForeignGlobals(Hostile):
    def test_called(self):
        command = f"touch {self.sprung}"
        for full, arguments in (("os.system", (command,)), ("posix.system", (command,)), ("builtins.eval", ("1",)),
                                ("builtins.exec", ("1",)), ("subprocess.check_output", (["touch", str(self.sprung)],)),
                                ("builtins.getattr", ("", "format")), ("importlib.import_module", ("os",)),
                                ("torch.load", ("x",)), ("numpy.load", ("x",)), ("builtins.open", (str(self.sprung), "w")),
                                ("torch.hub.load", ("x",)), ("pickle.loads", (b"C\x00",)), ("runpy.run_path", ("x",)),
                                ("torch.storage._load_from_bytes.__globals__", ("x",))):
            words = (f"names {full}, which plain data does not need: refused, nothing was run",)
            self.refuse_ema(call(full, *arguments), *words)
            self.refuse_ema(name(full), *words)  # not even called
            self.refuse_bytes(whole({"ema": {}, "loss_fn": call(full, *arguments)}), *words)
            module, _, last = full.rpartition(".")
            self.refuse_bytes(b"\x80\x02c" + f"{module}\n{last}\n".encode() + value(arguments) + b"R.", *words)
            self.refuse_bytes(whole({"ema": name(full) + value(arguments) + b"\x81"}), *words)

    def test_by_pythons_own_pickler(self):
        sprung = self.sprung

        class Trap:
            def __reduce__(self):
                return sprung.touch, ()

        for protocol in range(2, 6):
            self.refuse_bytes(pickle.dumps({"ema": Trap()}, protocol), "names ", "refused, nothing was run")

    def test_inside_a_storage(self):
        trap = call("subprocess.call", ["touch", str(self.sprung)])
        for inner in (legacy(trap), legacy(storage_id("F32", "0", trap)), whole(trap), legacy(0, [trap])):
            self.refuse_ema(tensor("F32", [1], b"", storage=call("torch.storage._load_from_bytes", binary(inner))),
                            "names subprocess.call")
        # A blob may name storages alone, so that none is inside another.
        nested = legacy(call("torch.storage._load_from_bytes", binary(blob("F32", b"abcd"))))
        self.refuse_ema(call("torch.storage._load_from_bytes", binary(nested)), "names torch.storage._load_from_bytes")

    def test_names_that_are_known(self):
        for pickled, word in (
                (name("torch.FloatStorage") + b")R", "calls torch.FloatStorage"),
                (name("builtins.dict") + b")R", "calls builtins.dict"),
                (text("os.system") + b")R", "misuses a str"),
                (b"}" + b")R", "misuses a dict"),
                (call("argparse.Namespace") + b")R", "misuses a Record"),
                (name("collections.OrderedDict") + b"NR", "misuses a NoneType"),
                (name("collections.OrderedDict") + value(([("a", 1)],)) + b"R", "other arguments"),
                (call("torch._utils._rebuild_parameter", 3), "other arguments"),
                (call("torch._utils._rebuild_tensor_v2", 3, 0, (1,), (1,)), "other arguments"),
                (call("torch.storage._load_from_bytes", "text"), "other arguments"),
                (call("_codecs.encode", "\u1234", "latin1"), "other arguments"),
                (call("_codecs.encode", "x", "rot13"), "other arguments"),
                (b"]Nb", "gives a state to a list"),
                (value({(1, 2): 3}), "a key of a dict in its pickle is a tuple"),
                (value({1 << 64: 3}), "a key of a dict"),
                (b"}(NNNu", "a key without a value"),
                (b"K\x01K\x02a", "misuses a int"),
                (b"K\x01(K\x02\x90", "misuses a int")):
            self.refuse_ema(pickled, word)

    def test_persistent_objects(self):
        rebuild = "torch_utils.persistence._reconstruct_persistent_obj"
        for arguments in ((), (3,), ({},), ({"class_name": "EDMPrecond", "state": 3},), ({"class_name": 5, "state": {}},)):
            self.refuse_ema(call(rebuild, *arguments), "lacks its class or state")
        for state, word in (({"_modules": 3}, "no dicts"), ({"_parameters": {"a": 3}}, "a is not a tensor"),
                            ({"_modules": {"a": 3}}, "a module that is a int"),
                            ({"_non_persistent_buffers_set": []}, "without tensors"),
                            ({"_non_persistent_buffers_set": [1]}, "no dicts")):
            self.refuse_ema(pickles.persistent("EDMPrecond", {"sigma_data": 0.5, **state}), word)
        loop = (b"\x80\x04" + text("ema") + b"0" + name(rebuild) + b"}(" + text("class_name") + text("EDMPrecond")
                + text("state") + b"}q\x07(" + text("sigma_data") + b"K\x01" + text("_modules") + b"}u" + b"u\x85Rq\x08"
                + b"0h\x07(" + text("_modules") + b"}(" + text("model") + b"h\x08uu0}(" + text("ema") + b"h\x08u.")
        self.refuse_bytes(loop, "modules more than 32 deep")

    def test_what_is_said_stays_a_line(self):
        said = self.refuse_bytes(b"\x80\x04" + text("os\n\x1b[31m\u202e") + text("system" * 1000) + b"\x93.", "names os\\n\\x1b")
        self.assertLess(len(said), 400)


class Sizes(Hostile):
    def test_depth(self):
        for opener, word in ((b"(", "nested more than 1000 deep"), (b"](", "nested more"), (b"}(K\x01", "nested more"),
                             (b"N\x85" + b"\x85" * 3, "")):
            self.refuse_bytes(b"\x80\x04" + opener * 100_000 + b".", word)
        deep = b"\x80\x04}(" + text("ema") + b")" + b"\x85" * 100_000 + b"u."
        self.refuse_bytes(deep, "its weights are a tuple")
        chain = b"\x80\x04}(" + text("ema") + b"}" * 100_000 + (text("a") + b"N") + b"s" * 1 + b"u."
        self.refuse_bytes(chain, "its pickle")

    def test_lengths(self):
        huge = 2**63 - 1
        for opcode, form in ((b"\x8d", "<Q"), (b"\x8e", "<Q"), (b"\x96", "<Q"), (b"X", "<I"), (b"B", "<I"), (b"\x95", "<Q")):
            number = struct.pack(form, min(huge, 2 ** (8 * struct.calcsize(form)) - 1))
            self.refuse_bytes(b"\x80\x04" + opcode + number + b"abc.", "ends within its pickle")
        self.refuse_bytes(b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1) + b"abc.", "integer of 2147483647 bytes")
        self.refuse_bytes(b"\x80\x04\x8b" + struct.pack("<i", -1) + b"abc.", "integer of -1 bytes")
        self.refuse_bytes(b"\x80\x04\x8b" + struct.pack("<i", 1 << 20) + bytes(1 << 20) + b".", "integer of 1048576 bytes")
        self.refuse_bytes(b"\x80\x02c" + b"a" * 1000, "has no line")

    def test_memo(self):
        self.refuse_bytes(b"\x80\x04Nr\xff\xff\xff\xff0}.", "has no ema")  # an index costs nothing
        self.refuse_bytes(b"\x80\x04j\xff\xff\xff\xff.", "entry 4294967295 of its memo")
        self.refuse_bytes(b"\x80\x04" + b"N\x94" * 600_000 + b".", "more opcodes")

    def test_opcodes(self):
        self.refuse_bytes(b"\x80\x04" + b"\x8f" * 1_000_001 + b".", "more opcodes")  # sets are the largest
        for opcode in b"IFSLVPgpio\x82\x83\x84\x92\x97\x98\xff\x00d":
            self.refuse_bytes(b"\x80\x04" + bytes([opcode]) + b"0\n.", f"opcode 0x{opcode:02x}")
        for version in (0, 1, 6, 255):
            self.refuse_bytes(b"\x80" + bytes([version]) + b"}.", f"protocol {version}")
        for data in (b"\x80\x04.", b"\x80\x040", b"\x80\x04t.", b"\x80\x04R.", b"\x80\x04Na.", b"\x80\x04\x94."):
            self.refuse_bytes(data, "its pickle")
        self.refuse_bytes(b"\x80\x04Q.", "data outside itself")
        self.refuse_bytes(whole({}) + b"x", "1 bytes too many")
        self.refuse_bytes(b"\x80\x04\x8c\x02\xff\xfe.", "not UTF-8")

    def test_text(self):
        wide = "\U0001F600" + "a" * (60 << 20)  # four bytes a letter in memory
        self.refuse_bytes(whole({"a": wide}), "has no ema")
        self.refuse_bytes(whole({"a": wide, "b": "b" * (5 << 20)}), "more text")

    def test_collisions(self):
        keys = b"".join(value(i * (2**61 - 1)) + b"N" for i in range(100_000))
        self.refuse_bytes(b"\x80\x04}(" + keys + b"u.", "a key of a dict")


class Tensors(Hostile):
    def state(self, pickled):
        return {"ema": {"conv.weight": pickled}}

    def test_outside_their_storage(self):
        data = bytes(16)
        for shape, offset, strides in (((5,), 0, None), ((4,), 1, None), ((2, 2), 0, (3, 1)), ((2,), 0, (4,)),
                                       ((1,), 4, (1,)), ((2**62,), 0, (0,)), ((8,), 0, (0,)), ((2**31, 2**31), 0, None),
                                       ((-1,), 0, (1,)), ((2,), -1, (1,)), ((2,), 0, (-1,)), ((2,), 0, (1, 1)),
                                       ((True,), 0, (1,)), ((2.0,), 0, (1,)), ((1,) * 9, 0, None), (("4",), 0, (1,))):
            if strides is None:
                strides = (1,) * len(shape)
            self.refuse_bytes(whole(self.state(tensor("F32", shape, data, offset, strides))), "a tensor")

    def test_storages(self):
        key, data = "1", bytes(16)
        good = storage_id("F32", key, 4, None)
        for inner, word in (
                (legacy(good, [key], [(5, data + bytes(4))]), "another size than its pickle says"),
                (legacy(good, [key], [(4, data[:-1])]), "ends within storage 1"),
                (legacy(good, [key], [(4, data + b"x")]), "1 bytes too many"),
                (legacy(good, [], []), "list of storages"),
                (legacy(good, [key, key], [(4, data)] * 2), "list of storages"),
                (legacy(storage_id("F32", key, 2**62, None), [key], [(2**62, data)]), "ends within storage 1"),
                (legacy(storage_id("F32", key, -1, None), [key], [(-1, data)]), "not a storage of PyTorch"),
                (legacy(storage_id("F32", key, 4, ("2", 0, 4)), [key], [(4, data)]), "before 0.4"),
                (legacy(value(("module", "x")) + b"Q"), "not a storage"),
                (legacy(good, magic=1), "does not begin as"), (legacy(good, version=1002), "legacy form"),
                (legacy(good, little=False), "big-endian")):
            storage = call("torch.storage._load_from_bytes", binary(inner))
            self.refuse_bytes(whole(self.state(tensor("F32", [4], b"", storage=storage))), word)

    def test_more_out_than_in(self):
        """A thousand tensors in one storage: each is sound, together they are none of a file of this size."""
        config = complete({"kind": "dit", "hidden_size": 512, "num_heads": 8, "depth": 8, "num_classes": 3, "input_size": 4})
        shapes = dit(config)
        largest = max(map(math.prod, shapes.values()))
        source = self.folder / "dit.pt"
        item = {key: call("torch._utils._rebuild_tensor_v2", storage_id("F32", "0", largest, None), 0, shape,
                          row_major(shape), False, None) for key, shape in shapes.items()}
        source.write_bytes(legacy(value(item), ["0"], [(largest, bytes(4 * largest))]))
        started = time.process_time()
        self.refuse(source, "out of a file of", options=["--num-heads", 8])
        self.assertLess(time.process_time() - started, 10)


class Archives(Hostile):
    def archive(self, entries, method=zipfile.ZIP_STORED):
        with zipfile.ZipFile(self.source, "w", method) as archive:
            for entry, data in entries.items():
                archive.writestr(entry, data)
        return self.source.read_bytes()

    def checkpoint(self, count=4, key="0"):
        storage = value(("storage", name("torch.FloatStorage"), key, "cpu", count)) + b"Q"
        return whole({"w": call("torch._utils._rebuild_tensor_v2", storage, 0, (4,), (1,), False, None)}, 2)

    def test_bombs(self):
        bomb = zlib.compress(bytes(1 << 20))
        self.assertLess(len(bomb), 2000)
        data = self.archive({"a/data.pkl": self.checkpoint(), "a/data/0": bytes(1 << 28)}, zipfile.ZIP_DEFLATED)
        self.refuse_bytes(data, "is compressed")
        many = self.archive({f"a/{i}": b"" for i in range(60_000)} | {"a/data.pkl": self.checkpoint()})
        self.refuse_bytes(many, "storage 0 is missing")

    def test_directories(self):
        good = self.archive({"a/data.pkl": self.checkpoint(), "a/data/0": bytes(16)})
        self.refuse_bytes(good, "of no network of OneStep: w")  # up to there, all is well
        end, entry = good.rfind(b"PK\5\6"), good.rfind(b"PK\1\2")

        def changed(at, form, number):
            return good[:at] + struct.pack(form, number) + good[at + struct.calcsize(form) :]

        far = 2**32 - 2
        for data, word in (
                (changed(entry + 20, "<I", far), "outside the file"), (changed(entry + 24, "<I", far), "two sizes"),
                (changed(entry + 42, "<I", far), "outside the file"), (changed(entry + 28, "<H", 65535), "outside the file"),
                (changed(entry + 30, "<H", 65535), "outside the file"), (changed(entry, "<I", 0), "damaged"),
                (changed(end + 10, "<H", 3), "damaged"), (changed(end + 10, "<H", 1), "storage 0 is missing"),
                (changed(end + 16, "<I", far), "outside the file"), (changed(entry + 8, "<H", 1), "encrypted"),
                (changed(good.rfind(b"PK\3\4"), "<I", 0), "outside the file"), (changed(entry + 42, "<I", 0), "CRC-32 differs"),
                (good[:end], "without its directory"), (good[: end + 10], "outside the file")):
            self.refuse_bytes(data, word)
        damaged = bytearray(good)
        damaged[good.index(bytes(16))] ^= 1
        self.refuse_bytes(bytes(damaged), "damaged: its CRC-32 differs")

    def test_contents(self):
        for entries, word in (({"a/data.pkl": self.checkpoint()}, "storage 0 is missing"),
                              ({"a/data.pkl": self.checkpoint(), "a/data/0": bytes(12)}, "has 12 bytes, its pickle says 16"),
                              ({"a/data.pkl": self.checkpoint(2**61), "a/data/0": bytes(16)}, "has 16 bytes"),
                              ({"a/data.pkl": self.checkpoint(key="../../data.pkl")}, "is missing"),
                              ({"a/data.pkl": self.checkpoint(), "b/data.pkl": b""}, "no single data.pkl"),
                              ({"data.pkl": self.checkpoint()}, "no single data.pkl"),
                              ({"a/data.pkl": self.checkpoint(), "a/constants.pkl": b""}, "TorchScript"),
                              ({"a/data.pkl": self.checkpoint(), "a/byteorder": b"big"}, "big-endian"),
                              ({"a/data.pkl": whole(call("os.system", "x"))}, "names os.system"),
                              ({"picture.png": b"x"}, "none of PyTorch's")):
            self.refuse_bytes(self.archive(entries), word)


class Safetensors(Hostile):
    def test_headers(self):
        def file(header, body=bytes(16), length=None):
            data = header.encode()
            return struct.pack("<Q", len(data) if length is None else length) + data + body

        entry = '{"w": {"dtype": "F32", "shape": %s, "data_offsets": %s}}'
        for header, word in ((entry % ("[5]", "[0, 16]"), "has 16 bytes"), (entry % ("[4]", "[4, 20]"), "leads outside"),
                             (entry % ("[4]", "[16, 0]"), "leads outside"), (entry % ("[-4]", "[0, 16]"), "leads outside"),
                             (entry % ("[1e99]", "[0, 16]"), "leads outside"), (entry % ("[true]", "[0, 4]"), "leads outside"),
                             (entry % ("[4]", '[0, "16"]'), "entry of w"), ('{"w": 3}', "entry of w"),
                             ('{"w": {}, "w": {}}', "stands twice"), ("{", "neither"), ("{]", "not JSON"),
                             ("{" * 100_000 + "}", "not JSON"), ('{"a":' * 100_000 + "1", "not JSON"),
                             ('{"a": ' + "9" * 10_000 + "}", "not JSON"), ('{"__metadata__": {"a": 3}}', "not text"),
                             (entry % (f"[{2**61}, 8]", "[0, 16]"), "has 16 bytes"), ('{"w": {"dtype": "F99"}}', "entry of w")):
            self.refuse_bytes(file(header), word)
        self.refuse_bytes(file("{}", length=2**63), "neither")
        self.refuse_bytes(file("{}"), "")


class Truncated(Hostile):
    def test_every_thousandth_byte(self):
        data = (GOLDEN / "checkpoint" / "edm_ncsnpp.pkl").read_bytes()
        for end in itertools.chain(range(1, 40), range(1000, len(data), 1000), [len(data) - 1]):
            self.refuse_bytes(data[:end], "within its pickle")

    def test_archive(self):
        self.convert(GOLDEN / "checkpoint" / "edm_ddpmpp.pkl")
        self.convert(self.output, output=self.folder / "whole.pt")
        self.output.unlink()
        data = (self.folder / "whole.pt").read_bytes()
        for end in range(1000, len(data), 5000):
            self.refuse_bytes(data[:end], "truncated")

    def test_flipped_bits(self):
        """Any byte of the structure may change: code 0 where it does not matter, else 3, never anything else."""
        data = (GOLDEN / "checkpoint" / "edm_ddpmpp.pkl").read_bytes()
        for at in [*range(0, 1500, 5), *range(1500, len(data), 3989)]:
            changed = bytearray(data)
            changed[at] ^= 0xFF
            self.source.write_bytes(changed)
            code, _, said = run("--list", self.source)
            self.assertIn(code, (0, 3), at)
            self.assertEqual(said.count("\n"), 1 if code else 0, said)


if __name__ == "__main__":
    unittest.main()
