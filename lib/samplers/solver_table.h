// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "samplers/solver.h"

namespace onestep {

/// What number stands in a family's name.
enum class Number { none, order, momentum };

/// A family of solvers: prefix, number, suffix; `solver` is the one that stands for it, as it is where no
/// number is given.
struct Family {
  std::string prefix, suffix;
  Number number;
  int64_t highest_order;
  Solver solver;
  std::string shown, order, nfe, meaning;
};

const std::vector<Family>& solver_families();

/// What may follow a family's name, after an underscore. `apply` is false where the solver has no place for
/// it.
struct Modifier {
  std::string name, shown, follows, meaning;
  bool takes_beta;
  std::function<bool(Solver&)> apply;
};

const std::vector<Modifier>& solver_modifiers();

}  // namespace onestep
