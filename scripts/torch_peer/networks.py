# SPDX-License-Identifier: Apache-2.0
"""The networks in plain PyTorch, written from the papers (Song et al. 2021; Karras et al. 2022; Peebles & Xie 2023) with
the layers of lib/networks, and sharing no code with it."""
import dataclasses
import math

from . import torch

F = torch.nn.functional


@dataclasses.dataclass(frozen=True)
class Spec:
    """A denoiser and how it is trained."""

    channels: int  # of an image
    size: int  # its height and width
    base: int  # channels of the U-Net, times `mult` at each resolution
    mult: tuple
    blocks: int  # residual blocks a resolution, one more in the decoder
    attention: tuple  # resolutions with self-attention beside the middle block
    dropout: float
    label_dropout: float
    patches: bool  # the U-Net sees 2x2 patches as channels
    sigma_data: float
    log_sigma: tuple  # mean and standard deviation of ln sigma in training
    learning_rate: float
    discriminator_resolutions: tuple  # encoder resolutions that the discriminator sees
    parameters: int  # how many OneStep's network has: a layer that differs would show
    labels: int = 10
    adm: bool = False  # Dhariwal & Nichol's blocks and embedding


@dataclasses.dataclass(frozen=True)
class DitSpec:
    """A DiT or SiT, for the works on raw networks."""

    channels: int
    size: int
    patch: int
    width: int
    depth: int
    heads: int
    parameters: int
    labels: int = 1000


SPECS = {
    # configs/fashion_mnist/teacher.yaml and discriminator.yaml
    "fashion_mnist": Spec(
        channels=1, size=28, base=16, mult=(1, 2), blocks=1, attention=(), dropout=0.0, label_dropout=0.1,
        patches=True, sigma_data=0.7, log_sigma=(-1.0, 1.2), learning_rate=4e-3, discriminator_resolutions=(14, 7), parameters=181_236),
    # EDM's class-conditional DDPM++ for CIFAR-10 without augmentation labels; the rate is low for want of a warm-up
    "ddpmpp_cifar10": Spec(
        channels=3, size=32, base=128, mult=(2, 2, 2), blocks=4, attention=(16,), dropout=0.13, label_dropout=0.0,
        patches=False, sigma_data=0.5, log_sigma=(-1.2, 1.2), learning_rate=2e-4, discriminator_resolutions=(16, 8), parameters=55_734_147),
    # the same with 16 base channels: a network of that family that a CPU can distil
    "edm_base16": Spec(
        channels=3, size=32, base=16, mult=(2, 2, 2), blocks=4, attention=(16,), dropout=0.13, label_dropout=0.0,
        patches=False, sigma_data=0.5, log_sigma=(-1.2, 1.2), learning_rate=2e-4, discriminator_resolutions=(16, 8), parameters=881_139),
    # configs/networks/dit_s_2.yaml and dit_b_2.yaml
    "sit_s_2": DitSpec(channels=4, size=32, patch=2, width=384, depth=12, heads=6, parameters=32_865_056),
    "sit_b_2": DitSpec(channels=4, size=32, patch=2, width=768, depth=12, heads=12, parameters=130_315_808),
    # EDM's ADM for ImageNet at 64x64, configs/networks/imagenet64_adm.yaml
    "adm_imagenet64": Spec(
        channels=3, size=64, base=192, mult=(1, 2, 3, 4), blocks=3, attention=(32, 16, 8), dropout=0.1, label_dropout=0.0,
        patches=False, sigma_data=0.5, log_sigma=(-1.2, 1.2), learning_rate=1e-4, discriminator_resolutions=(16, 8), parameters=295_899_267,
        labels=1000, adm=True),
}


def conv(channels_in, channels_out, kernel, gain=1.0, stride=1):
    """A convolution that keeps the size, or halves it; Kaiming-normal weights times `gain`, no bias at the start."""
    layer = torch.nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2)
    torch.nn.init.normal_(layer.weight, std=gain / math.sqrt(channels_in * kernel**2))
    torch.nn.init.zeros_(layer.bias)
    return layer


def norm(channels, eps=1e-6):
    return torch.nn.GroupNorm(min(32, max(channels // 4, 1)), channels, eps=eps)


def resize(x, direction):
    """Filter [1, 1]: halving averages 2x2 pixels, doubling repeats each."""
    if direction == "down":
        return F.avg_pool2d(x, 2)
    return F.interpolate(x, scale_factor=2, mode="nearest") if direction == "up" else x


class Attention(torch.nn.Module):
    """All pixels see each other; softmax in float32."""

    def __init__(self, channels, heads=1, eps=1e-6, gain=1e-5):
        super().__init__()
        self.heads, self.norm, self.qkv = heads, norm(channels, eps), conv(channels, 3 * channels, 1)
        self.proj = conv(channels, channels, 1, gain)

    def forward(self, x):
        n, c, h, w = x.shape
        q, k, v = self.qkv(self.norm(x)).reshape(n * self.heads, c // self.heads, 3, h * w).unbind(2)
        weights = torch.bmm(q.transpose(1, 2), k / math.sqrt(q.shape[1])).softmax(2)  # [n heads, query, key]
        return self.proj(torch.bmm(v, weights.transpose(1, 2)).reshape(x.shape)) + x


class Block(torch.nn.Module):
    """x + conv1(dropout(silu(norm1(conv0(silu(norm0(x))) + affine(embedding))))), resized on the way in, times
    sqrt(1/2)."""

    def __init__(self, channels_in, channels_out, embedding, direction=None, attention=False, dropout=0.0):
        super().__init__()
        self.direction, self.dropout = direction, dropout
        self.norm0, self.conv0 = norm(channels_in), conv(channels_in, channels_out, 3)
        self.affine = torch.nn.Linear(embedding, channels_out)
        self.norm1, self.conv1 = norm(channels_out), conv(channels_out, channels_out, 3, 1e-5)
        self.skip = conv(channels_in, channels_out, 1) if direction or channels_in != channels_out else None
        self.attention = Attention(channels_out) if attention else None

    def forward(self, x, embedding):
        y = self.conv0(resize(F.silu(self.norm0(x)), self.direction))
        y = F.silu(self.norm1(y + self.affine(embedding)[:, :, None, None]))
        y = self.conv1(F.dropout(y, self.dropout, self.training) if self.dropout else y)
        short = resize(x, self.direction)
        y = (y + (self.skip(short) if self.skip else short)) * math.sqrt(0.5)
        return self.attention(y) * math.sqrt(0.5) if self.attention else y


class AdmBlock(torch.nn.Module):
    """x + conv1(dropout(silu((1 + scale) norm1(conv0(silu(norm0(x)))) + shift))), resized on the way in, where the embedding
    gives scale and shift, and attention has a head for every 64 channels."""

    def __init__(self, channels_in, channels_out, embedding, direction=None, attention=False, dropout=0.0):
        super().__init__()
        self.direction, self.dropout = direction, dropout
        self.norm0, self.conv0 = norm(channels_in, 1e-5), conv(channels_in, channels_out, 3)
        self.affine = torch.nn.Linear(embedding, 2 * channels_out)
        self.norm1, self.conv1 = norm(channels_out, 1e-5), conv(channels_out, channels_out, 3, 0.0)
        self.skip = conv(channels_in, channels_out, 1) if channels_in != channels_out else None
        self.attention = Attention(channels_out, channels_out // 64, 1e-5, 0.0) if attention else None

    def forward(self, x, embedding):
        y = self.conv0(resize(F.silu(self.norm0(x)), self.direction))
        scale, shift = self.affine(embedding)[:, :, None, None].chunk(2, dim=1)
        y = F.silu(torch.addcmul(shift, self.norm1(y), scale + 1))
        y = self.conv1(F.dropout(y, self.dropout, self.training) if self.dropout else y)
        short = resize(x, self.direction)
        y = y + (self.skip(short) if self.skip else short)
        return self.attention(y) if self.attention else y


class UNet(torch.nn.Module):
    """DDPM++ or ADM: every encoder output is a skip, taken up in reverse by the decoder's blocks."""

    def __init__(self, spec):
        super().__init__()
        base, levels = spec.base, list(enumerate(spec.mult))
        channels_io, size = (4 * spec.channels, spec.size // 2) if spec.patches else (spec.channels, spec.size)
        embedding, self.labels, self.adm = 4 * base, spec.labels, spec.adm
        exponents = torch.arange(base // 2) / (base // 2 - (not spec.adm))
        self.register_buffer("frequencies", 1e-4**exponents, persistent=False)
        self.map_label = torch.nn.Linear(spec.labels, embedding if spec.adm else base, bias=not spec.adm)
        self.map0, self.map1 = torch.nn.Linear(base, embedding), torch.nn.Linear(embedding, embedding)

        def block(channels_in, channels_out, **more):
            kind = AdmBlock if spec.adm else Block
            return kind(channels_in, channels_out, embedding, dropout=spec.dropout, **more)

        encoder, widths, width = [conv(channels_io, base, 3)], [base], base
        for level, m in levels:
            if level > 0:
                encoder.append(block(width, width, direction="down"))
                widths.append(width)
            for _ in range(spec.blocks):
                encoder.append(block(width, base * m, attention=size >> level in spec.attention))
                width = base * m
                widths.append(width)
        decoder = [block(width, width, attention=True), block(width, width)]  # without skips, as those that resize
        self.takes_skip = [False, False]
        for level, m in reversed(levels):
            if level < len(levels) - 1:
                decoder.append(block(width, width, direction="up"))
                self.takes_skip.append(False)
            for i in range(spec.blocks + 1):
                attention = (spec.adm or i == spec.blocks) and size >> level in spec.attention
                decoder.append(block(width + widths.pop(), base * m, attention=attention))
                self.takes_skip.append(True)
                width = base * m
        self.encoder, self.decoder = torch.nn.ModuleList(encoder), torch.nn.ModuleList(decoder)
        self.out_norm = norm(width, 1e-5 if spec.adm else 1e-6)
        self.out_conv = conv(width, channels_io, 3, 0.0 if spec.adm else 1e-5)

    def embed(self, c_noise, labels):
        angles = torch.outer(c_noise, self.frequencies)
        if self.adm:
            emb = self.map0(torch.cat([angles.cos(), angles.sin()], dim=1))
            return F.silu(self.map1(F.silu(emb)) + self.map_label(labels))
        emb = torch.cat([angles.sin(), angles.cos()], dim=1) + self.map_label(labels * math.sqrt(self.labels))
        return F.silu(self.map1(F.silu(self.map0(emb))))

    def encode(self, x, c_noise, labels):
        """The embedding, and every encoder output."""
        emb, skips = self.embed(c_noise, labels), []
        for layer in self.encoder:
            x = layer(x) if isinstance(layer, torch.nn.Conv2d) else layer(x, emb)
            skips.append(x)
        return emb, skips

    def decode(self, emb, skips):
        skips = list(skips)
        x = skips[-1]
        for block, takes_skip in zip(self.decoder, self.takes_skip):
            x = block(torch.cat([x, skips.pop()], dim=1) if takes_skip else x, emb)
        return self.out_conv(F.silu(self.out_norm(x)))

    def forward(self, x, c_noise, labels):
        return self.decode(*self.encode(x, c_noise, labels))


class Denoiser(torch.nn.Module):
    """D = c_skip x + c_out F(c_in x; ln(sigma) / 4) (Karras et al. 2022, table 1)."""

    def __init__(self, spec):
        super().__init__()
        self.spec, self.unet, self.channels_last = spec, UNet(spec), False
        if count(self) != spec.parameters:
            raise RuntimeError(f"the network has {count(self)} parameters, OneStep's has {spec.parameters}")

    def encode(self, x, sigma, labels):
        s = sigma.reshape(-1, 1, 1, 1)
        scaled = x * (s**2 + self.spec.sigma_data**2).rsqrt()
        scaled = F.pixel_unshuffle(scaled, 2) if self.spec.patches else scaled
        if self.channels_last:
            scaled = scaled.contiguous(memory_format=torch.channels_last)
        return self.unet.encode(scaled, sigma.log() / 4, labels)

    def decode(self, x, sigma, encoded):
        s, data = sigma.reshape(-1, 1, 1, 1), self.spec.sigma_data
        raw = self.unet.decode(*encoded)
        raw = F.pixel_shuffle(raw, 2) if self.spec.patches else raw
        total = s**2 + data**2
        return x * (data**2 / total) + raw * (s * data * total.rsqrt())

    def forward(self, x, sigma, labels):
        return self.decode(x, sigma, self.encode(x, sigma, labels))


class Head(torch.nn.Module):
    """A discriminator on one resolution: convolutions of stride 2 down to at most 4x4, then a linear logit."""

    def __init__(self, resolution, channels):
        super().__init__()
        layers = []
        while resolution > 4:
            layers += [conv(channels, channels, 3, stride=2), norm(channels, 1e-5), torch.nn.SiLU()]
            resolution = (resolution + 1) // 2
        self.layers = torch.nn.Sequential(*layers)
        self.logit = torch.nn.Linear(channels * resolution**2, 1)

    def forward(self, x):
        return self.logit(self.layers(x).flatten(1))


class Discriminator(torch.nn.Module):
    """A head for each of the resolutions; logits [n, heads]."""

    def __init__(self, spec):
        super().__init__()
        size = spec.size // 2 if spec.patches else spec.size
        channels = {size >> level: spec.base * m for level, m in enumerate(spec.mult)}
        self.heads = torch.nn.ModuleList(Head(r, channels[r]) for r in spec.discriminator_resolutions)

    def forward(self, features):
        return torch.cat([head(feature) for head, feature in zip(self.heads, features)], dim=1)


class DitBlock(torch.nn.Module):
    """Attention and MLP, each between a norm that the condition shifts and scales and a gate that it sets."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.modulation = torch.nn.Linear(width, 6 * width)
        self.qkv, self.proj = torch.nn.Linear(width, 3 * width), torch.nn.Linear(width, width)
        self.fc1, self.fc2 = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)

    def attention(self, x):
        n, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape))

    def forward(self, x, condition):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(condition)[:, None].chunk(6, dim=2)
        x = x + gate1 * self.attention(modulated(x, shift1, scale1))
        return x + gate2 * self.fc2(F.gelu(self.fc1(modulated(x, shift2, scale2)), approximate="tanh"))


def modulated(x, shift, scale):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift


class Dit(torch.nn.Module):
    """DiT with learn_sigma; PyTorch's own initial weights, which cost the same time."""

    def __init__(self, spec):
        super().__init__()
        self.spec, width = spec, spec.width
        self.patches = torch.nn.Conv2d(spec.channels, width, spec.patch, stride=spec.patch)
        self.register_buffer("positions", torch.randn(1, (spec.size // spec.patch) ** 2, width))
        self.register_buffer("frequencies", 1e-4 ** (torch.arange(128) / 128), persistent=False)
        self.time0, self.time2 = torch.nn.Linear(256, width), torch.nn.Linear(width, width)
        self.classes = torch.nn.Embedding(spec.labels + 1, width)
        self.blocks = torch.nn.ModuleList(DitBlock(width, spec.heads) for _ in range(spec.depth))
        self.modulation = torch.nn.Linear(width, 2 * width)
        self.last = torch.nn.Linear(width, spec.patch**2 * 2 * spec.channels)

    def forward(self, x, c_noise, labels):
        angles = torch.outer(c_noise, self.frequencies)
        condition = self.time2(F.silu(self.time0(torch.cat([angles.cos(), angles.sin()], dim=1))))
        condition = F.silu(condition + self.classes(labels.argmax(dim=1)))
        x = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        for block in self.blocks:
            x = block(x, condition)
        x = self.last(modulated(x, *self.modulation(condition)[:, None].chunk(2, dim=2)))
        p, side = self.spec.patch, self.spec.size // self.spec.patch
        x = x.reshape(len(x), side, side, p, p, 2 * self.spec.channels).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(len(x), 2 * self.spec.channels, self.spec.size, self.spec.size)


def raw_network(spec):
    """F(x; c_noise, labels) of a spec, whose weights are not zero."""
    net = Dit(spec) if isinstance(spec, DitSpec) else UNet(spec)
    if count(net) != spec.parameters:
        raise RuntimeError(f"the network has {count(net)} parameters, OneStep's has {spec.parameters}")
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.02 * torch.randn_like(p))
    return net


def features_of(skips, resolutions):
    """The deepest encoder output at each resolution."""
    deepest = {skip.shape[-1]: skip for skip in skips}
    return [deepest[resolution] for resolution in resolutions]


def count(module):
    return sum(p.numel() for p in module.parameters())
