// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/arange.h>

#include "fuzz/fuzz.h"
#include "io/npz.h"

namespace onestep::fuzz {

void read(std::string_view bytes) {
  const std::filesystem::path path = as_file(bytes, ".npz");
  io::npz_names(path);
  io::read_npz(path, {}, /*max_bytes=*/1 << 22);
}

std::vector<std::string> seeds() {
  std::vector<std::string> all = golden("npz", ".npz");
  std::erase_if(all, [](const std::string& bytes) { return bytes.size() > 4096; });
  all.push_back(written(".npz", [](const std::filesystem::path& path) {
    io::write_npz(path, {{"arr_0", at::arange(6)}, {"arr_1", at::arange(2)}});
  }));
  return all;
}

}  // namespace onestep::fuzz
