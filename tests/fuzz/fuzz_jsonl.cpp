// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include "fuzz/fuzz.h"
#include "io/jsonl.h"

namespace onestep::fuzz {

void read(std::string_view bytes) {
  const std::filesystem::path path = as_file(bytes, ".jsonl");
  io::read_jsonl(path);
  io::truncate_jsonl(path, 100);
}

std::vector<std::string> seeds() {
  return {"{\"nimg\": 64, \"loss\": 0.5}\n{\"nimg\": 128}\n{\"torn", "{\"nimg\": 1e999}\n[1]\n\n{}\n"};
}

}  // namespace onestep::fuzz
