// SPDX-License-Identifier: Apache-2.0
#include "samplers/multistep.h"

#include <algorithm>
#include <array>

#include <ATen/TensorOperators.h>
#include <c10/util/Exception.h>

namespace onestep {
namespace {

struct Combination {
  int divisor;
  std::array<int, kMaxOrder> weights;  // newest first
};

constexpr std::array<Combination, kMaxOrder> kAdamsBashforth{{
    {1, {1}},
    {2, {3, -1}},
    {12, {23, -16, 5}},
    {24, {55, -59, 37, -9}},
    {720, {1901, -2774, 2616, -1274, 251}},
}};

void remember(History& history, const at::Tensor& d) {
  history.slopes.insert(history.slopes.begin(), d);
  if (history.slopes.size() > kMaxOrder) history.slopes.pop_back();
}

}  // namespace

at::Tensor adams_bashforth(const std::vector<at::Tensor>& slopes, int64_t order) {
  TORCH_CHECK(order >= 1 && order <= kMaxOrder, "adams_bashforth: order must be 1 to 5, got ", order);
  TORCH_CHECK(!slopes.empty(), "adams_bashforth: at least one slope is needed");
  const size_t k = std::min<size_t>(order, slopes.size());
  const Combination& ab = kAdamsBashforth[k - 1];
  if (k == 1) return slopes[0];
  at::Tensor sum = ab.weights[0] * slopes[0];
  for (size_t j = 1; j < k; ++j) sum = sum + ab.weights[j] * slopes[j];
  return sum / ab.divisor;
}

at::Tensor mix(const HeavyBall& solver, const at::Tensor& d, History& history) {
  TORCH_CHECK(solver.beta > 0 && solver.beta <= 1, "heavy_ball: beta must be in (0, 1], got ", solver.beta);
  remember(history, d);
  const at::Tensor w = adams_bashforth(history.slopes, solver.order);
  at::Tensor& v = history.velocity;
  v = v.defined() ? (1 - solver.beta) * v + solver.beta * w : w;
  return v;
}

at::Tensor step(const HeavyBall& solver, const Denoise& denoise, const at::Tensor& x, double sigma,
                double next, History& history) {
  return x + (next - sigma) * mix(solver, slope(denoise, x, sigma), history);
}

}  // namespace onestep
