// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "golden_file.h"
#include "networks/codec.h"
#include "temporary_folder.h"

/// The autoencoders of golden files as their users have them: folders of diffusers.
namespace onestep::test {

inline const std::vector<std::string>& autoencoder_cases() {
  static const std::vector<std::string> names{"vae_kl_tiny", "vae_kl_rect_16ch", "vae_tiny"};
  return names;
}

/// What a folder holds, for a test to change.
struct AutoencoderFolder {
  nlohmann::ordered_json config;
  NamedTensors tensors;
};

inline AutoencoderFolder folder_of(const io::TensorFile& file) {
  const auto about = nlohmann::ordered_json::parse(file.metadata.at("case"));
  AutoencoderFolder folder{.config = about.at("config"), .tensors = {}};
  // "AutoencoderTiny (TAESD)" is the kind of one case.
  const std::string kind = about.at("kind");
  folder.config["_class_name"] = kind.substr(0, kind.find(' '));
  folder.config["_diffusers_version"] = "0.42.1";
  const std::string prefix = "weights/";
  for (const auto& [name, tensor] : file.tensors)
    if (name.starts_with(prefix)) folder.tensors.emplace_back(name.substr(prefix.size()), tensor);
  return folder;
}

inline void write_folder(const std::filesystem::path& path, const AutoencoderFolder& folder) {
  std::filesystem::create_directories(path);
  write_bytes(path / "config.json", folder.config.dump(2));
  io::write_safetensors(path / "diffusion_pytorch_model.safetensors", folder.tensors);
}

inline Codec loaded(const AutoencoderFolder& folder, at::ScalarType dtype = at::kFloat,
                    at::Device device = at::kCPU) {
  const TemporaryFolder place;
  write_folder(place / "vae", folder);
  return load_codec(place / "vae", device, dtype);
}

inline Codec golden_codec(const std::string& name, at::ScalarType dtype = at::kFloat,
                          at::Device device = at::kCPU) {
  return loaded(folder_of(golden_file("networks/" + name)), dtype, device);
}

}  // namespace onestep::test
