// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <CLI/CLI.hpp>

namespace onestep {

/// Declares `onestep-sample stability --sampler NAME,…`, which needs no model: it draws the solvers' stable
/// regions beside those of their base methods as an SVG file, prints where they end on the real axis, and
/// ends the command while the command line is parsed, as --help does. To be called when all of the app's own
/// options are declared.
void add_stability(CLI::App& app);

}  // namespace onestep
