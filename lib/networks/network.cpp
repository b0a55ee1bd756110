// SPDX-License-Identifier: Apache-2.0
#include "networks/network.h"

#include <c10/util/Exception.h>

#include "config/named_rows.h"
#include "config/suggest.h"

namespace onestep {

std::vector<FeatureTap> taps_named(const std::vector<std::string>& names,
                                   const std::vector<FeatureTap>& known) {
  std::vector<FeatureTap> found;
  for (const std::string& name : names) {
    const FeatureTap* const tap = config::find_row(known, name);
    TORCH_CHECK(tap != nullptr, "no feature tap '", name, "'; there ", known.size() == 1 ? "is " : "are ",
                config::join(config::names_of(known), ", "));
    found.push_back(*tap);
  }
  return found;
}

}  // namespace onestep
