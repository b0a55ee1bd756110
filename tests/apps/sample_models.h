// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>
#include <nlohmann/json.hpp>

#include "command.h"
#include "io/safetensors.h"
#include "networks/denoiser.h"

namespace onestep::test {

namespace fs = std::filesystem;

inline const std::map<std::string, std::string> kMixture{
    {"onestep.network", R"({"kind": "gaussian_mixture"})"}};

/// A folder with two models: `mixture`, of the EDM sampler's reference run, and `unet`, conditional with
/// three classes.
struct Models {
  TemporaryFolder folder;
  std::string mixture = (folder / "mixture.safetensors").string();
  std::string unet = (folder / "unet.safetensors").string();
  io::TensorFile reference =
      io::read_safetensors(std::string(ONESTEP_GOLDEN) + "/samplers/edm_heun_n10.safetensors");

  Models() {
    const auto images = [&](const char* name) { return reference.at(name).unsqueeze(1).unsqueeze(1); };
    io::write_safetensors(
        mixture,
        {{"weights", reference.at("mix_weight")}, {"means", images("mix_mean")}, {"stds", images("mix_std")}},
        kMixture);
    SongUNetConfig c;
    c.img_resolution = 8;
    c.img_channels = 1;
    c.label_dim = 3;
    c.model_channels = 8;
    c.channel_mult = {1, 2};
    c.num_blocks = 1;
    c.attn_resolutions = {4};
    Denoiser denoiser = make_denoiser({{}, c}, 1);
    // A new network starts with zeros in places; every weight matters here.
    for_each_tensor(denoiser, [&](const std::string& path, at::Tensor& tensor, bool) {
      if (path.find("weight") != std::string::npos) tensor.add_(0.1 * at::ones_like(tensor).cumsum(0).sin());
    });
    save_denoiser(unet, denoiser, {{"onestep.sampling", R"({"solver": "one_step", "sigma_max": 2.5})"}});
  }
  std::string path(const std::string& name) const { return (folder / name).string(); }
  Said sample(const std::string& arguments) const { return run_command("onestep-sample " + arguments); }
  at::Tensor raw(const std::string& name) const {
    return io::read_safetensors(folder / name).at("samples").clone();
  }
  size_t entries() const {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()));
  }
};

inline nlohmann::json json_of(const fs::path& path) {
  return nlohmann::json::parse(read_bytes(path));
}

}  // namespace onestep::test
