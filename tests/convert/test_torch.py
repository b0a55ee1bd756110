#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""onestep-convert between files of PyTorch's own making. Exits with 77, "skipped", without PyTorch."""
import argparse
import json
import sys
import unittest
import warnings

warnings.filterwarnings("ignore")
try:
    import torch
except ImportError as problem:
    print("skipped:", problem)
    sys.exit(77)

from harness import GOLDEN, ConvertTest, write  # noqa: E402

from convert.expected_tensors import dhariwal_unet, dit  # noqa: E402
from convert.network_config import complete  # noqa: E402

CONFIG = complete({"kind": "dit", "input_size": 4, "patch_size": 2, "hidden_size": 16, "depth": 2, "num_heads": 2,
                   "num_classes": 3})


def weights(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in dit(CONFIG).items()}


def as_bytes(tensor):
    return bytes(tensor.detach().float().contiguous().view(torch.uint8).flatten().tolist())


class PyTorch(ConvertTest):
    def check(self, saved, expected, *options, **saving):
        """What `saved` converts to, in both of torch.save's forms."""
        for zipped in (True, False):
            source = self.folder / "SiT.pt"
            torch.save(saved, source, _use_new_zipfile_serialization=zipped, **saving)
            found, metadata, said = self.convert(source, "--num-heads", 2, *options)
            self.assertEqual(set(found), {f"model.{name}" for name in expected})
            for name, value in expected.items():
                dtype, shape, data = found[f"model.{name}"]
                self.assertEqual((dtype, shape), ("F32", list(value.shape)))
                self.assertEqual(data, as_bytes(value), name)
            self.assertIn("PyTorch archive" if zipped else "legacy form", said)

    def test_state_dicts(self):
        self.check(weights(), weights())
        parameters = {name: torch.nn.Parameter(value) for name, value in weights().items()}
        self.check(parameters, parameters)
        for protocol in (2, 3, 4, 5):
            self.check(weights(), weights(), pickle_protocol=protocol)

    def test_which_weights(self):
        ema, model = weights(1), weights(2)
        optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(3))])
        both = {"model": model, "ema": ema, "opt": optimizer.state_dict(), "args": argparse.Namespace(lr=1e-4), "step": 7}
        self.check(both, ema)
        self.check(both, model, "--weights", "model")
        self.check({"model": {f"module.{name}": value for name, value in model.items()}}, model)
        source = self.folder / "SiT.pt"
        torch.save(both, source)
        self.refuse(source, "has no net", "model, ema, opt, args, step", options=["--weights", "net"])
        self.refuse(source, "without tensors", options=["--weights", "opt"])

    def test_module_state(self):
        class Network(torch.nn.Module):
            def __init__(self):
                super().__init__()
                for name, value in weights().items():
                    self.register_buffer(name.replace(".", "_"), value)

        state = Network().state_dict()  # an OrderedDict with attributes
        for name in weights():
            state[name] = state.pop(name.replace(".", "_"))
        self.check(state, weights())

    def test_half_precision(self):
        for dtype in (torch.float16, torch.bfloat16, torch.float64):
            narrow = {name: (100 * value).to(dtype) for name, value in weights().items()}
            self.check(narrow, narrow)
        special = weights()
        special["x_embedder.proj.bias"] = torch.tensor([0, -0.0, torch.inf, -torch.inf, 6e-8, -6e-8, 65504, 1e-6] * 2).half()
        self.check(special, special)

    def test_views(self):
        expected = weights()
        views = dict(expected)
        for i, (name, value) in enumerate(expected.items()):
            match i % 5:
                case 0 if value.dim() > 1:  # transposed in memory
                    views[name] = value.transpose(0, 1).contiguous().transpose(0, 1)
                case 1:  # a slice of something larger
                    views[name] = torch.cat([torch.ones_like(value), value])[value.shape[0]:]
                case 2:  # every second number
                    views[name] = torch.stack([torch.ones_like(value), value], -1)[..., 1]
                case 3 if value.dim() == 4:
                    views[name] = value.to(memory_format=torch.channels_last)
        everything = torch.cat([value.flatten() for value in expected.values()])
        self.check(views, expected)
        at, shared = 0, {}
        for name, value in expected.items():
            shared[name] = everything[at : at + value.numel()].view(value.shape)
            at += value.numel()
        self.check(shared, expected)
        tied = dict(expected)
        tied["blocks.1.mlp.fc1.bias"] = tied["blocks.0.mlp.fc1.bias"]
        self.check(tied, tied)

    def test_without_checksums(self):
        try:
            torch.serialization.set_crc32_options(False)
            self.check(weights(), weights())
        finally:
            torch.serialization.set_crc32_options(True)

    def test_module_pickled_whole(self):
        source = self.folder / "SiT.pt"
        torch.save(torch.nn.Linear(2, 2), source)
        self.refuse(source, "names torch.nn.modules.linear.Linear", "nothing was run")


class WayBack(ConvertTest):
    def back(self, model):
        output = self.folder / "back.pt"
        self.convert(model, output=output)
        for mmap in (False, True):
            state = torch.load(output, weights_only=True, mmap=mmap)
            self.assertEqual(type(state).__name__, "OrderedDict")
        return state

    def test_edm(self):
        for name in ("edm_ddpmpp", "edm_adm_fp16flag"):
            tensors, _, _ = self.convert(GOLDEN / "checkpoint" / f"{name}.pkl")
            state = self.back(self.output)
            self.assertEqual(list(state), list(tensors))
            for key, (_, shape, data) in tensors.items():
                self.assertEqual((list(state[key].shape), as_bytes(state[key])), (shape, data), key)
                self.assertTrue(state[key].is_contiguous())

    def test_loads_strictly(self):
        """Into a module with the modules that the names speak of."""
        self.convert(GOLDEN / "checkpoint" / "edm_ncsnpp.pkl")
        state = self.back(self.output)

        def module(names):
            own = torch.nn.Module()
            for first in dict.fromkeys(name.split(".")[0] for name in names):
                inner = {name.split(".", 1)[1]: value for name, value in names.items() if name.startswith(first + ".")}
                own.add_module(first, module(inner)) if inner else own.register_buffer(first, torch.zeros_like(names[first]))
            return own

        self.assertEqual(str(module(state).load_state_dict(state)), "<All keys matched successfully>")

    def test_dit(self):
        torch.save(weights(), self.folder / "SiT.pt")
        self.convert(self.folder / "SiT.pt", "--num-heads", 2)
        state = self.back(self.output)
        self.assertEqual(list(state), list(weights()))
        for name, value in weights().items():
            self.assertTrue(torch.equal(state[name], value), name)

    def test_iddpm(self):
        """Its official class has its noise levels among its buffers."""
        network = complete({"kind": "dhariwal_unet", "img_resolution": 8, "model_channels": 8, "channel_mult": [1, 2],
                            "num_blocks": 1, "out_channels": 6})
        tensors = {name: torch.rand(shape) for name, shape in dhariwal_unet(network).items()}
        for name in tensors:
            if name.endswith("resample_filter"):
                tensors[name] = torch.full((1, 1, 2, 2), 0.25)
        model = write(self.folder / "model.safetensors", {
            f"model.{name}": ("F32", list(value.shape), as_bytes(value)) for name, value in tensors.items()},
            {"onestep.network": json.dumps(network), "onestep.preconditioning": '{"rule": "iddpm"}'})
        state = self.back(model)
        levels = torch.zeros(1001)
        alpha = torch.sin(0.5 * torch.pi * torch.arange(1001, dtype=torch.float64) / 1000 / 1.008) ** 2
        for j in range(1000, 0, -1):
            levels[j - 1] = ((levels[j].double() ** 2 + 1) / (alpha[j - 1] / alpha[j]).clip(min=0.001) - 1).sqrt()
        self.assertTrue(torch.allclose(state.pop("u"), levels, rtol=1e-4))
        self.assertEqual(list(state), [f"model.{name}" for name in tensors])


if __name__ == "__main__":
    unittest.main()
