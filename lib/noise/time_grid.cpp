// SPDX-License-Identifier: Apache-2.0
#include "noise/time_grid.h"

#include <cmath>

namespace onestep {
namespace {

constexpr double kTimesteps = 1000, kLast = kTimesteps - 1;

/// place(0), place(1), … place(steps − 1).
template <class Place>
std::vector<double> list(int64_t steps, const Place& place) {
  std::vector<double> times;
  for (int64_t i = 0; i < steps; ++i) times.push_back(place(static_cast<double>(i)));
  return times;
}

}  // namespace

std::vector<double> leading_timesteps(int64_t steps, const std::vector<double>& p) {
  const double offset = p[0], all = static_cast<double>(steps) + p[1];
  const double stride = std::floor(kTimesteps / all);
  return list(steps, [=](double i) { return (all - 1 - i) * stride + offset; });
}

std::vector<double> trailing_timesteps(int64_t steps, const std::vector<double>&) {
  const double stride = kTimesteps - (kTimesteps - kTimesteps / static_cast<double>(steps));  // as arange's
  return list(steps, [=](double i) { return std::nearbyint(kTimesteps - i * stride) - 1; });
}

std::vector<double> linspace_timesteps(int64_t steps, const std::vector<double>& p) {
  const double intervals = static_cast<double>(steps) + p[0] - 1;
  const double stride = kLast / intervals;
  return list(steps, [=, whole = p[1] == 1](double i) {
    const double t = i == 0 ? kLast : (intervals - i) * stride;
    return whole ? std::nearbyint(t) : t;
  });
}

std::vector<double> lcm_timesteps(int64_t steps, const std::vector<double>& p) {
  const double all = p[0], stride = std::floor(kTimesteps / all);
  const double skipped = all / static_cast<double>(steps);
  return list(steps, [=](double i) { return stride * (all - std::floor(i * skipped)) - 1; });
}

std::vector<double> flow_levels(int64_t steps, const std::vector<double>& p) {
  const double shift = p[0], highest = p[2];
  double lowest = p[1] == 0 ? highest / static_cast<double>(steps) : p[1];
  if (p[3] == 1) lowest = shift * lowest / (1 + (shift - 1) * lowest);
  const double stride = steps == 1 ? 0 : (lowest - highest) / static_cast<double>(steps - 1);
  return list(steps, [=](double i) {
    const double t = highest + i * stride;
    return t == 1 ? kPureNoise : shift * t / (1 - t);
  });
}

double level_at(const std::vector<double>& levels, double timestep) {
  const auto below = static_cast<size_t>(timestep);
  if (below + 1 == levels.size()) return levels[below];
  return levels[below] + (timestep - static_cast<double>(below)) * (levels[below + 1] - levels[below]);
}

}  // namespace onestep
