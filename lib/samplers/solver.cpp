// SPDX-License-Identifier: Apache-2.0
#include "samplers/solver.h"

namespace onestep {
namespace {

template <class... Kinds>
bool is(const auto& variant) {
  return (std::holds_alternative<Kinds>(variant) || ...);
}

std::string momentum_problem(const Multistep& solver) {
  const auto& [kind, beta] = solver.momentum;
  if (kind == Momentum::Kind::none || extrapolates_slopes(solver.rule)) return "";
  if (kind == Momentum::Kind::ghvb)
    return "ghvb replaces the extrapolation of slopes; on denoised images there are hb and nt";
  return solver.order == 1 ? "a solver of first order on denoised images has nothing that momentum acts on"
                           : "";
}

}  // namespace

std::string solver_problem(const Solver& solver) {
  const auto& [method, stochastic] = solver;
  const auto* multistep = std::get_if<Multistep>(&method);
  if (multistep != nullptr) {
    if (const std::string problem = momentum_problem(*multistep); !problem.empty()) return problem;
  }
  if (is<Deterministic>(stochastic)) return "";
  if (is<OneStep, DpmppSde>(method)) return "no further noise goes into one_step and dpmpp_sde";
  if (is<Renoise>(stochastic)) return is<Euler>(method) ? "" : "renoise goes with no other solver";
  const bool remembers = is<Multistep, UniPC>(method);
  if (remembers && is<Churn, Ancestral>(stochastic))
    return "churn and ancestral noise need a solver of single steps (euler, heun, dpm2, dpmpp2s): a "
           "multistep "
           "solver's old slopes carry stale noise";
  const bool images =
      multistep != nullptr && !extrapolates_slopes(multistep->rule) && multistep->momentum.beta == 1;
  if (is<Sde>(stochastic) && remembers && !images)
    return "sde noise needs dpmpp1m, 2m or 3m without momentum, or a solver of single steps";
  return "";
}

}  // namespace onestep
