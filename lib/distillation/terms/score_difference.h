// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "distillation/terms/pull.h"
#include "losses/expanded.h"
#include "losses/integral.h"

/// The score difference of teacher and student, descended by one of two branches (lib/losses/README.md §2,
/// §3b). Both are linear in h(r), so that a mean of h over a batch is divided by after the batch's sum.
namespace onestep {

/// The two ways to descend a divergence.
using BranchConfig = std::variant<IntegralConfig, ExpandedConfig>;

struct IntegralTerm {
  static constexpr const char* name = "loss";
  static constexpr GradientPaths paths{};
  TermWeight weight;
  IntegralConfig branch;
};
Pull pull(const IntegralTerm& term, const TermInputs& in);

struct ExpandedTerm {
  static constexpr const char* name = "loss";
  static constexpr GradientPaths paths{.denoisers = true};
  TermWeight weight;
  ExpandedConfig branch;
};
Pull pull(const ExpandedTerm& term, const TermInputs& in);

}  // namespace onestep
