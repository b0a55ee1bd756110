// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <variant>

#include "distillation/terms/adversarial.h"
#include "distillation/terms/fidelity.h"
#include "distillation/terms/regression.h"
#include "distillation/terms/reward.h"
#include "distillation/terms/score_difference.h"

namespace onestep {

/// What the student's loss is a sum of: the score difference, and what stands beside it.
using Term =
    std::variant<IntegralTerm, ExpandedTerm, AdversarialTerm, RegressionTerm, RewardTerm, FidelityTerm>;

inline const char* name_of(const Term& term) {
  return std::visit([](const auto& t) { return t.name; }, term);
}

/// Its weight at image nimg of the run; 0 while it has not set in.
inline double weight_at(const Term& term, int64_t nimg) {
  return std::visit([&](const auto& t) { return weight_at(t.weight, nimg); }, term);
}

inline GradientPaths paths_of(const Term& term) {
  return std::visit([](const auto& t) { return t.paths; }, term);
}

/// Whether its gradient is to be divided by the batch's mean of h.
inline bool is_normalised(const Term& term) {
  const auto of = [](const auto& t) {
    if constexpr (requires { t.branch; }) return t.branch.normalise_weight;
    return false;
  };
  return std::visit(of, term);
}

inline Pull pull(const Term& term, const TermInputs& in) {
  return std::visit([&](const auto& t) { return pull(t, in); }, term);
}

}  // namespace onestep
