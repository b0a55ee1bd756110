// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

#include "distillation/terms/pull.h"

namespace onestep {

/// The discriminator is to take the student's images for data (non-saturating): a mean over logits.
struct AdversarialConfig {
  TermWeight term;
  bool scaled = false;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    TermWeight::fields(c.term, visit);
    visit("scaled", c.scaled, "scale it sample by sample as the score difference is (SiDA)");
  }
};

/// By how much the branch multiplies a sample's score difference, in its own power of σ.
struct BranchScale {
  std::string normalisation;
  int power;
};

struct AdversarialTerm {
  static constexpr const char* name = "adv";
  static constexpr GradientPaths paths{.discriminator = true};
  TermWeight weight;
  std::optional<BranchScale> scale;
};
Pull pull(const AdversarialTerm& term, const TermInputs& in);

}  // namespace onestep
