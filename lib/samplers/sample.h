// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "networks/denoiser.h"
#include "samplers/sampler_config.h"

namespace onestep {

/// What to draw. Sample i starts from the latent of seeds[i], or from latents[i] where latents are given.
struct SampleRequest {
  std::vector<int64_t> seeds;
  std::vector<int64_t>
      classes;         ///< one for each sample; empty: from the seeds. Of no use to an unconditional model
  at::Tensor latents;  ///< [N,C,H,W], unit variance, any floating dtype; undefined: from the seeds
};

struct SampleResult {
  at::Tensor samples;            ///< [N,C,H,W] on the CPU, in the network's dtype, unquantised
  std::vector<int64_t> classes;  ///< what was drawn; empty for an unconditional model
  int64_t nfe = 0;               ///< network evaluations for each sample
};

/// Called after each network evaluation with the number of samples that are done; may throw to stop the run.
using SampleWatch = std::function<void(int64_t done)>;

/// x = integrate(solver, D, sigma_0 z) for every sample, `batch` at a time. The state is float64; the network
/// gets its own dtype and device. A sample depends on its seed (or latent) and class alone, not on the
/// others. No gradients. Throws config::ConfigError for a class that the model lacks and a sampler that makes
/// no sense, NumericalError when the network returns NaN or infinity, c10::Error for latents of another shape
/// or batch < 1.
SampleResult generate(const Denoiser& denoiser, const SamplerConfig& config, const SampleRequest& request,
                      int64_t batch, const SampleWatch& watch = {});

/// The same for seeds alone, all of one class where that is given.
SampleResult generate(const Denoiser& denoiser, const SamplerConfig& config,
                      const std::vector<int64_t>& seeds, std::optional<int64_t> one_class, int64_t batch,
                      const SampleWatch& watch = {});

/// "class 12: the model has classes 0 to 9" and the like; "" when `c` is a class of the model.
std::string class_problem(const Denoiser& denoiser, int64_t c);

}  // namespace onestep
