// SPDX-License-Identifier: Apache-2.0
#include "noise/sigma_grid.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>

#include <c10/util/Exception.h>

#include "config/check.h"
#include "config/named_rows.h"
#include "config/scalar.h"
#include "config/suggest.h"
#include "noise/sigma_curve.h"

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

/// A rule. One row is all there is to it: the texts, the checks and the tests iterate the table.
struct Rule {
  std::string name;
  RangeOf range;              ///< default levels
  std::optional<double> rho;  ///< default; none where the rule has no such exponent
  std::vector<Parameter> parameters;
  SigmaCurve (*curve)(const CurveSetting&);
  std::string meaning;
};

const std::vector<Rule>& rules() {
  static const config::Check inside{"in (0, 1)", [](double x) { return x > 0 && x < 1; }, {}, {}};
  static const config::Check count{"a whole number in [1, 1000000]",
                                   [](double x) { return x >= 1 && x <= 1000000 && x == std::floor(x); },
                                   {},
                                   {}};
  static const config::Check shape = config::between(0.01, 50);
  // clang-format off: the rows read as a table
  static const std::vector<Rule> table{
      // name, default levels, default rho, parameters, curve
      //   meaning
      {"karras", always(0.002, 80), 7, {}, karras_curve, "evenly in sigma^(1/rho); EDM's"},

      {"exponential", always(0.002, 80), {}, {}, exponential_curve, "evenly in ln sigma"},

      {"log_snr",
       always(0.002, 80),
       {},
       {},
       exponential_curve,
       "evenly in the log signal-to-noise ratio -2 ln sigma: the same numbers as exponential"},

      {"polyexponential",
       always(0.002, 80),
       1,
       {},
       polyexponential_curve,
       "ln sigma falls as (1-u)^rho: exponential at rho 1, denser at low levels above"},

      {"linear", always(0.002, 80), {}, {}, linear_curve, "evenly in sigma"},

      {"vp",
       vp_range,
       {},
       {{"epsilon", 0.001, inside}},
       vp_curve,
       "variance preserving: evenly in its time from 1 to epsilon; beta_d and beta_min follow from the "
       "range"},

      {"ve",
       always(0.02, 100),
       {},
       {},
       exponential_curve,
       "variance exploding: exponential over its own range"},

      {"iddpm",
       always(0.002, 81),
       {},
       {{"C_1", 0.001, inside}, {"C_2", 0.008, config::between(0, 1)}, {"M", 1000, count}},
       iddpm_curve,
       "evenly among the levels inside the range that a model of M discrete steps (cosine) was trained at"},

      {"kl_optimal",
       always(0.002, 80),
       {},
       {},
       kl_optimal_curve,
       "evenly in arctan sigma (Align Your Steps)"},

      {"beta",
       always(0.002, 80),
       7,
       {{"alpha", 0.6, shape}, {"beta", 0.6, shape}},
       beta_curve,
       "at the quantiles of Beta(alpha, beta) in sigma^(1/rho): below 1 they are denser at both ends"},
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

SigmaRange ends_of(const Rule& rule, const SigmaGrid& grid) {
  const SigmaRange otherwise = rule.range(all_parameters(rule, grid.parameters));
  return {grid.sigma_min.value_or(otherwise.lowest), grid.sigma_max.value_or(otherwise.highest)};
}

std::string setting_problem(const Rule& rule, const CurveSetting& s) {
  const auto is_positive = [](double x) { return x > 0 && std::isfinite(x); };
  const auto must = [](const std::string& name, double value) {
    return name + " must be finite and > 0, got " + config::shortest(value);
  };
  if (!is_positive(s.range.lowest)) return must("sigma_min", s.range.lowest);
  if (!is_positive(s.range.highest)) return must("sigma_max", s.range.highest);
  if (s.range.lowest >= s.range.highest)
    return "sigma_min must be below sigma_max, got " + config::shortest(s.range.lowest) + " and " +
           config::shortest(s.range.highest);
  if (rule.rho && !is_positive(s.rho)) return must("rho", s.rho);
  return "";
}

/// Fills `sigmas`. What is wrong, or "".
std::string place(const Rule& rule, const SigmaGrid& grid, int64_t steps, std::vector<double>& sigmas) {
  if (steps < 1 || steps > kMostSteps)
    return "steps must be 1 to " + std::to_string(kMostSteps) + ", got " + std::to_string(steps);
  if (grid.rho && !rule.rho) return "has no rho";
  if (const std::string problem = parameter_problem(rule, grid.parameters); !problem.empty()) return problem;

  CurveSetting s{{}, grid.rho.value_or(rule.rho.value_or(1)), all_parameters(rule, grid.parameters)};
  s.range = ends_of(rule, grid);
  if (const std::string problem = setting_problem(rule, s); !problem.empty()) return problem;

  const std::string from_to =
      "from " + config::shortest(s.range.highest) + " to " + config::shortest(s.range.lowest);
  const SigmaCurve curve = rule.curve(s);
  if (steps > curve.levels)
    return "has " + plural(curve.levels, "level") + " " + from_to + ", too few for " + plural(steps, "step");

  sigmas = {s.range.highest};  // the whole grid where steps = 1 and u would be 0/0
  if (steps > 1) {
    sigmas.clear();
    for (int64_t i = 0; i < steps; ++i)
      sigmas.push_back(curve.sigma(static_cast<double>(i) / static_cast<double>(steps - 1)));
  }
  sigmas.push_back(0);
  const auto falls = [](double before, double after) { return after < before; };  // no NaN does
  if (!std::equal(sigmas.begin(), sigmas.end() - 1, sigmas.begin() + 1, falls))
    return plural(steps, "step") + " " + from_to + " do not decrease strictly in float64";
  return "";
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

SigmaGridInfo info(const Rule& rule) {
  std::vector<std::string> parameters;
  if (rule.rho) parameters.push_back("rho " + config::shortest(*rule.rho));
  for (const Parameter& p : rule.parameters)
    parameters.push_back(p.name + " " + config::shortest(p.otherwise));
  const SigmaRange range = rule.range(all_parameters(rule, {}));
  return {rule.name, parameters.empty() ? "-" : config::join(parameters, ", "),
          three_digits(range.lowest) + " to " + three_digits(range.highest), rule.meaning};
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

SigmaRange ends_of(const SigmaGrid& grid) {
  const Rule* const rule = config::find_row(rules(), grid.rule);
  TORCH_CHECK(rule != nullptr, "no sigma grid '", grid.rule, "'");
  return ends_of(*rule, grid);
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
