// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "networks/denoiser.h"
#include "parallel/workers.h"
#include "samplers/sampler_config.h"

namespace onestep {

/// What to draw. Sample i starts from the latent of seeds[i], or from latents[i] where latents are given.
struct SampleRequest {
  std::vector<int64_t> seeds;
  std::vector<int64_t> classes;   ///< one for each sample; empty: from the seeds, of `among`. Of no use to an
                                  ///< unconditional model
  std::vector<int64_t> among;     ///< the classes that may be drawn; empty: all (trained_classes)
  at::Tensor latents;             ///< [N,C,H,W], unit variance, any floating dtype; undefined: from the seeds
  std::optional<Denoiser> guide;  ///< guidance leads away from this one; none: from the model without class
  int64_t steps_done = 0;         ///< of a run that is continued: its noise goes on where it was
  int64_t stop_after = 0;         ///< of a run that is cut: steps to make; 0: all
  bool trajectory = false;        ///< keep the denoised image of every step
};

struct SampleResult {
  at::Tensor samples;  ///< [N,C,H,W] on the CPU, float32 (float64 of such a network), unquantised; of a run
                       ///< that was cut the state as latents of the next, x/σ, in float64
  at::Tensor trajectory;  ///< [N,S,C,H,W]: D at the beginning of each of S steps; undefined unless asked
  std::vector<int64_t> classes;  ///< what was drawn; empty for an unconditional model
  int64_t nfe = 0;               ///< network evaluations for each sample; a guided one counts once
};

/// Called after each network evaluation with the number of samples that are done, by one worker at a time;
/// may throw to stop the run.
using SampleWatch = std::function<void(int64_t done)>;

/// x = integrate(solver, D, sigma_0 z) for every sample, `batch` at a time, D guided and clipped as `config`
/// says; the batches are shared by the workers. The state is float64; the network gets float32 at least, on
/// its device. A sample depends on its seed (or latent) and class alone, not on the others. No gradients.
/// Throws config::ConfigError for a class that the model lacks and a sampler that makes no sense or guides
/// what can't be guided, NumericalError when the network returns NaN or infinity, c10::Error for latents of
/// another shape or batch < 1.
SampleResult generate(const Denoiser& denoiser, const SamplerConfig& config, const SampleRequest& request,
                      int64_t batch, const SampleWatch& watch = {}, const Workers& workers = {});

/// The same for seeds alone, all of one class where that is given.
SampleResult generate(const Denoiser& denoiser, const SamplerConfig& config,
                      const std::vector<int64_t>& seeds, std::optional<int64_t> one_class, int64_t batch,
                      const SampleWatch& watch = {});

/// Why this model can't be guided so, or "": guidance other than 1 takes a model with classes, or a guide of
/// the same shape and classes, which is of no use without.
std::string guidance_problem(const Denoiser& denoiser, const SamplerConfig& config,
                             const std::optional<Denoiser>& guide);

/// "class 12: the model has classes 0 to 9" and the like; "" when `c` is a class of the model.
std::string class_problem(const Denoiser& denoiser, int64_t c);

}  // namespace onestep
