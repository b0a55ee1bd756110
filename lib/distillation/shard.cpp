// SPDX-License-Identifier: Apache-2.0
#include "distillation/shard.h"

#include <ATen/TensorOperators.h>

#include "kernels/philox.h"
#include "losses/finite.h"

namespace onestep {

at::Tensor Shard::x() const {
  return noised(y, sigma, epsilon);
}

Shard begin_shard(const Batch& batch, uint64_t seed, at::Device device) {
  const Batch here = to_device(batch, device);
  const at::Tensor images = to_float(here.images), finite = finite_samples(images);
  return {.seed = seed,
          .nimg = batch.nimg,
          .indices = here.indices,
          .real = kept(images, finite),
          .real_condition = here.condition,
          .finite = finite};
}

at::Tensor noised(const at::Tensor& y, const at::Tensor& sigma, const at::Tensor& epsilon) {
  return y + sigma.reshape({-1, 1, 1, 1}) * epsilon;
}

at::Tensor unit_noise(const Shard& shard, Purpose purpose) {
  return kernels::philox_normal(shard.seed, word(purpose), shard.indices, shard.real.sizes().slice(1),
                                shard.real.device());
}

}  // namespace onestep
