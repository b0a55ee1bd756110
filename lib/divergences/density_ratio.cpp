// SPDX-License-Identifier: Apache-2.0
#include "divergences/density_ratio.h"

#include <c10/core/ScalarType.h>

namespace onestep {

at::Tensor sample_logits(const at::Tensor& logits) {
  TORCH_CHECK(logits.dim() >= 1 && logits.is_floating_point(),
              "density ratio: logits must be floating [N, ...], got ", logits.scalar_type(), logits.sizes());
  const at::Tensor wide = logits.detach().to(c10::promoteTypes(logits.scalar_type(), at::kFloat));
  return wide.dim() == 1 ? wide : wide.flatten(1).mean(1);
}

at::Tensor density_ratio(const at::Tensor& logits, const RatioConfig& config) {
  return sample_logits(logits)
      .clamp(-config.logit_clamp, config.logit_clamp)
      .exp()
      .clamp(config.minimum, config.maximum);
}

}  // namespace onestep
