// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <ATen/core/Tensor.h>

#include "config/decode.h"
#include "config/help.h"

namespace onestep {

/// β = ½^(batch / half-life), half-life = min(config's, ramp · nimg) (Karras et al. 2022, appendix F.1).
struct HalfLifeEma {
  static constexpr const char* kind = "half_life";
  double half_life_kimg = 500;
  double ramp_up_ratio = 0.05;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("half_life_kimg", c.half_life_kimg, "EMA half-life, thousands of images", config::positive);
    visit("ramp_up_ratio", c.ramp_up_ratio,
          "the half-life is at most this share of the images seen; 0 is no ramp", config::non_negative);
  }
};

/// β = (1 − batch/nimg)^(γ+1): the profile tᵞ over the whole run so far, whose relative width is `std`
/// (Karras et al. 2024, EDM2, equations 125–127).
struct PowerEma {
  static constexpr const char* kind = "power";
  double std = 0.05;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("std", c.std, "relative width of the average, a share of the images seen (EDM2)",
          config::between(0.001, 0.28));
  }
};

using EmaConfig = std::variant<HalfLifeEma, PowerEma>;

/// γ of a relative width: the root of σ²(γ+2)²(γ+3) = γ+1, at least 0 for σ ≤ 0.2887.
double power_exponent(double std);

/// β of the step of `batch` images that ends at nimg: average ← β average + (1 − β) values.
double ema_decay(const EmaConfig& config, int64_t nimg, int64_t batch);

/// "half_life_500", "power_0.05": what an average's file is called.
std::string name_of(const EmaConfig& config);

/// The averages of a run, of which the first is its model: in a configuration a map, or a list of them.
struct EmaConfigs {
  std::vector<EmaConfig> all{HalfLifeEma{}};
};
void decode(const config::Place& place, const config::Check& check, EmaConfigs& value);
config::Node encode(const EmaConfigs& value);
void describe(const std::string& path, const EmaConfigs& value, const char* meaning,
              const config::Check& check, config::HelpRows& rows);

}  // namespace onestep
