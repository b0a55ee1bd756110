// SPDX-License-Identifier: Apache-2.0
#include "samplers/solver_names.h"

#include <charconv>
#include <functional>
#include <sstream>

#include "config/node.h"
#include "config/suggest.h"
#include "samplers/solver_table.h"

namespace onestep {
namespace {

using config::ConfigError;
using enum Momentum::Kind;

int64_t* order_of(Solver& solver) {
  if (auto* multistep = std::get_if<Multistep>(&solver.method)) return &multistep->order;
  auto* unipc = std::get_if<UniPC>(&solver.method);
  return unipc ? &unipc->order : nullptr;
}

/// While a spec is being read.
struct Reader {
  const std::string& spec;
  std::string_view rest;
  Solver solver = {};
  bool order_said = false, beta_said = false;

  [[noreturn]] void fail(const std::string& what) const {
    throw ConfigError("solver '" + config::shown(spec) + "': " + what);
  }

  bool take(const std::string& word) {
    if (!rest.starts_with(word)) return false;
    rest.remove_prefix(word.size());
    return true;
  }

  std::string take_number() {
    const std::string number(rest.substr(0, rest.find_first_not_of("0123456789.+-")));
    rest.remove_prefix(number.size());
    return number;
  }

  void set_order(int64_t order, int64_t highest) {
    if (order < 1 || order > highest)
      fail("order must be 1 to " + std::to_string(highest) + ", got " + std::to_string(order));
    *order_of(solver) = order;
    order_said = true;
  }

  void set_beta(double beta) {
    if (!(beta > 0 && beta <= 1)) {
      std::ostringstream text;
      text << "beta must be in (0, 1], got " << beta;
      fail(text.str());
    }
    *momentum_beta(solver) = beta;
    beta_said = true;
  }
};

struct OrderAndBeta {
  int64_t order;
  double beta;
};

/// The paper's single number, digits[.digits]: the order is rounded up, the fraction is β, none is β = 1.
OrderAndBeta parse_momentum(const std::string& number, const Reader& reader) {
  const size_t dot = number.find('.');
  const std::string whole = number.substr(0, dot);
  const std::string fraction = dot == std::string::npos ? "0" : number.substr(dot + 1);
  const auto digits = [](const std::string& s, size_t most) {
    return !s.empty() && s.size() <= most && s.find_first_not_of("0123456789") == std::string::npos;
  };
  if (!digits(whole, 3) || !digits(fraction, 400))
    reader.fail("expected a number such as 3.8 (order 4, beta 0.8), got '" + number + "'");
  double beta = 1;
  const bool momentum = fraction.find_first_not_of('0') != std::string::npos;
  if (momentum) {
    const std::string text = "0." + fraction;
    std::from_chars(text.data(), text.data() + text.size(), beta);
  }
  return {std::stoll(whole) + (momentum ? 1 : 0), beta};
}

/// Whether `rest` begins with a solver of the family; reads it if so.
bool read_family(const Family& family, Reader& reader) {
  Reader trial = reader;
  trial.solver = family.solver;
  if (!trial.take(family.prefix)) return false;
  const std::string number = family.number == Number::none ? "" : trial.take_number();
  if (!trial.take(family.suffix) || !(trial.rest.empty() || trial.rest[0] == '_')) return false;
  reader.rest = trial.rest;
  reader.solver = trial.solver;
  if (number.empty()) return true;
  if (family.number == Number::momentum) {
    const auto [order, beta] = parse_momentum(number, reader);
    reader.set_order(order, family.highest_order);
    reader.set_beta(beta);
  } else {
    if (number.size() > 3 || number.find_first_not_of("0123456789") != std::string::npos)
      reader.fail("expected an order of 1 to " + std::to_string(family.highest_order) + ", got '" + number +
                  "'");
    reader.set_order(std::stoll(number), family.highest_order);
  }
  return true;
}

const Family& read_family(Reader& reader) {
  for (const Family& family : solver_families())
    if (read_family(family, reader)) return family;
  std::vector<std::string> names, shown;
  for (const Family& f : solver_families()) {
    const std::string number = f.number == Number::momentum ? "3.8" : f.number == Number::order ? "2" : "";
    names.push_back(f.prefix + number + f.suffix);
    if (!f.shown.empty()) shown.push_back(f.shown);
  }
  std::string nearest = config::nearest(reader.spec, names);
  throw ConfigError("no solver '" + config::shown(reader.spec) + "'" +
                    (nearest.empty() ? "" : " (did you mean '" + nearest + "'?)") +
                    "; there are: " + config::join(shown, ", "));
}

void read_modifier(Reader& reader) {
  const std::string word(reader.rest.substr(1, reader.rest.find('_', 1) - 1));
  std::vector<std::string> names;
  for (const Modifier& modifier : solver_modifiers()) {
    names.push_back(modifier.name);
    Reader trial = reader;
    if (!trial.take("_" + modifier.name)) continue;
    const std::string number = modifier.takes_beta ? trial.take_number() : "";
    if (!trial.rest.empty() && trial.rest[0] != '_') continue;
    reader.rest = trial.rest;
    if (!modifier.apply(reader.solver))
      reader.fail("'_" + modifier.name + "' goes once, after " + modifier.follows);
    if (!number.empty()) {
      const auto [order, beta] = parse_momentum(number, reader);
      if (order != 1) reader.fail("the number after '_" + modifier.name + "' is beta alone, such as 0.8");
      reader.set_beta(beta);
    }
    return;
  }
  const std::string nearest = config::nearest(word, names);
  reader.fail("no modifier '_" + config::shown(word) + "'" +
              (nearest.empty() ? "" : " (did you mean '_" + nearest + "'?)") + "; there are: _" +
              config::join(names, ", _"));
}

/// η, the churn and the scale of the noise.
void lay_noise(const SolverOptions& o, Reader& reader) {
  const bool churns = o.churn || o.churn_min || o.churn_max;
  if (churns) {
    if (!std::holds_alternative<Deterministic>(reader.solver.stochastic) || !o.churn)
      reader.fail(o.churn ? "churn is for a solver without noise of its own"
                          : "churn_min and churn_max need churn");
    Churn churn{.churn = *o.churn, .low = o.churn_min.value_or(0)};
    if (o.churn_max) churn.high = *o.churn_max;
    reader.solver.stochastic = churn;
  }
  const auto lay = [&](auto& rule) {
    if constexpr (requires { rule.eta; }) {
      if (o.eta) rule.eta = *o.eta;
    } else if (o.eta) {
      return false;
    }
    if constexpr (requires { rule.noise_scale; }) {
      if (o.noise_scale) rule.noise_scale = *o.noise_scale;
    } else if (o.noise_scale) {
      return false;
    }
    return true;
  };
  auto* single = std::get_if<DpmppSde>(&reader.solver.method);
  const bool laid = single ? lay(*single) : std::visit(lay, reader.solver.stochastic);
  if (!laid) reader.fail("has no noise that eta and noise_scale could act on");
}

std::string text(double value) {
  char digits[400];  // 1e-300 in full
  return {digits, std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed).ptr};
}

/// k and β as the paper's single number.
std::string momentum_number(int64_t order, double beta) {
  return beta == 1 ? std::to_string(order) : std::to_string(order - 1) + text(beta).substr(1);  // 0.8 → .8
}

const char* momentum_name(Momentum::Kind kind) {
  return kind == heavy_ball ? "hb" : kind == nesterov ? "nt" : "ghvb";
}

const char* two_points_name(TwoPoints choice, TwoPoints usual) {
  return choice == usual ? "" : choice == TwoPoints::heun ? "_heun" : "_bh1";
}

struct Name {
  std::string operator()(const OneStep&) const { return "one_step"; }
  std::string operator()(const Euler&) const { return "euler"; }
  std::string operator()(const Heun& s) const {
    return s.alpha == 1 ? "heun" : s.alpha == 0.5 ? "midpoint" : "ralston";
  }
  std::string operator()(const Dpm2&) const { return "dpm2"; }
  std::string operator()(const Dpmpp2S&) const { return "dpmpp2s"; }
  std::string operator()(const DpmppSde&) const { return "dpmpp_sde"; }
  std::string operator()(const Multistep& s) const {
    const auto& [kind, beta] = s.momentum;
    const std::string order = std::to_string(s.order);
    const std::string after = kind == none ? "" : std::string("_") + momentum_name(kind) + text(beta);
    if (s.trapezoid_start) return "plms";
    switch (s.rule) {
      case Extrapolation::adams_bashforth:
        return kind == none ? "ab" + order : momentum_name(kind) + momentum_number(s.order, beta);
      case Extrapolation::lagrange:
        return "lms" + order + after;
      case Extrapolation::log_lagrange:
        return "deis" + order + after;
      case Extrapolation::exponential:
        break;
    }
    return "dpmpp" + order + "m" + after;
  }
  std::string operator()(const UniPC& s) const {
    return (s.corrector ? "unipc" : "unip") + std::to_string(s.order) +
           (s.beta < 1 ? "_hb" + text(s.beta) : "") + two_points_name(s.two_points, TwoPoints::midpoint);
  }
};

}  // namespace

Solver parse_solver(const std::string& spec, const SolverOptions& options) {
  Reader reader{spec, spec};
  const Family& family = read_family(reader);
  while (!reader.rest.empty()) read_modifier(reader);

  const bool orders = family.number != Number::none;
  if ((options.order && reader.order_said) || (options.beta && reader.beta_said))
    reader.fail("already says its order or beta: leave that option out");
  if (options.order && !orders) reader.fail("has no order to set");
  if (options.order) reader.set_order(*options.order, family.highest_order);
  if (options.beta && momentum_beta(reader.solver) == nullptr)
    reader.fail("has no momentum whose beta could be set");
  if (options.beta) reader.set_beta(*options.beta);
  lay_noise(options, reader);

  if (auto* multistep = std::get_if<Multistep>(&reader.solver.method);
      multistep && multistep->rule == Extrapolation::exponential && multistep->order == 3) {
    // As the reference codes have it: of the stochastic form k-diffusion's, of the other diffusers'.
    if (std::holds_alternative<Deterministic>(reader.solver.stochastic)) {
      multistep->low_end_below = 15;
    } else {
      multistep->two_points = TwoPoints::heun;
    }
  }
  if (const std::string problem = solver_problem(reader.solver); !problem.empty()) reader.fail(problem);
  return reader.solver;
}

std::string solver_name(const Solver& solver) {
  if (std::holds_alternative<Renoise>(solver.stochastic)) return "renoise";
  std::string name = std::visit(Name{}, solver.method);
  if (std::holds_alternative<Ancestral>(solver.stochastic)) name += "_ancestral";
  if (std::holds_alternative<Sde>(solver.stochastic)) name += "_sde";
  const auto* multistep = std::get_if<Multistep>(&solver.method);
  if (multistep && multistep->order == 2) name += two_points_name(multistep->two_points, TwoPoints::midpoint);
  return name;
}

std::vector<SolverInfo> list_solvers() {
  std::vector<SolverInfo> list;
  for (const Family& f : solver_families())
    if (!f.shown.empty()) list.push_back({f.shown, f.order, f.nfe, f.meaning});
  return list;
}

std::vector<SolverInfo> list_solver_modifiers() {
  std::vector<SolverInfo> list;
  for (const Modifier& m : solver_modifiers()) list.push_back({m.shown, m.follows, "", m.meaning});
  return list;
}

}  // namespace onestep
