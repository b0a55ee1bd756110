// SPDX-License-Identifier: Apache-2.0
#include "apps/sample/output.h"

#include <ATen/ops/tensor.h>

#include "apps/sample/sample_folder.h"
#include "apps/sample/state.h"
#include "io/atomic_file.h"
#include "io/folder.h"
#include "io/image.h"
#include "io/npz.h"
#include "io/safetensors.h"
#include "io/zip_writer.h"
#include "samplers/pictures.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTextKey = "onestep";
constexpr int64_t kTrajectories = 16;

/// The text of one sample's file: the settings, its seed and class.
std::map<std::string, std::string> text_of(const nlohmann::ordered_json& settings, const Plan& plan,
                                           const SampleResult& result, int64_t i) {
  nlohmann::ordered_json text = settings;
  text["seed"] = plan.request.seeds[i];
  if (!result.classes.empty()) text["class"] = result.classes[i];
  return {{kTextKey, text.dump()}};
}

void write_images(const Plan& plan, const SampleResult& result, const at::Tensor& images,
                  const nlohmann::ordered_json& settings) {
  for (int64_t i = 0; i < images.size(0); ++i) {
    const fs::path file = *plan.folder / sample_name(plan.request.seeds[i], plan.subdirs);
    if (plan.subdirs) io::make_folders(file.parent_path());
    io::write_png(file, images[i], text_of(settings, plan, result, i));
  }
}

/// The layout of EDM's data sets: images in sub-folders, and dataset.json with their labels.
void write_archive(const Plan& plan, const SampleResult& result, const at::Tensor& images,
                   const nlohmann::ordered_json& settings) {
  std::vector<io::ZipEntry> entries;
  nlohmann::ordered_json labels = nlohmann::ordered_json::array();
  for (int64_t i = 0; i < images.size(0); ++i) {
    const std::string name = sample_name(plan.request.seeds[i], true);
    entries.push_back({name, io::encode_png(images[i], text_of(settings, plan, result, i))});
    if (!result.classes.empty()) labels.push_back({name, result.classes[i]});
  }
  if (!labels.empty()) entries.push_back({"dataset.json", nlohmann::ordered_json{{"labels", labels}}.dump()});
  io::write_zip(*plan.zip, entries);
}

void write_arrays(const Plan& plan, const SampleResult& result, const at::Tensor& images) {
  std::vector<std::pair<std::string, at::Tensor>> arrays{{"arr_0", images.permute({0, 2, 3, 1})}};
  if (!result.classes.empty()) arrays.emplace_back("arr_1", at::tensor(result.classes, at::kLong));
  io::write_npz(*plan.npz, arrays);
}

void write_trajectory(const Plan& plan, const SampleResult& result, const nlohmann::ordered_json& settings) {
  const at::Tensor shown = result.trajectory.slice(0, 0, kTrajectories);
  const int64_t rows = shown.size(0), steps = shown.size(1);
  const at::Tensor pictures = pictures_of(plan.codec, shown.flatten(0, 1), plan.workers);
  io::write_png(*plan.trajectory, io::image_grid(io::to_uint8(pictures), rows, steps),
                {{kTextKey, settings.dump()}});
}

void write_sheet(const Sheet& sheet, const at::Tensor& images, const nlohmann::ordered_json& settings) {
  const auto& [file, rows, columns, zoom] = sheet;
  const at::Tensor shown = images.slice(0, 0, rows * columns);
  io::write_png(file, io::image_grid(shown, rows, columns, zoom, zoom), {{kTextKey, settings.dump()}});
}

void write_raw(const Plan& plan, const SampleResult& result, const nlohmann::ordered_json& settings) {
  const std::map<std::string, std::string> metadata{{kTextKey, settings.dump()}};
  if (plan.request.stop_after > 0) {
    write_state(*plan.raw, plan.request, result, sigmas_of(plan.sampler), metadata);
  } else {
    io::write_safetensors(*plan.raw, {{"samples", result.samples}}, metadata);
  }
}

/// All samples that are in the folder now, in the order of their seeds; without a folder, this run's.
void list_samples(const Plan& plan, const SampleResult& result, nlohmann::ordered_json& sidecar) {
  if (!plan.folder) {
    sidecar["seeds"] = plan.request.seeds;
    if (!result.classes.empty()) sidecar["classes"] = result.classes;
    return;
  }
  auto samples = samples_in(*plan.folder, plan.subdirs);
  for (size_t i = 0; i < plan.request.seeds.size(); ++i)
    samples[plan.request.seeds[i]] = result.classes.empty() ? std::nullopt : std::optional(result.classes[i]);
  for (const auto& [seed, label] : samples) {
    sidecar["seeds"].push_back(seed);
    if (label) sidecar["classes"].push_back(*label);
  }
}

}  // namespace

std::vector<fs::path> write_output(const Plan& plan, const SampleResult& result,
                                   const nlohmann::ordered_json& settings,
                                   const nlohmann::ordered_json& run) {
  std::vector<fs::path> written;
  if (plan.raw) {
    write_raw(plan, result, settings);
    written.push_back(*plan.raw);
  }
  if (plan.folder || plan.sheet || plan.zip || plan.npz) {
    const at::Tensor images = io::to_uint8(pictures_of(plan.codec, result.samples, plan.workers));
    if (plan.folder) {
      write_images(plan, result, images, settings);
      written.push_back(*plan.folder);
    }
    if (plan.zip) {
      write_archive(plan, result, images, settings);
      written.push_back(*plan.zip);
    }
    if (plan.npz) {
      write_arrays(plan, result, images);
      written.push_back(*plan.npz);
    }
    if (plan.sheet) {
      write_sheet(*plan.sheet, images, settings);
      written.push_back(plan.sheet->file);
    }
  }
  if (plan.trajectory) {
    write_trajectory(plan, result, settings);
    written.push_back(*plan.trajectory);
  }
  nlohmann::ordered_json sidecar = settings;
  list_samples(plan, result, sidecar);
  sidecar["run"] = run;
  io::write_file_atomically(plan.sidecar, sidecar.dump(2) + "\n");
  written.push_back(plan.sidecar);
  return written;
}

}  // namespace onestep
