#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""onestep-convert on checkpoints of every kind: weights bit for bit, configurations, and what it says of bad ones."""
import array
import hashlib
import json
import math
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import unittest
import unittest.mock
import zipfile

from harness import GOLDEN, ROOT, ConvertTest, golden_weights, read, run, write

import pickles
from convert.command import Stopped
from convert.expected_tensors import dhariwal_unet, dit, song_unet
from convert.network_config import complete

PICKLES = {"edm_ddpmpp": ("song_unet", "edm"), "edm_ncsnpp": ("song_unet", "edm"), "vp_ddpmpp": ("song_unet", "vp"),
           "edm_adm_fp16flag": ("dhariwal_unet", "edm")}
TINY = {"img_resolution": 8, "in_channels": 3, "out_channels": 3, "model_channels": 8, "channel_mult": [1, 2],
        "num_blocks": 1, "attn_resolutions": [4]}
SMALL_DIT = {"kind": "dit", "input_size": 4, "patch_size": 2, "in_channels": 4, "hidden_size": 8, "depth": 2,
             "num_heads": 2, "mlp_ratio": 4, "num_classes": 3, "learn_sigma": True}


def numbers(shape, seed=0):
    draw = random.Random(f"{seed}{shape}")
    return array.array("f", (draw.gauss(0, 1) for _ in range(math.prod(shape)))).tobytes()


def drawn(shapes, filters=()):
    """Random float32 weights of `shapes`; filters as they must be."""
    return {name: ("F32", list(shape), filters if name.endswith("resample_filter") else numbers(shape, name))
            for name, shape in shapes.items()}


def box():
    return array.array("f", [0.25] * 4).tobytes()


def song(**changes):
    network = complete({"kind": "song_unet", **{("img_channels" if k == "in_channels" else k): v for k, v in TINY.items()},
                        **changes})
    return network, drawn(song_unet(network), box())


class Pickles(ConvertTest):
    def test_golden(self):
        for name, (kind, rule) in PICKLES.items():
            with self.subTest(name):
                source = GOLDEN / "checkpoint" / f"{name}.pkl"
                case = json.loads(read(GOLDEN / "checkpoint" / f"{name}.expected.safetensors")[1]["case"])
                tensors, metadata, _ = self.convert(source)
                digest = hashlib.sha256()
                for key in sorted(tensors):
                    digest.update(json.dumps([key, *tensors[key][:2]]).encode() + tensors[key][2])
                self.assertEqual((len(tensors), digest.hexdigest()), (case["weights"], case["weights_sha256"]))
                network = json.loads(metadata["onestep.network"])
                self.assertEqual(network["kind"], kind)
                for key, value in case["kwargs"].items():
                    if key not in ("model_type", "use_fp16"):
                        self.assertEqual(network[key], value, key)
                self.assertNotIn("out_channels", network)
                expected = {"sigma_data": 0.5} if rule == "edm" else {"rule": rule}
                self.assertEqual(json.loads(metadata["onestep.preconditioning"]), expected)
                self.assertEqual(metadata["source"], source.name)
                self.assertEqual(metadata["source_sha256"], hashlib.sha256(source.read_bytes()).hexdigest())

    def test_golden_bad(self):
        self.refuse(GOLDEN / "checkpoint" / "bad_foreign_global.pkl", "names posix.getcwd", "nothing was run")
        self.refuse(GOLDEN / "checkpoint" / "bad_no_ema.pkl", "has no ema", "loss_fn", "--weights")

    def edm(self, precond, network, arguments, state=None, tensors=None, strip=()):
        """An assembled snapshot and the weights that it holds."""
        shapes = {"SongUNet": song_unet, "DhariwalUNet": dhariwal_unet}[network]
        kind = {"SongUNet": "song_unet", "DhariwalUNet": "dhariwal_unet"}[network]
        ours = {("img_channels" if k == "in_channels" else k): v for k, v in arguments.items() if k not in strip}
        weights = tensors or drawn(shapes(complete({"kind": kind, **ours})), box())
        source = self.folder / "in.pkl"
        source.write_bytes(pickles.edm(precond, network, arguments, {
            name: pickles.tensor(*weight) for name, weight in weights.items()}, state))
        return source, weights

    def check_weights(self, found, weights):
        self.assertEqual(set(found), {f"model.{name}" for name in weights})
        for name, (dtype, shape, data) in weights.items():
            self.assertEqual(found[f"model.{name}"], ("F32", shape, data), name)

    def test_every_preconditioning(self):
        levels = array.array("f", [0] * 1001)
        for j in range(1000, 0, -1):  # Nichol & Dhariwal's cosine schedule as EDM's appendix C.3.1 has it
            now, before = (math.sin(math.pi / 2 * i / 1000 / 1.008) ** 2 for i in (j, j - 1))
            levels[j - 1] = math.sqrt((levels[j] ** 2 + 1) / max(before / now, 0.001) - 1)
        vp = {"beta_d": 19.9, "beta_min": 0.1, "M": 1000, "epsilon_t": 1e-5}
        iddpm = {"C_1": 0.001, "C_2": 0.008, "M": 1000, "u": pickles.tensor("F32", [1001], levels.tobytes())}
        for precond, network, arguments, state, expected in (
                ("EDMPrecond", "SongUNet", TINY, {"sigma_data": 0.7}, {"sigma_data": 0.7}),
                ("VPPrecond", "SongUNet", TINY, vp, {"rule": "vp"}),
                ("VEPrecond", "DhariwalUNet", TINY, {}, {"rule": "ve"}),
                ("iDDPMPrecond", "DhariwalUNet", TINY | {"out_channels": 6}, iddpm, {"rule": "iddpm"})):
            with self.subTest(precond):
                source, weights = self.edm(precond, network, arguments, dict(state))
                found, metadata, _ = self.convert(source)
                self.check_weights(found, weights)
                self.assertEqual(json.loads(metadata["onestep.preconditioning"]), expected)
                said = json.loads(metadata["onestep.network"]).get("out_channels", 3)
                self.assertEqual(said, arguments["out_channels"])
        levels[500] *= 1.01
        bad = iddpm | {"u": pickles.tensor("F32", [1001], levels.tobytes())}
        self.refuse(self.edm("iDDPMPrecond", "DhariwalUNet", TINY | {"out_channels": 6}, bad)[0], "noise levels u")
        self.refuse(self.edm("VPPrecond", "SongUNet", TINY, vp | {"beta_d": 18})[0], "VPPrecond has beta_d 18", "19.9")
        self.refuse(self.edm("EDMPrecond", "SongUNet", TINY, {"sigma_data": -1.0})[0], "sigma_data -1.0")
        self.refuse(self.edm("Diffusion", "SongUNet", TINY)[0], "class Diffusion", "EDMPrecond")
        self.refuse(self.edm("VEPrecond", "SongUNet", TINY)[0], "rule ve, not edm", options=["--rule", "edm"])

    def test_arguments_by_place(self):
        _, weights = song()
        positional = tuple(TINY[key] for key in ("img_resolution", "in_channels", "out_channels"))
        named = {key: value for key, value in TINY.items() if key not in ("img_resolution", "in_channels", "out_channels")}
        inner = pickles.module("SongUNet", {n: pickles.tensor(*w) for n, w in weights.items()},
                               {"_init_args": positional, "_init_kwargs": named})
        outer = pickles.module("VEPrecond", {}, {"_init_args": (), "_init_kwargs": {}}, {"model": inner})
        source = self.folder / "in.pkl"
        source.write_bytes(pickles.whole({"ema": outer}))
        self.check_weights(self.convert(source)[0], weights)
        source.write_bytes(pickles.whole({"ema": inner}))  # a network alone
        found, metadata, said = self.convert(source)
        self.check_weights(found, weights)
        self.assertIn("assumed: rule edm, sigma_data 0.5", said)

    def test_containers_and_buffers(self):
        _, weights = song()
        lasting = {n: pickles.tensor(*w) for n, w in weights.items() if not n.startswith("enc.")}
        names = {n.removeprefix("enc."): w for n, w in weights.items() if n.startswith("enc.")}
        layers = {}
        for name, weight in names.items():
            layers.setdefault(name.split(".")[0], {})[name.split(".", 1)[1]] = pickles.tensor(*weight)
        layers = {key: pickles.module("UNetBlock", inner) for key, inner in layers.items()}
        encoder = pickles.new("torch.nn.modules.container.ModuleDict", {"_parameters": {}, "_buffers": {
            "scratch": pickles.tensor("F32", [1], b"abcd"), "none": None}, "_modules": layers | {"nothing": None},
            "_non_persistent_buffers_set": pickles.call("builtins.set", ["scratch"])})
        arguments = {"_init_args": (), "_init_kwargs": TINY}
        source = self.folder / "in.pkl"
        source.write_bytes(pickles.whole({"ema": pickles.module("VEPrecond", {}, {}, {
            "model": pickles.module("SongUNet", lasting, arguments, {"enc": encoder})})}))
        self.check_weights(self.convert(source)[0], weights)

    def test_tensors_that_differ(self):
        _, weights = song()
        lacking = {name: value for name, value in weights.items() if "block0.conv0" not in name}
        said = self.refuse(self.edm("VEPrecond", "SongUNet", TINY, {}, lacking)[0], "lacks enc.8x8_block0.conv0.weight")
        self.assertIn("dec.8x8_block0.conv0.bias", said)
        more = weights | {f"extra{i}.weight": ("F32", [1], b"abcd") for i in range(13)}
        self.refuse(self.edm("VEPrecond", "SongUNet", TINY, {}, more)[0], "extra0.weight", "and 3 more")
        other = weights | {"map_layer0.bias": ("F32", [31], bytes(124))}
        self.refuse(self.edm("VEPrecond", "SongUNet", TINY, {}, other)[0], "map_layer0.bias [31] for [32]")
        whole = weights | {"map_layer0.bias": ("I64", [32], bytes(256))}
        self.refuse(self.edm("VEPrecond", "SongUNet", TINY, {}, whole)[0], "whole numbers: map_layer0.bias (i64)")
        name = "enc.4x4_down.conv0.resample_filter"
        filtered = weights | {name: ("F32", [1, 1, 2, 2], array.array("f", [0.25, 0.25, 0.3, 0.2]).tobytes())}
        self.refuse(self.edm("VEPrecond", "SongUNet", TINY, {}, filtered)[0], f"{name} is another filter")

    def test_arguments_that_cannot_be(self):
        _, weights = song()
        for key, value, word in (("num_blocks", 10**9, "num_blocks is 1000000000"), ("channel_mult", [1] * 40, "channel_mult"),
                                 ("model_channels", "8", "model_channels"), ("flavour", 1, "a key flavour"),
                                 ("dropout", True, "dropout is True"), ("resample_filter", [1, -1], "resample_filter")):
            self.refuse(self.edm("VEPrecond", "SongUNet", TINY | {key: value}, {}, weights)[0], word)


class StateDicts(ConvertTest):
    def test_golden_unets(self):
        for name in ("edm_ddpmpp_3level", "edm_ddpmpp_uncond_aug", "edm_ncsnpp_cond_aug"):
            with self.subTest(name):
                weights, case = golden_weights(f"networks/{name}.safetensors")
                source = write(self.folder / "in.safetensors", weights)
                found, metadata, said = self.convert(source)
                self.assertEqual(found, weights)
                network = json.loads(metadata["onestep.network"])
                for key, value in case["kwargs"].items():
                    if key not in ("model_type", "sigma_data"):
                        self.assertEqual(network[key], value, key)
                self.assertIn("assumed: dropout 0, label_dropout 0, rule edm, sigma_data 0.5", said)

    def test_prefixes(self):
        network, weights = song()
        for prefix in ("", "module.", "model.", "module._orig_mod.model."):
            source = write(self.folder / "in.safetensors", {prefix + name: value for name, value in weights.items()})
            found = self.convert(source)[0]
            self.assertEqual(found, {f"model.{name}": value for name, value in weights.items()}, prefix)

    def test_every_option_of_song_unet(self):
        for changes in ({"encoder_type": "skip", "decoder_type": "skip"}, {"label_dim": 5, "augment_dim": 9},
                        {"encoder_type": "residual", "embedding_type": "fourier", "channel_mult_noise": 2},
                        {"channel_mult": [2], "attn_resolutions": []}, {"channel_mult_emb": 2, "out_channels": 6}):
            network, weights = song(**changes)
            metadata = self.convert(write(self.folder / "in.safetensors", weights))[1]
            self.assertEqual(complete(json.loads(metadata["onestep.network"]) | {"dropout": 0.1}),
                             network | {"out_channels": changes.get("out_channels", 0)})

    def test_network_given(self):
        network, weights = song(dropout=0.3)
        plain = write(self.folder / "in.safetensors", weights)
        given = self.folder / "network.json"
        given.write_text(json.dumps(network))
        _, metadata, said = self.convert(plain, "--network", given, "--rule", "ve")
        self.assertEqual(json.loads(metadata["onestep.network"])["dropout"], 0.3)
        self.assertEqual(json.loads(metadata["onestep.preconditioning"]), {"rule": "ve"})
        self.assertNotIn("assumed", said)
        model = self.output.rename(self.folder / "model.safetensors")
        self.assertEqual(self.convert(plain, "--network", model)[1], metadata | self.digest(plain))
        self.refuse(plain, "leave out --rule", options=["--network", model, "--rule", "ve"])
        given.write_text(json.dumps(network | {"num_blocks": 2}))
        self.refuse(plain, "lacks enc.8x8_block1.norm0.weight", options=["--network", given])
        given.write_text('{"kind": "song_unet", "kind": "dit"}')
        self.refuse(plain, "--network", "twice", options=["--network", given])
        self.refuse(plain, "neither JSON nor a OneStep model", options=["--network", plain])

    def digest(self, source):
        return {"source": source.name, "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest()}

    def test_half_precision(self):
        network, weights = song()
        halves = {"F16": "e", "F64": "d"}
        values = {name: struct.unpack(f"<{len(data) // 4}f", data) for name, (_, _, data) in weights.items()}
        for dtype in ("F16", "F64", "BF16"):
            narrow, wide = {}, {}
            for name, (_, shape, data) in weights.items():
                if dtype == "BF16":
                    narrow[name] = (dtype, shape, b"".join(data[i + 2 : i + 4] for i in range(0, len(data), 4)))
                    wide[f"model.{name}"] = b"".join(b"\0\0" + data[i + 2 : i + 4] for i in range(0, len(data), 4))
                else:
                    form = f"<{len(values[name])}{halves[dtype]}"
                    narrow[name] = (dtype, shape, struct.pack(form, *values[name]))
                    wide[f"model.{name}"] = struct.pack(f"<{len(values[name])}f", *struct.unpack(form, narrow[name][2]))
            found = self.convert(write(self.folder / "in.safetensors", narrow))[0]
            self.assertEqual({name: data for name, (_, _, data) in found.items()}, wide)

    def test_other_networks(self):
        source = write(self.folder / "in.safetensors", {"conv1.weight": ("F32", [1], b"abcd")})
        self.refuse(source, "of no network of OneStep: conv1.weight")


class Dits(ConvertTest):
    def diffusers(self):
        weights, case = golden_weights("networks/dit_tiny_diffusers.safetensors")
        return {name: value for name, value in weights.items()}, case["kwargs"]

    def test_diffusers(self):
        weights, case = self.diffusers()
        source = write(self.folder / "diffusion_pytorch_model.safetensors", weights)
        self.refuse(source, "--input-size")
        (self.folder / "config.json").write_text(json.dumps({"sample_size": 8, "num_attention_heads": 4}))
        found, metadata, _ = self.convert(source)
        network = json.loads(metadata["onestep.network"])
        self.assertEqual({key: network[key] for key in case}, case)
        self.assertEqual(network["mlp_ratio"], 4)
        self.assertEqual(json.loads(metadata["onestep.preconditioning"]),
                         {"rule": "epsilon", "sigma_data": 1, "schedule": "ddpm_linear"})
        at = "transformer_blocks.1."
        for ours, theirs in (("blocks.1.attn.qkv.weight", [f"{at}attn1.to_{p}.weight" for p in "qkv"]),
                             ("blocks.1.attn.qkv.bias", [f"{at}attn1.to_{p}.bias" for p in "qkv"]),
                             ("blocks.1.attn.proj.weight", [f"{at}attn1.to_out.0.weight"]),
                             ("blocks.1.mlp.fc1.bias", [f"{at}ff.net.0.proj.bias"]),
                             ("blocks.1.mlp.fc2.weight", [f"{at}ff.net.2.weight"]),
                             ("blocks.1.adaLN_modulation.1.weight", [f"{at}norm1.linear.weight"]),
                             ("x_embedder.proj.weight", ["pos_embed.proj.weight"]),
                             ("t_embedder.mlp.0.weight", [f"{at}norm1.emb.timestep_embedder.linear_1.weight"]),
                             ("t_embedder.mlp.2.bias", [f"{at}norm1.emb.timestep_embedder.linear_2.bias"]),
                             ("y_embedder.embedding_table.weight", [f"{at}norm1.emb.class_embedder.embedding_table.weight"]),
                             ("final_layer.adaLN_modulation.1.weight", ["proj_out_1.weight"]),
                             ("final_layer.linear.bias", ["proj_out_2.bias"])):
            self.assertEqual(found[f"model.{ours}"][2], b"".join(weights[name][2] for name in theirs), ours)
        dtype, shape, table = found["model.pos_embed"]
        self.assertEqual((dtype, shape), ("F32", [1, 16, 32]))
        table = array.array("f", table)
        for row, column, channel, wave in ((0, 3, 1, math.sin), (2, 1, 15, math.cos), (3, 0, 16 + 2, math.sin)):
            place, rate = (column if channel < 16 else row), 10000 ** -(channel % 8 / 8)
            self.assertAlmostEqual(table[(4 * row + column) * 32 + channel], wave(place * rate), 6)

    def test_diffusers_copies(self):
        weights, _ = self.diffusers()
        name = "transformer_blocks.1.norm1.emb.timestep_embedder.linear_2.bias"
        dtype, shape, data = weights[name]
        options = ["--input-size", 8, "--num-heads", 4]
        source = write(self.folder / "in.safetensors", weights | {name: (dtype, shape, data[:-1] + b"\1")})
        self.refuse(source, name, "not what block 0 has", options=options)
        del weights[name]
        self.refuse(write(source, weights), f"lacks {name}", options=options)

    def test_names_tell_the_rule(self):
        weights = drawn(dit(complete(SMALL_DIT)))
        for name, rule in (("DiT-XL-2-256x256", "epsilon"), ("my_sit", "flow_to_data")):
            source = write(self.folder / f"{name}.safetensors", weights)
            found, metadata, _ = self.convert(source, "--num-heads", 2)
            self.assertEqual(found, {f"model.{key}": value for key, value in weights.items()})
            self.assertEqual(json.loads(metadata["onestep.preconditioning"])["rule"], rule)
            self.assertEqual(complete(json.loads(metadata["onestep.network"])), complete(SMALL_DIT))
        for name in ("model", "dit_or_sit"):
            source = write(self.folder / f"{name}.safetensors", weights)
            self.refuse(source, "give --rule", options=["--num-heads", 2])
            metadata = self.convert(source, "--num-heads", 2, "--rule", "flow_to_data")[1]
            self.assertEqual(json.loads(metadata["onestep.preconditioning"]), {"rule": "flow_to_data", "sigma_data": 1})
        self.refuse(source, "give --num-heads", options=["--rule", "flow_to_data"])

    def test_published_widths(self):
        for hidden, heads in ((384, 6), (768, 12), (1024, 16), (1152, 16)):
            shapes = dit(complete(SMALL_DIT | {"hidden_size": hidden, "num_heads": heads, "depth": 1, "mlp_ratio": 1}))
            source = write(self.folder / "DiT.safetensors", {
                name: ("F16", list(shape), bytes(2 * math.prod(shape))) for name, shape in shapes.items()})
            code, said, _ = run("--list", source)
            self.assertEqual(code, 0)
            self.assertIn(f"'num_heads': {heads}", said)

    def test_learn_sigma(self):
        weights = drawn(dit(complete(SMALL_DIT | {"learn_sigma": False})))
        metadata = self.convert(write(self.folder / "sit.safetensors", weights), "--num-heads", 2)[1]
        self.assertIs(json.loads(metadata["onestep.network"])["learn_sigma"], False)


class WayBack(ConvertTest):
    def test_round_trip(self):
        for name in PICKLES:
            tensors, metadata, _ = self.convert(GOLDEN / "checkpoint" / f"{name}.pkl")
            back = self.folder / "back.pt"
            self.convert(self.output, output=back)
            with zipfile.ZipFile(back) as archive:
                self.assertIsNone(archive.testzip())
                for info in archive.infolist():
                    self.assertEqual(info.compress_type, zipfile.ZIP_STORED)
            once = self.output.rename(self.folder / "once.safetensors")
            again, _, said = self.convert(back, "--network", once)
            self.assertEqual(again, tensors)
            self.assertIn("PyTorch archive", said)

    def test_aligned_and_reproducible(self):
        self.convert(GOLDEN / "checkpoint" / "edm_ncsnpp.pkl")
        a, b = self.folder / "a.pt", self.folder / "b.pth"
        self.convert(self.output, output=a)
        self.convert(self.output, output=b)
        self.assertEqual(a.read_bytes(), b.read_bytes())
        with zipfile.ZipFile(a) as archive:
            for info in archive.infolist():
                name, extra = struct.unpack_from("<2H", a.read_bytes(), info.header_offset + 26)
                self.assertEqual((info.header_offset + 30 + name + extra) % 64, 0, info.filename)

    def test_names(self):
        weights = drawn(dit(complete(SMALL_DIT)))
        self.convert(write(self.folder / "sit.safetensors", weights), "--num-heads", 2)
        self.convert(self.output, output=self.folder / "sit.pt")
        said = run("--list", self.folder / "sit.pt", "--num-heads", 2)[1]
        self.assertIn("\nx_embedder.proj.weight  f32 [8, 4, 2, 2]\n", said)
        with zipfile.ZipFile(self.folder / "sit.pt") as archive:
            self.assertIn(b"\x14\0\0\0pos_embed"[1:4], archive.read("archive/data.pkl"))
            self.assertNotIn(b"model.", archive.read("archive/data.pkl"))

    def test_refused(self):
        network, weights = song()
        model = {f"model.{name}": value for name, value in weights.items()}
        metadata = {"onestep.network": json.dumps(network), "onestep.preconditioning": '{"space_to_depth": true}'}
        source = write(self.folder / "model.safetensors", model, metadata)
        back = self.folder / "out.pt"
        self.refuse(source, "space_to_depth", output=back)
        self.refuse(source, "a OneStep model already")
        self.refuse(write(source, weights), "OUT must end in .safetensors", output=back)
        metadata["onestep.network"] = '{"kind": "mlp"}'
        self.refuse(write(source, model, metadata), "network kind mlp", output=back)


class Official(unittest.TestCase):
    """The published networks have as many tensors and parameters as their configurations imply."""

    def check(self, shapes, tensors, parameters):
        self.assertEqual(len(shapes), tensors)
        learned = {n: s for n, s in shapes.items() if not n.endswith(("resample_filter", "map_noise.freqs"))}
        self.assertEqual(sum(map(math.prod, learned.values())), parameters)

    def test_edm(self):
        ncsnpp = {"embedding_type": "fourier", "channel_mult_noise": 2, "encoder_type": "residual",
                  "resample_filter": [1, 3, 3, 1]}
        for resolution, labels, changes, tensors, parameters in (
                (32, 0, {}, 425, 55_733_891), (32, 10, {}, 427, 55_735_299),
                (32, 0, ncsnpp, 432, 56_397_827), (32, 10, ncsnpp, 434, 56_400_643),
                (64, 0, {}, 553, 61_805_571), (64, 0, ncsnpp, 563, 62_761_091)):
            multiples = [2, 2, 2] if resolution == 32 else [1, 2, 2, 2]
            network = complete({"kind": "song_unet", "img_resolution": resolution, "label_dim": labels, "augment_dim": 9,
                                "channel_mult": multiples, **changes})
            self.check(song_unet(network), tensors, parameters)
        self.check(dhariwal_unet(complete({"kind": "dhariwal_unet", "img_resolution": 64, "label_dim": 1000})),
                   553, 295_899_267)

    def test_dit(self):
        for hidden, depth, heads, millions in ((384, 12, 6, (32.96, 32.95, 33.15)), (768, 12, 12, (130.51, 130.48, 130.88)),
                                               (1024, 24, 16, (458.10, 458.05, 458.59)),
                                               (1152, 28, 16, (675.13, 675.07, 675.68))):
            for patch, million in zip((2, 4, 8), millions):
                shapes = dit(complete({"kind": "dit", "hidden_size": hidden, "depth": depth, "num_heads": heads,
                                       "patch_size": patch}))
                self.assertEqual(len(shapes), 12 + 10 * depth)
                self.assertAlmostEqual(sum(map(math.prod, shapes.values())) / 1e6, million, delta=0.006)


class Command(ConvertTest):
    def test_usage(self):
        source = GOLDEN / "checkpoint" / "edm_ddpmpp.pkl"
        copy = self.folder / "same.safetensors"
        copy.write_bytes(source.read_bytes())
        for arguments in ([source], [source, "out.bin"], [copy, copy], [source, self.output, "--rule", "none"],
                          [source, self.output, "--sigma-data", "-1"], []):
            code, out, said = run(*arguments)
            self.assertEqual((code, out), (2, ""), arguments)
        self.assertEqual(run("--help")[0], 0)

    def test_files(self):
        self.refuse(self.folder / "none.pkl", "No such file")
        self.refuse(self.folder, "not a regular file")
        empty = self.folder / "empty.pkl"
        empty.write_bytes(b"")
        self.refuse(empty, "empty")
        empty.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
        self.refuse(empty, "neither a pickle", "version https://git")
        code, _, said = run(GOLDEN / "checkpoint" / "edm_ddpmpp.pkl", self.folder / "none" / "out.safetensors")
        self.assertEqual(code, 3)
        self.assertIn("No such file", said)

    def test_list_writes_nothing(self):
        code, said, _ = run("--list", GOLDEN / "checkpoint" / "vp_ddpmpp.pkl")
        self.assertEqual(code, 0)
        for word in ("weights ema: song_unet, vp", "147 tensors, 48,363 numbers", "map_augment.weight  f32 [8, 9]"):
            self.assertIn(word, said)

    def test_as_a_program(self):
        source = GOLDEN / "checkpoint" / "edm_ddpmpp.pkl"
        done = subprocess.run([sys.executable, ROOT / "scripts" / "onestep-convert", source, self.output], cwd=self.folder,
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        umask = os.umask(0)
        os.umask(umask)
        self.assertEqual(self.output.stat().st_mode & 0o777, 0o666 & ~umask)

    def test_installed(self):
        program = self.folder / "bin" / "onestep-convert"
        program.parent.mkdir()
        shutil.copy(ROOT / "scripts" / "onestep-convert", program)
        for package in ("common", "convert"):
            shutil.copytree(ROOT / "scripts" / package, self.folder / "share" / "onestep" / package)
        link = self.folder / "link"
        link.symlink_to(program)
        for path in (program, link):
            done = subprocess.run([path, "--list", GOLDEN / "checkpoint" / "edm_ddpmpp.pkl"], cwd="/", capture_output=True)
            self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_stopped(self):
        """Stopped while it writes, it leaves nothing; a file that was there before stays."""
        self.output.write_bytes(b"old")
        source = GOLDEN / "checkpoint" / "edm_ddpmpp.pkl"
        for raised, code in ((KeyboardInterrupt, 130), (Stopped(signal.SIGTERM), 143), (OSError(28, "No space left"), 3)):
            with unittest.mock.patch("convert.safetensors_file.float32_pieces", side_effect=raised):
                self.assertEqual(run(source, self.output)[0], code)
            self.assertEqual([(p.name, p.read_bytes()) for p in self.folder.iterdir()], [(self.output.name, b"old")])


if __name__ == "__main__":
    unittest.main()
