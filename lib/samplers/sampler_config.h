// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/check.h"
#include "config/partial.h"
#include "noise/sigma_grid.h"
#include "noise/timesteps.h"
#include "samplers/solver_names.h"
#include "samplers/start.h"

namespace onestep {

struct Denoiser;

/// The metadata key under which a model file carries its own SamplerConfig.
inline constexpr const char* kSamplingKey = "onestep.sampling";

/// All that a user can choose about sampling: the solver, its noise levels, and what is done to D. A model
/// file carries its own in the metadata key `onestep.sampling`, as JSON of these fields, so that a one-step
/// student samples in one step without being told. onestep-sample has an option for each.
struct SamplerConfig {
  std::string solver = "heun";
  std::optional<int64_t> order;
  std::optional<double> beta;
  std::optional<double> eta, noise_scale, churn, churn_min, churn_max;

  int64_t steps = 18;
  std::string sigma_grid = "karras";
  std::optional<double> sigma_min, sigma_max, rho;
  std::vector<double> grid_parameters;
  std::string schedule = kOwnSchedule;
  std::string last = "zero";
  std::vector<double> sigmas;
  std::string start = "scaled";

  double guidance = 1;
  double guidance_min = 0;
  std::optional<double> guidance_max;
  int64_t guidance_channels = 0;
  std::string threshold = "none";
  double threshold_percentile = 0.995;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("solver", c.solver, "one_step, euler, heun, dpmpp2m, unipc2, hb3.8, euler_ancestral ... (--list)",
          config::non_empty);
    visit("order", c.order, "order, where the solver's name does not say it", config::between(1, kMaxOrder));
    visit("beta", c.beta, "weight of the new slope in a momentum solver; 1 is no momentum",
          config::probability);
    visit("eta", c.eta, "strength of the noise of an ancestral or sde solver; its own is 1",
          config::non_negative);
    visit("noise_scale", c.noise_scale, "by what a solver's noise is multiplied; its own is 1",
          config::non_negative);
    visit("churn", c.churn, "EDM's S_churn: noise put in before the steps of a single-step solver",
          config::non_negative);
    visit("churn_min", c.churn_min, "the lowest noise level at which there is churn", config::magnitude);
    visit("churn_max", c.churn_max, "the highest one", config::magnitude);
    visit("steps", c.steps, "steps, the one to noise level 0 included; one_step makes one",
          config::at_least(1));
    visit("sigma_grid", c.sigma_grid, "rule of the noise levels (--list)",
          config::one_of(sigma_grid_names()));
    visit("sigma_min", c.sigma_min, "lowest noise level before 0 (default: the rule's, 0.002 for karras)",
          config::scale);
    visit("sigma_max", c.sigma_max, "noise level of the start (default: the rule's, 80 for karras)",
          config::scale);
    visit("rho", c.rho, "how steps crowd towards low noise: 1 is evenly (default: the rule's, 7 for karras)",
          config::positive);
    visit("grid_parameters", c.grid_parameters, "the rule's further parameters, in its order (--list)");
    visit("schedule", c.schedule,
          "discrete noise levels of the grids of timesteps; own: the model's, or sd where it has none",
          config::one_of(schedule_choices()));
    visit("last", c.last,
          "where a grid of timesteps ends: in noise level zero, or in that of the first_timestep (SD's DDIM "
          "and PNDM)",
          config::one_of({"zero", "first_timestep"}));
    visit("sigmas", c.sigmas,
          "all noise levels, highest first, ending in 0; replaces steps and the keys of the grid",
          config::magnitude);
    visit("start", c.start,
          "what unit noise z is at the first level: scaled (sigma z), vp (sqrt(1 + sigma^2) z: DDIM, PNDM, "
          "LCM, DMD2), flow ((1 + sigma) z)",
          config::one_of(start_names()));
    visit("guidance", c.guidance, "D = D' + guidance (D - D'), D' without class or of --guide; 1 is none",
          config::magnitude);
    visit("guidance_min", c.guidance_min, "guidance acts from this noise level", config::magnitude);
    visit("guidance_max", c.guidance_max, "up to this one (default: all)", config::scale);
    visit("guidance_channels", c.guidance_channels,
          "guide the first so many channels alone: DiT's and SiT's own sampling has 3 of 4; 0 is all",
          config::non_negative);
    visit("threshold", c.threshold,
          "clips D: static to [-1, 1]; dynamic divides by a percentile of |D| where that is above 1",
          config::one_of({"none", "static", "dynamic"}));
    visit("threshold_percentile", c.threshold_percentile, "of the dynamic threshold, per image",
          config::probability);
  }
  std::string problem() const;
};

/// The solver that the fields name. Throws config::ConfigError.
Solver solver_of(const SamplerConfig& config);

/// Its noise levels, highest first, ending in 0 (or in the first timestep's): the explicit list, the grid's
/// of one step for one_step, which is {sigma_max, 0} of a curve, else the grid's.
std::vector<double> sigmas_of(const SamplerConfig& config);

/// The same sampler for a model: timesteps are those of its own schedule, a grid's default ends are brought
/// inside what it knows. Throws config::ConfigError where levels that somebody asked for are outside, or
/// where its own schedule lacks the timesteps.
SamplerConfig for_model(SamplerConfig config, const Denoiser& model);

/// The sampler that a model file brings along in its metadata; the defaults above where it brings none.
/// Throws io::FileError.
SamplerConfig sampler_of_model(const std::filesystem::path& model);
/// The same of metadata already read; `model` names it in errors.
SamplerConfig sampler_of_metadata(const std::map<std::string, std::string>& metadata,
                                  const std::filesystem::path& model);

/// What a user says, laid over the sampler that a model brings along. A solver that is named anew drops
/// its predecessor's order, beta and noise; a grid that is described anew drops an explicit list of noise
/// levels, a list the number of steps. Throws config::ConfigError when the result makes no sense, and when
/// one_step is asked for a number of steps.
SamplerConfig with_changes(const SamplerConfig& own, const config::Partial<SamplerConfig>& changes);

}  // namespace onestep
