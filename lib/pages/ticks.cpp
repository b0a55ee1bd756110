// SPDX-License-Identifier: Apache-2.0
#include "pages/ticks.h"

#include <algorithm>
#include <cmath>

namespace onestep::pages {

std::vector<double> linear_ticks(double low, double high, double count) {
  const double size = std::max(std::abs(low), std::abs(high));
  if (!(high - low > 1e-9 * size)) {  // one value, or so close that labels could not tell them apart
    const double margin = size == 0.0 ? 1.0 : size * 0.1;
    low -= margin;
    high += margin;
  }
  const double rough = (high - low) / count, power = std::pow(10.0, std::floor(std::log10(rough)));
  const double step = power * (rough / power < 1.5   ? 1
                               : rough / power < 3.5 ? 2
                               : rough / power < 7.5 ? 5
                                                     : 10);
  // Multiples of the step, and fractions of its whole inverse where it is below 1, so that 0 is 0 and 0.6 is
  // 0.6.
  const auto multiple = [&](double i) { return step < 1.0 ? i / std::round(1.0 / step) : i * step; };
  std::vector<double> ticks;
  for (double i = std::floor(low / step + 1e-9); ticks.empty() || ticks.back() < high - step * 1e-9; ++i)
    ticks.push_back(multiple(i));
  return ticks;
}

std::vector<double> log_ticks(double low, double high) {
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9));
  int last = static_cast<int>(std::ceil(std::log10(high) - 1e-9));
  if (last == first) ++last;
  const int decades = last - first, stride = (decades + 7) / 8;
  std::vector<double> ticks;
  for (int e = first; e < last + stride; e += stride)
    for (const double factor : {1.0, 2.0, 5.0})
      if (factor == 1.0 || (decades <= 2 && e < last)) ticks.push_back(factor * std::pow(10.0, e));
  return ticks;
}

}  // namespace onestep::pages
