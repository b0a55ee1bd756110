// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "pages/svg_chart.h"
#include "pages/svg_plane.h"

namespace onestep::pages {

/// Vectors (dx, dy) at points (x, y), all of one length. On a chart their own lengths are relative: the
/// longest tenth are drawn as long as the points are apart, the others in proportion.
struct Arrows {
  std::string name;
  std::vector<double> x, y, dx, dy;
};

/// A picture of the plane, both axes to one scale: up to six clouds of points as dots over a field of arrows,
/// with a legend, as SVG for html.h's page(). It shows `window`, or else everything. What is not finite or
/// outside is left out, and of a cloud of more than 2000 points every second, third, … is drawn. Of `axes`
/// only the labels are used. Throws std::invalid_argument when lengths differ or the window is empty.
std::string field_chart(const std::vector<Series>& clouds, const Arrows& arrows, const Axes& axes,
                        const std::optional<Window>& window = {});

}  // namespace onestep::pages
