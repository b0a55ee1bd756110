// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "samplers/solver.h"

namespace onestep {

/// What can be said about a solver beside its name; each is an error where the solver has no such thing.
struct SolverOptions {
  std::optional<int64_t> order;
  std::optional<double> beta;
  std::optional<double> eta, noise_scale;
  std::optional<double> churn, churn_min, churn_max;
};

/// The solver that a user names: a family with its order where it has one, and modifiers after underscores,
/// such as euler_ancestral, ab4, lms4_hb0.8, dpmpp2m_sde_heun. The momentum families of equal steps take
/// order k and weight β as one number, as in the paper (`hb3.8`: k = 4, β = 0.8; `hb0.8`: k = 1; `hb4`: k = 4
/// without momentum); a momentum modifier takes β alone. Order and β may come as options instead. Throws
/// config::ConfigError: unknown name (with the nearest and the list), an order that the family lacks, β
/// outside (0, 1], anything said twice or to a solver that has none of it, parts that do not go together
/// (solver_problem).
Solver parse_solver(const std::string& spec, const SolverOptions& options = {});

/// The shortest spec that parse_solver reads back as this solver, η and churn apart.
std::string solver_name(const Solver& solver);

/// One line of `--list`.
struct SolverInfo {
  std::string name, order, nfe, meaning;
};

/// All families as a user sees them, NFE as a formula in N, the number of steps including the one to σ = 0;
/// and the modifiers, whose `order` says what they follow.
std::vector<SolverInfo> list_solvers();
std::vector<SolverInfo> list_solver_modifiers();

}  // namespace onestep
