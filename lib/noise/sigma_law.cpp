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

  /// One of the law's levels. Rounding may take u · count up to count.
  static at::Tensor place(const KarrasLaw& law, const at::Tensor& u) {
    const double first = law.lowest_level(), count = law.highest_level() - first + 1;
    return ((u * count).floor() + first).clamp_max(first + count - 1) / static_cast<double>(law.levels - 1);
  }

  at::Tensor operator()(const LogNormalLaw& law) const {
    const at::Tensor z = kernels::philox_normal(seed, purpose, indices, {}, device);
    return (z * law.std + law.mean).exp();
  }

  at::Tensor operator()(const KarrasLaw& law) const {
    const at::Tensor u = kernels::philox_uniform(seed, purpose, indices, {}, device);
    const double lowest = std::pow(law.sigma_min, 1 / law.rho);
    const double highest = std::pow(law.sigma_max, 1 / law.rho);
    const at::Tensor t = law.levels == 0 ? law.from + u * (law.to - law.from) : place(law, u);
    return (lowest + t * (highest - lowest)).pow(law.rho);
  }
};

}  // namespace

at::Tensor draw_sigma(const SigmaLaw& law, uint64_t seed, Purpose purpose, const at::Tensor& indices,
                      at::Device device) {
  return std::visit(Draw{seed, word(purpose), indices, device}, law);
}

}  // namespace onestep
