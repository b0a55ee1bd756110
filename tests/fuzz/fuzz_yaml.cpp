// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "config/encode.h"
#include "config/yaml_reader.h"
#include "fuzz/fuzz.h"

namespace onestep::fuzz {

void read(std::string_view bytes) {
  const config::Node tree = config::read_yaml(std::string(bytes), "fuzz");
  // What was taken is written as what is read again.
  if (!config::differences(tree, config::read_yaml(config::yaml_text(tree), "again")).empty()) std::abort();
}

std::vector<std::string> seeds() {
  return {"run: {dir: runs/x, images: 4000, batch: 64}\ndata: {kind: images, path: 'a # b'}\n",
          "a:\n  - {b: 1e-3, c: .inf}\n  - [1, 010, \"5\", ~, null, yes]\nd: |\n  two\n  lines\n",
          "? a\n: &x b\n<<: *x\n--- !!str c\n",
          "\xef\xbb\xbf"
          "a: \"\\u0041\\e[0m\"\n"};
}

}  // namespace onestep::fuzz
