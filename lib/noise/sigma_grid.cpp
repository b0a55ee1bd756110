// SPDX-License-Identifier: Apache-2.0
#include "noise/sigma_grid.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <variant>

#include <c10/util/Exception.h>

#include "config/check.h"
#include "config/named_rows.h"
#include "config/scalar.h"
#include "config/suggest.h"
#include "noise/sigma_curve.h"
#include "noise/time_grid.h"
#include "noise/timesteps.h"

namespace onestep {
namespace {

constexpr int64_t kMostSteps = 1000000;

using RangeOf = std::function<SigmaRange(const std::vector<double>& parameters)>;

RangeOf always(double lowest, double highest) {
  return [=](const std::vector<double>&) { return SigmaRange{lowest, highest}; };
}

struct Parameter {
  std::string name;
  double otherwise;
  config::Check check;
};

/// A curve between two levels.
struct FromEnds {
  RangeOf range;              ///< default levels
  std::optional<double> rho;  ///< default; none where the rule has no such exponent
  SigmaCurve (*curve)(const CurveSetting&);
};

/// The levels of some of a schedule's timesteps.
struct OfTimesteps {
  Times* timesteps;
};

/// The levels of a flow's times.
struct OfFlow {
  Times* levels;
};

/// A rule. One row is all there is to it: the texts, the checks and the tests iterate the table.
struct Rule {
  std::string name;
  std::variant<FromEnds, OfTimesteps, OfFlow> form;
  std::vector<Parameter> parameters;
  std::string meaning;
};

config::Check whole(int64_t least, int64_t most) {
  return {"a whole number in [" + std::to_string(least) + ", " + std::to_string(most) + "]",
          [range = config::between(static_cast<double>(least), static_cast<double>(most))](double x) {
            return range.number(x) && x == std::floor(x);
          },
          {},
          {}};
}

const std::vector<Rule>& rules() {
  static const config::Check inside{"in (0, 1)", [](double x) { return x > 0 && x < 1; }, {}, {}};
  static const config::Check shape = config::between(0.01, 50), flag = whole(0, 1);
  // clang-format off: the rows read as a table
  static const std::vector<Rule> table{
      // name, form, parameters
      //   meaning
      {"karras", FromEnds{always(0.002, 80), 7, karras_curve}, {}, "evenly in sigma^(1/rho); EDM's"},

      {"exponential", FromEnds{always(0.002, 80), {}, exponential_curve}, {}, "evenly in ln sigma"},

      {"log_snr",
       FromEnds{always(0.002, 80), {}, exponential_curve},
       {},
       "evenly in the log signal-to-noise ratio -2 ln sigma: the same numbers as exponential"},

      {"polyexponential",
       FromEnds{always(0.002, 80), 1, polyexponential_curve},
       {},
       "ln sigma falls as (1-u)^rho: exponential at rho 1, denser at low levels above"},

      {"linear", FromEnds{always(0.002, 80), {}, linear_curve}, {}, "evenly in sigma"},

      {"vp",
       FromEnds{vp_range, {}, vp_curve},
       {{"epsilon", 0.001, inside}},
       "variance preserving: evenly in its time from 1 to epsilon; beta_d and beta_min follow from the "
       "range"},

      {"ve",
       FromEnds{always(0.02, 100), {}, exponential_curve},
       {},
       "variance exploding: exponential over its own range"},

      {"iddpm",
       FromEnds{always(0.002, 81), {}, iddpm_curve},
       {{"C_1", 0.001, inside}, {"C_2", 0.008, config::between(0, 1)}, {"M", 1000, whole(1, 1000000)}},
       "evenly among the levels inside the range that a model of M discrete steps (cosine) was trained at"},

      {"kl_optimal",
       FromEnds{always(0.002, 80), {}, kl_optimal_curve},
       {},
       "evenly in arctan sigma (Align Your Steps)"},

      {"beta",
       FromEnds{always(0.002, 80), 7, beta_curve},
       {{"alpha", 0.6, shape}, {"beta", 0.6, shape}},
       "at the quantiles of Beta(alpha, beta) in sigma^(1/rho): below 1 they are denser at both ends"},

      {"leading",
       OfTimesteps{leading_timesteps},
       {{"offset", 0, whole(0, 999)}, {"left_out", 0, flag}},
       "timesteps 0, s, 2s ... + offset, s = floor(1000/N): SD's DDIM and PNDM with offset 1; left_out 1 "
       "leaves out the lowest of N + 1 (DPM-Solver++)"},

      {"trailing", OfTimesteps{trailing_timesteps}, {}, "timesteps round(1000 i/N) - 1, from 999 on"},

      {"linspace",
       OfTimesteps{linspace_timesteps},
       {{"left_out", 0, flag}, {"whole", 0, flag}},
       "evenly from timestep 999 to 0 (Euler); left_out 1 leaves out the lowest of N + 1, whole 1 rounds "
       "(DPM-Solver++: 1, 1)"},

      {"lcm",
       OfTimesteps{lcm_timesteps},
       {{"original_steps", 50, whole(1, 1000)}},
       "evenly among the trailing timesteps of original_steps: latent consistency models"},

      {"flow",
       OfFlow{flow_levels},
       {{"shift", 1, config::between(0.001, 1000)},
        {"lowest", 0.001, config::between(0, 1)},
        {"highest", 1, config::between(0, 1)},
        {"double_shift", 0, flag}},
       "shift t/(1-t), times t evenly from highest to lowest (0: highest/N, FLUX); t = 1 is sigma 1e6; "
       "double_shift 1 shifts the lowest twice, as diffusers does"},
  };
  // clang-format on
  return table;
}

std::string plural(size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

/// The user's parameters, and the defaults of the others.
std::vector<double> all_parameters(const Rule& rule, std::vector<double> given) {
  for (size_t i = given.size(); i < rule.parameters.size(); ++i)
    given.push_back(rule.parameters[i].otherwise);
  return given;
}

std::string parameter_problem(const Rule& rule, const std::vector<double>& given) {
  if (given.size() > rule.parameters.size())
    return "takes " + plural(rule.parameters.size(), "parameter") + ", got " + std::to_string(given.size());
  for (size_t i = 0; i < given.size(); ++i) {
    const Parameter& parameter = rule.parameters[i];
    if (!parameter.check.number(given[i]))
      return parameter.name + " must be " + parameter.check.expected + ", got " + config::shortest(given[i]);
  }
  return "";
}

/// What a grid asks of its rule.
struct Wanted {
  const SigmaGrid& grid;
  int64_t steps;
  std::vector<double> parameters;
};

SigmaRange ends_of(const FromEnds& form, const Wanted& w) {
  const SigmaRange otherwise = form.range(w.parameters);
  return {w.grid.sigma_min.value_or(otherwise.lowest), w.grid.sigma_max.value_or(otherwise.highest)};
}

std::string setting_problem(const FromEnds& form, const CurveSetting& s) {
  const auto is_positive = [](double x) { return x > 0 && std::isfinite(x); };
  const auto must = [](const std::string& name, double value) {
    return name + " must be finite and > 0, got " + config::shortest(value);
  };
  if (!is_positive(s.range.lowest)) return must("sigma_min", s.range.lowest);
  if (!is_positive(s.range.highest)) return must("sigma_max", s.range.highest);
  if (s.range.lowest >= s.range.highest)
    return "sigma_min must be below sigma_max, got " + config::shortest(s.range.lowest) + " and " +
           config::shortest(s.range.highest);
  if (form.rho && !is_positive(s.rho)) return must("rho", s.rho);
  return "";
}

/// A key that the form has no use for, or "".
std::string idle_key(const std::variant<FromEnds, OfTimesteps, OfFlow>& form, const SigmaGrid& grid) {
  const auto* ends = std::get_if<FromEnds>(&form);
  const bool schedule = std::holds_alternative<OfTimesteps>(form);
  if (ends == nullptr && grid.sigma_min) return "sigma_min";
  if (ends == nullptr && grid.sigma_max) return "sigma_max";
  if (grid.rho && (ends == nullptr || !ends->rho)) return "rho";
  if (grid.schedule && !schedule) return "schedule";
  return grid.to_first_timestep && !schedule ? "first timestep to end in" : "";
}

std::string falls_problem(const std::vector<double>& sigmas, int64_t steps) {
  const auto falls = [](double before, double after) { return after < before; };  // no NaN does
  if (std::equal(sigmas.begin(), sigmas.end() - 1, sigmas.begin() + 1, falls)) return "";
  return plural(steps, "step") + " from " + config::shortest(sigmas.front()) + " to " +
         config::shortest(sigmas.end()[-2]) + " do not decrease strictly in float64";
}

// Each `place` fills `sigmas`, the end included, and returns what is wrong, or "".

std::string place(const FromEnds& form, const Wanted& w, std::vector<double>& sigmas) {
  const CurveSetting s{ends_of(form, w), w.grid.rho.value_or(form.rho.value_or(1)), w.parameters};
  if (const std::string problem = setting_problem(form, s); !problem.empty()) return problem;
  const SigmaCurve curve = form.curve(s);
  if (w.steps > curve.levels)
    return "has " + plural(curve.levels, "level") + " from " + config::shortest(s.range.highest) + " to " +
           config::shortest(s.range.lowest) + ", too few for " + plural(w.steps, "step");

  sigmas = {s.range.highest};  // the whole grid where steps = 1 and u would be 0/0
  if (w.steps > 1) {
    sigmas.clear();
    for (int64_t i = 0; i < w.steps; ++i)
      sigmas.push_back(curve.sigma(static_cast<double>(i) / static_cast<double>(w.steps - 1)));
  }
  sigmas.push_back(0);
  return falls_problem(sigmas, w.steps);
}

std::string place(const OfTimesteps& form, const Wanted& w, std::vector<double>& sigmas) {
  const std::vector<double> levels = schedule_levels(w.grid.schedule.value_or("sd"));
  const std::vector<double> timesteps = form.timesteps(w.steps, w.parameters);
  const double first = timesteps.front(), last = timesteps.back();
  if (std::ranges::adjacent_find(timesteps, std::less_equal<>()) != timesteps.end())
    return "has too few timesteps for " + plural(w.steps, "step");
  if (first >= static_cast<double>(levels.size()) || last < 0)
    return "timesteps " + config::shortest(first) + " to " + config::shortest(last) +
           " are outside 0 to 999, which the schedule has";
  if (w.grid.to_first_timestep && last == 0)
    return "reaches timestep 0 before its end: the last level must be zero";
  for (const double t : timesteps) sigmas.push_back(level_at(levels, t));
  sigmas.push_back(w.grid.to_first_timestep ? levels.front() : 0);
  return "";
}

std::string place(const OfFlow& form, const Wanted& w, std::vector<double>& sigmas) {
  const double lowest = w.parameters[1], highest = w.parameters[2];
  if (lowest >= highest)
    return "lowest must be below highest, got " + config::shortest(lowest) + " and " +
           config::shortest(highest);
  sigmas = form.levels(w.steps, w.parameters);
  sigmas.push_back(0);
  return falls_problem(sigmas, w.steps);
}

std::string place(const Rule& rule, const SigmaGrid& grid, int64_t steps, std::vector<double>& sigmas) {
  if (steps < 1 || steps > kMostSteps)
    return "steps must be 1 to " + std::to_string(kMostSteps) + ", got " + std::to_string(steps);
  if (const std::string key = idle_key(rule.form, grid); !key.empty()) return "has no " + key;
  if (const std::string problem = parameter_problem(rule, grid.parameters); !problem.empty()) return problem;
  const Wanted wanted{grid, steps, all_parameters(rule, grid.parameters)};
  return std::visit([&](const auto& form) { return place(form, wanted, sigmas); }, rule.form);
}

std::string place(const SigmaGrid& grid, int64_t steps, std::vector<double>& sigmas) {
  const Rule* rule = config::find_row(rules(), grid.rule);
  const std::string name = "'" + config::shown(grid.rule) + "'";
  if (rule == nullptr) {
    const std::string nearest = config::nearest(grid.rule, sigma_grid_names());
    return "no sigma grid " + name + (nearest.empty() ? "" : " (did you mean '" + nearest + "'?)") +
           "; there are: " + config::join(sigma_grid_names(), ", ");
  }
  const std::string problem = place(*rule, grid, steps, sigmas);
  return problem.empty() ? "" : "sigma grid " + name + ": " + problem;
}

std::string three_digits(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", x);
  return text;
}

std::string range_text(const FromEnds& form, const std::vector<double>& parameters) {
  const SigmaRange range = form.range(parameters);
  return three_digits(range.lowest) + " to " + three_digits(range.highest);
}

std::string range_text(const OfTimesteps&, const std::vector<double>&) {
  return "its schedule's";
}

std::string range_text(const OfFlow& form, const std::vector<double>& parameters) {
  const std::vector<double> two = form.levels(2, parameters);
  return three_digits(two[1]) + " to " + three_digits(two[0]);
}

SigmaGridInfo info(const Rule& rule) {
  std::vector<std::string> parameters;
  const auto* ends = std::get_if<FromEnds>(&rule.form);
  if (ends != nullptr && ends->rho) parameters.push_back("rho " + config::shortest(*ends->rho));
  for (const Parameter& p : rule.parameters)
    parameters.push_back(p.name + " " + config::shortest(p.otherwise));
  const std::string range =
      std::visit([&](const auto& form) { return range_text(form, all_parameters(rule, {})); }, rule.form);
  return {rule.name, parameters.empty() ? "-" : config::join(parameters, ", "), range, rule.meaning};
}

const Rule& rule_of(const SigmaGrid& grid) {
  const Rule* const rule = config::find_row(rules(), grid.rule);
  TORCH_CHECK(rule != nullptr, "no sigma grid '", grid.rule, "'");
  return *rule;
}

}  // namespace

std::string grid_problem(const SigmaGrid& grid, int64_t steps) {
  std::vector<double> sigmas;
  return place(grid, steps, sigmas);
}

std::vector<double> sigma_grid(const SigmaGrid& grid, int64_t steps) {
  std::vector<double> sigmas;
  const std::string problem = place(grid, steps, sigmas);
  TORCH_CHECK(problem.empty(), problem);
  return sigmas;
}

std::optional<SigmaRange> ends_of(const SigmaGrid& grid) {
  const Rule& rule = rule_of(grid);
  const auto* const form = std::get_if<FromEnds>(&rule.form);
  if (form == nullptr) return {};
  return ends_of(*form, {grid, 0, all_parameters(rule, grid.parameters)});
}

bool has_timesteps(const SigmaGrid& grid) {
  return std::holds_alternative<OfTimesteps>(rule_of(grid).form);
}

std::vector<SigmaGridInfo> list_sigma_grids() {
  std::vector<SigmaGridInfo> list;
  for (const Rule& rule : rules()) list.push_back(info(rule));
  return list;
}

std::vector<std::string> sigma_grid_names() {
  return config::names_of(rules());
}

}  // namespace onestep
