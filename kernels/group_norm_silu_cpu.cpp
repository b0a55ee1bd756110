// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include <ATen/Parallel.h>

#include "kernels/group_norm_silu_core.h"

/// An image is read as rows of `width` numbers: as many whole pixels as make long loops, whose channels
/// repeat. What belongs to a channel is laid out as such a row, too.
namespace onestep::kernels {
namespace {

constexpr int64_t kLongRow = 256;   // elements
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

/// y = f(slope x + level). Narrow numbers are rounded in a loop of their own, from `row`: shorter chains of
/// instructions overlap better.
template <bool with_silu, class Real, class W>
ONESTEP_VECTOR_CLONES void apply(const Real* __restrict x, int64_t elements, int64_t width,
                                 const W* __restrict slope, const W* __restrict level, W* __restrict row,
                                 Real* __restrict y) {
  for (int64_t at = 0; at < elements; at += width) {
    const Real* __restrict in = x + at;
    Real* __restrict out = y + at;
    const int64_t size = width < elements - at ? width : elements - at;
    if constexpr (std::is_same_v<Real, W>) row = out;
    for (int64_t j = 0; j < size; ++j) {
      const W z = widened(in[j]) * slope[j] + level[j];
      row[j] = with_silu ? silu<Real>(z) : z;
    }
    if constexpr (!std::is_same_v<Real, W>)
      for (int64_t j = 0; j < size; ++j) narrow(row[j], out[j]);
  }
}

/// Per channel of a row: z = slope x + level, x̂ = inverse x + centre.
template <class W>
struct Lines {
  const W *slope, *level, *inverse, *centre;
};

/// grad_z = grad_y f′(z); sums of grad_z and grad_z x̂.
template <bool with_silu, class Real, class W>
ONESTEP_VECTOR_CLONES void grad_of_line(const Real* __restrict x, const Real* __restrict grad_y,
                                        int64_t begin, int64_t end, int64_t width, Lines<W> lines,
                                        W* __restrict grad_z, W* __restrict sum, W* __restrict product) {
  const W* __restrict slope = lines.slope;
  const W* __restrict level = lines.level;
  const W* __restrict inverse = lines.inverse;
  const W* __restrict centre = lines.centre;
  for (int64_t at = begin; at < end; at += width) {
    const Real* __restrict row = x + at;
    const Real* __restrict up = grad_y + at;
    W* __restrict out = grad_z + at;
    const int64_t size = width < end - at ? width : end - at;
    for (int64_t j = 0; j < size; ++j) {
      const W value = widened(row[j]);
      W g = widened(up[j]);
      if constexpr (with_silu) g *= silu_derivative<Real>(value * slope[j] + level[j]);
      out[j] = g;
      sum[j] += g;
      product[j] += g * (value * inverse[j] + centre[j]);
    }
  }
}

/// grad = slope grad_z + along x + level; grad may be grad_z.
template <class Real, class W>
ONESTEP_VECTOR_CLONES void combine(const Real* __restrict x, int64_t elements, int64_t width,
                                   const W* __restrict slope, const W* __restrict along,
                                   const W* __restrict level, const W* grad_z, Real* grad) {
  for (int64_t at = 0; at < elements; at += width) {
    const Real* __restrict row = x + at;
    const W* g = grad_z + at;
    Real* out = grad + at;
    const int64_t size = width < elements - at ? width : elements - at;
    for (int64_t j = 0; j < size; ++j)
      narrow((g[j] * slope[j] + widened(row[j]) * along[j]) + level[j], out[j]);
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
  std::vector<W> image;               ///< of a narrow dtype
};

/// Repeats the first pixel of a row over all of it.
template <class W>
void repeat(std::vector<W>& row, int64_t channels) {
  const auto width = static_cast<int64_t>(row.size());
  for (int64_t filled = channels; filled < width; filled *= 2)
    std::copy_n(row.begin(), std::min(filled, width - filled), row.begin() + filled);
}

/// Where an image of W can be kept until it goes to `out`: there, if that holds W.
template <class W, class Real>
W* wide_image(Scratch<W>& s, Real* out, int64_t elements) {
  if constexpr (std::is_same_v<Real, W>) {
    return out;
  } else {
    s.image.resize(elements);
    return s.image.data();
  }
}

/// total += row, summed over its pixels.
template <class W>
void add_pixels(const W* __restrict row, int64_t width, int64_t channels, double* __restrict total) {
  for (int64_t j = 0; j < width; j += channels)
    for (int64_t c = 0; c < channels; ++c) total[c] += row[j + c];
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
    add_pixels(s.sum.data(), s.width, channels, s.first.data());
    add_pixels(s.product.data(), s.width, channels, s.second.data());
  }
}

template <class Real>
NormLine line_of(const GroupNormArrays<Real>& a, int64_t image, int64_t channel, double mean,
                 double inverse) {
  const int64_t at = image * a.coefficient_stride + channel;
  return norm_line(mean, inverse, a.gain[at], a.offset[at], added_to(a, image, channel));
}

template <class Real>
void normalise(const GroupNormArrays<Real>& a, int64_t image, Scratch<Wide<Real>>& s) {
  using W = Wide<Real>;
  const int64_t elements = a.pixels * a.channels, size = a.channels / a.groups;
  const Real* const x = a.x + image * elements;

  // Moments about the first pixel: nothing cancels where the mean is far from zero.
  std::vector<W>& about = s.centre;
  for (int64_t c = 0; c < a.channels; ++c) about[c] = widened(x[c]);
  repeat(about, a.channels);
  sum_channels(s, a.channels, elements, [&](int64_t begin, int64_t end) {
    add_moments(x, begin, end, s.width, about.data(), s.sum.data(), s.product.data());
  });
  const double share = 1 / static_cast<double>(a.pixels);  // a division for each channel would show
  const auto channel_mean = [&](int64_t c) { return about[c] + s.first[c] * share; };
  for (int64_t group = 0; group < a.groups; ++group) {
    const int64_t begin = group * size, end = begin + size;
    double mean = 0, variance = 0;
    for (int64_t c = begin; c < end; ++c) mean += channel_mean(c) + added_to(a, image, c);
    mean /= static_cast<double>(size);
    for (int64_t c = begin; c < end; ++c) {
      const double own = s.first[c] * share, apart = channel_mean(c) + added_to(a, image, c) - mean;
      variance += std::max(s.second[c] * share - own * own, 0.0) + apart * apart;
    }
    const double inverse = 1 / std::sqrt(variance / static_cast<double>(size) + a.eps);
    a.mean[image * a.groups + group] = static_cast<W>(mean);
    a.inverse_deviation[image * a.groups + group] = static_cast<W>(inverse);
    for (int64_t c = begin; c < end; ++c) {
      const NormLine line = line_of(a, image, c, mean, inverse);
      a.channel_mean[image * a.channels + c] = static_cast<W>(channel_mean(c));
      s.slope[c] = static_cast<W>(line.slope);
      s.level[c] = static_cast<W>(line.level);
    }
  }
  repeat(s.slope, a.channels);
  repeat(s.level, a.channels);
  const auto fill = a.silu ? apply<true, Real, W> : apply<false, Real, W>;
  fill(x, elements, s.width, s.slope.data(), s.level.data(), s.sum.data(), a.y + image * elements);
}

template <class Real>
void differentiate(const GroupNormArrays<Real>& a, const GroupNormGradients<Real>& out, int64_t image,
                   Scratch<Wide<Real>>& s) {
  using W = Wide<Real>;
  const int64_t elements = a.pixels * a.channels, size = a.channels / a.groups;
  const Real* const x = a.x + image * elements;
  const auto line_at = [&](int64_t c) {
    const int64_t group = image * a.groups + c / size;
    return line_of(a, image, c, a.mean[group], a.inverse_deviation[group]);
  };
  for (int64_t c = 0; c < a.channels; ++c) {
    const NormLine line = line_at(c);
    s.inverse[c] = static_cast<W>(line.inverse);
    s.centre[c] = static_cast<W>(line.centre);
    s.slope[c] = static_cast<W>(line.slope);
    s.level[c] = static_cast<W>(line.level);
  }
  for (auto* row : {&s.slope, &s.level, &s.inverse, &s.centre}) repeat(*row, a.channels);
  Real* const grad = out.grad_x + image * elements;
  W* const grad_z = wide_image(s, grad, elements);
  const auto add = a.silu ? grad_of_line<true, Real, W> : grad_of_line<false, Real, W>;
  sum_channels(s, a.channels, elements, [&](int64_t begin, int64_t end) {
    const Lines<W> lines{s.slope.data(), s.level.data(), s.inverse.data(), s.centre.data()};
    add(x, out.grad_y + image * elements, begin, end, s.width, lines, grad_z, s.sum.data(), s.product.data());
  });

  std::vector<W>&along = s.inverse, &level = s.level;
  const auto pixels = static_cast<double>(a.pixels), count = pixels * static_cast<double>(size);
  for (int64_t begin = 0; begin < a.channels; begin += size) {
    double mean_g = 0, mean_gx = 0;
    for (int64_t c = begin; c < begin + size; ++c) {
      const double gain = a.gain[image * a.coefficient_stride + c];
      mean_g += gain * s.first[c];
      mean_gx += gain * s.second[c];
    }
    mean_g /= count;
    mean_gx /= count;
    for (int64_t c = begin; c < begin + size; ++c) {
      const int64_t at = image * a.channels + c;
      const NormLine line = line_at(c);
      const GradientLine gradient = gradient_line(line, mean_g, mean_gx);
      out.grad_gain[at] = static_cast<W>(s.second[c]);
      out.grad_offset[at] = static_cast<W>(s.first[c]);
      if (out.grad_added != nullptr)
        out.grad_added[at] =
            static_cast<W>(gradient_sum(line, gradient, s.first[c], a.channel_mean[at], pixels));
      along[c] = static_cast<W>(gradient.along);
      level[c] = static_cast<W>(gradient.level);
    }
  }
  repeat(along, a.channels);
  repeat(level, a.channels);
  combine(x, elements, s.width, s.slope.data(), along.data(), level.data(), grad_z, grad);
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
