// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "networks/module.h"

/// The layers of EDM's networks, as values: weights in a struct, the forward pass in a function beside it.
namespace onestep {

/// Draws initial weights, float32, each tensor from its own counter-based stream. On at::kMeta tensors have
/// shapes and no storage, and nothing is drawn: what a file has to fit, and what is counted.
struct Initializer {
  uint64_t seed = 0;
  at::Device device = at::kCPU;
  int64_t next = 0;

  /// scale · U(−√(6/(fan_in+fan_out)), +√(…)) (Glorot & Bengio 2010).
  at::Tensor xavier_uniform(at::IntArrayRef shape, int64_t fan_in, int64_t fan_out, double scale = 1);
  /// scale · U(−√(3/fan_in), +√(3/fan_in)) (He et al. 2015, without the gain of a ReLU).
  at::Tensor kaiming_uniform(at::IntArrayRef shape, int64_t fan_in, double scale = 1);
  /// scale · unit normal numbers.
  at::Tensor normal(at::IntArrayRef shape, double scale = 1);
  at::Tensor constant(at::IntArrayRef shape, double value) const;

 private:
  at::Tensor uniform(at::IntArrayRef shape, double bound);
};

/// What a layer's weights and bias are drawn from: the fans' numbers, times a scale each; 0 gives zeros.
struct InitLaw {
  enum class Fans { xavier_uniform, kaiming_uniform } fans = Fans::xavier_uniform;
  double weight = 1, bias = 0;
};

/// Layers compute in their weights' type: what they are given is converted to it, as images are where a
/// network begins.

/// y = x Wᵀ + b; x [N, in], weight [out, in], bias [out] or absent.
struct Linear {
  at::Tensor weight, bias;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("weight", m.weight);
    visit("bias", m.bias);
  }
};
Linear make_linear(Initializer& init, int64_t in, int64_t out, bool bias, const InitLaw& law);
Linear make_linear(Initializer& init, int64_t in, int64_t out, bool bias = true, double scale = 1);
at::Tensor forward(const Linear& m, const at::Tensor& x);
/// The same in float32 at least: for logits.
at::Tensor forward_wide(const Linear& m, const at::Tensor& x);

/// A square "same" convolution, with an optional resampling by 2 through a separable FIR filter.
enum class Resample { none, up, down };
struct Conv2d {
  at::Tensor weight, bias;     ///< [out, in, k, k], [out]; absent when the layer only resamples (k = 0)
  at::Tensor resample_filter;  ///< [1, 1, f, f], sums to 1; absent without resampling
  Resample resample = Resample::none;
  bool fused = false;  ///< one pass of filter and convolution, as NCSN++ has it
  bool box = false;    ///< the filter is the 2×2 box, for which average and nearest are exact shortcuts
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("weight", m.weight);
    visit("bias", m.bias);
    visit("resample_filter", m.resample_filter, kBuffer);
  }
};
struct ConvShape {
  int64_t in, out, kernel;
  Resample resample = Resample::none;
  std::vector<double> filter = {1, 1};
  bool fused = false;
};
Conv2d make_conv(Initializer& init, const ConvShape& shape, const InitLaw& law);
Conv2d make_conv(Initializer& init, const ConvShape& shape, double scale = 1);
/// x [N, in, H, W] → [N, out, H', W'], H' = H, 2H or H/2.
at::Tensor forward(const Conv2d& m, const at::Tensor& x);
/// The same in float32 at least: for what a network gives.
at::Tensor forward_wide(const Conv2d& m, const at::Tensor& x);

/// Group normalisation (Wu & He 2018).
struct GroupNorm {
  at::Tensor weight, bias;  ///< [C]
  int64_t groups = 1;
  double eps = 1e-5;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("weight", m.weight);
    visit("bias", m.bias);
  }
};
/// EDM's number of groups: min(32, C/4).
constexpr int64_t norm_groups(int64_t channels) {
  return std::min<int64_t>(32, std::max<int64_t>(channels / 4, 1));
}
GroupNorm make_group_norm(const Initializer& init, int64_t channels, double eps = 1e-5);
GroupNorm make_group_norm(const Initializer& init, int64_t channels, int64_t groups, double eps);
/// Of x [N, C, H, W]; these three give channels-last results, and are quickest where x is so.
at::Tensor forward(const GroupNorm& m, const at::Tensor& x);
/// SiLU(norm(x + added)), added [N, C] or absent.
at::Tensor norm_silu(const GroupNorm& m, const at::Tensor& x, const at::Tensor& added = {});
/// SiLU(norm(x) (1 + scale) + shift), both [N, C].
at::Tensor adaptive_norm_silu(const GroupNorm& m, const at::Tensor& x, const at::Tensor& scale,
                              const at::Tensor& shift);

/// The memory layout that networks of images run in: convolutions read it without reordering, and it makes
/// pixels the tokens of attention.
inline at::Tensor channels_last(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

/// Transformer-style embedding of x [N]: [cos(x f_i), sin(x f_i)], f_i = 10000^(−i/(C/2 − endpoint)); [N, C].
at::Tensor positional_embedding(const at::Tensor& x, int64_t channels, bool endpoint);

/// Random Fourier features of x [N] with frequencies [C/2]: [cos(2π x f_i), sin(2π x f_i)]; [N, C].
at::Tensor fourier_embedding(const at::Tensor& x, const at::Tensor& frequencies);

/// Dropout masks for one forward pass: counter-based on (seed, image index, layer).
struct DropoutStream {
  double rate;
  uint64_t seed;
  at::Tensor indices;  ///< int64 [N], on the images' device
  uint64_t layer = 0;
};
/// x · mask / (1 − rate); x itself without a stream.
at::Tensor dropout(const at::Tensor& x, DropoutStream* stream);

}  // namespace onestep
