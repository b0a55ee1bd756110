// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>

#include <ATen/Parallel.h>

#include "kernels/winograd_conv_core.h"
#include "kernels/winograd_conv_loops.h"

namespace onestep::kernels {
namespace {

using namespace winograd;

struct Sides {
  Grid in, out;
};
Sides sides(const WinogradShape& s) {
  return {{s.images, s.height, s.width, s.in}, {s.images, s.height, s.width, s.out}};
}

/// The weights with a row for each input channel.
WeightView by_input(const WinogradShape& s) {
  return {s.in, s.weight.in, s.weight.out, s.weight.tap};
}

template <class Real>
void convolve_with(WinogradTarget target, const Sides& sides, const Real* x, const float* weight,
                   const WeightView& view, const float* bias, Real* y) {
  const auto steps = forward_steps<Square3, Real>(target);
  const Panels panels{sides.in.channels, sides.out.channels, steps.lanes, Square3::kPositions};
  const Scratch weights(panels.size());
  transform_weights(steps, panels, weight, view, weights.get());
  convolve(steps, Convolution<Real>{.in = sides.in,
                                    .out = sides.out,
                                    .border_down = 1,
                                    .border_across = 1,
                                    .x = x,
                                    .weights = weights.get(),
                                    .bias = bias,
                                    .least = -std::numeric_limits<float>::infinity(),
                                    .y = y,
                                    .panels = panels,
                                    .block = 0});
}

/// The gradient of the weights.
template <class Real>
struct BackwardSteps {
  int64_t lanes;
  decltype(&Arithmetic<4>::transform_back<Square3>) transform_back;
  decltype(&Arithmetic<4>::read_patches<Square3, Real>) read_patches;
  decltype(&Arithmetic<4>::read_outputs<Square3, Real>) read_outputs;
  decltype(&Arithmetic<4>::correlate<Square3>) correlate;
};
template <class Real>
BackwardSteps<Real> backward_steps(WinogradTarget target) {
  return with_instructions(target, []<class I> {
    return BackwardSteps<Real>{I::A::kLanes, I::template transform_back<Square3>,
                               I::template read_patches<Square3>, I::template read_outputs<Square3>,
                               I::template correlate<Square3>};
  });
}

}  // namespace

template <class Real>
void winograd_conv_cpu(WinogradTarget target, const WinogradShape& s, const Real* x, const float* weight,
                       const float* bias, Real* y) {
  convolve_with(target, sides(s), x, weight, by_input(s), bias, y);
}

template <class Real>
void winograd_conv_grad_x_cpu(WinogradTarget target, const WinogradShape& s, const Real* grad_y,
                              const float* weight, Real* grad_x) {
  const auto [in, out] = sides(s);
  const auto [of_out, of_in, of_tap] = s.weight;
  const WeightView view{s.out, of_out, of_in, of_tap, /*turned=*/true};
  convolve_with<Real>(target, {out, in}, grad_y, weight, view, nullptr, grad_x);
}

template <class Real>
void winograd_conv_grad_weight_cpu(WinogradTarget target, const WinogradShape& s, const Real* x,
                                   const Real* grad_y, float* grad_weight) {
  const BackwardSteps<Real> steps = backward_steps<Real>(target);
  const auto [in, out] = sides(s);
  const Tiling<Square3> tiling(in);
  const int64_t tiles = tiling.tiles();
  if (tiles == 0) {
    std::fill_n(grad_weight, s.out * s.in * 9, 0.0f);
    return;
  }
  constexpr int64_t kPositions = Square3::kPositions;
  // As many as keep the sums of a position, which each block reads and writes, small beside its products.
  const int64_t block = std::min(tiles, kMostTiles);
  const Patches read(block, s.in, steps.lanes, kPositions), come_back(block, s.out, steps.lanes, kPositions);
  const Panels panels{read.stride, s.out, steps.lanes, kPositions};
  const Scratch from_x(read.size()), from_y(come_back.size()), grad(panels.size());
  const int64_t zero_count = std::max(read.stride, come_back.stride);
  const Scratch zeros(zero_count);
  std::fill_n(zeros.get(), zero_count, 0.0f);
  for (int64_t first = 0; first < tiles; first += block) {
    const int64_t count = std::min(block, tiles - first);
    Corner corners[kMostTiles];
    tiling.corners(first, count, corners);
    at::parallel_for(0, count, grain(kPositions * 8 * (s.in + s.out)), [&](int64_t begin, int64_t end) {
      steps.read_patches(x, in, corners + begin, end - begin, 1, 1, zeros.get(), read,
                         from_x.get() + begin * read.stride);
      steps.read_outputs(grad_y, out, corners + begin, end - begin, zeros.get(), come_back,
                         from_y.get() + begin * come_back.stride);
    });
    at::parallel_for(0, kPositions, grain(count * s.in * s.out), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p)
        steps.correlate(from_x.get(), read, from_y.get(), come_back, count, panels, p, /*adds=*/first > 0,
                        grad.get());
    });
  }
  const WeightView view = by_input(s);
  at::parallel_for(0, panels.count(), grain(panels.rows * kPositions * 4 * steps.lanes),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t panel = begin; panel < end; ++panel)
                       steps.transform_back(grad.get(), view, panels, panel, grad_weight);
                   });
}

#define ONESTEP_WINOGRAD(Real)                                                                            \
  template void winograd_conv_cpu(WinogradTarget, const WinogradShape&, const Real*, const float*,        \
                                  const float*, Real*);                                                   \
  template void winograd_conv_grad_x_cpu(WinogradTarget, const WinogradShape&, const Real*, const float*, \
                                         Real*);                                                          \
  template void winograd_conv_grad_weight_cpu(WinogradTarget, const WinogradShape&, const Real*,          \
                                              const Real*, float*);
ONESTEP_WINOGRAD(float)
ONESTEP_WINOGRAD(BFloat16)
#undef ONESTEP_WINOGRAD

}  // namespace onestep::kernels
