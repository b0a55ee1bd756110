// SPDX-License-Identifier: Apache-2.0
#include "training/run_folder.h"

#include <cstdio>

namespace onestep {

std::string nimg_stem(int64_t nimg) {
  char stem[32];
  std::snprintf(stem, sizeof stem, "%012lld", static_cast<long long>(nimg));
  return stem;
}

}  // namespace onestep
