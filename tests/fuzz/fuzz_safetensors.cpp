// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/arange.h>
#include <ATen/ops/ones.h>

#include "fuzz/fuzz.h"
#include "io/safetensors.h"

namespace onestep::fuzz {

void read(std::string_view bytes) {
  const std::filesystem::path path = as_file(bytes, ".safetensors");
  for (const auto& [name, tensor] : io::read_safetensors(path).tensors) tensor.sum();  // touches the data
  io::read_safetensors_metadata(path);
}

std::vector<std::string> seeds() {
  const std::string whole = written(".safetensors", [](const std::filesystem::path& path) {
    io::write_safetensors(path, {{"a", at::arange(6).reshape({2, 3})}, {"b", at::ones({3}, at::kHalf)}},
                          {{"key", "value"}});
  });
  const std::string key = "onestep.crc32";  // without a checksum, all that mutation changes is read
  std::string unchecked = whole;
  unchecked.replace(unchecked.find(key), key.size(), "onestep.crc3x");
  return {whole, unchecked};
}

}  // namespace onestep::fuzz
