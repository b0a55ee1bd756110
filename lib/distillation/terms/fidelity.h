// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "distillation/terms/pull.h"
#include "losses/data_fidelity.h"

namespace onestep {

/// What a measurement saw of a particle's data image is to be seen of the particle too (RED-diff): ½‖A y −
/// b‖²/s² over the number of the image's pixels and channels.
struct FidelityConfig {
  TermWeight term;
  MeasurementConfig measurement;
  double noise_std = 0.1;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    TermWeight::fields(c.term, visit);
    visit("measurement", c.measurement, "what was measured");
    visit("noise_std", c.noise_std, "standard deviation of the measurement's noise", config::scale);
  }
};

/// b = A ŷ + noise for every particle, [M, …].
at::Tensor measurements(const FidelityConfig& config, const Particles& particles, uint64_t seed);

struct FidelityTerm {
  static constexpr const char* name = "fidelity";
  static constexpr GradientPaths paths{};
  TermWeight weight;
  FidelityConfig config;
  at::Tensor measured;  ///< b, a row for each particle
};
Pull pull(const FidelityTerm& term, const TermInputs& in);

}  // namespace onestep
