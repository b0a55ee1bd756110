// SPDX-License-Identifier: Apache-2.0
#include "samplers/stability_chart.h"

#include <algorithm>
#include <cstdio>
#include <limits>

#include "config/suggest.h"
#include "pages/svg_region.h"
#include "samplers/solver_names.h"
#include "samplers/stability.h"

namespace onestep {
namespace {

constexpr int64_t kLocusPoints = 720, kRows = 160;

pages::Outline outline_of(const Curve& curve) {
  pages::Outline outline;
  for (const std::complex<double> z : curve) outline.x.push_back(z.real()), outline.y.push_back(z.imag());
  return outline;
}

/// The locus without the parts that do not bound the region.
Curve boundary_of(const Amplification& m, Curve locus) {
  for (std::complex<double>& z : locus)
    if (!on_boundary(m, z)) z = std::numeric_limits<double>::quiet_NaN();
  return locus;
}

pages::Region region_of(const Solver& solver) {
  const Amplification m = amplification(solver);
  const std::vector<Curve> locus = boundary_locus(m, kLocusPoints);
  const double limit = real_axis_limit(m);
  char text[64];
  std::snprintf(text, sizeof text, ": on the real axis z ≥ %.4g", limit);
  pages::Region region{.name = solver_name(solver) + text, .mark = limit};
  for (const Curve& area : stable_region(m, locus, kRows)) region.areas.push_back(outline_of(area));
  for (const Curve& curve : locus) {
    region.lines.push_back(outline_of(curve));
    region.edges.push_back(outline_of(boundary_of(m, curve)));
  }
  return region;
}

/// All that is stable, and some ground around it.
pages::Window window_around(const std::vector<pages::Region>& regions) {
  pages::Window w{0, 0, 0, 0};
  for (const pages::Region& region : regions) {
    for (const pages::Outline& area : region.areas) {
      const auto [left, right] = std::ranges::minmax(area.x);
      const auto [bottom, top] = std::ranges::minmax(area.y);
      w = {std::min(w.x_low, left), std::max(w.x_high, right), std::min(w.y_low, bottom),
           std::max(w.y_high, top)};
    }
  }
  const double margin = 0.04 * std::max(w.x_high - w.x_low, w.y_high - w.y_low);
  return {w.x_low - margin, w.x_high + margin, w.y_low - margin, w.y_high + margin};
}

}  // namespace

std::string stability_chart(const std::vector<Solver>& solvers) {
  std::vector<Solver> all = solvers;
  for (const Solver& solver : solvers) all.push_back(base_method(solver));
  std::vector<pages::Region> regions;
  std::vector<std::string> names;
  for (const Solver& solver : all) {
    const std::string name = solver_name(solver);
    if (std::ranges::find(names, name) != names.end()) continue;
    names.push_back(name);
    regions.push_back(region_of(solver));
  }
  std::vector<std::string> asked;
  for (const Solver& solver : solvers) asked.push_back(solver_name(solver));
  return pages::region_chart("Stability of " + config::join(asked, ", "), regions, {"Re z", "Im z"},
                             window_around(regions));
}

}  // namespace onestep
