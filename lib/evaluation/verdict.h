// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

namespace onestep {

enum class Outcome { better, worse, inconclusive };
const char* outcome_name(Outcome outcome);

/// A FID with its standard error, where one is known.
struct Scored {
  double fid = 0;
  std::optional<double> se;
};

/// How one FID stands to another.
struct Verdict {
  Outcome outcome = Outcome::inconclusive;
  double gap = 0;            ///< subject − baseline; negative is better
  std::optional<double> se;  ///< of the gap: of paired samples where `paired`, else √(se₁² + se₂²)
  bool paired = false;       ///< both drew from the same seeds
  double floor = 0;  ///< the gap below which training noise alone explains it, 1.3 % of the larger FID
  bool within_noise = false;  ///< |gap| ≤ 2 se
  bool within_floor = false;  ///< |gap| ≤ floor
};

/// Inconclusive up to 2 standard errors of the gap, or up to 1.3 % of FID: so is no gap at all: what the
/// choice of training seed alone moves it by ("The FID Lottery": coefficient of variation 1 to 2 %).
/// `paired_se` is the error of the gap where sample i of both came from seed i: sd(I₁ − I₂)/√N with the
/// influences I, since what a seed does to both cancels. Without it the samples are taken for independent.
Verdict judge(const Scored& subject, const Scored& baseline, std::optional<double> paired_se = {});

}  // namespace onestep
