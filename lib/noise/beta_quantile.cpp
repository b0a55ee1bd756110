// SPDX-License-Identifier: Apache-2.0
#include "noise/beta_quantile.h"

#include <cmath>
#include <limits>

#include <c10/util/Exception.h>

namespace onestep {
namespace {

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kTiny = 1e-300;  // stands for a 0 that would be divided by

void check_shape(double alpha, double beta) {
  TORCH_CHECK(alpha > 0 && beta > 0 && alpha + beta <= 170,
              "beta distribution: need alpha > 0, beta > 0 and alpha + beta <= 170, got ", alpha, " and ",
              beta);
}

/// x^α (1−x)^β / B(α, β)
double power(double x, double alpha, double beta) {
  return std::pow(x, alpha) * std::pow(1 - x, beta) * (std::tgamma(alpha + beta) / std::tgamma(alpha)) /
         std::tgamma(beta);
}

/// The n-th partial numerator, n = 1, 2, …, of the fraction 1 + d₁/(1 + d₂/(1 + …)).
double numerator(int n, double x, double alpha, double beta) {
  const int m = n / 2;
  const double even = m * (beta - m) * x / ((alpha + 2 * m - 1) * (alpha + 2 * m));
  const double odd = -(alpha + m) * (alpha + beta + m) * x / ((alpha + 2 * m) * (alpha + 2 * m + 1));
  return n % 2 == 0 ? even : odd;
}

/// 1 + d₁/(1 + d₂/(1 + …)) from the front (Lentz): the quotients of successive numerators, up, and of
/// successive denominators, down, of the convergents.
double fraction(double x, double alpha, double beta) {
  double value = 1, up = 1, down = 0;
  for (int n = 1; n < 1000; ++n) {
    const double d = numerator(n, x, alpha, beta);
    const auto away_from_0 = [](double y) { return std::abs(y) < kTiny ? kTiny : y; };
    up = away_from_0(1 + d / up);
    down = 1 / away_from_0(1 + d * down);
    value *= up * down;
    if (std::abs(up * down - 1) < kEpsilon) break;
  }
  return value;
}

/// The x ≤ ½ with I_x = p: Newton on ln I as a function of ln x, which is nearly a line of slope α, inside a
/// bracket that is halved (in ln x) where Newton leaves it.
double lower_quantile(double p, double alpha, double beta) {
  double low = std::numeric_limits<double>::min(), high = 0.5, x = 0.25;
  if (p <= beta_cdf(low, alpha, beta)) return 0;
  for (int i = 0; i < 200; ++i) {
    const double cdf = beta_cdf(x, alpha, beta);
    (cdf < p ? low : high) = x;
    const double slope = power(x, alpha, beta) / (1 - x) / cdf;  // d ln I / d ln x
    double next = x * std::exp(std::log(p / cdf) / slope);
    if (!(next >= low && next <= high)) next = std::sqrt(low) * std::sqrt(high);
    if (std::abs(next - x) <= kEpsilon * x) return next;
    x = next;
  }
  return x;
}

}  // namespace

double beta_cdf(double x, double alpha, double beta) {
  check_shape(alpha, beta);
  TORCH_CHECK(x >= 0 && x <= 1, "beta_cdf: x must be in [0, 1], got ", x);
  // The fraction converges fast below about the mean.
  if (x > (alpha + 1) / (alpha + beta + 2)) return 1 - beta_cdf(1 - x, beta, alpha);
  return power(x, alpha, beta) / alpha / fraction(x, alpha, beta);
}

double beta_quantile(double p, double alpha, double beta) {
  check_shape(alpha, beta);
  TORCH_CHECK(p >= 0 && p <= 1, "beta_quantile: p must be in [0, 1], got ", p);
  if (p == 0 || p == 1) return p;  // where I_x is flat in float64 long before the end
  const bool upper = p > beta_cdf(0.5, alpha, beta);
  return upper ? 1 - lower_quantile(1 - p, beta, alpha) : lower_quantile(p, alpha, beta);
}

}  // namespace onestep
