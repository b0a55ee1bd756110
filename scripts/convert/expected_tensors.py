# SPDX-License-Identifier: Apache-2.0
"""The names and shapes of the tensors that a configuration implies, in the official modules' order."""
import math
from array import array

from common.bad_input import BadInput, listed
from .tensors import values

HEAD = 64  # channels of an attention head of DhariwalUNet; fewer channels have no attention at all


def linear(name, inputs, outputs, bias=True):
    return {f"{name}.weight": (outputs, inputs)} | ({f"{name}.bias": (outputs,)} if bias else {})


def conv(name, inputs, outputs, kernel):
    return {f"{name}.weight": (outputs, inputs, kernel, kernel), f"{name}.bias": (outputs,)}


def norm(name, channels):
    return {f"{name}.weight": (channels,), f"{name}.bias": (channels,)}


def block(name, inputs, outputs, embedding, attention, taps=0, adaptive=False, project=True):
    """A residual block; with `taps`, one that resamples through a filter of so many. `adaptive`: scale and shift come
    from the embedding; `project`: the resampling shortcut has weights."""
    resampling = {f"{name}.{part}.resample_filter": (1, 1, taps, taps) for part in ("conv0", "skip") if taps}
    tensors = norm(f"{name}.norm0", inputs) | conv(f"{name}.conv0", inputs, outputs, 3) | resampling
    tensors |= linear(f"{name}.affine", embedding, outputs * (1 + adaptive))
    tensors |= norm(f"{name}.norm1", outputs) | conv(f"{name}.conv1", outputs, outputs, 3)
    if inputs != outputs or taps and project:
        tensors |= conv(f"{name}.skip", inputs, outputs, 1)
    if attention:
        tensors |= norm(f"{name}.norm2", outputs) | conv(f"{name}.qkv", outputs, 3 * outputs, 1)
        tensors |= conv(f"{name}.proj", outputs, outputs, 1)
    return tensors


def song_unet(c):
    width, noise = c["model_channels"] * c["channel_mult_emb"], c["model_channels"] * c["channel_mult_noise"]
    levels, taps, image = len(c["channel_mult"]), len(c["resample_filter"]), c["img_channels"]
    tensors = {"map_noise.freqs": (noise // 2,)} if c["embedding_type"] == "fourier" else {}
    tensors |= linear("map_label", c["label_dim"], noise) if c["label_dim"] else {}
    tensors |= linear("map_augment", c["augment_dim"], noise, bias=False) if c["augment_dim"] else {}
    tensors |= linear("map_layer0", noise, width) | linear("map_layer1", width, width)

    channels, skips, auxiliary = c["model_channels"], [], image
    for level, multiple in enumerate(c["channel_mult"]):
        resolution = c["img_resolution"] >> level
        at = f"enc.{resolution}x{resolution}_"
        if level == 0:
            tensors |= conv(f"{at}conv", image, channels, 3)
        else:
            tensors |= block(f"{at}down", channels, channels, width, False, taps)
            if c["encoder_type"] == "residual":
                tensors |= conv(f"{at}aux_residual", auxiliary, channels, 3)
                tensors |= {f"{at}aux_residual.resample_filter": (1, 1, taps, taps)}
                auxiliary = channels
            if c["encoder_type"] == "skip":
                tensors |= {f"{at}aux_down.resample_filter": (1, 1, taps, taps)}
                tensors |= conv(f"{at}aux_skip", image, channels, 1)
        skips.append(channels)
        for i in range(c["num_blocks"]):
            out = c["model_channels"] * multiple
            tensors |= block(f"{at}block{i}", channels, out, width, resolution in c["attn_resolutions"])
            channels = out
            skips.append(channels)

    for level in reversed(range(levels)):
        resolution = c["img_resolution"] >> level
        at = f"dec.{resolution}x{resolution}_"
        if level == levels - 1:
            tensors |= block(f"{at}in0", channels, channels, width, True)
            tensors |= block(f"{at}in1", channels, channels, width, False)
        else:
            tensors |= block(f"{at}up", channels, channels, width, False, taps)
        for i in range(c["num_blocks"] + 1):
            out = c["model_channels"] * c["channel_mult"][level]
            attention = i == c["num_blocks"] and resolution in c["attn_resolutions"]
            tensors |= block(f"{at}block{i}", channels + skips.pop(), out, width, attention)
            channels = out
        if c["decoder_type"] == "skip" or level == 0:
            if level < levels - 1 and c["decoder_type"] == "skip":
                tensors |= {f"{at}aux_up.resample_filter": (1, 1, taps, taps)}
            tensors |= norm(f"{at}aux_norm", channels) | conv(f"{at}aux_conv", channels, c["out_channels"] or image, 3)
    return tensors


def dhariwal_unet(c):
    width, levels, taps = c["model_channels"] * c["channel_mult_emb"], len(c["channel_mult"]), 2
    tensors = linear("map_augment", c["augment_dim"], c["model_channels"], bias=False) if c["augment_dim"] else {}
    tensors |= linear("map_layer0", c["model_channels"], width) | linear("map_layer1", width, width)
    tensors |= linear("map_label", c["label_dim"], width, bias=False) if c["label_dim"] else {}

    def residual(name, inputs, outputs, attention, taps=0):
        return block(name, inputs, outputs, width, attention and outputs >= HEAD, taps, adaptive=True, project=False)

    channels, skips = c["img_channels"], []
    for level, multiple in enumerate(c["channel_mult"]):
        resolution = c["img_resolution"] >> level
        at = f"enc.{resolution}x{resolution}_"
        if level == 0:
            tensors |= conv(f"{at}conv", channels, c["model_channels"] * multiple, 3)
            channels = c["model_channels"] * multiple
        else:
            tensors |= residual(f"{at}down", channels, channels, False, taps)
        skips.append(channels)
        for i in range(c["num_blocks"]):
            out = c["model_channels"] * multiple
            tensors |= residual(f"{at}block{i}", channels, out, resolution in c["attn_resolutions"])
            channels = out
            skips.append(channels)

    for level in reversed(range(levels)):
        resolution = c["img_resolution"] >> level
        at = f"dec.{resolution}x{resolution}_"
        if level == levels - 1:
            tensors |= residual(f"{at}in0", channels, channels, True)
            tensors |= residual(f"{at}in1", channels, channels, False)
        else:
            tensors |= residual(f"{at}up", channels, channels, False, taps)
        for i in range(c["num_blocks"] + 1):
            out = c["model_channels"] * c["channel_mult"][level]
            tensors |= residual(f"{at}block{i}", channels + skips.pop(), out, resolution in c["attn_resolutions"])
            channels = out
    return tensors | norm("out_norm", channels) | conv("out_conv", channels, c["out_channels"] or c["img_channels"], 3)


def dit(c):
    hidden, patch, channels = c["hidden_size"], c["patch_size"], c["in_channels"]
    inner, side = int(hidden * c["mlp_ratio"]), c["input_size"] // patch
    tensors = {"pos_embed": (1, side * side, hidden)} | conv("x_embedder.proj", channels, hidden, patch)
    tensors |= linear("t_embedder.mlp.0", 256, hidden) | linear("t_embedder.mlp.2", hidden, hidden)
    if c["num_classes"]:
        tensors |= {"y_embedder.embedding_table.weight": (c["num_classes"] + 1, hidden)}  # the last row: no class
    for i in range(c["depth"]):
        at = f"blocks.{i}."
        tensors |= linear(f"{at}attn.qkv", hidden, 3 * hidden) | linear(f"{at}attn.proj", hidden, hidden)
        tensors |= linear(f"{at}mlp.fc1", hidden, inner) | linear(f"{at}mlp.fc2", inner, hidden)
        tensors |= linear(f"{at}adaLN_modulation.1", hidden, 6 * hidden)
    tensors |= linear("final_layer.linear", hidden, patch * patch * channels * (1 + c["learn_sigma"]))
    return tensors | linear("final_layer.adaLN_modulation.1", hidden, 2 * hidden)


NETWORKS = {"song_unet": song_unet, "dhariwal_unet": dhariwal_unet, "dit": dit}


def filter_table(c):
    """The resampling filter as its buffers hold it: the outer product, with sum 1, as float32."""
    taps = c.get("resample_filter", [1, 1])
    return list(array("f", (a * b / sum(taps) ** 2 for a in taps for b in taps)))


def check_tensors(network, tensors):
    """Every tensor is one of the network's and has its shape, and none is missing, or BadInput names those that are."""
    expected = NETWORKS[network["kind"]](network)
    complaints = (
        ("lacks", [name for name in expected if name not in tensors]),
        ("has tensors that the network has not:", [name for name in tensors if name not in expected]),
        ("has tensors of other shapes:", [
            f"{name} {list(tensors[name].shape)} for {list(shape)}" for name, shape in expected.items()
            if name in tensors and tuple(tensors[name].shape) != shape]),
        ("has tensors of whole numbers:", [
            f"{name} ({tensors[name].dtype})" for name in expected
            if name in tensors and tensors[name].dtype not in ("f32", "f16", "bf16", "f64")]),
    )
    said = [f"{what} {listed(names)}" for what, names in complaints if names]
    if said:
        raise BadInput(f"as {network['kind']}, it " + "; it ".join(said))
    table = filter_table(network)
    for name, shape in expected.items():
        if name.endswith("resample_filter") and math.prod(shape) == len(table):
            if any(abs(a - b) > 1e-6 for a, b in zip(values(tensors[name]), table)):
                raise BadInput(f"{name} is another filter than resample_filter {network.get('resample_filter', [1, 1])}")
    return {name: tensors[name] for name in expected}
