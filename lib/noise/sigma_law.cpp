// SPDX-License-Identifier: Apache-2.0
#include "noise/sigma_law.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/tensor.h>

#include "kernels/philox.h"
#include "noise/vp_time.h"

namespace onestep {
namespace {

struct Draw {
  uint64_t seed;
  uint32_t purpose;
  const at::Tensor& indices;
  at::Device device;
  const at::Tensor& levels;

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

  at::Tensor uniform(double from, double to) const {
    return from + (to - from) * kernels::philox_uniform(seed, purpose, indices, {}, device);
  }

  at::Tensor operator()(const LogUniformLaw& law) const {
    return uniform(std::log(law.sigma_min), std::log(law.sigma_max)).exp();
  }

  /// Rounding may take a place up to `to`.
  at::Tensor operator()(const TimestepLaw& law) const {
    const at::Tensor place = uniform(static_cast<double>(law.from), static_cast<double>(law.to));
    return levels.index_select(0, place.to(at::kLong).clamp_max(law.to - 1));
  }

  at::Tensor operator()(const FlowTimeLaw& law) const {
    const at::Tensor t = uniform(law.from, law.to);
    return law.shift * t / (1 - t);
  }

  at::Tensor operator()(const VpTimeLaw& law) const { return vp_sigma(uniform(law.from, 1)); }
};

struct Range {
  SigmaRange operator()(const LogNormalLaw& law) const {
    return {std::exp(law.mean - 3 * law.std), std::exp(law.mean + 3 * law.std)};
  }
  SigmaRange operator()(const KarrasLaw& law) const {
    const double lowest = std::pow(law.sigma_min, 1 / law.rho);
    const double highest = std::pow(law.sigma_max, 1 / law.rho);
    const auto at = [&](double t) { return std::pow(lowest + t * (highest - lowest), law.rho); };
    return {at(law.from), at(law.to)};
  }
  SigmaRange operator()(const LogUniformLaw& law) const { return {law.sigma_min, law.sigma_max}; }
  SigmaRange operator()(const TimestepLaw& law) const {
    const std::vector<double> levels = schedule_levels(law.schedule);
    return {levels[law.from], levels[law.to - 1]};
  }
  SigmaRange operator()(const FlowTimeLaw& law) const {
    const auto at = [&](double t) { return law.shift * t / (1 - t); };
    return {at(law.from), at(law.to)};
  }
  SigmaRange operator()(const VpTimeLaw& law) const { return {vp_sigma(law.from), vp_sigma(1)}; }
};

}  // namespace

SigmaRange range_of(const SigmaLaw& law) {
  return std::visit(Range{}, law);
}

SigmaSource make_sigma_source(const SigmaLaw& law, at::Device device) {
  SigmaSource source{.law = law, .device = device};
  if (const auto* timesteps = std::get_if<TimestepLaw>(&law))
    source.levels = at::tensor(schedule_levels(timesteps->schedule), at::kFloat).to(device);
  return source;
}

at::Tensor draw_sigma(const SigmaSource& source, uint64_t seed, Purpose purpose, const at::Tensor& indices) {
  return std::visit(Draw{seed, word(purpose), indices, source.device, source.levels}, source.law);
}

}  // namespace onestep
