# SPDX-License-Identifier: Apache-2.0
"""The configuration of a SongUNet or DhariwalUNet from the names and shapes of its tensors, as far as they say it."""
import re

from common.bad_input import BadInput
from .tensors import values

FIRST = re.compile(r"enc\.(\d{1,4})x\1_conv\.weight")


def infer_unet(tensors):
    """The configuration, and which of its fields nothing in the tensors says; None where it is no such network."""
    first = [match for match in map(FIRST.fullmatch, tensors) if match]
    if len(first) != 1:
        return None

    def sizes(name, count):
        shape = tensors[name].shape if name in tensors else ()
        if len(shape) != count or 0 in shape:
            raise BadInput(f"lacks {name} with {count} sizes, which says how its U-Net is built")
        return shape

    resolution = int(first[0][1])
    dhariwal = "out_conv.weight" in tensors
    width, noise = sizes("map_layer0.weight", 2)
    channels, image = sizes(first[0][0], 4)[:2]
    if dhariwal:
        channels = noise  # of its first convolution, times channel_mult
    resolutions = []
    while resolution >> len(resolutions) and f"enc.{at(resolution >> len(resolutions))}_block0.conv0.weight" in tensors:
        resolutions.append(resolution >> len(resolutions))
    if not resolutions:
        raise BadInput(f"lacks enc.{at(resolution)}_block0.conv0.weight, which says how its U-Net is built")
    if width % channels or noise % channels:
        raise BadInput(f"widths {width} and {noise} of its embedding are no multiples of {channels} channels")

    blocks = 0
    while f"enc.{at(resolution)}_block{blocks}.conv0.weight" in tensors:
        blocks += 1
    network = {
        "kind": "dhariwal_unet" if dhariwal else "song_unet",
        "img_resolution": resolution,
        "img_channels": image,
        "out_channels": sizes("out_conv.weight" if dhariwal else f"dec.{at(resolution)}_aux_conv.weight", 4)[0],
        "label_dim": sizes("map_label.weight", 2)[1] if "map_label.weight" in tensors else 0,
        "augment_dim": sizes("map_augment.weight", 2)[1] if "map_augment.weight" in tensors else 0,
        "model_channels": channels,
        "channel_mult": [sizes(f"enc.{at(r)}_block0.conv0.weight", 4)[0] // channels for r in resolutions],
        "channel_mult_emb": width // channels,
        "num_blocks": blocks,
        "attn_resolutions": [r for r in resolutions if f"enc.{at(r)}_block0.qkv.weight" in tensors],
        "dropout": 0,
        "label_dropout": 0,
    }
    if not dhariwal:
        def encoder_has(part):
            return any(re.fullmatch(rf"enc\.\d+x\d+_{part}\.weight", name) for name in tensors)

        outputs = sum(name.endswith("_aux_conv.weight") for name in tensors)
        network |= {
            "embedding_type": "fourier" if "map_noise.freqs" in tensors else "positional",
            "channel_mult_noise": noise // channels,
            "encoder_type": next((t for t in ("residual", "skip") if encoder_has(f"aux_{t}")), "standard"),
            "decoder_type": "skip" if outputs > 1 else "standard",
            "resample_filter": filter_of(tensors),
        }
    return network, ["dropout", "label_dropout"]


def at(resolution):
    return f"{resolution}x{resolution}"


def filter_of(tensors):
    """Taps whose outer product, scaled to sum 1, is the first filter among the buffers."""
    table = next((t for name, t in tensors.items() if name.endswith(".resample_filter")), None)
    if table is None:
        return [1, 1]  # nothing is resampled
    if len(table.shape) != 4 or table.shape[-1] > 16 or table.shape != (1, 1, table.shape[-1], table.shape[-1]):
        raise BadInput("its resample_filter is not square")
    taps, numbers = table.shape[-1], values(table)
    rows = [sum(numbers[i * taps : (i + 1) * taps]) for i in range(taps)]
    unit = min((abs(row) for row in rows if row), default=1)
    ratios = [row / unit for row in rows]
    return [round(r) if abs(r - round(r)) < 1e-4 else r for r in ratios]
