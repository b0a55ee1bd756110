// SPDX-License-Identifier: Apache-2.0
#include "distillation/terms/score_difference.h"

#include <ATen/TensorOperators.h>

namespace onestep {

Pull pull(const IntegralTerm& term, const TermInputs& in) {
  const auto& [y, x, teacher, fake, logits, features, log_ratio, weights] = in.seen;
  const auto moved =
      score_difference(term.branch, y.detach(), teacher.detach(), fake.detach(), in.shard.sigma, weights.h);
  return {.losses = moved.loss / static_cast<double>(y[0].numel()), .gradient = moved.gradient};
}

Pull pull(const ExpandedTerm& term, const TermInputs& in) {
  const auto& [y, x, teacher, fake, logits, features, log_ratio, weights] = in.seen;
  const at::Tensor losses = expanded_loss(term.branch, y, x, teacher, fake, in.shard.sigma, weights);
  return {.losses = losses.detach() / static_cast<double>(y[0].numel()), .gradient = gradient_at(y, losses)};
}

}  // namespace onestep
