// SPDX-License-Identifier: Apache-2.0
#include "kernels/prepared_conv_core.h"
#include "kernels/winograd_conv_loops.h"

namespace onestep::kernels {
namespace {

using namespace winograd;

template <class... P>
struct Algorithms {
  /// Calls run.template operator()<A>() for the one with these taps, if there is one.
  template <class Run>
  static void with(const PreparedShape& s, const Run& run) {
    ((s.taps_down == P::kTapsDown && s.taps_across == P::kTapsAcross ? run.template operator()<P>() : void()),
     ...);
  }
};
using All = Algorithms<Square3, Plane<2, 5, 2, 5>, Plane<1, 1, 4, 7>, Plane<4, 7, 1, 1>, Plane<1, 1, 4, 3>,
                       Plane<4, 3, 1, 1>>;

template <class P>
Panels panels_of(const PreparedShape& s, int64_t lanes) {
  return {s.in, s.out, lanes, P::kPositions};
}

}  // namespace

int64_t prepared_weights_size(WinogradTarget target, const PreparedShape& s) {
  int64_t size = 0;
  All::with(s, [&]<class P> { size = panels_of<P>(s, forward_steps<P, float>(target).lanes).size(); });
  return size;
}

void prepare_weights_cpu(WinogradTarget target, const PreparedShape& s, const float* weight,
                         float* transformed) {
  All::with(s, [&]<class P> {
    const auto steps = forward_steps<P, float>(target);
    transform_weights(steps, panels_of<P>(s, steps.lanes), weight,
                      WeightView{s.in, P::kTaps, P::kTaps * s.in, 1}, transformed);
  });
}

void prepared_conv_cpu(WinogradTarget target, const PreparedShape& s, const float* x, const float* weights,
                       const float* bias, float* y) {
  All::with(s, [&]<class P> {
    const auto steps = forward_steps<P, float>(target);
    convolve(steps, Convolution<float>{.in = {s.images, s.height, s.width, s.in},
                                       .out = {s.images, s.height_out(), s.width_out(), s.out},
                                       .border_down = s.border_down,
                                       .border_across = s.border_across,
                                       .x = x,
                                       .weights = weights,
                                       .bias = bias,
                                       .least = 0,
                                       .y = y,
                                       .panels = panels_of<P>(s, steps.lanes),
                                       .block = 0});
  });
}

}  // namespace onestep::kernels
