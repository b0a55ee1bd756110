// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "config/check.h"

namespace onestep {

/// What a student may learn beside the score difference. Each term has a weight that may set in late and
/// rise.
///
/// Weights do not depend on an image's size: each term is a number of one pixel's order for each image, and
/// its weight stands beside that of the score difference as a mean over pixels. A branch that sums over
/// pixels (expanded) has all its terms times their number: 0.01 beside SiD's 100 is SiDA's 0.01 · CHW beside
/// a sum of weight 100.
struct TermWeight {
  double weight = 1;
  double start_kimg = 0;
  double ramp_kimg = 0;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("weight", c.weight,
          "weight beside loss.weight of the score difference as a mean over pixels, whatever the image's "
          "size; the expanded branch sums over pixels, and this term is multiplied with their number there",
          config::magnitude);
    visit("start_kimg", c.start_kimg, "thousands of the run's images before it sets in",
          config::non_negative);
    visit("ramp_kimg", c.ramp_kimg, "thousands of images over which it then rises to its weight",
          config::non_negative);
  }
};

/// The weight at image nimg: 0 before the start, then a linear rise.
double weight_at(const TermWeight& term, int64_t nimg);

}  // namespace onestep
