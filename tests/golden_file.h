// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "io/safetensors.h"

namespace onestep::test {

/// The reference numbers of tests/golden/`name`.safetensors, moved to `device`.
inline io::TensorFile golden_file(const std::string& name, at::Device device = at::kCPU) {
  io::TensorFile file = io::read_safetensors(std::string(ONESTEP_GOLDEN) + "/" + name + ".safetensors");
  for (auto& [key, tensor] : file.tensors) tensor = tensor.to(device);
  return file;
}

}  // namespace onestep::test
