// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/Parallel.h>

#include "kernels/group_norm_silu_core.h"

/// An image is read as rows of `width` numbers: as many whole pixels as make long loops, whose channels
/// repeat. What belongs to a channel is laid out as such a row, too.
namespace onestep::kernels {
namespace {

constexpr int64_t kLongRow = 64;    // elements
constexpr int64_t kFloatRows = 32;  // rows that are summed in float32 before they go to float64

/// sum += x − shift, square += (x − shift)².
template <class Real, class W>
ONESTEP_VECTOR_CLONES void add_moments(const Real* __restrict x, int64_t begin, int64_t end, int64_t width,
                                       const W* __restrict shift, W* __restrict sum, W* __restrict square) {
  for (int64_t at = begin; at < end; at += width) {
    const Real* __restrict row = x + at;
    const int64_t size = width < end - at ? width : end - at;
    for (int64_t j = 0; j < size; ++j) {
      const W d = widened(row[j]) - shift[j];
      sum[j] += d;
      square[j] += d * d;
    }
  }
}

/// y = f(slope x + level).
template <bool silu, class Real, class W>
ONESTEP_VECTOR_CLONES void apply(const Real* __restrict x, int64_t elements, int64_t width,
                                 const W* __restrict slope, const W* __restrict level, Real* __restrict y) {
  for (int64_t at = 0; at < elements; at += width) {
    const Real* __restrict row = x + at;
    Real* __restrict out = y + at;
    const int64_t size = width < elements - at ? width : elements - at;
    for (int64_t j = 0; j < size; ++j) {
      const W z = widened(row[j]) * slope[j] + level[j];
      narrow(silu ? z * sigmoid(z) : z, out[j]);
    }
  }
}

/// Per channel of a row: z = slope x + level, x̂ = inverse x + centre.
template <class W>
struct Lines {
  const W *slope, *level, *inverse, *centre;
};

/// grad_z = grad_y f′(z) into `grad`; sums of grad_z and grad_z x̂.
template <bool silu, class Real, class W>
ONESTEP_VECTOR_CLONES void grad_of_line(const Real* __restrict x, const Real* __restrict grad_y,
                                        int64_t begin, int64_t end, int64_t width, Lines<W> lines,
                                        Real* __restrict grad, W* __restrict sum, W* __restrict product) {
  const W* __restrict slope = lines.slope;
  const W* __restrict level = lines.level;
  const W* __restrict inverse = lines.inverse;
  const W* __restrict centre = lines.centre;
  for (int64_t at = begin; at < end; at += width) {
    const Real* __restrict row = x + at;
    const Real* __restrict up = grad_y + at;
    Real* __restrict out = grad + at;
    const int64_t size = width < end - at ? width : end - at;
    for (int64_t j = 0; j < size; ++j) {
      const W value = widened(row[j]);
      W g = widened(up[j]);
      if constexpr (silu) {
        const W z = value * slope[j] + level[j], s = sigmoid(z);
        g *= s * (1 + z * (1 - s));
      }
      narrow(g, out[j]);
      sum[j] += g;
      product[j] += g * (value * inverse[j] + centre[j]);
    }
  }
}

/// grad = slope grad + along x + level.
template <class Real, class W>
ONESTEP_VECTOR_CLONES void combine(const Real* __restrict x, int64_t elements, int64_t width,
                                   const W* __restrict slope, const W* __restrict along,
                                   const W* __restrict level, Real* __restrict grad) {
  for (int64_t at = 0; at < elements; at += width) {
    const Real* __restrict row = x + at;
    Real* __restrict out = grad + at;
    const int64_t size = width < elements - at ? width : elements - at;
    for (int64_t j = 0; j < size; ++j)
      narrow((widened(out[j]) * slope[j] + widened(row[j]) * along[j]) + level[j], out[j]);
  }
}

/// One thread's working memory.
template <class W>
struct Scratch {
  Scratch(int64_t channels, int64_t pixels)
      : width(channels * std::clamp<int64_t>(kLongRow / channels, 1, pixels)),
        first(channels),
        second(channels) {
    for (auto* row : {&slope, &level, &inverse, &centre, &sum, &product}) row->resize(width);
  }
  int64_t width;
  /// Lines of each channel: slope x + level, inverse x + centre.
  std::vector<W> slope, level, inverse, centre;
  std::vector<W> sum, product;        ///< of a few rows
  std::vector<double> first, second;  ///< of each channel
};

/// Repeats the first pixel of a row over all of it.
template <class W>
void repeat(std::vector<W>& row, int64_t channels) {
  for (size_t j = channels; j < row.size(); ++j) row[j] = row[j - channels];
}

/// first and second: what add(begin, end) adds to sum and product, over all pixels.
template <class W, class Add>
void sum_channels(Scratch<W>& s, int64_t channels, int64_t elements, const Add& add) {
  std::fill(s.first.begin(), s.first.end(), 0.0);
  std::fill(s.second.begin(), s.second.end(), 0.0);
  for (int64_t begin = 0; begin < elements; begin += kFloatRows * s.width) {
    std::fill(s.sum.begin(), s.sum.end(), W(0));
    std::fill(s.product.begin(), s.product.end(), W(0));
    add(begin, std::min(elements, begin + kFloatRows * s.width));
    for (int64_t j = 0; j < s.width; j += channels) {
      for (int64_t c = 0; c < channels; ++c) {
        s.first[c] += s.sum[j + c];
        s.second[c] += s.product[j + c];
      }
    }
  }
}

template <class Real>
void normalise(const GroupNormArrays<Real>& a, int64_t image, Scratch<Wide<Real>>& s) {
  using W = Wide<Real>;
  const int64_t elements = a.pixels * a.channels, size = a.channels / a.groups;
  const Real* const x = a.x + image * elements;
  const Real* const gain = a.gain + image * a.coefficient_stride;
  const Real* const offset = a.offset + image * a.coefficient_stride;
  const auto added = [&](int64_t c) -> double {
    return a.added == nullptr ? 0 : widened(a.added[image * a.channels + c]);
  };

  // Moments about the first pixel: nothing cancels where the mean is far from zero.
  std::vector<W>& about = s.centre;
  for (int64_t c = 0; c < a.channels; ++c) about[c] = widened(x[c]);
  repeat(about, a.channels);
  sum_channels(s, a.channels, elements, [&](int64_t begin, int64_t end) {
    add_moments(x, begin, end, s.width, about.data(), s.sum.data(), s.product.data());
  });
  const auto pixels = static_cast<double>(a.pixels);
  const auto channel_mean = [&](int64_t c) { return about[c] + s.first[c] / pixels; };
  for (int64_t group = 0; group < a.groups; ++group) {
    const int64_t begin = group * size, end = begin + size;
    double mean = 0, variance = 0;
    for (int64_t c = begin; c < end; ++c) mean += channel_mean(c) + added(c);
    mean /= static_cast<double>(size);
    for (int64_t c = begin; c < end; ++c) {
      const double own = s.first[c] / pixels, apart = channel_mean(c) + added(c) - mean;
      variance += std::max(s.second[c] / pixels - own * own, 0.0) + apart * apart;
    }
    const double inverse = 1 / std::sqrt(variance / static_cast<double>(size) + a.eps);
    a.mean[image * a.groups + group] = static_cast<W>(mean);
    a.inverse_deviation[image * a.groups + group] = static_cast<W>(inverse);
    for (int64_t c = begin; c < end; ++c) {
      const double slope = inverse * widened(gain[c]);
      a.channel_mean[image * a.channels + c] = static_cast<W>(channel_mean(c));
      s.slope[c] = static_cast<W>(slope);
      s.level[c] = static_cast<W>((added(c) - mean) * slope + widened(offset[c]));
    }
  }
  repeat(s.slope, a.channels);
  repeat(s.level, a.channels);
  const auto fill = a.silu ? apply<true, Real, W> : apply<false, Real, W>;
  fill(x, elements, s.width, s.slope.data(), s.level.data(), a.y + image * elements);
}

/// With g = grad_z and means over a group's numbers, x̂ = inverse x + centre:
///   grad_x = inverse (A g − mean(A g) − x̂ mean(A g x̂)),  grad_A = Σ g x̂,  grad_B = Σ g,  grad_p = Σ grad_x.
template <class Real>
void differentiate(const GroupNormArrays<Real>& a, const GroupNormGradients<Real>& out, int64_t image,
                   Scratch<Wide<Real>>& s) {
  using W = Wide<Real>;
  const int64_t elements = a.pixels * a.channels, size = a.channels / a.groups;
  const Real* const x = a.x + image * elements;
  const Real* const gain = a.gain + image * a.coefficient_stride;
  const Real* const offset = a.offset + image * a.coefficient_stride;
  for (int64_t c = 0; c < a.channels; ++c) {
    const double inverse = a.inverse_deviation[image * a.groups + c / size];
    const double added = a.added == nullptr ? 0 : widened(a.added[image * a.channels + c]);
    const double centre = (added - a.mean[image * a.groups + c / size]) * inverse;
    s.inverse[c] = static_cast<W>(inverse);
    s.centre[c] = static_cast<W>(centre);
    s.slope[c] = static_cast<W>(inverse * widened(gain[c]));
    s.level[c] = static_cast<W>(centre * widened(gain[c]) + widened(offset[c]));
  }
  for (auto* row : {&s.slope, &s.level, &s.inverse, &s.centre}) repeat(*row, a.channels);
  Real* const grad = out.grad_x + image * elements;
  const auto grad_z = a.silu ? grad_of_line<true, Real, W> : grad_of_line<false, Real, W>;
  sum_channels(s, a.channels, elements, [&](int64_t begin, int64_t end) {
    const Lines<W> lines{s.slope.data(), s.level.data(), s.inverse.data(), s.centre.data()};
    grad_z(x, out.grad_y + image * elements, begin, end, s.width, lines, grad, s.sum.data(),
           s.product.data());
  });

  // grad_x = slope g + along x + level
  std::vector<W>&along = s.inverse, &level = s.level;
  const auto pixels = static_cast<double>(a.pixels), count = pixels * static_cast<double>(size);
  for (int64_t group = 0; group < a.groups; ++group) {
    const int64_t begin = group * size, end = begin + size;
    const double inverse = a.inverse_deviation[image * a.groups + group];
    double constant = 0, product = 0;
    for (int64_t c = begin; c < end; ++c) {
      constant += widened(gain[c]) * s.first[c] / count;
      product += widened(gain[c]) * s.second[c] / count;
    }
    for (int64_t c = begin; c < end; ++c) {
      const int64_t at = image * a.channels + c;
      const double slope_x = -inverse * inverse * product,
                   rest = -inverse * (constant + s.centre[c] * product);
      out.grad_gain[at] = static_cast<W>(s.second[c]);
      out.grad_offset[at] = static_cast<W>(s.first[c]);
      if (out.grad_added != nullptr) {
        const double mean = slope_x * a.channel_mean[at] + rest;
        out.grad_added[at] = static_cast<W>(inverse * widened(gain[c]) * s.first[c] + mean * pixels);
      }
      along[c] = static_cast<W>(slope_x);
      level[c] = static_cast<W>(rest);
    }
  }
  repeat(along, a.channels);
  repeat(level, a.channels);
  combine(x, elements, s.width, s.slope.data(), along.data(), level.data(), grad);
}

template <class Real, class Image>
void for_images(const GroupNormArrays<Real>& a, const Image& image) {
  constexpr int64_t kGrain = 16384;  // elements: about ten microseconds of work
  at::parallel_for(0, a.images, std::max<int64_t>(1, kGrain / (a.pixels * a.channels)),
                   [&](int64_t begin, int64_t end) {
                     Scratch<Wide<Real>> scratch(a.channels, a.pixels);
                     for (int64_t n = begin; n < end; ++n) image(n, scratch);
                   });
}

}  // namespace

template <class Real>
void group_norm_silu_cpu(const GroupNormArrays<Real>& a) {
  for_images(a, [&](int64_t n, Scratch<Wide<Real>>& scratch) { normalise(a, n, scratch); });
}

template <class Real>
void group_norm_silu_backward_cpu(const GroupNormArrays<Real>& a, const GroupNormGradients<Real>& out) {
  for_images(a, [&](int64_t n, Scratch<Wide<Real>>& scratch) { differentiate(a, out, n, scratch); });
}

template void group_norm_silu_cpu(const GroupNormArrays<float>&);
template void group_norm_silu_cpu(const GroupNormArrays<double>&);
template void group_norm_silu_cpu(const GroupNormArrays<BFloat16>&);
template void group_norm_silu_backward_cpu(const GroupNormArrays<float>&, const GroupNormGradients<float>&);
template void group_norm_silu_backward_cpu(const GroupNormArrays<double>&, const GroupNormGradients<double>&);
template void group_norm_silu_backward_cpu(const GroupNormArrays<BFloat16>&,
                                           const GroupNormGradients<BFloat16>&);

}  // namespace onestep::kernels
