// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>

#include <ATen/Parallel.h>

#include "kernels/winograd_conv_core.h"
#include "kernels/winograd_conv_tiles.h"

/// The arithmetic of winograd_conv_tiles.h compiled for each set of instructions, and loops over all tiles.
/// For files that are compiled with its options.
namespace onestep::kernels::winograd {

#define ONESTEP_STEP(step, ...)             \
  template <class P, class... Args>         \
  __VA_ARGS__ static void step(Args... a) { \
    A::template step<P>(a...);              \
  }
#define ONESTEP_INSTRUCTIONS(name, vector, ...)  \
  struct name {                                  \
    using A = Arithmetic<vector>;                \
    ONESTEP_STEP(transform_weights, __VA_ARGS__) \
    ONESTEP_STEP(transform_back, __VA_ARGS__)    \
    ONESTEP_STEP(read_patches, __VA_ARGS__)      \
    ONESTEP_STEP(read_outputs, __VA_ARGS__)      \
    ONESTEP_STEP(convolve, __VA_ARGS__)          \
    ONESTEP_STEP(correlate, __VA_ARGS__)         \
  };
ONESTEP_INSTRUCTIONS(Baseline, 4)
#ifdef __x86_64__
ONESTEP_INSTRUCTIONS(Avx2, 8, __attribute__((target("avx2,fma"))))
ONESTEP_INSTRUCTIONS(Avx512, 16, __attribute__((target("avx512f"))))
#endif
#undef ONESTEP_INSTRUCTIONS
#undef ONESTEP_STEP

/// Calls run.template operator()<Instructions>().
template <class Run>
auto with_instructions(WinogradTarget target, const Run& run) {
#ifdef __x86_64__
  if (target == WinogradTarget::avx512) return run.template operator()<Avx512>();
  if (target == WinogradTarget::avx2) return run.template operator()<Avx2>();
#endif
  (void)target;
  return run.template operator()<Baseline>();
}

/// A convolution on images of Real by the algorithm P.
template <class P, class Real>
struct ForwardSteps {
  int64_t lanes, rows;
  decltype(&Arithmetic<4>::transform_weights<P>) transform_weights;
  decltype(&Arithmetic<4>::convolve<P, Real>) convolve;
};
template <class P, class Real>
ForwardSteps<P, Real> forward_steps(WinogradTarget target) {
  return with_instructions(target, []<class I> {
    return ForwardSteps<P, Real>{I::A::kLanes, I::A::kRows, I::template transform_weights<P>,
                                 I::template convolve<P>};
  });
}

/// Memory for numbers that are written before they are read.
class Scratch {
 public:
  explicit Scratch(int64_t floats)
      : data_(static_cast<float*>(::operator new(floats * sizeof(float), kAlignment))) {}
  float* get() const { return data_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(float* p) const { ::operator delete(p, kAlignment); }
  };
  std::unique_ptr<float, Free> data_;
};

/// The fewest of what takes `products` each that are worth a thread.
inline int64_t grain(int64_t products) {
  constexpr int64_t kGrain = 1 << 20;  // products: some ten microseconds of work
  return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, products));
}

/// Tiles that are worked on at a time: their patches take half of a usual second-level cache.
inline int64_t block_size(int64_t tiles, int64_t stride, int64_t positions, int64_t rows) {
  constexpr int64_t kFloats = 1 << 17;
  const int64_t fitting = kFloats / (positions * stride) / rows * rows;
  return std::min(rounded_up(std::max<int64_t>(tiles, 1), rows), std::clamp(fitting, rows, kMostTiles));
}

template <class P, class Real>
void transform_weights(const ForwardSteps<P, Real>& steps, const Panels& panels, const float* weight,
                       const WeightView& view, float* transformed) {
  at::parallel_for(0, panels.count(), grain(panels.rows * P::kPositions * 4 * steps.lanes),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t panel = begin; panel < end; ++panel)
                       steps.transform_weights(weight, view, panels, panel, transformed);
                   });
}

/// Fills call.block itself.
template <class P, class Real>
void convolve(const ForwardSteps<P, Real>& steps, Convolution<Real> call) {
  const int64_t tiles = Tiling<P>(call.out).tiles(), stride = rounded_up(call.in.channels, steps.lanes);
  const int64_t block = call.block = block_size(tiles, stride, P::kPositions, steps.rows);
  const int64_t floats = P::kPositions * steps.rows * 2 * steps.lanes + stride +
                         Patches(block, call.in.channels, steps.lanes, P::kPositions).size();
  const int64_t products = block * P::kPositions * call.in.channels * call.out.channels;
  at::parallel_for(0, (tiles + block - 1) / block, grain(products), [&](int64_t begin, int64_t end) {
    const Scratch scratch(floats);
    for (int64_t first = begin * block; first < std::min(end * block, tiles); first += block)
      steps.convolve(call, first, std::min(block, tiles - first), scratch.get());
  });
}

}  // namespace onestep::kernels::winograd
