// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

namespace onestep::pages {

/// Round values (1, 2 or 5 times a power of ten) that cover [low, high] in about `count` steps; the first is
/// ≤ low and the last ≥ high. On a logarithmic axis powers of ten, with 2 and 5 between them when there are
/// few.
std::vector<double> linear_ticks(double low, double high, double count = 5);
std::vector<double> log_ticks(double low, double high);

}  // namespace onestep::pages
