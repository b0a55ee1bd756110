// SPDX-License-Identifier: Apache-2.0
#include "evaluation/named_source.h"

#include <filesystem>
#include <optional>
#include <set>

#include "config/node.h"
#include "config/suggest.h"
#include "evaluation/statistics_file.h"
#include "io/file.h"
#include "io/file_kind.h"
#include "io/npz.h"
#include "io/safetensors.h"

namespace onestep {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExpected =
    "is none of: a folder, .zip or .npz of images, an idx file, features or statistics (.npz, .safetensors), "
    "a model (.safetensors), fashion_mnist/train, fashion_mnist/test";

std::optional<DatasetConfig> known_set(const std::string& source) {
  const std::string prefix = "fashion_mnist/";
  if (source != prefix + "train" && source != prefix + "test") return std::nullopt;
  return FashionMnistConfig{.split = source.substr(prefix.size())};
}

/// "…-images-idx3-ubyte.gz", and "…-labels-idx1-ubyte.gz" beside it where that is there.
std::optional<DatasetConfig> idx_file(const fs::path& path) {
  const std::string name = path.filename().string(), images = "images-idx3", labels = "labels-idx1";
  const size_t at = name.find(images);
  if (at == std::string::npos) return std::nullopt;
  const fs::path beside =
      path.parent_path() / (name.substr(0, at) + labels + name.substr(at + images.size()));
  IdxConfig config{.images = path.string()};
  std::error_code error;
  if (fs::exists(beside, error)) config.labels = beside.string();
  return config;
}

/// Images that a source stands for, if it does.
std::optional<DatasetConfig> images_of(const std::string& source) {
  if (auto known = known_set(source)) return known;
  const fs::path path = source;
  std::error_code error;
  if (fs::is_directory(path, error) || io::suffix_of(path) == ".zip") return ImageFilesConfig{.path = source};
  if (io::suffix_of(path) == ".npz" && !holds_statistics(path) && io::npz_names(path).contains("arr_0"))
    return ImageFilesConfig{.path = source};
  return idx_file(path);
}

bool holds_features(const fs::path& path) {
  if (io::suffix_of(path) == ".npz")
    return holds_statistics(path) || io::npz_names(path).contains("features");
  if (io::suffix_of(path) == ".safetensors")
    return holds_statistics(path) || io::safetensors_names(path).contains("features");
  return false;
}

bool is_model(const fs::path& path) {
  return io::suffix_of(path) == ".safetensors" &&
         io::read_safetensors_metadata(path).contains("onestep.network");
}

[[noreturn]] void refuse(const std::string& source) {
  const io::MappedFile file(source);  // says so where it is missing
  if (io::suffix_of(source) == ".npz") {
    const std::set<std::string> names = io::npz_names(source);
    throw io::FileError(source,
                        "holds arrays " + config::join({names.begin(), names.end()}, ", ") +
                            "; images are read from arr_0, features from features, statistics from mu "
                            "and sigma");
  }
  throw io::FileError(source, kExpected + io::instead(file.bytes()));
}

}  // namespace

SubjectConfig subject_named(const std::string& source, const std::string& name) {
  if (auto images = images_of(source)) return DatasetSubject{.name = name, .data = *images};
  if (holds_features(source)) return FeaturesSubject{.name = name, .path = source};
  if (is_model(source)) return ModelSubject{.name = name, .path = source};
  refuse(source);
}

ReferenceConfig reference_named(const std::string& source) {
  if (auto images = images_of(source)) return DatasetReference{.data = *images};
  if (holds_features(source)) return FeaturesReference{.path = source};
  refuse(source);
}

FeaturesConfig features_named(const std::string& text) {
  if (text == "pixels") return PixelFeatures{};
  const size_t colon = text.find(':');
  const std::string kind = text.substr(0, colon);
  if (colon != std::string::npos) {
    const std::string file = text.substr(colon + 1);
    if (kind == "classifier") return ClassifierFeatures{.model = file};
    if (kind == "inception") return InceptionFeatures{.model = file};
    if (kind == "torchscript") return TorchScriptFeatures{.model = file};
  }
  const fs::path path = text;
  std::error_code error;
  const bool unknown_kind = colon != std::string::npos && !fs::exists(path, error);
  if (!unknown_kind && (io::suffix_of(path) == ".pt" || io::suffix_of(path) == ".pth"))
    return TorchScriptFeatures{.model = text};
  if (unknown_kind || path.extension() != ".safetensors")
    throw config::ConfigError(
        "--features: expected inception:FILE, classifier:FILE, torchscript:FILE or pixels, got '" + text +
        "'");
  if (io::read_safetensors_metadata(path).contains("onestep.classifier"))
    return ClassifierFeatures{.model = text};
  return InceptionFeatures{.model = text};
}

}  // namespace onestep
