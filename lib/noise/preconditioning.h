// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "config/check.h"
#include "noise/sigma_range.h"
#include "noise/timesteps.h"

namespace onestep {

std::vector<std::string> preconditioning_names();

/// What a network predicts, and what it is told of the noise level.
struct PreconditioningConfig {
  std::string rule = "edm";
  double sigma_data = 0.5;
  std::string schedule = kOwnSchedule;
  std::string timestep = "interpolated";
  bool space_to_depth = false;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("rule", c.rule,
          "what the raw network predicts: edm, trig (their mixtures of image and noise), epsilon (the "
          "noise), v, "
          "image, flow (noise - image), flow_to_data (SiT), gvp (SiT), vp, ve, iddpm (Song et al., ADM)",
          config::one_of(preconditioning_names()));
    visit("sigma_data", c.sigma_data, "standard deviation of the data", config::scale);
    visit("schedule", c.schedule, "discrete noise levels of epsilon, v and image; own: those of sd",
          config::one_of(schedule_choices()));
    visit("timestep", c.timestep,
          "of a level between two of the schedule's: interpolated in ln sigma, or nearest",
          config::one_of({"interpolated", "nearest"}));
    visit("space_to_depth", c.space_to_depth,
          "the network sees 2x2 patches as channels, at half the resolution");
  }
  std::string problem() const;
};

/// The four functions of the noise level that turn a raw network F into a denoiser:
/// D(x; sigma) = c_skip x + c_out F(c_in x; c_noise).
struct Coefficients {
  at::Tensor c_skip, c_out, c_in;  ///< [N,1,1,1], to be multiplied with images
  at::Tensor c_noise;              ///< [N], what the network is told of the noise level
};

struct PreconditioningRule;  ///< a row of the table

/// A configuration, resolved: a row of the table and the levels of its schedule.
struct Preconditioning {
  PreconditioningConfig config;
  const PreconditioningRule* rule;
  at::Tensor levels;  ///< float64 [T], on the device of use; undefined where the rule has no schedule
};

/// Throws c10::Error where config.problem() says so.
Preconditioning make_preconditioning(const PreconditioningConfig& config);

/// With s = sigma_data, for x = y + σn. A process x_t = α y + s_t n is the same with σ = s_t/α, its network
/// being given x_t = c_in x (Karras et al. 2022, table 1; for the flows Lipman et al. 2023, Ma et al. 2024):
///
///   rule          c_skip       c_out             c_in         c_noise               valid σ
///   edm           s²/(σ²+s²)   σs/√(σ²+s²)       1/√(σ²+s²)   ln σ / 4              (0, ∞)
///   trig          s²/(σ²+s²)   −σs/√(σ²+s²)      1/√(σ²+s²)   atan(σ/s)             (0, ∞)
///   epsilon       1            −σ                1/√(1+σ²)    timestep              its schedule
///   v             1/(1+σ²)     −σ/√(1+σ²)        1/√(1+σ²)    timestep              its schedule
///   image         0            1                 1/√(1+σ²)    timestep              its schedule
///   flow          1/(1+σ)      −σ/(1+σ)          1/(1+σ)      1000 σ/(1+σ)          (0, ∞]
///   flow_to_data  1/(1+σ)      σ/(1+σ)           1/(1+σ)      1/(1+σ)               (0, ∞]
///   gvp           1/(1+σ²)     (2/π)σ/√(1+σ²)    1/√(1+σ²)    (2/π) atan(1/σ)       (0, ∞]
///   vp            1            −σ                1/√(1+σ²)    999 t, σ² = e^B(t)−1  σ(10⁻⁵) to σ(1)
///   ve            1            σ                 1            ln(σ/2)               0.02 to 100
///   iddpm         1            −σ                1/√(1+σ²)    nearest timestep      cosine schedule
///
/// where B(t) = ½·19.9 t² + 0.1 t. Outside a schedule the timestep is clamped, nothing else. `sigma` is [N]
/// or 0-d, float32 or float64; the result has its dtype. Gradients flow through `sigma` if it asks for them.
Coefficients coefficients(const Preconditioning& preconditioning, const at::Tensor& sigma);

/// The noise levels at which such a network was, or can be, trained.
SigmaRange valid_range(const PreconditioningConfig& config);

/// The discrete schedule (timesteps.h) whose levels those are; "" where it has none.
std::string trained_schedule(const PreconditioningConfig& config);

/// The name (weighting.h) of λ(σ) = 1/c_out², with which λ ‖D − y‖² is the plain error of the prediction: the
/// loss that such networks are trained with.
std::string native_weighting(const std::string& rule);

}  // namespace onestep
