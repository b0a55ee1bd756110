// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "distillation/terms/pull.h"
#include "networks/classifier.h"

namespace onestep {

/// log p(c | y) of a classifier is to grow (Diff-Instruct++, Diff-Instruct*), one number for an image.
struct RewardConfig {
  TermWeight term;
  std::string classifier;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    TermWeight::fields(c.term, visit);
    visit("classifier", c.classifier, "the classifier's model.safetensors", config::path,
          config::Role::place);
  }
};

struct RewardTerm {
  static constexpr const char* name = "reward";
  static constexpr GradientPaths paths{};
  TermWeight weight;
  Classifier classifier;
};
Pull pull(const RewardTerm& term, const TermInputs& in);

}  // namespace onestep
