# SPDX-License-Identifier: Apache-2.0
"""The configuration of a DiT or SiT from the shapes of its tensors, under official names or those of diffusers."""
import math
import re
from array import array

from common.bad_input import BadInput, listed
from .tensors import Joined, from_bytes, same

HEADS = {384: 6, 768: 12, 1024: 16, 1152: 16}  # S, B, L, XL
EMBEDDERS = {
    "t_embedder.mlp.0": "timestep_embedder.linear_1", "t_embedder.mlp.2": "timestep_embedder.linear_2",
    "y_embedder.embedding_table": "class_embedder.embedding_table"}
BLOCK = {"attn.proj": "attn1.to_out.0", "mlp.fc1": "ff.net.0.proj", "mlp.fc2": "ff.net.2",
         "adaLN_modulation.1": "norm1.linear"}
ENDS = {"x_embedder.proj": "pos_embed.proj", "final_layer.adaLN_modulation.1": "proj_out_1",
        "final_layer.linear": "proj_out_2"}


def is_dit(tensors):
    return "x_embedder.proj.weight" in tensors and "t_embedder.mlp.0.weight" in tensors


def is_diffusers(tensors):
    return "pos_embed.proj.weight" in tensors and any(name.startswith("transformer_blocks.0.norm1.") for name in tensors)


def sizes(tensors, name, count):
    shape = tensors[name].shape if name in tensors else ()
    if len(shape) != count or 0 in shape:
        raise BadInput(f"lacks {name} with {count} sizes, which says how its DiT is built")
    return shape


def infer_dit(tensors, heads=None):
    """The configuration, and which of its fields nothing in the tensors says."""
    hidden, channels, patch, _ = sizes(tensors, "x_embedder.proj.weight", 4)
    heads = heads or HEADS.get(hidden)
    if not heads:
        raise BadInput(f"hidden size {hidden} is of no published DiT: give --num-heads")
    side = math.isqrt(sizes(tensors, "pos_embed", 3)[1])
    ratio = sizes(tensors, "blocks.0.mlp.fc1.weight", 2)[0] / hidden
    rows = sizes(tensors, "final_layer.linear.weight", 2)[0]
    table = "y_embedder.embedding_table.weight"
    return {
        "kind": "dit", "input_size": side * patch, "patch_size": patch, "in_channels": channels, "hidden_size": hidden,
        "depth": sum(re.fullmatch(r"blocks\.\d+\.mlp\.fc1\.weight", name) is not None for name in tensors),
        "num_heads": heads, "mlp_ratio": int(ratio) if ratio == int(ratio) else ratio,
        "num_classes": sizes(tensors, table, 2)[0] - 1 if table in tensors else 0,
        "learn_sigma": rows == 2 * patch * patch * channels,
    }, ["label_dropout"]


def from_diffusers(tensors, input_size):
    """The tensors under official names: q, k, v as one, the first of the blocks' equal embedders, the position table."""
    hidden, _, patch, _ = sizes(tensors, "pos_embed.proj.weight", 4)
    depth = sum(re.fullmatch(r"transformer_blocks\.\d+\.norm1\.linear\.weight", name) is not None for name in tensors)
    used, renamed = set(), {}

    def take(name):
        used.add(name)
        if name not in tensors:
            raise BadInput(f"as a DiT of diffusers with {depth} blocks, it lacks {name}")
        return tensors[name]

    if input_size % patch or hidden % 4:
        raise BadInput(f"input size {input_size} for patches of {patch}, hidden size {hidden}")
    renamed["pos_embed"] = position_table(hidden, input_size // patch)
    for kind in ("weight", "bias"):
        renamed |= {f"{ours}.{kind}": take(f"{theirs}.{kind}") for ours, theirs in ENDS.items()}
        for i in range(depth):
            at = f"transformer_blocks.{i}."
            renamed |= {f"blocks.{i}.{ours}.{kind}": take(f"{at}{theirs}.{kind}") for ours, theirs in BLOCK.items()}
            renamed[f"blocks.{i}.attn.qkv.{kind}"] = joined([take(f"{at}attn1.to_{part}.{kind}") for part in "qkv"])
            for ours, theirs in EMBEDDERS.items():
                if (ours, kind) == ("y_embedder.embedding_table", "bias"):
                    continue
                copy, first = take(f"{at}norm1.emb.{theirs}.{kind}"), renamed.get(f"{ours}.{kind}")
                if first is not None and not same(copy, first):
                    raise BadInput(f"{at}norm1.emb.{theirs}.{kind} is not what block 0 has; a DiT has one for all")
                renamed.setdefault(f"{ours}.{kind}", copy)
    extra = [name for name in tensors if name not in used]
    if extra:
        raise BadInput(f"has tensors that a DiT of diffusers has not: {listed(extra)}")
    return renamed


def joined(parts):
    if any(len(part.shape) < 1 or part.shape[1:] != parts[0].shape[1:] for part in parts):
        raise BadInput("its queries, keys and values differ in their sizes")
    return Joined(parts)


def position_table(hidden, side):
    """Sines and cosines of the column in the first half of the channels, of the row in the second; [1, side², hidden]."""
    count = hidden // 4
    frequencies = [1 / 10000 ** (i / count) for i in range(count)]
    waves = [[math.sin(p * f) for f in frequencies] + [math.cos(p * f) for f in frequencies] for p in range(side)]
    table = array("f", (number for row in range(side) for column in range(side) for number in waves[column] + waves[row]))
    return from_bytes("f32", (1, side * side, hidden), table.tobytes())
