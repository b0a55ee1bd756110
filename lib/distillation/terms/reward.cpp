// SPDX-License-Identifier: Apache-2.0
#include "distillation/terms/reward.h"

#include <ATen/TensorOperators.h>

#include "losses/reward.h"

namespace onestep {

Pull pull(const RewardTerm& term, const TermInputs& in) {
  const at::Tensor y = in.seen.y.detach().clone().set_requires_grad(true);
  const at::Tensor classes = student_condition(in.networks.student, in.shard).classes;
  const at::Tensor losses = -classifier_reward(classify(term.classifier, y).logits, classes);
  return {.losses = losses.detach(), .gradient = gradient_at(y, losses)};
}

}  // namespace onestep
