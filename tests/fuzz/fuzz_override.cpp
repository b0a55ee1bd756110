// SPDX-License-Identifier: Apache-2.0
#include "config/merge.h"
#include "config/yaml_reader.h"
#include "fuzz/fuzz.h"

namespace onestep::fuzz {

void read(std::string_view bytes) {
  config::Node tree = config::read_yaml("run: {dir: x}\nlist: [{a: 1}, 2]\ntask: {kind: denoise}\n", "fuzz");
  config::apply_override(tree, std::string(bytes));
}

std::vector<std::string> seeds() {
  return {"run.dir=a b #2", "list.0.a=[1, 2]", "list.7=x", "task={kind: distil, x: 1}", "a.b.c=", "=1", "x"};
}

}  // namespace onestep::fuzz
