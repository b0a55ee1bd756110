// SPDX-License-Identifier: Apache-2.0
#include "data/augmentation.h"

#include <algorithm>
#include <array>
#include <numbers>
#include <tuple>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/exp2.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/grid_sampler_2d.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/reflection_pad2d.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <c10/util/Exception.h>
#include <c10/util/StringUtil.h>

#include "config/node.h"
#include "kernels/philox.h"
#include "noise/purpose.h"

namespace onestep {
namespace {

constexpr int64_t kTaps = 12;
/// The low pass of the wavelet sym6 (Daubechies 1992): orthonormal to its own shifts by two.
constexpr std::array<double, kTaps> kSym6{0.015404109327027373, 0.0034907120842174702, -0.11799011114819057,
                                          -0.048311742585633,   0.4910559419267466,    0.787641141030194,
                                          0.3379294217276218,   -0.07263752278646252,  -0.021060292512300564,
                                          0.04472490177066578,  0.0017677118642428036, -0.007800708325034148};
/// Pixel k lies at 2k + kPhase at twice the resolution: the centre of the taps less 5.
constexpr double kPhase = 0.09826089954573;
constexpr int64_t kMargin = kTaps / 2;  // what the filter needs beyond an image, at either resolution

/// What is drawn for each image, [n] each; 0 where a transformation is left out.
struct Draws {
  at::Tensor mirrored, upside_down;  ///< bool
  at::Tensor scale, turn, stretch, axis, right, down;
  at::Tensor warped;  ///< bool: whether more than flips is to be done
};

Draws draw(double share, uint64_t seed, const at::Tensor& indices, at::Device device) {
  const at::Tensor table = kernels::philox_uniform(seed, word(Purpose::augmentation), indices, {9}, device);
  const at::Tensor normals =
      kernels::philox_normal(seed, word(Purpose::augmentation_size), indices, {4}, device);
  const auto uniform = [&](int64_t k) { return table.select(1, k); };
  const auto on = [&](int64_t k) { return uniform(k) < share; };
  const auto where = [&](const at::Tensor& chosen, const at::Tensor& value) {
    return value * chosen.to(value.scalar_type());
  };
  const auto angle = [&](int64_t k) { return (2 * uniform(k) - 1) * std::numbers::pi; };
  const at::Tensor scaled = on(3), turned = on(4), stretched = on(6), moved = on(8);
  return {.mirrored = uniform(0) < 0.5,
          .upside_down = on(1) & (uniform(2) < 0.5),
          .scale = where(scaled, normals.select(1, 0)),
          .turn = where(turned, angle(5)),
          .stretch = where(stretched, normals.select(1, 1)),
          .axis = angle(7),
          .right = where(moved, normals.select(1, 2)),
          .down = where(moved, normals.select(1, 3)),
          .warped = scaled | turned | stretched | moved};
}

/// The low pass where images are, without a copy from the host.
at::Tensor taps_of(const at::TensorOptions& options) {
  std::vector<at::Tensor> taps;
  for (const double tap : kSym6) taps.push_back(at::full({}, tap, options));
  return at::stack(taps);
}

/// Numbers of each image as [n, 1, 1].
at::Tensor over_pixels(const at::Tensor& numbers) {
  return numbers.reshape({-1, 1, 1});
}

/// Where the pixel that lies at (x, y) from the centre comes from. The reverse of: scale, turn, stretch,
/// move, of which the move is undone first.
std::pair<at::Tensor, at::Tensor> origin_of(const Draws& d, at::Tensor x, at::Tensor y, int64_t height,
                                            int64_t width) {
  const auto turn = [&](const at::Tensor& angle) {
    const at::Tensor c = over_pixels(angle.cos()), s = over_pixels(angle.sin());
    std::tie(x, y) = std::pair(c * x - s * y, s * x + c * y);
  };
  x = x - over_pixels(d.right) * (static_cast<double>(width) / 8);
  y = y - over_pixels(d.down) * (static_cast<double>(height) / 8);
  const at::Tensor stretch = over_pixels(at::exp2(0.2 * d.stretch));
  turn(d.axis);
  x = x / stretch;
  y = y * stretch;
  turn(d.turn - d.axis);
  const at::Tensor scale = over_pixels(at::exp2(0.2 * d.scale));
  return {x / scale, y / scale};
}

/// Places on an axis of n pixels at twice the resolution, as grid_sampler takes them on an axis with the
/// margin at both ends: what lies beyond is the image's reflection about its first and last pixel.
at::Tensor sampler_place(const at::Tensor& pixels_from_centre, int64_t n) {
  const double centre = static_cast<double>(n - 1) + kPhase, period = static_cast<double>(4 * n - 4);
  const at::Tensor place = 2 * pixels_from_centre + centre;
  at::Tensor folded = (place - kPhase).remainder(period);
  folded = at::where(folded > period / 2, period - folded, folded) + kPhase;
  const at::Tensor known = (place >= -kMargin) & (place <= static_cast<double>(2 * n - 1 + kMargin));
  return 2 * (at::where(known, place, folded) + kMargin) / static_cast<double>(2 * n + 2 * kMargin - 1) - 1;
}

/// The low pass along an axis of n pixels to twice the resolution, with the margin at both ends and
/// reflections beyond, as a matrix [2n + 2 kMargin, n]: what becomes of each pixel.
at::Tensor finer(int64_t n, const at::Tensor& taps) {
  const at::Tensor pixels = at::eye(n, taps.options()).reshape({n, 1, n, 1});
  const at::Tensor padded = at::reflection_pad2d(pixels, {0, 0, kMargin, kMargin});
  const int64_t first = 3 * kMargin - 7;  // 2 (pixel + margin) + tap − 5 counts from −margin
  return at::conv_transpose2d(padded, taps.reshape({1, 1, kTaps, 1}), {}, {2, 1})
      .slice(2, first, first + 2 * n + 2 * kMargin)
      .reshape({n, -1})
      .t();
}

/// And back, [n, 2n + 2 kMargin].
at::Tensor coarser(int64_t n, const at::Tensor& taps) {
  const int64_t places = 2 * n + 2 * kMargin;
  const at::Tensor units = at::eye(places, taps.options()).reshape({places, 1, places, 1});
  return at::conv2d(units.slice(2, 1, 2 * n + kTaps - 1), taps.reshape({1, 1, kTaps, 1}), {}, {2, 1})
      .reshape({places, n})
      .t();
}

/// Rows and columns of images [n, C, H, W] through a matrix each.
at::Tensor along_axes(const at::Tensor& images, const at::Tensor& rows, const at::Tensor& columns) {
  return rows.matmul(images.matmul(columns.t()));
}

at::Tensor warp(const at::Tensor& images, const Draws& d) {
  const int64_t n = images.size(0), height = images.size(2), width = images.size(3);
  const at::Tensor taps = taps_of(images.options());
  const auto places = [&](int64_t size) {  // of the wanted pixels from the centre, with the margin
    const at::Tensor place = at::arange(-kMargin, 2 * size + kMargin, images.options());
    return (place - static_cast<double>(size - 1) - kPhase) / 2;
  };
  const at::Tensor fine = along_axes(images, finer(height, taps), finer(width, taps));
  const auto [x, y] =
      origin_of(d, places(width).reshape({1, 1, -1}), places(height).reshape({1, -1, 1}), height, width);
  const auto whole = std::vector<int64_t>{n, 2 * height + 2 * kMargin, 2 * width + 2 * kMargin};
  const at::Tensor grid =
      at::stack({sampler_place(x, width).expand(whole), sampler_place(y, height).expand(whole)}, 3);
  constexpr int64_t kBilinear = 0, kBorder = 1;
  const at::Tensor moved = at::grid_sampler_2d(fine, grid, kBilinear, kBorder, /*align_corners=*/true);
  return along_axes(moved, coarser(height, taps), coarser(width, taps));
}

}  // namespace

void require_augmentable(const std::string& key, int64_t augment_dim, int64_t height, int64_t width) {
  if (augment_dim != kAugmentationLabels)
    throw config::ConfigError(c10::str(key, ": takes a network with augment_dim: ", kAugmentationLabels,
                                       ", but it has ", augment_dim));
  if (std::min(height, width) < kSmallestAugmented)
    throw config::ConfigError(c10::str(key, ": takes images of at least ", kSmallestAugmented, "x",
                                       kSmallestAugmented, ", but they are ", height, "x", width));
}

Augmented augment(const at::Tensor& images, double share, uint64_t seed, const at::Tensor& indices) {
  if (share == 0) return {.images = images, .labels = {}};
  TORCH_CHECK(
      images.dim() == 4 && images.size(2) >= kSmallestAugmented && images.size(3) >= kSmallestAugmented,
      "augment: images of shape ", images.sizes());
  const Draws d = draw(share, seed, indices, images.device());
  const auto over_images = [](const at::Tensor& chosen) { return chosen.reshape({-1, 1, 1, 1}); };
  at::Tensor out = at::where(over_images(d.mirrored), images.flip({3}), images);
  out = at::where(over_images(d.upside_down), out.flip({2}), out);
  out = at::where(over_images(d.warped), warp(out, d), out);
  const at::Tensor labels = at::stack(
      {d.mirrored.to(images.scalar_type()), d.upside_down.to(images.scalar_type()), d.scale, d.turn.cos() - 1,
       d.turn.sin(), d.stretch * d.axis.cos(), d.stretch * d.axis.sin(), d.right, d.down},
      1);
  return {.images = out, .labels = labels};
}

}  // namespace onestep
