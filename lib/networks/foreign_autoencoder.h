// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>

#include "networks/codec.h"

/// Autoencoders as others write them; load_codec says what they are. All of these throw io::FileError.
namespace onestep {

/// A folder with config.json and diffusion_pytorch_model.safetensors or .fp16.safetensors. Attention may have
/// the names of diffusers before 0.18 (query, key, value, proj_attn).
bool is_diffusers_folder(const std::filesystem::path& path);
Codec read_diffusers_autoencoder(const std::filesystem::path& folder, at::Device device,
                                 at::ScalarType dtype);

/// TAESD's two files, whose sequences count a clamp as the decoder's layer 0.
struct TaesdFiles {
  std::filesystem::path encoder, decoder;
};
/// The pair of which `path` is one file, or that lies in the folder `path`; empty where that is none.
std::optional<TaesdFiles> taesd_files(const std::filesystem::path& path);
Codec read_taesd(const TaesdFiles& files, at::Device device, at::ScalarType dtype);

}  // namespace onestep
