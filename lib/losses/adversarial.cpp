// SPDX-License-Identifier: Apache-2.0
#include "losses/adversarial.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/softplus.h>
#include <c10/core/ScalarType.h>

namespace onestep {
namespace {

/// Each sample's mean of softplus(logit).
at::Tensor mean_softplus(const at::Tensor& logits) {
  TORCH_CHECK(logits.dim() >= 1 && logits.is_floating_point(),
              "adversarial loss: logits must be floating [N, ...], got ", logits.scalar_type(),
              logits.sizes());
  const at::Tensor loss = at::softplus(logits.to(c10::promoteTypes(logits.scalar_type(), at::kFloat)));
  return loss.dim() == 1 ? loss : loss.flatten(1).mean(1);
}

}  // namespace

at::Tensor discriminator_loss(const at::Tensor& real_logits, const at::Tensor& fake_logits) {
  const at::Tensor real = mean_softplus(-real_logits), fake = mean_softplus(fake_logits);
  TORCH_CHECK(real.sizes() == fake.sizes(), "discriminator loss: ", real.size(0), " real but ", fake.size(0),
              " generated samples");
  return real + fake;
}

at::Tensor generator_loss(const at::Tensor& fake_logits) {
  return mean_softplus(-fake_logits);
}

}  // namespace onestep
