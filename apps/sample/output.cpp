// SPDX-License-Identifier: Apache-2.0
#include "apps/sample/output.h"

#include <cstdio>

#include "io/atomic_file.h"
#include "io/image.h"
#include "io/safetensors.h"

namespace onestep {
namespace {

constexpr const char* kTextKey = "onestep";

std::string file_name(int64_t seed) {
  char name[32];
  std::snprintf(name, sizeof name, "%06lld.png", static_cast<long long>(seed));
  return name;
}

void write_images(const Plan& plan, const at::Tensor& images, const std::vector<int64_t>& classes,
                  const nlohmann::ordered_json& settings) {
  for (int64_t i = 0; i < images.size(0); ++i) {
    nlohmann::ordered_json text = settings;
    text["seed"] = plan.request.seeds[i];
    if (!classes.empty()) text["class"] = classes[i];
    io::write_png(*plan.folder / file_name(plan.request.seeds[i]), images[i], {{kTextKey, text.dump()}});
  }
}

}  // namespace

std::vector<std::filesystem::path> write_output(const Plan& plan, const SampleResult& result,
                                                const nlohmann::ordered_json& settings,
                                                const nlohmann::ordered_json& run) {
  std::vector<std::filesystem::path> written;
  if (plan.raw) {
    io::write_safetensors(*plan.raw, {{"samples", result.samples}}, {{kTextKey, settings.dump()}});
    written.push_back(*plan.raw);
  }
  if (plan.folder || plan.sheet) {
    const at::Tensor images = io::to_uint8(result.samples);
    if (plan.folder) {
      write_images(plan, images, result.classes, settings);
      written.push_back(*plan.folder);
    }
    if (plan.sheet) {
      const auto& [file, rows, columns, zoom] = *plan.sheet;
      const at::Tensor shown = images.slice(0, 0, rows * columns);
      io::write_png(file, io::image_grid(shown, rows, columns, zoom, zoom), {{kTextKey, settings.dump()}});
      written.push_back(file);
    }
  }
  nlohmann::ordered_json sidecar = settings;
  sidecar["seeds"] = plan.request.seeds;
  if (!result.classes.empty()) sidecar["classes"] = result.classes;
  sidecar["run"] = run;
  io::write_file_atomically(plan.sidecar, sidecar.dump(2) + "\n");
  written.push_back(plan.sidecar);
  return written;
}

}  // namespace onestep
