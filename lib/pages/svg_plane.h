// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "pages/svg.h"

namespace onestep::pages {

/// What of the plane is shown.
struct Window {
  double x_low, x_high, y_low, y_high;
};

}  // namespace onestep::pages

/// What pictures of the plane are made of.
namespace onestep::pages::svg {

/// Two axes of one scale: a unit is as many pixels across as upwards.
struct Plane {
  Scale x, y;
  bool shows(double px, double py) const;
};

/// A plane in the middle of the picture, `top` pixels from its edge, whose ticks, of one step, cover the
/// window. A window that is flat, or a single point, is given some ground around it.
Plane make_plane(Window window, double top = kTop);

/// `body`, in the picture's coordinates, without what reaches beyond the plane.
std::string inside(const Plane& plane, const std::string& body);

}  // namespace onestep::pages::svg
