// SPDX-License-Identifier: Apache-2.0
#include "fuzz/fuzz.h"
#include "io/image_format.h"

namespace onestep::fuzz {

void read(std::string_view bytes) {
  io::image_problem(bytes);
}

std::vector<std::string> seeds() {
  std::vector<std::string> all = golden("images", ".png");
  for (const std::string& jpeg : golden("images", ".jpg")) all.push_back(jpeg);
  return all;
}

}  // namespace onestep::fuzz
