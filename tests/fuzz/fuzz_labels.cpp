// SPDX-License-Identifier: Apache-2.0
#include "data/image_labels.h"
#include "fuzz/fuzz.h"

namespace onestep::fuzz {

void read(std::string_view bytes) {
  parse_labels(bytes, "dataset.json", {"0.png", "1.png"});
}

std::vector<std::string> seeds() {
  return {R"({"labels": [["0.png", 3], ["1.png", 0]]})", R"({"labels": null, "x": 1e999})",
          R"({"labels": [["0.png", -1], ["0.png", 1e2], [0], "é"]})"};
}

}  // namespace onestep::fuzz
