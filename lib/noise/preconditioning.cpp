// SPDX-License-Identifier: Apache-2.0
#include "noise/preconditioning.h"

#include <cmath>
#include <numbers>

#include <ATen/TensorOperators.h>
#include <ATen/ops/atan.h>
#include <ATen/ops/log.h>
#include <ATen/ops/log1p.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/Exception.h>

#include "config/named_rows.h"
#include "noise/vp_time.h"

namespace onestep {

namespace {

/// What a row looks at: σ [N,1,1,1] for images, [N] for what the network is told.
struct Level {
  const at::Tensor& sigma;
  const at::Tensor& told;
  const Preconditioning& p;
  double sigma_data() const { return p.config.sigma_data; }
};

/// Networks that are given x_t = x/√(1+σ²).
at::Tensor unit_variance(const Level& l) {
  return (1 + l.sigma * l.sigma).rsqrt();
}

Coefficients edm(const Level& l) {
  const double s = l.sigma_data();
  const at::Tensor total = l.sigma * l.sigma + s * s;
  const at::Tensor c_in = total.rsqrt();
  return {.c_skip = (s * s) / total, .c_out = l.sigma * s * c_in, .c_in = c_in, .c_noise = l.told.log() / 4};
}

Coefficients trig(const Level& l) {
  Coefficients c = edm(l);
  return {.c_skip = c.c_skip, .c_out = -c.c_out, .c_in = c.c_in, .c_noise = (l.told / l.sigma_data()).atan()};
}

at::Tensor timestep(const Level& l) {
  return timestep_of(l.told, l.p.levels,
                     l.p.config.timestep == "nearest" ? Timestep::nearest_log : Timestep::interpolated);
}

Coefficients epsilon_at(const Level& l, at::Tensor c_noise) {
  return {.c_skip = at::ones_like(l.sigma),
          .c_out = -l.sigma,
          .c_in = unit_variance(l),
          .c_noise = std::move(c_noise)};
}

Coefficients epsilon(const Level& l) {
  return epsilon_at(l, timestep(l));
}

Coefficients velocity(const Level& l) {
  const at::Tensor c_in = unit_variance(l);
  return {.c_skip = c_in * c_in, .c_out = -l.sigma * c_in, .c_in = c_in, .c_noise = timestep(l)};
}

Coefficients image(const Level& l) {
  return {.c_skip = at::zeros_like(l.sigma),
          .c_out = at::ones_like(l.sigma),
          .c_in = unit_variance(l),
          .c_noise = timestep(l)};
}

Coefficients flow(const Level& l) {
  const at::Tensor kept = 1 / (1 + l.sigma);
  return {.c_skip = kept, .c_out = -l.sigma * kept, .c_in = kept, .c_noise = 1000 * (l.told / (1 + l.told))};
}

Coefficients flow_to_data(const Level& l) {
  const at::Tensor kept = 1 / (1 + l.sigma);
  return {.c_skip = kept, .c_out = l.sigma * kept, .c_in = kept, .c_noise = 1 / (1 + l.told)};
}

Coefficients gvp(const Level& l) {
  constexpr double kTwoOverPi = 2 / std::numbers::pi;
  const at::Tensor c_in = unit_variance(l);
  return {.c_skip = c_in * c_in,
          .c_out = kTwoOverPi * l.sigma * c_in,
          .c_in = c_in,
          .c_noise = kTwoOverPi * (1 / l.told).atan()};
}

Coefficients vp(const Level& l) {
  return epsilon_at(l, 999 * vp_time_of(l.told));
}

Coefficients ve(const Level& l) {
  const at::Tensor one = at::ones_like(l.sigma);
  return {.c_skip = one, .c_out = l.sigma, .c_in = one, .c_noise = (l.told / 2).log()};
}

Coefficients iddpm(const Level& l) {
  return epsilon_at(l, timestep_of(l.told, l.p.levels, Timestep::nearest));
}

std::string schedule_of(const PreconditioningConfig& c) {
  if (c.schedule != kOwnSchedule) return c.schedule;
  return c.rule == "iddpm" ? "cosine" : "sd";
}

SigmaRange everywhere(const PreconditioningConfig&) {
  return {};
}

SigmaRange scheduled(const PreconditioningConfig& c) {
  const std::string schedule = schedule_of(c);
  const std::vector<double> levels = schedule_levels(schedule);
  return {levels.front(), ends_in_pure_noise(schedule) ? SigmaRange().highest : levels.back()};
}

}  // namespace

/// One row is all there is to a rule.
struct PreconditioningRule {
  const char* name;
  Coefficients (*at)(const Level&);
  SigmaRange (*range)(const PreconditioningConfig&);
  const char* weighting;      ///< 1/c_out²
  bool any_schedule = false;  ///< it has one, and it is the user's choice
  bool bears_pure_noise = true;
};

namespace {

constexpr PreconditioningRule kRules[] = {
    {"edm", edm, everywhere, "edm"},
    {"trig", trig, everywhere, "edm"},
    {"epsilon", epsilon, scheduled, "epsilon", true, false},
    {"v", velocity, scheduled, "v", true},
    {"image", image, scheduled, "none", true},
    {"flow", flow, everywhere, "flow"},
    {"flow_to_data", flow_to_data, everywhere, "flow"},
    {"gvp", gvp, everywhere, "gvp"},
    {"vp", vp,
     [](const PreconditioningConfig&) {
       return SigmaRange{vp_sigma(1e-5), vp_sigma(1)};
     },
     "epsilon"},
    {"ve", ve,
     [](const PreconditioningConfig&) {
       return SigmaRange{0.02, 100};
     },
     "epsilon"},
    {"iddpm", iddpm, scheduled, "epsilon"},
};

bool has_schedule(const PreconditioningRule& rule) {
  return rule.range == scheduled;
}

}  // namespace

std::vector<std::string> preconditioning_names() {
  return config::names_of(kRules);
}

std::string PreconditioningConfig::problem() const {
  const PreconditioningRule* const row = config::find_row(kRules, rule);
  if (row == nullptr) return "no preconditioning named '" + rule + "'";
  if (schedule != kOwnSchedule && !row->any_schedule)
    return "schedule: " + rule + " has none to be chosen; epsilon, v and image have";
  if (!row->bears_pure_noise && ends_in_pure_noise(schedule_of(*this)))
    return "schedule: " + schedule_of(*this) + " ends in pure noise, sigma = inf, of which " + rule +
           " tells no image; v and image do";
  if (timestep != "interpolated" && !row->any_schedule)
    return "timestep: " + rule + " has no schedule to round to";
  return "";
}

Preconditioning make_preconditioning(const PreconditioningConfig& config) {
  const std::string problem = config.problem();
  TORCH_CHECK(problem.empty(), "preconditioning.", problem);
  Preconditioning p{.config = config, .rule = config::find_row(kRules, config.rule), .levels = {}};
  if (has_schedule(*p.rule)) p.levels = at::tensor(schedule_levels(schedule_of(config)), at::kDouble);
  return p;
}

Coefficients coefficients(const Preconditioning& preconditioning, const at::Tensor& sigma) {
  const at::Tensor column = sigma.reshape({-1, 1, 1, 1}), told = sigma.reshape({-1});
  return preconditioning.rule->at({column, told, preconditioning});
}

SigmaRange valid_range(const PreconditioningConfig& config) {
  return config::find_row(kRules, config.rule)->range(config);
}

std::string trained_schedule(const PreconditioningConfig& config) {
  return has_schedule(*config::find_row(kRules, config.rule)) ? schedule_of(config) : "";
}

std::string native_weighting(const std::string& rule) {
  return config::find_row(kRules, rule)->weighting;
}

}  // namespace onestep
