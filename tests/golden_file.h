// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include <catch2/catch.hpp>

#include "io/safetensors.h"

namespace onestep::test {

inline io::TensorFile tensors_on(const std::string& path, at::Device device) {
  io::TensorFile file = io::read_safetensors(path);
  for (auto& [key, tensor] : file.tensors) tensor = tensor.to(device);
  return file;
}

/// The reference numbers of tests/golden/`name`.safetensors, moved to `device`.
inline io::TensorFile golden_file(const std::string& name, at::Device device = at::kCPU) {
  return tensors_on(std::string(ONESTEP_GOLDEN) + "/" + name + ".safetensors", device);
}

/// The same of a file that is too large for the repository: it may be in the folder that ONESTEP_ORACLES
/// names, and if it isn't, this says so.
inline std::optional<io::TensorFile> golden_file_if_there(const std::string& name, at::Device device) {
  const char* const folder = std::getenv("ONESTEP_ORACLES");
  for (const std::string place : {ONESTEP_GOLDEN, folder != nullptr ? folder : ONESTEP_GOLDEN}) {
    const std::string path = place + "/" + name + ".safetensors";
    if (std::filesystem::exists(path)) return tensors_on(path, device);
  }
  WARN("skipped: no " << name << " in tests/golden or the folder ONESTEP_ORACLES");
  return {};
}

}  // namespace onestep::test
