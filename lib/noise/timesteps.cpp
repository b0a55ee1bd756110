// SPDX-License-Identifier: Apache-2.0
#include "noise/timesteps.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/log.h>
#include <ATen/ops/searchsorted.h>
#include <ATen/ops/sqrt.h>
#include <c10/util/Exception.h>

#include "config/named_rows.h"

namespace onestep {
namespace {

constexpr int64_t kSteps = 1000;
constexpr double kForZero = 1.0 / (1 << 24);  // what stands for ᾱ = 0

double between(double first, double last, int64_t t) {
  return first + (last - first) * static_cast<double>(t) / static_cast<double>(kSteps - 1);
}

double cosine_alpha(int64_t t) {
  const double c = std::cos((static_cast<double>(t) / kSteps + 0.008) / 1.008 * std::numbers::pi / 2);
  return c * c;
}

struct Row {
  const char* name;
  double (*beta)(int64_t t);
  bool to_zero = false;  ///< √ᾱ is shifted so that it ends in 0
};

double sd_beta(int64_t t) {
  return std::pow(between(std::sqrt(0.00085), std::sqrt(0.012), t), 2);
}

constexpr Row kRows[] = {
    {"sd", sd_beta},
    {"sd_zero_snr", sd_beta, /*to_zero=*/true},
    {"ddpm_linear", [](int64_t t) { return between(0.0001, 0.02, t); }},
    {"cosine", [](int64_t t) { return std::min(1 - cosine_alpha(t + 1) / cosine_alpha(t), 0.999); }},
};

}  // namespace

std::vector<double> schedule_levels(const std::string& schedule) {
  const Row* const row = config::find_row(kRows, schedule);
  TORCH_CHECK(row != nullptr, "no schedule named '", schedule, "'");
  std::vector<double> alphas;  // √ᾱ
  double product = 1;
  for (int64_t t = 0; t < kSteps; ++t) alphas.push_back(std::sqrt(product *= 1 - row->beta(t)));
  if (row->to_zero) {
    const double first = alphas.front(), last = alphas.back();
    for (double& alpha : alphas) alpha = (alpha - last) * first / (first - last);
  }
  std::vector<double> levels;
  for (const double alpha : alphas) {
    const double squared = alpha > 0 ? alpha * alpha : kForZero;
    levels.push_back(std::sqrt((1 - squared) / squared));
  }
  return levels;
}

std::vector<std::string> schedule_names() {
  return config::names_of(kRows);
}

std::vector<std::string> schedule_choices() {
  std::vector<std::string> choices{kOwnSchedule};
  for (std::string& name : schedule_names()) choices.push_back(std::move(name));
  return choices;
}

bool ends_in_pure_noise(const std::string& schedule) {
  const Row* const row = config::find_row(kRows, schedule);
  return row != nullptr && row->to_zero;
}

at::Tensor timestep_of(const at::Tensor& sigma, const at::Tensor& levels, Timestep rounding) {
  const bool in_log = rounding != Timestep::nearest;
  const at::Tensor wide = sigma.to(levels.scalar_type()).contiguous();
  const at::Tensor table = in_log ? levels.log() : levels, place = in_log ? wide.log() : wide;
  const int64_t last = table.size(0) - 1;
  if (rounding != Timestep::interpolated) {
    const at::Tensor middles = (table.slice(0, 1) + table.slice(0, 0, last)) / 2;
    return at::searchsorted(middles, place).to(sigma.scalar_type());
  }
  const at::Tensor above = at::searchsorted(table, place).clamp(1, last);
  const at::Tensor low = table.index_select(0, above - 1), high = table.index_select(0, above);
  return ((above - 1) + (place - low) / (high - low)).clamp(0, last).to(sigma.scalar_type());
}

}  // namespace onestep
