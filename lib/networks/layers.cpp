// SPDX-License-Identifier: Apache-2.0
#include "networks/layers.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_nearest2d.h>

#include "kernels/group_norm_silu.h"
#include "kernels/linear.h"
#include "kernels/philox.h"
#include "kernels/winograd_conv.h"
#include "noise/purpose.h"

namespace onestep {
namespace {

at::Tensor one_index(int64_t index) {
  return at::ones({1}, at::kLong) * index;
}

constexpr uint32_t kInit = word(Purpose::initial_weights);

}  // namespace

at::Tensor Initializer::uniform(at::IntArrayRef shape, double bound) {
  if (device.is_meta()) return at::empty(shape, device);
  const at::Tensor u = kernels::philox_uniform(seed, kInit, one_index(next++), shape, at::kCPU);
  return ((u * 2 - 1) * bound).squeeze(0);
}

at::Tensor Initializer::xavier_uniform(at::IntArrayRef shape, int64_t fan_in, int64_t fan_out, double scale) {
  return uniform(shape, std::sqrt(6.0 / static_cast<double>(fan_in + fan_out)) * scale);
}

at::Tensor Initializer::kaiming_uniform(at::IntArrayRef shape, int64_t fan_in, double scale) {
  return uniform(shape, std::sqrt(3.0 / static_cast<double>(fan_in)) * scale);
}

at::Tensor Initializer::normal(at::IntArrayRef shape, double scale) {
  if (device.is_meta()) return at::empty(shape, device);
  return kernels::philox_normal(seed, kInit, one_index(next++), shape, at::kCPU).squeeze(0) * scale;
}

at::Tensor Initializer::constant(at::IntArrayRef shape, double value) const {
  return at::full(shape, value, at::TensorOptions(at::kFloat).device(device));
}

namespace {

at::Tensor draw(Initializer& init, const InitLaw& law, double scale, at::IntArrayRef shape, int64_t fan_in,
                int64_t fan_out) {
  if (scale == 0) return init.constant(shape, 0);
  return law.fans == InitLaw::Fans::kaiming_uniform ? init.kaiming_uniform(shape, fan_in, scale)
                                                    : init.xavier_uniform(shape, fan_in, fan_out, scale);
}

}  // namespace

Linear make_linear(Initializer& init, int64_t in, int64_t out, bool bias, const InitLaw& law) {
  Linear m{.weight = draw(init, law, law.weight, {out, in}, in, out), .bias = {}};
  if (bias) m.bias = draw(init, law, law.bias, {out}, in, out);
  return m;
}

Linear make_linear(Initializer& init, int64_t in, int64_t out, bool bias, double scale) {
  return make_linear(init, in, out, bias, InitLaw{.weight = scale});
}

at::Tensor forward(const Linear& m, const at::Tensor& x) {
  const at::Tensor in = x.to(m.weight.scalar_type());
  if (kernels::prefers_linear(in, m.weight)) return kernels::linear(in, m.weight, m.bias);
  return m.bias.defined() ? at::linear(in, m.weight, m.bias) : at::linear(in, m.weight);
}

at::Tensor forward_wide(const Linear& m, const at::Tensor& x) {
  const at::ScalarType wide = c10::promoteTypes(m.weight.scalar_type(), at::kFloat);
  return forward(Linear{m.weight.to(wide), m.bias.defined() ? m.bias.to(wide) : m.bias}, x);
}

Conv2d make_conv(Initializer& init, const ConvShape& shape, const InitLaw& law) {
  Conv2d m{
      .resample = shape.resample, .fused = shape.fused, .box = shape.filter == std::vector<double>{1, 1}};
  if (const int64_t k = shape.kernel; k > 0) {
    const int64_t fan_in = shape.in * k * k, fan_out = shape.out * k * k;
    m.weight = draw(init, law, law.weight, {shape.out, shape.in, k, k}, fan_in, fan_out);
    m.bias = draw(init, law, law.bias, {shape.out}, fan_in, fan_out);
  }
  if (shape.resample != Resample::none) {
    const at::Tensor f = at::tensor(shape.filter, at::kFloat);
    m.resample_filter = (f.outer(f) / f.sum().square()).unsqueeze(0).unsqueeze(0).to(init.device);
  }
  return m;
}

Conv2d make_conv(Initializer& init, const ConvShape& shape, double scale) {
  return make_conv(init, shape, InitLaw{.weight = scale});
}

namespace {

/// The FIR filter as a depthwise convolution: every channel is filtered and kept (down) or spread (up) by 2.
at::Tensor filter_down(const at::Tensor& x, const at::Tensor& filter, int64_t padding) {
  const int64_t channels = x.size(1);
  return at::conv2d(x, filter.to(x.scalar_type()).expand({channels, 1, -1, -1}), {}, {2, 2},
                    {padding, padding}, {1, 1}, channels);
}

at::Tensor filter_up(const at::Tensor& x, const at::Tensor& filter, int64_t padding) {
  const int64_t channels = x.size(1);
  return at::conv_transpose2d(x, (filter * 4).to(x.scalar_type()).expand({channels, 1, -1, -1}), {}, {2, 2},
                              {padding, padding}, {0, 0}, channels);
}

at::Tensor resampled(const Conv2d& m, const at::Tensor& x) {
  if (m.resample == Resample::none) return x;
  if (m.box) {
    return m.resample == Resample::down
               ? at::avg_pool2d(x, {2, 2})
               : at::upsample_nearest2d(x, at::IntArrayRef{2 * x.size(2), 2 * x.size(3)});
  }
  const int64_t padding = (m.resample_filter.size(-1) - 1) / 2;
  return m.resample == Resample::down ? filter_down(x, m.resample_filter, padding)
                                      : filter_up(x, m.resample_filter, padding);
}

/// Filter and convolution share one padding, so that the border is filtered once.
at::Tensor fused_forward(const Conv2d& m, const at::Tensor& x) {
  const int64_t half = m.weight.size(-1) / 2;
  const int64_t filter_half = (m.resample_filter.size(-1) - 1) / 2;
  if (m.resample == Resample::down) {
    const int64_t padding = half + filter_half;
    return filter_down(at::conv2d(x, m.weight, m.bias, {1, 1}, {padding, padding}), m.resample_filter, 0);
  }
  const int64_t padding = std::max<int64_t>(half - filter_half, 0);
  return at::conv2d(filter_up(x, m.resample_filter, std::max<int64_t>(filter_half - half, 0)), m.weight,
                    m.bias, {1, 1}, {padding, padding});
}

}  // namespace

at::Tensor forward(const Conv2d& m, const at::Tensor& x) {
  if (!m.weight.defined()) return resampled(m, x);
  const at::Tensor in = x.to(m.weight.scalar_type());
  if (m.fused && m.resample != Resample::none) return fused_forward(m, in);
  const at::Tensor seen = resampled(m, in);
  if (kernels::prefers_winograd(seen, m.weight)) return kernels::winograd_conv(seen, m.weight, m.bias);
  if (kernels::prefers_linear(seen, m.weight)) return kernels::linear(seen, m.weight, m.bias);
  const int64_t half = m.weight.size(-1) / 2;
  return at::conv2d(seen, m.weight, m.bias, {1, 1}, {half, half});
}

at::Tensor forward_wide(const Conv2d& m, const at::Tensor& x) {
  const at::ScalarType wide = c10::promoteTypes(m.weight.scalar_type(), at::kFloat);
  Conv2d widened = m;
  widened.weight = m.weight.to(wide);
  if (m.bias.defined()) widened.bias = m.bias.to(wide);
  return forward(widened, x);
}

GroupNorm make_group_norm(const Initializer& init, int64_t channels, double eps) {
  return make_group_norm(init, channels, norm_groups(channels), eps);
}

GroupNorm make_group_norm(const Initializer& init, int64_t channels, int64_t groups, double eps) {
  return {.weight = init.constant({channels}, 1),
          .bias = init.constant({channels}, 0),
          .groups = groups,
          .eps = eps};
}

at::Tensor forward(const GroupNorm& m, const at::Tensor& x) {
  return kernels::group_norm_silu(x, m.groups, {m.weight, m.bias, {}}, m.eps,
                                  /*silu=*/false);
}

at::Tensor norm_silu(const GroupNorm& m, const at::Tensor& x, const at::Tensor& added) {
  return kernels::group_norm_silu(x, m.groups, {m.weight, m.bias, added}, m.eps);
}

at::Tensor adaptive_norm_silu(const GroupNorm& m, const at::Tensor& x, const at::Tensor& scale,
                              const at::Tensor& shift) {
  // In float32: of 1 + scale bfloat16 would keep little of a small scale.
  const at::Tensor gain = scale.to(c10::promoteTypes(scale.scalar_type(), at::kFloat)) + 1;
  return kernels::group_norm_silu(x, m.groups, {gain * m.weight, gain * m.bias + shift, {}}, m.eps);
}

at::Tensor positional_embedding(const at::Tensor& x, int64_t channels, bool endpoint) {
  const int64_t half = channels / 2;
  const at::Tensor exponent = at::arange(half, x.options()) / static_cast<double>(half - (endpoint ? 1 : 0));
  const at::Tensor angles = x.outer(at::pow(1.0 / 10000, exponent));
  return at::cat({angles.cos(), angles.sin()}, 1);
}

at::Tensor fourier_embedding(const at::Tensor& x, const at::Tensor& frequencies) {
  const at::Tensor angles = x.outer(frequencies * (2 * std::numbers::pi));
  return at::cat({angles.cos(), angles.sin()}, 1);
}

at::Tensor dropout(const at::Tensor& x, DropoutStream* stream) {
  if (stream == nullptr || stream->rate == 0) return x;
  constexpr uint64_t kOdd = 0x9E3779B97F4A7C15;  // an odd step, so that every layer's key differs
  const uint64_t seed = stream->seed + kOdd * ++stream->layer;
  const at::IntArrayRef shape = x.sizes();
  const bool map = x.dim() == 4;  // drawn pixel by pixel, in the order in which it lies
  at::Tensor u = kernels::philox_uniform(
      seed, word(Purpose::dropout), stream->indices,
      map ? std::vector<int64_t>{shape[2], shape[3], shape[1]} : shape.slice(1).vec(), x.device());
  if (map) u = u.permute({0, 3, 1, 2});
  return x * (u >= stream->rate).to(x.scalar_type()) / (1 - stream->rate);
}

}  // namespace onestep
