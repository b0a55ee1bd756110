// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>

#include "distillation/teacher_pairs.h"
#include "distillation/terms/pull.h"

namespace onestep {

/// On the student's images of the pairs' own latents.
struct RegressionTerm {
  static constexpr const char* name = "regression";
  static constexpr GradientPaths paths{};
  TermWeight weight;
  std::shared_ptr<const TeacherPairs> pairs;
};
Pull pull(const RegressionTerm& term, const TermInputs& in);

}  // namespace onestep
