// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "devices/device_case.h"
#include "samplers/sample.h"
#include "samplers/seeds.h"
#include "samplers/solver_names.h"
#include "samplers/solver_table.h"

namespace onestep::test {
namespace {

/// Six images by a small UNet with classes, guided.
Outputs images(const SamplerConfig& config, at::Device device, at::ScalarType dtype) {
  const DenoiserConfig network{.network = SongUNetConfig{.img_resolution = 8,
                                                         .label_dim = 3,
                                                         .model_channels = 8,
                                                         .channel_mult = {1, 2},
                                                         .num_blocks = 1,
                                                         .attn_resolutions = {},
                                                         .dropout = 0}};
  const Denoiser denoiser = clone(make_denoiser(network, 1), device, dtype);
  return {generate(denoiser, config, consecutive_seeds(0, 6), {}, 4).samples};
}

DeviceCase sampler_case(const std::string& name, const SamplerConfig& config) {
  return {"samplers", name, 1e-4,
          [config](at::Device device, at::ScalarType dtype) { return images(config, device, dtype); }};
}

}  // namespace

std::vector<DeviceCase> sampler_cases() {
  std::set<std::string> names{"euler_ancestral", "dpmpp2m_sde", "lms4_ghvb0.8"};
  for (const Family& family : solver_families()) names.insert(solver_name(family.solver));
  std::vector<DeviceCase> cases;
  for (const std::string& name : names) {
    SamplerConfig config{.solver = name};
    config.steps = 6;
    cases.push_back(sampler_case(name, config));
  }
  SamplerConfig guided{.solver = "heun", .guidance = 3};
  guided.steps = 4;
  guided.threshold = "dynamic";
  cases.push_back(sampler_case("heun, guided, dynamic threshold", guided));
  return cases;
}

}  // namespace onestep::test
