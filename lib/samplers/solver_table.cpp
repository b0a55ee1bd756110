// SPDX-License-Identifier: Apache-2.0
#include "samplers/solver_table.h"

#include <utility>

namespace onestep {
namespace {

using enum Momentum::Kind;

Multistep multistep(Extrapolation rule, int64_t order, Momentum momentum = {}) {
  return {.rule = rule, .order = order, .momentum = momentum};
}

Family plain(const char* name, Solver solver, const char* order, const char* nfe, const char* meaning) {
  return {name, "", Number::none, 0, std::move(solver), name, order, nfe, meaning};
}

Family alias(const char* name, Solver solver) {
  return {name, "", Number::none, 0, std::move(solver), "", "", "", ""};
}

/// Of one network call a step, with K in its name.
Family ordered(const char* prefix, const char* suffix, int64_t highest, Method method, const char* order,
               const char* meaning) {
  return {prefix, suffix, Number::order, highest, {std::move(method)}, std::string(prefix) + "K" + suffix,
          order,  "N",    meaning};
}

/// On the Adams–Bashforth combination, with the paper's single number.
Family with_momentum(const char* prefix, Momentum::Kind kind, const char* order, const char* meaning) {
  return {prefix,
          "",
          Number::momentum,
          kMaxOrder,
          {multistep(Extrapolation::adams_bashforth, 4, {kind, 0.8})},
          std::string(prefix) + "J.B",
          order,
          "N",
          meaning};
}

}  // namespace

const std::vector<Family>& solver_families() {
  using enum Extrapolation;
  constexpr const char* any = "K, any grid";
  constexpr const char* first = "1 (K without momentum)";
  static const std::vector<Family> table{
      plain("one_step", {OneStep{}}, "-", "1", "x = D(x; sigma_max): a distilled student"),
      plain("renoise", {Euler{}, Renoise{}}, "-", "N", "x' = D + sigma' noise: a student of several steps"),
      plain("euler", {Euler{}}, "1", "N", "Euler; ddim and dpmpp1s are other names of it"),
      alias("ddim", {Euler{}}),
      alias("dpmpp1s", {Euler{}}),
      plain("heun", {Heun{}}, "2", "2N-1", "Heun (EDM)"),
      plain("midpoint", {Heun{0.5}}, "2", "2N-1", "the midpoint rule"),
      plain("ralston", {Heun{2. / 3}}, "2", "2N-1", "Ralston"),
      plain("dpm2", {Dpm2{}}, "2", "2N-1", "DPM-Solver-2"),
      plain("dpmpp2s", {Dpmpp2S{}}, "2", "2N-1", "DPM-Solver++(2S)"),
      plain("dpmpp_sde", {DpmppSde{}}, "-", "2N-1", "SDE-DPM-Solver++ of single steps"),
      ordered("ab", "", kMaxOrder, multistep(adams_bashforth, 4), "K", "Adams-Bashforth (iPNDM), K to 5"),
      plain("plms", {Multistep{.trapezoid_start = true}}, "4", "N+1",
            "ab4 whose first step is made again with the mean slope: SD's PNDM"),
      ordered("lms", "", kMaxOrder, multistep(lagrange, 4), any, "the same on uneven steps, K to 5"),
      ordered("deis", "", kMaxOrder, multistep(log_lagrange, 3), any, "DEIS: in ln sigma, K to 5"),
      ordered("dpmpp", "m", 3, multistep(exponential, 2), "K, at most 2", "DPM-Solver++ multistep, K to 3"),
      ordered("unip", "", 3, UniPC{.corrector = false}, any, "UniPC's predictor alone, K to 3"),
      ordered("unipc", "", 3, UniPC{}, "K+1, any grid", "UniPC, K to 3"),
      with_momentum("hb", heavy_ball, first, "heavy ball: hb3.8 is order 4, beta 0.8; hb4 is ab4"),
      with_momentum("nt", nesterov, first, "Nesterov's momentum"),
      with_momentum("ghvb", ghvb, "J+1", "generalised heavy ball: order 4 for ghvb3.8"),
  };
  return table;
}

namespace {

template <Momentum::Kind kind>
bool add_momentum(Solver& solver) {
  if (auto* unipc = std::get_if<UniPC>(&solver.method)) {
    const bool acts = kind == heavy_ball && unipc->beta == 1 && (unipc->corrector || unipc->order > 1);
    if (acts) unipc->beta = 0.8;
    return acts;
  }
  auto* multistep = std::get_if<Multistep>(&solver.method);
  if (multistep == nullptr || multistep->momentum.kind != none || multistep->trapezoid_start) return false;
  multistep->momentum = {kind, 0.8};
  return true;
}

/// Where a solver has steps of two points whose rule is a choice, and that has not been made; else null.
TwoPoints* open_choice(Solver& solver) {
  TwoPoints* choice = nullptr;
  if (auto* unipc = std::get_if<UniPC>(&solver.method); unipc && (unipc->corrector || unipc->order > 1))
    choice = &unipc->two_points;
  if (auto* multistep = std::get_if<Multistep>(&solver.method);
      multistep && !extrapolates_slopes(multistep->rule) && multistep->order == 2)
    choice = &multistep->two_points;
  return choice && *choice == TwoPoints::midpoint ? choice : nullptr;
}

template <TwoPoints chosen>
bool choose_two_points(Solver& solver) {
  TwoPoints* const choice = open_choice(solver);
  if (choice != nullptr) *choice = chosen;
  return choice != nullptr;
}

template <class Rule>
bool add_noise(Solver& solver) {
  if (!std::holds_alternative<Deterministic>(solver.stochastic)) return false;
  solver.stochastic = Rule{};
  return true;
}

}  // namespace

const std::vector<Modifier>& solver_modifiers() {
  static const std::string multistep = "abK, lmsK, deisK, dpmppKm";
  static const std::vector<Modifier> table{
      {"ancestral", "_ancestral", "single steps", "noise of DDPM's strength after each step (eta)", false,
       add_noise<Ancestral>},
      {"sde", "_sde", "dpmppKm, single steps", "the stochastic equation (eta)", false, add_noise<Sde>},
      {"hb", "_hb0.B", multistep + ", unipcK", "heavy-ball momentum of weight beta", true,
       add_momentum<heavy_ball>},
      {"nt", "_nt0.B", multistep, "Nesterov's momentum", true, add_momentum<nesterov>},
      {"ghvb", "_ghvb0.B", "abK, lmsK, deisK", "generalised heavy ball", true, add_momentum<ghvb>},
      {"heun", "_heun", "dpmpp2m, unipK, unipcK", "the exact two-point rule", false,
       choose_two_points<TwoPoints::heun>},
      {"bh1", "_bh1", "dpmpp2m, unipK, unipcK", "UniPC's B1 for two points", false,
       choose_two_points<TwoPoints::b1>},
  };
  return table;
}

}  // namespace onestep
