// SPDX-License-Identifier: Apache-2.0
#include "evaluation/inputs.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include <nlohmann/json.hpp>

#include "data/file_tree.h"
#include "data/first_image.h"
#include "evaluation/score.h"
#include "io/file.h"
#include "io/folder.h"
#include "io/memory.h"
#include "io/progress.h"
#include "samplers/pictures.h"
#include "samplers/sample.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSamples = "samples.json";

/// What is known of a source before the work.
struct Outline {
  std::string source;
  std::optional<ImageShape> images;  ///< none of a feature file
  int64_t width = 0;                 ///< of its features
  int64_t n = 0;                     ///< images to draw, or samples of a feature file; 0 of a dataset
};

Outline outline_of_images(const std::string& source, const ImageShape& shape, const Collector& collector) {
  expect_images(*collector.extractor, source, shape);
  return {.source = source, .images = shape, .width = feature_width(*collector.extractor, shape)};
}

Outline outline(const ModelSubject& subject, const Collector& collector) {
  sampler_of(subject);
  const at::Device device = collector.context.device;
  const ImageShape shape =
      picture_shape(codec_of(subject, device), image_shape(load_denoiser(subject.path, device)));
  Outline model = outline_of_images(subject.path, shape, collector);
  model.n = images_to_draw(collector.config);
  return model;
}

Outline outline_of_data(const DatasetConfig& config, const Collector& collector) {
  if (const auto* files = std::get_if<ImageFilesConfig>(&config)) check_samples(files->path);
  const Dataset data = load_dataset(first_image_of(config));
  const at::Tensor& images = data.images;
  return outline_of_images(data.name, {images.size(1), images.size(2), images.size(3)}, collector);
}

Outline outline(const DatasetSubject& subject, const Collector& collector) {
  if (!subject.autoencoder.empty()) {
    const at::Tensor one = load_dataset(first_image_of(subject.data)).images;
    const Codec codec = load_codec(subject.autoencoder, collector.context.device);
    require_reconstructible(codec, {one.size(1), one.size(2), one.size(3)}, subject.autoencoder);
  }
  return outline_of_data(subject.data, collector);
}

Outline outline_of_file(const std::string& path) {
  const FeatureSet set = features_from_file(path);
  return {.source = path, .width = set.width(), .n = set.size()};
}

Outline outline(const FeaturesSubject& subject, const Collector&) {
  return outline_of_file(subject.path);
}

Outline outline_of(const SubjectConfig& subject, const Collector& collector) {
  return std::visit([&](const auto& one) { return outline(one, collector); }, subject);
}

Outline outline_of(const ReferenceConfig& reference, const Collector& collector) {
  if (const auto* file = std::get_if<FeaturesReference>(&reference)) return outline_of_file(file->path);
  return outline_of_data(std::get<DatasetReference>(reference).data, collector);
}

/// Features of pixels are as many as there are pixels: their shapes say more than widths do.
void require_same_width(const Outline& subject, const Outline& reference) {
  if (subject.width == reference.width) return;
  if (subject.images && reference.images && *subject.images != *reference.images)
    throw io::FileError(subject.source, "images are " + shape_text(*subject.images) +
                                            ", those of the reference " + reference.source + " " +
                                            shape_text(*reference.images) +
                                            ": features of such images can't be compared");
  throw_widths_differ(subject.source, subject.width, reference.source, reference.width);
}

/// Drawn images and features of all subjects are held until the report is written, and a Gaussian of each.
void require_room(const std::vector<Outline>& all) {
  double held = 0, fit = 0;
  for (const Outline& one : all) {
    const auto n = static_cast<double>(one.n), d = static_cast<double>(one.width);
    const double pixels =
        one.images ? static_cast<double>(one.images->channels * one.images->height * one.images->width) : 0.0;
    if (one.images) held += n * (2.0 * pixels + 4.0 * d);  // once more while batches are joined
    if (one.n > 0) {
      held += 8.0 * d * std::min(n, d);
      fit = std::max(fit, bytes_of_fit(one.n, one.width));
    }
  }
  io::require_memory("the evaluation of " + std::to_string(all.size()) + " sets with " +
                         io::format_count(all.front().width) + " features each",
                     held + fit, "draw fewer images, or take a feature network with fewer features");
}

/// The seed that a sample's file is named by.
std::optional<int64_t> seed_of(const fs::path& name) {
  const std::string stem = name.stem().string();
  if (name.extension() != ".png" || stem.size() < 6 || stem.size() > 18 ||
      stem.find_first_not_of("0123456789") != std::string::npos)
    return std::nullopt;
  return std::stoll(stem);
}

std::set<int64_t> seeds_told(const fs::path& path) {
  const auto json = nlohmann::json::parse(io::read_file(path), nullptr, /*allow_exceptions=*/false);
  std::set<int64_t> seeds;
  if (!json.is_object() || !json.contains("seeds") || !json["seeds"].is_array())
    throw io::FileError(path, "has no list of seeds: is it onestep-sample's?");
  for (const auto& seed : json["seeds"]) {
    if (!seed.is_number_integer()) throw io::FileError(path, "holds a seed that is no integer");
    seeds.insert(seed.get<int64_t>());
  }
  return seeds;
}

}  // namespace

double bytes_of_fit(int64_t n, int64_t d) {
  const auto rows = static_cast<double>(n), width = static_cast<double>(d);
  // Thin: the centred data as a root, its singular values and a product of roots; else scatter, covariance,
  // factor, the product of roots, and what their decompositions work in.
  return 8.0 * (n <= d ? 3.0 * rows * width + 4.0 * rows * rows : 6.0 * width * width);
}

void check_samples(const fs::path& folder) {
  std::error_code none;
  if (!fs::is_regular_file(folder / kSamples, none)) return;
  const std::set<int64_t> told = seeds_told(folder / kSamples);
  std::set<int64_t> there;
  const auto refuse = [&](const std::string& what) {
    throw io::FileError(folder, std::string(kSamples) + " tells of " +
                                    io::format_count(static_cast<int64_t>(told.size())) + " samples, " +
                                    what + "; draw them again into an empty folder");
  };
  for (const std::string& name : folder_tree(folder).names) {
    const std::optional<int64_t> seed = seed_of(name);
    if (!seed) continue;
    if (!told.contains(*seed)) refuse(name + " is none of them");
    there.insert(*seed);
  }
  for (const int64_t seed : told)
    if (!there.contains(seed)) refuse("that of seed " + std::to_string(seed) + " is not there");
}

void check_input(const SubjectConfig& source, const Collector& collector) {
  require_room({outline_of(source, collector)});
}

void check_inputs(const Collector& collector) {
  const EvaluateConfig& config = collector.config;
  std::vector<Outline> all{outline_of(config.reference, collector)};
  const auto add = [&](const SubjectConfig& subject) {
    all.push_back(outline_of(subject, collector));
    require_same_width(all.back(), all.front());
  };
  for (const SubjectConfig& subject : config.subjects) add(subject);
  require_room(all);
  if (config.trend.empty()) return;
  for (const KeptModel& kept : kept_models(config.trend)) add(trend_subject(kept));
}

}  // namespace onestep
