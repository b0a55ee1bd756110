// SPDX-License-Identifier: Apache-2.0
#include "samplers/multistep.h"

#include <algorithm>
#include <cmath>

#include <ATen/TensorOperators.h>

namespace onestep {
namespace {

void keep_newest(std::vector<at::Tensor>& list, const at::Tensor& newest) {
  list.insert(list.begin(), newest);
  if (list.size() > kMaxOrder) list.pop_back();
}

int64_t order_of_step(const Multistep& solver, const History& history) {
  const bool low_end = history.left == 2 && history.step + 1 < solver.low_end_below;
  return std::min(
      {solver.order, static_cast<int64_t>(history.values.size()), low_end ? int64_t{2} : kMaxOrder});
}

/// Weights of the k newest values.
std::vector<double> value_weights(const Multistep& solver, double h, double end, const History& history,
                                  int64_t k) {
  if (solver.rule == Extrapolation::adams_bashforth) return ghvb_weights(k, 1);
  std::vector<double> moments = step_moments(solver.rule, solver.two_points, h, k);
  // DPM-Solver++(3M) as published, and as everyone runs it, counts half of the second difference: it is of
  // second order. The exact weights are UniP-3's.
  if (solver.rule == Extrapolation::exponential && k == 3) moments[2] /= 2;
  return point_weights(history.places, history.places[0], end, moments);
}

/// Weights of the k newest velocities, each itself an average of values: on uneven steps the averages of the
/// powers of their places take the place of the powers.
std::vector<double> velocity_weights(const Multistep& solver, double h, double end, const History& history,
                                     int64_t k) {
  const double beta = solver.momentum.beta;
  if (solver.rule == Extrapolation::adams_bashforth) return ghvb_weights(k, beta);
  std::vector<std::vector<double>> rows;
  std::vector<double> mean;
  for (size_t j = history.places.size(); j-- > 0;) {  // from the first step on
    const std::vector<double> now = powers(history.places[j], history.places[0], end, k);
    if (mean.empty()) mean = now;
    for (int64_t p = 0; p < k; ++p) mean[p] = (1 - beta) * mean[p] + beta * now[p];
    if (static_cast<int64_t>(j) < k) rows.insert(rows.begin(), mean);
  }
  return match_moments(rows, step_moments(solver.rule, solver.two_points, h, k));
}

}  // namespace

void remember(History& history, const at::Tensor& value, double place) {
  keep_newest(history.values, value);
  history.places.insert(history.places.begin(), place);
}

at::Tensor average(at::Tensor& velocity, const at::Tensor& x, double beta) {
  // Without momentum at no cost, and bit for bit.
  velocity = velocity.defined() && beta < 1 ? ((1 - beta) * velocity).add_(beta * x) : x;
  return velocity;
}

at::Tensor mix(const Multistep& solver, double h, double end, History& history) {
  const auto& [kind, beta] = solver.momentum;
  const int64_t k = order_of_step(solver, history);
  at::Tensor v = history.velocities.empty() ? at::Tensor() : history.velocities[0];
  if (kind == Momentum::Kind::ghvb) {
    keep_newest(history.velocities, average(v, history.values[0], beta));
    return weighted_sum(velocity_weights(solver, h, end, history, k), history.velocities);
  }
  const at::Tensor w = weighted_sum(value_weights(solver, h, end, history, k), history.values);
  if (kind == Momentum::Kind::none || (k == 1 && !extrapolates_slopes(solver.rule))) return w;
  keep_newest(history.velocities, average(v, w, beta));
  return kind == Momentum::Kind::heavy_ball ? v : average(v, w, beta);
}

at::Tensor step(const Multistep& solver, const Denoise& denoise, const at::Tensor& x, double sigma,
                double next, History& history) {
  const double h = std::log(sigma / next);
  const bool by_sigma =
      solver.rule == Extrapolation::adams_bashforth || solver.rule == Extrapolation::lagrange;
  const double place = by_sigma ? sigma : history.clock;
  const double end = by_sigma ? next : history.clock + h;
  history.clock += h;
  if (extrapolates_slopes(solver.rule)) {
    const bool again = solver.trapezoid_start && history.values.empty();
    remember(history, slope(denoise, x, sigma), place);
    const at::Tensor reached = x + (next - sigma) * mix(solver, h, end, history);
    if (!again) return reached;
    return x + (next - sigma) * (0.5 * (history.values[0] + slope(denoise, reached, next)));
  }
  remember(history, denoise(x, sigma), place);
  return towards(mix(solver, h, end, history), x, next / sigma);
}

}  // namespace onestep
