// SPDX-License-Identifier: Apache-2.0
#include "noise/sigma_law.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/pow.h>

#include "kernels/philox.h"

namespace onestep {
namespace {

struct Draw {
  uint64_t seed;
  uint32_t purpose;
  const at::Tensor& indices;
  at::Device device;

  at::Tensor operator()(const LogNormalLaw& law) const {
    const at::Tensor z = kernels::philox_normal(seed, purpose, indices, {}, device);
    return (z * law.std + law.mean).exp();
  }

  at::Tensor operator()(const KarrasLaw& law) const {
    const at::Tensor u = kernels::philox_uniform(seed, purpose, indices, {}, device);
    const double lowest = std::pow(law.sigma_min, 1 / law.rho);
    const double highest = std::pow(law.sigma_max, 1 / law.rho);
    return (lowest + (law.from + u * (law.to - law.from)) * (highest - lowest)).pow(law.rho);
  }
};

}  // namespace

at::Tensor draw_sigma(const SigmaLaw& law, uint64_t seed, Purpose purpose, const at::Tensor& indices,
                      at::Device device) {
  return std::visit(Draw{seed, word(purpose), indices, device}, law);
}

}  // namespace onestep
