// SPDX-License-Identifier: Apache-2.0
#include "distillation/terms/regression.h"

#include <ATen/TensorOperators.h>

#include "losses/regression.h"

namespace onestep {

Pull pull(const RegressionTerm& term, const TermInputs& in) {
  const auto [latents, condition, targets] = pairs_of(*term.pairs, in.shard);
  const at::Tensor y = first_step(std::get<SteppedStudent>(in.networks.student.form), latents, condition);
  const auto pixels = static_cast<double>(y[0].numel());
  const at::Tensor images = y.detach().set_requires_grad(true);
  const at::Tensor losses = regression_loss(images, targets) / pixels;
  return {.losses = losses.detach(), .gradient = gradient_at(images, losses), .images = y};
}

}  // namespace onestep
