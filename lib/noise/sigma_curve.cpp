// SPDX-License-Identifier: Apache-2.0
#include "noise/sigma_curve.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "noise/beta_quantile.h"
#include "noise/vp_time.h"

namespace onestep {
namespace {

using Function = std::function<double(double)>;

double itself(double x) {
  return x;
}

SigmaCurve exact_at_ends(const SigmaRange& range, const Function& inside) {
  return {[=](double u) { return u == 0 ? range.highest : u == 1 ? range.lowest : inside(u); }};
}

/// scale(σ) is linear in place(u), where place(0) = 0 and place(1) = 1.
SigmaCurve straight(const SigmaRange& range, const Function& scale, const Function& inverse,
                    const Function& place = itself) {
  const double highest = scale(range.highest);
  const double lowest = scale(range.lowest);
  return exact_at_ends(range, [=](double u) { return inverse(highest + place(u) * (lowest - highest)); });
}

SigmaCurve straight_power(const CurveSetting& s, const Function& place = itself) {
  const auto scale = [rho = s.rho](double sigma) { return std::pow(sigma, 1 / rho); };
  const auto inverse = [rho = s.rho](double root) { return std::pow(root, rho); };
  return straight(s.range, scale, inverse, place);
}

SigmaCurve straight_log(const CurveSetting& s, const Function& place = itself) {
  const auto scale = [](double sigma) { return std::log(sigma); };
  const auto inverse = [](double x) { return std::exp(x); };
  return straight(s.range, scale, inverse, place);
}

/// Highest first. With d = 1 − ᾱ_{j−1}/ᾱ_j = sin(θ_j + θ_{j−1}) sin(θ_j − θ_{j−1})/sin² θ_j the next square
/// is (u² + d)/(1 − d), where nothing cancels: the lowest levels keep all their digits.
std::vector<double> iddpm_levels(const SigmaRange& range, double c1, double c2, int64_t last) {
  const auto theta = [=](int64_t j) {
    return std::numbers::pi / 2 * static_cast<double>(j) / static_cast<double>(last) / (c2 + 1);
  };
  std::vector<double> levels;
  double square = 0;
  for (int64_t j = last; j >= 1; --j) {
    const double sine = std::sin(theta(j));
    const double drop = std::sin(theta(j) + theta(j - 1)) * std::sin(theta(1)) / (sine * sine);
    const double d = std::min(drop, 1 - c1);
    square = (square + d) / (1 - d);
    const double sigma = std::sqrt(square);
    if (sigma >= range.lowest && sigma <= range.highest) levels.push_back(sigma);
  }
  std::reverse(levels.begin(), levels.end());
  return levels;
}

}  // namespace

SigmaCurve karras_curve(const CurveSetting& s) {
  return straight_power(s);
}

SigmaCurve exponential_curve(const CurveSetting& s) {
  return straight_log(s);
}

SigmaCurve polyexponential_curve(const CurveSetting& s) {
  return straight_log(s, [rho = s.rho](double u) { return 1 - std::pow(1 - u, rho); });
}

SigmaCurve linear_curve(const CurveSetting& s) {
  return straight(s.range, itself, itself);
}

SigmaCurve kl_optimal_curve(const CurveSetting& s) {
  const auto scale = [](double sigma) { return std::atan(sigma); };
  const auto inverse = [](double angle) { return std::tan(angle); };
  return straight(s.range, scale, inverse);
}

// 1 − q(1−u) is the quantile of the mirrored Beta(β, α) at u.
SigmaCurve beta_curve(const CurveSetting& s) {
  const double alpha = s.parameters[0], beta = s.parameters[1];
  return straight_power(s, [=](double u) { return beta_quantile(u, beta, alpha); });
}

// B(t)/t is linear in t, and so in u: from B(1) to B(ε)/ε, which the range tells without β_d and β_min. log1p
// and expm1 keep the digits where σ is small.
SigmaCurve vp_curve(const CurveSetting& s) {
  const double epsilon = s.parameters[0];
  const auto exponent = [](double sigma) { return std::log1p(sigma * sigma); };
  const double first = exponent(s.range.highest);
  const double last = exponent(s.range.lowest) / epsilon;
  return exact_at_ends(s.range, [=](double u) {
    const double t = 1 + u * (epsilon - 1);
    return std::sqrt(std::expm1(t * (first + u * (last - first))));
  });
}

SigmaRange vp_range(const std::vector<double>& parameters) {
  return {vp_sigma(parameters[0]), vp_sigma(1)};
}

SigmaCurve iddpm_curve(const CurveSetting& s) {
  const auto last = static_cast<int64_t>(s.parameters[2]);
  const std::vector<double> levels = iddpm_levels(s.range, s.parameters[0], s.parameters[1], last);
  const auto count = static_cast<int64_t>(levels.size());
  return {[=](double u) { return levels[std::lrint(u * static_cast<double>(count - 1))]; }, count};
}

}  // namespace onestep
