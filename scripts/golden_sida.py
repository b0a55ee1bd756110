#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden numbers for what SiDA's fake-score network learns (Zhou et al. 2025), without any tensor library.

    scripts/golden_sida.py [FILE]     default: tests/golden/losses/sida_fake_score.safetensors

One encoder serves a denoiser D and a discriminator, whose logit at a pixel is the mean over the features there. With
student images y, real images u, noise levels sigma and weights lambda(sigma) = (sigma^2 + s^2)/(sigma s)^2,

    L = 1/N sum_n lambda(sigma_n) ( sum_pixels |D(y + sigma e) - y|^2 + 1/2 mean_pixels [ -ln S(l_u) - ln(1 - S(l_y)) ] ),

S the logistic function. Features at a pixel are tanh(W c_in x + b + v ln(sigma)/4), D = c_skip x + c_out U features, with
EDM's coefficients. Derivatives are complex steps, Im L(p + ih)/h with h = 1e-30, exact to rounding."""
import cmath
import copy
import json
import math
import random
import struct
import sys

N, C, H, K, DATA_STD = 5, 2, 3, 4, 0.6  # samples, channels, height = width, features, s
PIXELS = H * H


def draw(rng, *shape):
    return [draw(rng, *shape[1:]) for _ in range(shape[0])] if shape else rng.gauss(0, 1)


def flat(value):
    return [x for part in value for x in flat(part)] if isinstance(value, list) else [value]


def features(p, x, sigma):
    """[K][PIXELS] of a noisy image [C][PIXELS]."""
    c_in = 1 / math.sqrt(sigma**2 + DATA_STD**2)
    level = math.log(sigma) / 4
    return [[cmath.tanh(sum(p["W"][k][c] * c_in * x[c][i] for c in range(C)) + p["b"][k] + p["v"][k] * level)
             for i in range(PIXELS)] for k in range(K)]


def losses(p, n, data):
    """Denoising and discriminator loss of sample n."""
    sigma = data["sigma"][n]
    total = sigma**2 + DATA_STD**2
    weight = total / (sigma * DATA_STD)**2
    noisy = [[data["y"][n][c][i] + sigma * data["eps"][n][c][i] for i in range(PIXELS)] for c in range(C)]
    seen = features(p, noisy, sigma)
    error = 0
    for c in range(C):
        for i in range(PIXELS):
            raw = sum(p["U"][c][k] * seen[k][i] for k in range(K))
            d = DATA_STD**2 / total * noisy[c][i] + sigma * DATA_STD / math.sqrt(total) * raw
            error += (d - data["y"][n][c][i])**2
    real = [[data["real"][n][c][i] + sigma * data["eps_real"][n][c][i] for i in range(PIXELS)] for c in range(C)]
    of_real = features(p, real, sigma)
    cross_entropy = 0
    for i in range(PIXELS):
        student_logit = sum(seen[k][i] for k in range(K)) / K
        real_logit = sum(of_real[k][i] for k in range(K)) / K
        cross_entropy -= cmath.log(1 / (1 + cmath.exp(-real_logit))) / PIXELS
        cross_entropy -= cmath.log(1 - 1 / (1 + cmath.exp(-student_logit))) / PIXELS
    return weight * error, weight * 0.5 * cross_entropy


def mean_loss(p, data):
    return sum(sum(losses(p, n, data)) for n in range(N)) / N


def slope(p, data, name, place):
    """The derivative by one number of a parameter."""
    moved = copy.deepcopy(p)
    at = moved[name]
    for i in place[:-1]:
        at = at[i]
    at[place[-1]] += 1e-30j
    return mean_loss(moved, data).imag / 1e-30


def safetensors(tensors, case):
    header, body = {"__metadata__": {"case": json.dumps(case)}}, b""
    for name, (shape, numbers) in tensors.items():
        packed = struct.pack(f"<{len(numbers)}d", *numbers)
        header[name] = {"dtype": "F64", "shape": shape, "data_offsets": [len(body), len(body) + len(packed)]}
        body += packed
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def main():
    rng = random.Random(13)
    p = {"W": draw(rng, K, C), "b": draw(rng, K), "v": draw(rng, K), "U": draw(rng, C, K)}
    data = {name: draw(rng, N, C, PIXELS) for name in ("y", "real", "eps", "eps_real")}
    data["sigma"] = [math.exp(-1.2 + 1.2 * rng.gauss(0, 1)) for _ in range(N)]
    parameters = {"W": [K, C], "b": [K], "v": [K], "U": [C, K]}
    tensors = {name: ([N, C, H, H], flat(data[name])) for name in ("y", "real", "eps", "eps_real")}
    tensors["sigma"] = ([N], data["sigma"])
    each = [losses(p, n, data) for n in range(N)]
    tensors["denoising"] = ([N], [a.real for a, _ in each])
    tensors["discriminator"] = ([N], [b.real for _, b in each])
    for name, shape in parameters.items():
        places = [[i] for i in range(shape[0])]
        if len(shape) == 2:
            places = [[i, j] for i in range(shape[0]) for j in range(shape[1])]
        tensors[name] = (shape, flat(p[name]))
        tensors["grad_" + name] = (shape, [slope(p, data, name, place) for place in places])
    case = {"what": "SiDA: denoising and discriminator of one encoder", "sigma_data": DATA_STD,
            "generator": "scripts/golden_sida.py"}
    path = sys.argv[1] if len(sys.argv) > 1 else "tests/golden/losses/sida_fake_score.safetensors"
    with open(path, "wb") as file:
        file.write(safetensors(tensors, case))


if __name__ == "__main__":
    main()
