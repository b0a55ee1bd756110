// SPDX-License-Identifier: Apache-2.0
#include "samplers/stochastic.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace onestep {
namespace {

Split split(const Ancestral& rule, double sigma, double next) {
  const double up = std::min(next, rule.eta * next * std::sqrt(sigma * sigma - next * next) / sigma);
  return {std::sqrt(next * next - up * up), up};
}

Split split(const Sde& rule, double sigma, double next) {
  const double ratio = std::pow(next / sigma, rule.eta);
  return {next * ratio, next * std::sqrt(1 - ratio * ratio)};
}

Split split(const Renoise&, double, double next) {
  return {0, next};
}

template <class Rule>  // Deterministic, Churn
Split split(const Rule&, double, double next) {
  return {next, 0};
}

}  // namespace

double raised_level(const Stochastic& rule, double sigma, int64_t steps) {
  const auto* churn = std::get_if<Churn>(&rule);
  if (churn == nullptr || sigma < churn->low || sigma > churn->high) return sigma;
  return sigma * (1 + std::min(churn->churn / static_cast<double>(steps), std::numbers::sqrt2 - 1));
}

Split split_step(const Stochastic& rule, double sigma, double next) {
  return std::visit([&](const auto& r) { return split(r, sigma, next); }, rule);
}

double noise_scale(const Stochastic& rule) {
  return std::visit(
      [](const auto& r) {
        if constexpr (requires { r.noise_scale; }) return r.noise_scale;
        return 1.0;
      },
      rule);
}

}  // namespace onestep
