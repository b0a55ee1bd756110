// SPDX-License-Identifier: Apache-2.0
#include "distillation/part.h"

#include <ATen/TensorOperators.h>

#include "kernels/philox.h"
#include "losses/finite.h"

namespace onestep {

at::Tensor Part::x() const {
  return noised(y, sigma, epsilon);
}

Part begin_part(const Batch& batch, uint64_t seed, int64_t nimg, int64_t size, at::Device device) {
  const Batch here = to_device(batch, device);
  const at::Tensor finite = finite_samples(here.images);
  return {.seed = seed,
          .nimg = nimg,
          .size = size,
          .first = batch.indices[0].item<int64_t>(),
          .indices = here.indices,
          .real = kept(here.images, finite),
          .real_labels = here.labels,
          .finite = finite};
}

at::Tensor noised(const at::Tensor& y, const at::Tensor& sigma, const at::Tensor& epsilon) {
  return y + sigma.reshape({-1, 1, 1, 1}) * epsilon;
}

at::Tensor unit_noise(const Part& part, Purpose purpose) {
  return kernels::philox_normal(part.seed, word(purpose), part.indices, part.real.sizes().slice(1),
                                part.real.device());
}

}  // namespace onestep
