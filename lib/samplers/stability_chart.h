// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "samplers/solver.h"

namespace onestep {

/// The stable regions and boundary loci of solvers and of their base methods (base_method), with their limits
/// on the real axis marked: one picture in the plane of z = hλ, as SVG for html.h's page(). Throws as
/// amplification (stability.h).
std::string stability_chart(const std::vector<Solver>& solvers);

}  // namespace onestep
