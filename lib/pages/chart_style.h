// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <span>
#include <string>
#include <string_view>

/// How charts look, on a page of html.h and in files of their own.
namespace onestep::pages {

/// A named colour, used in CSS as var(--name).
struct Colour {
  std::string_view name, light, dark;
};

/// Of pages and charts alike. Series are --s0 … --s5, told apart by eyes of every kind.
std::span<const Colour> palette();

/// The CSS of what is inside a chart.
std::string_view chart_rules();

/// One of our charts as an .svg file that stands alone, as in a README: a size, a style of its own in light
/// colours, a white ground. Throws std::invalid_argument for any other text.
std::string standalone_svg(std::string_view chart);

}  // namespace onestep::pages
