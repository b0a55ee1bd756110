// SPDX-License-Identifier: Apache-2.0
#include "samplers/extrapolation.h"

#include <array>
#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/tensor.h>
#include <c10/util/Exception.h>

#include "samplers/history.h"

namespace onestep {

bool extrapolates_slopes(Extrapolation rule) {
  return rule != Extrapolation::exponential;
}

std::vector<double> ghvb_weights(int64_t k, double beta) {
  TORCH_CHECK(k >= 1 && k <= kMaxOrder, "ghvb_weights: order must be 1 to 5, got ", k);
  TORCH_CHECK(beta > 0 && beta <= 1, "ghvb_weights: beta must be in (0, 1], got ", beta);
  constexpr std::array<double, kMaxOrder> kGamma{1, 1. / 2, 5. / 12, 3. / 8, 251. / 720};
  std::vector<double> weights(k);
  for (int64_t j = 0; j < k; ++j) {
    const double g = kGamma[j] + (j > 0 ? (1 - beta) / beta * kGamma[j - 1] : 0);
    double binomial = 1;  // ∇^j v_n = Σ_i (−1)^i C(j, i) v_{n−i}
    for (int64_t i = 0; i <= j; ++i) {
      weights[i] += g * binomial;
      binomial *= -static_cast<double>(j - i) / static_cast<double>(i + 1);
    }
  }
  return weights;
}

std::vector<double> step_moments(double kappa, int64_t k) {
  std::vector<double> moments(k);
  // By parts, m_p = κ/(1 − e^{−κ})/κ − (p/κ) m_{p−1}: upwards it is stable where κ is large, downwards where
  // it is small.
  const double scale = kappa == 0 ? 1 : -kappa / std::expm1(-kappa);
  if (std::abs(kappa) > 1) {
    double m = 1;
    for (int64_t p = 0; p < k; ++p) {
      if (p > 0) m = (scale - static_cast<double>(p) * m) / kappa;
      moments[p] = m;
    }
  } else {
    constexpr int64_t kStart = 30;  // an error there is divided by 30!/k! on the way down
    double m = 0;
    for (int64_t p = kStart; p > 0; --p) {
      m = (scale - kappa * m) / static_cast<double>(p);
      if (p - 1 < k) moments[p - 1] = m;
    }
  }
  moments[0] = 1;
  return moments;
}

std::vector<double> step_moments(Extrapolation rule, TwoPoints two_points, double h, int64_t k) {
  if (rule == Extrapolation::lagrange) return step_moments(0, k);
  if (rule == Extrapolation::log_lagrange) return step_moments(-h, k);
  if (k == 2 && two_points == TwoPoints::midpoint) return {1, 0.5};
  if (k == 2 && two_points == TwoPoints::b1) return {1, -0.5 * h / std::expm1(-h)};
  return step_moments(h, k);
}

std::vector<double> match_moments(const std::vector<std::vector<double>>& rows,
                                  const std::vector<double>& moments) {
  const auto k = static_cast<int64_t>(moments.size());
  if (k == 1) return {moments[0]};
  at::Tensor matrix = at::empty({k, k}, at::kDouble);
  for (int64_t j = 0; j < k; ++j)
    for (int64_t p = 0; p < k; ++p) matrix.data_ptr<double>()[p * k + j] = rows[j][p];
  const at::Tensor weights = at::linalg_solve(matrix, at::tensor(moments, at::kDouble));
  return {weights.data_ptr<double>(), weights.data_ptr<double>() + k};
}

std::vector<double> powers(double place, double from, double to, int64_t k) {
  const double tau = (place - from) / (to - from);
  std::vector<double> list{1};
  for (int64_t p = 1; p < k; ++p) list.push_back(list.back() * tau);
  return list;
}

std::vector<double> point_weights(const std::vector<double>& places, double from, double to,
                                  const std::vector<double>& moments) {
  std::vector<std::vector<double>> rows;
  for (size_t j = 0; j < moments.size(); ++j)
    rows.push_back(powers(places[j], from, to, static_cast<int64_t>(moments.size())));
  return match_moments(rows, moments);
}

at::Tensor weighted_sum(const std::vector<double>& weights, const std::vector<at::Tensor>& tensors) {
  TORCH_CHECK(!weights.empty() && weights.size() <= tensors.size(), "weighted_sum: ", weights.size(),
              " weights for ", tensors.size(), " tensors");
  if (weights.size() == 1 && weights[0] == 1) return tensors[0];
  at::Tensor sum = weights[0] * tensors[0];
  for (size_t j = 1; j < weights.size(); ++j) sum += weights[j] * tensors[j];
  return sum;
}

}  // namespace onestep
