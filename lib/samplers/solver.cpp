// SPDX-License-Identifier: Apache-2.0
#include "samplers/solver.h"

#include <sstream>

namespace onestep {
namespace {

template <class... Kinds>
bool is(const auto& variant) {
  return (std::holds_alternative<Kinds>(variant) || ...);
}

std::string range_problem(int64_t order, int64_t highest, double beta) {
  std::ostringstream problem;
  if (order < 1 || order > highest) problem << "order must be 1 to " << highest << ", got " << order;
  if (!(beta > 0 && beta <= 1)) problem << "beta must be in (0, 1], got " << beta;
  return problem.str();
}

std::string problem_of(const Multistep& solver) {
  const auto& [kind, beta] = solver.momentum;
  const bool slopes = extrapolates_slopes(solver.rule);
  if (const std::string problem = range_problem(solver.order, slopes ? kMaxOrder : 3, beta); !problem.empty())
    return problem;
  if (solver.trapezoid_start && !(slopes && kind == Momentum::Kind::none))
    return "a trapezoid start is for slopes without momentum";
  if (kind == Momentum::Kind::none || slopes) return "";
  if (kind == Momentum::Kind::ghvb)
    return "ghvb replaces the extrapolation of slopes; on denoised images there are hb and nt";
  return solver.order == 1 ? "a solver of first order on denoised images has nothing that momentum acts on"
                           : "";
}

std::string problem_of(const UniPC& solver) {
  return range_problem(solver.order, 3, solver.beta);
}

template <class Method>
std::string problem_of(const Method&) {
  return "";
}

}  // namespace

std::string solver_problem(const Solver& solver) {
  const auto& [method, stochastic] = solver;
  if (const std::string problem = std::visit([](const auto& m) { return problem_of(m); }, method);
      !problem.empty())
    return problem;
  if (is<Deterministic>(stochastic)) return "";
  if (is<OneStep, DpmppSde>(method)) return "no further noise goes into one_step and dpmpp_sde";
  if (is<Renoise>(stochastic)) return is<Euler>(method) ? "" : "renoise goes with no other solver";
  const bool remembers = has_history(solver);
  if (remembers && is<Churn, Ancestral>(stochastic))
    return "churn and ancestral noise need a solver of single steps (euler, heun, dpm2, dpmpp2s): a "
           "multistep solver's old slopes carry stale noise";
  const auto* multistep = std::get_if<Multistep>(&method);
  const bool images =
      multistep != nullptr && !extrapolates_slopes(multistep->rule) && multistep->momentum.beta == 1;
  if (is<Sde>(stochastic) && remembers && !images)
    return "sde noise needs dpmpp1m, 2m or 3m without momentum, or a solver of single steps";
  return "";
}

bool is_stochastic(const Solver& solver) {
  return !is<Deterministic>(solver.stochastic) || is<DpmppSde>(solver.method);
}

bool has_history(const Solver& solver) {
  return is<Multistep, UniPC>(solver.method);
}

double* momentum_beta(Solver& solver) {
  if (auto* unipc = std::get_if<UniPC>(&solver.method)) return unipc->beta < 1 ? &unipc->beta : nullptr;
  auto* multistep = std::get_if<Multistep>(&solver.method);
  return multistep && multistep->momentum.kind != Momentum::Kind::none ? &multistep->momentum.beta : nullptr;
}

}  // namespace onestep
