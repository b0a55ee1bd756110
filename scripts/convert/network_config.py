# SPDX-License-Identifier: Apache-2.0
"""The networks' configurations as OneStep's model files hold them: keys, defaults and ranges, checked."""
from common.bad_input import BadInput, shown

NUMBER = (int, float)


def number(default, low, high, kind=int):
    return default, lambda value: type(value) in (kind if isinstance(kind, tuple) else (kind,)) and low <= value <= high


def numbers(default, low, high, kind=int, longest=16):
    fits = number(0, low, high, kind)[1]
    return default, lambda value: isinstance(value, list) and len(value) <= longest and all(map(fits, value))


def choice(*names):
    return names[0], lambda value: value in names


def flag(default):
    return default, lambda value: type(value) is bool


UNET = {
    "img_resolution": number(32, 1, 4096),
    "img_channels": number(3, 1, 1024),
    "out_channels": number(0, 0, 2048),  # 0: as many as in
    "label_dim": number(0, 0, 1_000_000),
    "augment_dim": number(0, 0, 1024),
}
RATES = {"dropout": number(0.10, 0, 0.99, NUMBER), "label_dropout": number(0, 0, 1, NUMBER)}
FIELDS = {
    "song_unet": UNET | {
        "model_channels": number(128, 2, 4096),
        "channel_mult": numbers([2, 2, 2], 1, 64, longest=12),
        "channel_mult_emb": number(4, 1, 64),
        "num_blocks": number(4, 1, 64),
        "attn_resolutions": numbers([16], 1, 4096),
    } | RATES | {
        "embedding_type": choice("positional", "fourier"),
        "channel_mult_noise": number(1, 1, 64),
        "encoder_type": choice("standard", "residual", "skip"),
        "decoder_type": choice("standard", "skip"),
        "resample_filter": numbers([1, 1], -100, 100, NUMBER),
        "recompute": choice("none", "blocks"),
    },
    "dhariwal_unet": UNET | {
        "model_channels": number(192, 2, 4096),
        "channel_mult": numbers([1, 2, 3, 4], 1, 64, longest=12),
        "channel_mult_emb": number(4, 1, 64),
        "num_blocks": number(3, 1, 64),
        "attn_resolutions": numbers([32, 16, 8], 1, 4096),
        "recompute": choice("none", "blocks"),
    } | RATES,
    "dit": {
        "input_size": number(32, 1, 4096),
        "patch_size": number(2, 1, 4096),
        "in_channels": number(4, 1, 1024),
        "hidden_size": number(384, 4, 65536),
        "depth": number(12, 1, 1024),
        "num_heads": number(6, 1, 1024),
        "mlp_ratio": number(4, 0.25, 64, NUMBER),
        "num_classes": number(1000, 0, 1_000_000),
        "learn_sigma": flag(True),
        "freq_shift": number(0, 0, 1),
        "norm_eps": number(1e-6, 1e-12, 1, NUMBER),
        "label_dropout": number(0.1, 0, 1, NUMBER),
        "recompute": choice("none", "blocks"),
    },
}
UNSAID = ("recompute",)  # how it is computed, not what


def complete(network):
    """The configuration with every key; raises BadInput for one that no network of OneStep has."""
    if not isinstance(network, dict) or not isinstance(network.get("kind"), str) or network["kind"] not in FIELDS:
        kind = network.get("kind") if isinstance(network, dict) else None
        raise BadInput(f"network kind {shown(kind)}: known are {', '.join(FIELDS)}")
    fields = FIELDS[network["kind"]]
    for key, value in network.items():
        if key != "kind" and key not in fields:
            raise BadInput(f"its network has a key {shown(key)}, which {network['kind']} lacks")
        if key != "kind" and not fields[key][1](value):
            raise BadInput(f"its network's {key} is {shown(value)}, which is out of range")
    whole = {"kind": network["kind"]} | {key: network.get(key, default) for key, (default, _) in fields.items()}
    problem = PROBLEMS[network["kind"]](whole)
    if problem:
        raise BadInput(f"its network cannot be: {problem}")
    return whole


def unet_problem(c):
    levels = len(c["channel_mult"])
    if levels == 0 or c["img_resolution"] % 2 ** (levels - 1):
        return f"img_resolution {c['img_resolution']} for channel_mult {c['channel_mult']}"
    if len(c.get("resample_filter", [1, 1])) % 2 or sum(c.get("resample_filter", [1])) == 0:
        return f"resample_filter {c['resample_filter']}"
    return None


def dit_problem(c):
    for whole, part in (("input_size", "patch_size"), ("hidden_size", "num_heads")):
        if c[whole] % c[part]:
            return f"{whole} {c[whole]} is no multiple of {part} {c[part]}"
    return "hidden_size must be a multiple of 4" if c["hidden_size"] % 4 else None


PROBLEMS = {"song_unet": unet_problem, "dhariwal_unet": unet_problem, "dit": dit_problem}


def written(network):
    """What goes into a model file: all of it but what says nothing."""
    same_channels = network.get("out_channels") in (0, network.get("img_channels"))
    return {key: value for key, value in network.items()
            if key not in UNSAID and not (key == "out_channels" and same_channels)}
