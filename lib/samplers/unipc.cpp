// SPDX-License-Identifier: Apache-2.0
#include "samplers/unipc.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>

#include "samplers/multistep.h"

namespace onestep {
namespace {

/// The mean over the step from `from` to `to` of the polynomial through images at places, a step of the
/// clock's axis: D̃.
at::Tensor mean_image(const UniPC& solver, const std::vector<at::Tensor>& images,
                      const std::vector<double>& places, double from, double to, int64_t points) {
  const std::vector<double> moments =
      step_moments(Extrapolation::exponential, solver.two_points, to - from, points);
  return weighted_sum(point_weights(places, from, to, moments), images);
}

/// The step that led to `x`, made again with the image at its end, which is the newest of the history.
at::Tensor corrected(const UniPC& solver, History& history) {
  const double from = history.places[1], to = history.places[0];
  const at::Tensor image =
      mean_image(solver, history.values, history.places, from, to, history.base_order + 1);
  return towards(average(history.corrector_velocity, image, solver.beta), history.base, std::exp(from - to));
}

}  // namespace

at::Tensor step(const UniPC& solver, const Denoise& denoise, const at::Tensor& x, double sigma, double next,
                History& history) {
  const double h = std::log(sigma / next), now = history.clock;
  remember(history, denoise(x, sigma), now);
  const bool correct = solver.corrector && history.base.defined();
  history.base = correct ? corrected(solver, history) : x;

  const int64_t k = std::min({solver.order, static_cast<int64_t>(history.values.size()), history.left});
  history.base_order = k;
  history.clock += h;
  at::Tensor image = mean_image(solver, history.values, history.places, now, history.clock, k);
  if (k > 1) {
    at::Tensor velocity = history.velocities.empty() ? at::Tensor() : history.velocities[0];
    image = average(velocity, image, solver.beta);
    history.velocities = {velocity};
  }
  return towards(image, history.base, next / sigma);
}

}  // namespace onestep
