// SPDX-License-Identifier: Apache-2.0
#include "distillation/terms/adversarial.h"

#include <ATen/TensorOperators.h>

#include "losses/adversarial.h"
#include "losses/sample_scale.h"

namespace onestep {

Pull pull(const AdversarialTerm& term, const TermInputs& in) {
  const Observation& seen = in.seen;
  at::Tensor losses = generator_loss(in.networks.discriminator->config.loss, seen.logits);
  if (const auto& scale = term.scale)
    losses = losses * sample_scale(scale->normalisation, seen.y.detach(), seen.teacher.detach(),
                                   in.shard.sigma, scale->power);
  return {.losses = losses.detach(), .gradient = gradient_at(seen.y, losses)};
}

}  // namespace onestep
