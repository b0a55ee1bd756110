// SPDX-License-Identifier: Apache-2.0
#include "kernels/group_norm_silu_core.h"

/// A block of threads takes whole groups of one image: a column of threads for each of its channels, at least
/// a cache line of them where there are as many, and `kRows` threads in each column, which share the pixels.
namespace onestep::kernels {
namespace {

constexpr int kThreads = 512;
constexpr int64_t kChannels = 32;  // of a block, unless groups are larger

/// Channels of one block: whole groups.
template <class Real>
int64_t tile_of(const GroupNormArrays<Real>& a) {
  const int64_t size = a.channels / a.groups;
  const int64_t groups = size >= kChannels ? 1 : kChannels / size;
  return size * (groups < a.groups ? groups : a.groups);
}

/// The sum of a column of threads in float64, a fixed order, for every thread of it.
__device__ double column_sum(double value, double* shared) {
  __syncthreads();  // the last sum has been read by all
  shared[threadIdx.y * blockDim.x + threadIdx.x] = value;
  __syncthreads();
  double sum = 0;
  for (unsigned row = 0; row < blockDim.y; ++row) sum += shared[row * blockDim.x + threadIdx.x];
  return sum;
}

/// The sum of the values that the channels of this thread's group hold; every row holds the same.
__device__ double group_sum(double value, int64_t size, double* shared) {
  __syncthreads();
  if (threadIdx.y == 0) shared[threadIdx.x] = value;
  __syncthreads();
  const int64_t begin = threadIdx.x / size * size;
  double sum = 0;
  for (int64_t c = begin; c < begin + size && c < blockDim.x; ++c) sum += shared[c];
  return sum;
}

/// What a thread knows of its channel.
template <class Real>
struct Channel {
  int64_t image, channel, group, size;
  bool inside;
  double gain, offset, added;
  const Real* x;
};

template <class Real>
__device__ Channel<Real> channel_of(const GroupNormArrays<Real>& a) {
  Channel<Real> c{};
  c.image = blockIdx.x;
  c.size = a.channels / a.groups;
  c.channel = static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x;
  c.inside = c.channel < a.channels;
  if (!c.inside) return c;
  c.group = c.channel / c.size;
  c.gain = a.gain[c.image * a.coefficient_stride + c.channel];
  c.offset = a.offset[c.image * a.coefficient_stride + c.channel];
  c.added = added_to(a, c.image, c.channel);
  c.x = a.x + c.image * a.pixels * a.channels + c.channel;
  return c;
}

template <class Real>
__global__ void normalise(GroupNormArrays<Real> a) {
  using W = Wide<Real>;
  __shared__ double shared[kThreads];
  const Channel<Real> c = channel_of(a);
  const W about = c.inside ? widened(c.x[0]) : W(0);
  W sum = 0, square = 0;
  if (c.inside) {
    for (int64_t p = threadIdx.y; p < a.pixels; p += blockDim.y) {
      const W d = widened(c.x[p * a.channels]) - about;
      sum += d;
      square += d * d;
    }
  }
  const double own = column_sum(sum, shared) / a.pixels, squares = column_sum(square, shared) / a.pixels;
  const double channel_mean = about + own;
  const double mean = group_sum(channel_mean + c.added, c.size, shared) / c.size;
  const double apart = channel_mean + c.added - mean;
  const double spread = squares - own * own;
  const double variance = group_sum((spread > 0 ? spread : 0) + apart * apart, c.size, shared) / c.size;
  const double inverse = 1 / sqrt(variance + a.eps);
  if (!c.inside) return;
  if (threadIdx.y == 0) {
    a.channel_mean[c.image * a.channels + c.channel] = static_cast<W>(channel_mean);
    if (c.channel % c.size == 0) {
      a.mean[c.image * a.groups + c.group] = static_cast<W>(mean);
      a.inverse_deviation[c.image * a.groups + c.group] = static_cast<W>(inverse);
    }
  }
  const NormLine line = norm_line(mean, inverse, c.gain, c.offset, c.added);
  const W slope = static_cast<W>(line.slope), level = static_cast<W>(line.level);
  Real* const y = a.y + (c.x - a.x);
  for (int64_t p = threadIdx.y; p < a.pixels; p += blockDim.y) {
    const W z = widened(c.x[p * a.channels]) * slope + level;
    narrow(a.silu ? silu<Real>(z) : z, y[p * a.channels]);
  }
}

template <class Real>
__global__ void differentiate(GroupNormArrays<Real> a, GroupNormGradients<Real> out) {
  using W = Wide<Real>;
  __shared__ double shared[kThreads];
  const Channel<Real> c = channel_of(a);
  const int64_t at = c.image * a.channels + c.channel;
  const int64_t group = c.image * a.groups + c.group;
  const NormLine line =
      c.inside ? norm_line(a.mean[group], a.inverse_deviation[group], c.gain, c.offset, c.added) : NormLine{};
  const W slope = static_cast<W>(line.slope), level = static_cast<W>(line.level);
  const W scale = static_cast<W>(line.inverse), shift = static_cast<W>(line.centre);
  W sum = 0, product = 0;
  if (c.inside) {
    const Real* const grad_y = out.grad_y + (c.x - a.x);
    Real* const grad = out.grad_x + (c.x - a.x);
    for (int64_t p = threadIdx.y; p < a.pixels; p += blockDim.y) {
      const W x = widened(c.x[p * a.channels]);
      W g = widened(grad_y[p * a.channels]);
      if (a.silu) g *= silu_derivative<Real>(x * slope + level);
      narrow(g, grad[p * a.channels]);
      sum += g;
      product += g * (x * scale + shift);
    }
  }
  const double first = column_sum(sum, shared), second = column_sum(product, shared);
  const double count = static_cast<double>(c.size) * a.pixels;
  const double mean_g = group_sum(c.gain * first, c.size, shared) / count;
  const double mean_gx = group_sum(c.gain * second, c.size, shared) / count;
  if (!c.inside) return;
  const GradientLine gradient = gradient_line(line, mean_g, mean_gx);
  if (threadIdx.y == 0) {
    out.grad_gain[at] = static_cast<W>(second);
    out.grad_offset[at] = static_cast<W>(first);
    if (out.grad_added != nullptr)
      out.grad_added[at] = static_cast<W>(
          gradient_sum(line, gradient, first, a.channel_mean[at], static_cast<double>(a.pixels)));
  }
  const W along = static_cast<W>(gradient.along), rest = static_cast<W>(gradient.level);
  Real* const grad = out.grad_x + (c.x - a.x);
  for (int64_t p = threadIdx.y; p < a.pixels; p += blockDim.y) {
    const int64_t i = p * a.channels;
    narrow(widened(grad[i]) * slope + widened(c.x[i]) * along + rest, grad[i]);
  }
}

template <class Real, class Kernel, class... Arguments>
const char* run(Kernel kernel, void* stream, const GroupNormArrays<Real>& arrays, Arguments... arguments) {
  const int64_t tile = tile_of(arrays);
  if (tile > kThreads) return "group_norm_silu: groups of more than 512 channels";
  const dim3 blocks(static_cast<unsigned>(arrays.images),
                    static_cast<unsigned>((arrays.channels + tile - 1) / tile));
  const dim3 threads(static_cast<unsigned>(tile), static_cast<unsigned>(kThreads / tile));
  kernel<<<blocks, threads, 0, static_cast<cudaStream_t>(stream)>>>(arrays, arguments...);
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace

#define ONESTEP_GROUP_NORM_LAUNCHERS(Real, suffix)                                                \
  const char* onestep_group_norm_silu_cuda_##suffix(GroupNormArrays<Real> arrays, void* stream) { \
    return run(normalise<Real>, stream, arrays);                                                  \
  }                                                                                               \
  const char* onestep_group_norm_silu_backward_cuda_##suffix(                                     \
      GroupNormArrays<Real> arrays, GroupNormGradients<Real> gradients, void* stream) {           \
    return run(differentiate<Real>, stream, arrays, gradients);                                   \
  }
ONESTEP_GROUP_NORM_LAUNCHERS(float, f32)
ONESTEP_GROUP_NORM_LAUNCHERS(double, f64)
ONESTEP_GROUP_NORM_LAUNCHERS(BFloat16, bf16)
#undef ONESTEP_GROUP_NORM_LAUNCHERS

}  // namespace onestep::kernels
