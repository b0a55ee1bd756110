// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <string>
#include <variant>

#include <ATen/core/Tensor.h>

#include "config/check.h"
#include "noise/purpose.h"
#include "noise/sigma_range.h"
#include "noise/timesteps.h"

namespace onestep {

/// ln σ is normal (EDM's training law; Karras et al. 2022, table 1).
struct LogNormalLaw {
  static constexpr const char* kind = "lognormal";
  double mean = -1.2;
  double std = 1.2;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("mean", c.mean, "mean of ln sigma");
    visit("std", c.std, "standard deviation of ln sigma", config::positive);
  }
};

/// σ = (σ_min^{1/ρ} + t (σ_max^{1/ρ} − σ_min^{1/ρ}))^ρ with t uniform in [from, to): a continuous Karras
/// grid. SiD: from 0 to 0.8, which is σ from 0.002 to 24.4. With `levels` L, t is one of i/(L−1), i = 0 …
/// L−1, that lie in [from, to], each as likely: f-distill has L = 1000 and i = 2 … 998, which is σ from
/// 0.0022 to 79.5.
struct KarrasLaw {
  static constexpr const char* kind = "karras";
  double sigma_min = 0.002;
  double sigma_max = 80;
  double rho = 7;
  double from = 0;
  double to = 0.8;
  int64_t levels = 0;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("sigma_min", c.sigma_min, "noise level at t = 0", config::scale);
    visit("sigma_max", c.sigma_max, "noise level at t = 1", config::scale);
    visit("rho", c.rho, "exponent of the grid", config::positive);
    visit("from", c.from, "smallest t", config::probability);
    visit("to", c.to, "largest t", config::probability);
    visit("levels", c.levels, "t is one of so many even steps from 0 to 1; 0: any", config::between(0, 1e6));
  }
  double lowest_level() const { return std::ceil(from * static_cast<double>(levels - 1)); }
  double highest_level() const { return std::floor(to * static_cast<double>(levels - 1)); }
  std::string problem() const {
    if (levels == 1) return "levels must be 0, or 2 at least";
    if (sigma_min >= sigma_max) return "sigma_min must be below sigma_max";
    if (from >= to) return "from must be below to";
    if (levels > 0 && lowest_level() > highest_level()) return "none of the levels lies between from and to";
    return "";
  }
};

/// ln σ is uniform between the ends (variance-exploding networks; Song et al. 2021).
struct LogUniformLaw {
  static constexpr const char* kind = "log_uniform";
  double sigma_min = 0.02;
  double sigma_max = 100;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("sigma_min", c.sigma_min, "lowest noise level", config::scale);
    visit("sigma_max", c.sigma_max, "highest noise level", config::scale);
  }
  std::string problem() const { return sigma_min < sigma_max ? "" : "sigma_min must be below sigma_max"; }
};

/// One of a schedule's levels (timesteps.h), timesteps from `from` up to `to`, without it, each as likely.
struct TimestepLaw {
  static constexpr const char* kind = "timestep";
  std::string schedule = "sd";
  int64_t from = 20;
  int64_t to = 980;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("schedule", c.schedule, "whose timesteps", config::one_of(schedule_names()));
    visit("from", c.from, "the first timestep", config::between(0, 999));
    visit("to", c.to, "the one after the last", config::between(1, 1000));
  }
  std::string problem() const { return from < to ? "" : "from must be below to"; }
};

/// σ = shift · t/(1−t) with a flow's time t uniform in [from, to). (t is logit-normal where σ is lognormal,
/// with the same mean and std; a shift of flow time by s, s·t/(1+(s−1)t), is the factor s on σ: Esser et al.
/// 2024.)
struct FlowTimeLaw {
  static constexpr const char* kind = "flow_time";
  double from = 0.001;
  double to = 0.999;
  double shift = 1;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("from", c.from, "smallest time; 0 is data", config::between(0, 1));
    visit("to", c.to, "largest time; 1 is noise", config::between(0, 1));
    visit("shift", c.shift, "factor on the noise level", config::scale);
  }
  std::string problem() const { return 0 < from && from < to && to < 1 ? "" : "0 < from < to < 1 must hold"; }
};

/// σ(t) of the variance-preserving process in continuous time (vp_time.h), t uniform in [from, 1).
struct VpTimeLaw {
  static constexpr const char* kind = "vp_time";
  double from = 1e-5;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("from", c.from, "smallest time", config::between(1e-8, 0.999));
  }
};

/// The distribution that training draws noise levels from.
using SigmaLaw = std::variant<LogNormalLaw, KarrasLaw, LogUniformLaw, TimestepLaw, FlowTimeLaw, VpTimeLaw>;

/// The levels that a law draws; of a lognormal one those within three standard deviations.
SigmaRange range_of(const SigmaLaw& law);

/// A law and what it draws from on a device: a schedule's levels come from the host, and stay where they were
/// sent to.
struct SigmaSource {
  SigmaLaw law;
  at::Device device = at::kCPU;
  at::Tensor levels;  ///< float32 [T], of a schedule; undefined for other laws
};
SigmaSource make_sigma_source(const SigmaLaw& law, at::Device device);

/// Noise levels [N] (float32, on the source's device) for the images numbered `indices` (int64 [N], as
/// philox_normal takes them): a pure function of (seed, purpose, index). Copies nothing from the host.
at::Tensor draw_sigma(const SigmaSource& source, uint64_t seed, Purpose purpose, const at::Tensor& indices);

/// The same of a source that is made for it.
inline at::Tensor draw_sigma(const SigmaLaw& law, uint64_t seed, Purpose purpose, const at::Tensor& indices,
                             at::Device device) {
  return draw_sigma(make_sigma_source(law, device), seed, purpose, indices);
}

}  // namespace onestep
