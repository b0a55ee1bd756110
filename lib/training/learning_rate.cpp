// SPDX-License-Identifier: Apache-2.0
#include "training/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <c10/util/Exception.h>

#include "config/named_rows.h"

namespace onestep {
namespace {

struct Row {
  const char* name;
  double (*decay)(double share);  ///< from 1 at share 0 to 0 at share 1
};

constexpr Row kRows[] = {
    {"constant", [](double) { return 1.0; }},
    {"linear", [](double share) { return 1 - share; }},
    {"cosine", [](double share) { return 0.5 * (1 + std::cos(std::numbers::pi * share)); }},
};

}  // namespace

std::vector<std::string> decay_names() {
  return config::names_of(kRows);
}

double learning_rate(const LearningRateConfig& c, int64_t nimg, int64_t batch, int64_t total) {
  const Row* const row = config::find_row(kRows, c.decay);
  TORCH_CHECK(row != nullptr, "learning_rate: no decay rule named '", c.decay, "'");
  const double middle = static_cast<double>(nimg) + 0.5 * static_cast<double>(batch);  // of the step's images
  const double warmup = c.warmup_kimg * 1000;
  const double rise = warmup > 0 ? std::min(1.0, middle / warmup) : 1.0;
  const double rest = std::max(static_cast<double>(total) - warmup, 1.0);
  const double share = std::clamp((middle - warmup) / rest, 0.0, 1.0);
  return c.peak * rise * (c.final_ratio + (1 - c.final_ratio) * row->decay(share));
}

}  // namespace onestep
