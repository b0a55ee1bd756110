// SPDX-License-Identifier: Apache-2.0
#include "noise/sigma_grid.h"

#include <cmath>

#include <c10/util/Exception.h>

namespace onestep {

std::vector<double> karras_grid(int64_t steps, double sigma_min, double sigma_max, double rho) {
  TORCH_CHECK(steps >= 1, "karras_grid: steps must be at least 1, got ", steps);
  TORCH_CHECK(sigma_min > 0 && sigma_min <= sigma_max && std::isfinite(sigma_max),
              "karras_grid: need 0 < sigma_min <= sigma_max, got ", sigma_min, " and ", sigma_max);
  TORCH_CHECK(rho > 0, "karras_grid: rho must be positive, got ", rho);
  const double highest = std::pow(sigma_max, 1 / rho);
  const double lowest = std::pow(sigma_min, 1 / rho);
  std::vector<double> sigmas{sigma_max};
  for (int64_t i = 1; i < steps; ++i) {
    const double place = static_cast<double>(i) / static_cast<double>(steps - 1);
    sigmas.push_back(std::pow(highest + place * (lowest - highest), rho));
  }
  sigmas.push_back(0);
  return sigmas;
}

}  // namespace onestep
