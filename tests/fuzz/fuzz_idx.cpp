// SPDX-License-Identifier: Apache-2.0
#include "data/idx.h"
#include "data/idx_file.h"
#include "fuzz/fuzz.h"

namespace onestep::fuzz {

void read(std::string_view bytes) {
  const std::filesystem::path path = as_file(bytes, "");
  read_idx(path, !bytes.empty() && bytes.back() % 2 ? 1 : 3);
}

std::vector<std::string> seeds() {
  const std::string images = idx_bytes({2, 2, 3}, std::string(12, 'a')), labels = idx_bytes({5}, "abcde");
  const auto packed = [](const std::string& bytes) {
    return written("", [&](const std::filesystem::path& path) { write_gz(path, bytes); });
  };
  return {images, labels, packed(images), packed(labels), idx_bytes({0xffffffff, 0xffffffff, 1}, "a")};
}

}  // namespace onestep::fuzz
