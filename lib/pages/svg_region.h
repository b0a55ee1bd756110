// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "pages/svg_chart.h"
#include "pages/svg_plane.h"

namespace onestep::pages {

/// Points joined by a line.
struct Outline {
  std::vector<double> x, y;
};

/// A part of the plane: `areas` are closed and filled, `edges` are drawn as they are, `lines` fainter; a
/// point that is not finite interrupts them. A point of the x-axis may be marked.
struct Region {
  std::string name;
  std::vector<Outline> areas, edges, lines;
  std::optional<double> mark;
};

/// Up to six regions of the plane in `window`, both axes to one scale, with a title and a legend, as SVG for
/// html.h's page(). Texts are escaped. Of `axes` only the labels are used. Throws std::invalid_argument when
/// an outline's x and y differ in length or the window is empty.
std::string region_chart(const std::string& title, const std::vector<Region>& regions, const Axes& axes,
                         const Window& window);

}  // namespace onestep::pages
