// SPDX-License-Identifier: Apache-2.0
#include "networks/network.h"

#include <algorithm>

#include <c10/util/Exception.h>

namespace onestep {

std::vector<FeatureTap> taps_named(const std::vector<std::string>& names,
                                   const std::vector<FeatureTap>& known) {
  std::vector<FeatureTap> found;
  for (const std::string& name : names) {
    const auto tap =
        std::find_if(known.begin(), known.end(), [&](const FeatureTap& t) { return t.name == name; });
    if (tap == known.end()) {
      std::string all;
      for (const FeatureTap& t : known) all += (all.empty() ? "" : ", ") + t.name;
      TORCH_CHECK(false, "no feature tap '", name, "'; there ", known.size() == 1 ? "is " : "are ", all);
    }
    found.push_back(*tap);
  }
  return found;
}

}  // namespace onestep
