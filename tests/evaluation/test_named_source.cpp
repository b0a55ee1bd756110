// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <string>

#include <ATen/ops/eye.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "config/node.h"
#include "evaluation/named_source.h"
#include "evaluation/toys.h"
#include "io/npz.h"

namespace onestep {
namespace {

template <class T>
const T& as(const SubjectConfig& subject) {
  REQUIRE(std::holds_alternative<T>(subject));
  return std::get<T>(subject);
}

template <class T>
const T& images(const DatasetConfig& data) {
  REQUIRE(std::holds_alternative<T>(data));
  return std::get<T>(data);
}

TEST_CASE("a source is known by what it holds") {
  const TemporaryFolder folder;
  const std::string model = toy_generator(folder).string();
  CHECK(as<ModelSubject>(subject_named(model, "m")).path == model);

  const std::string features = (folder / "f.safetensors").string();
  io::write_safetensors(features, {{"features", at::zeros({4, 2})}});
  CHECK(as<FeaturesSubject>(subject_named(features, "f")).path == features);
  CHECK(std::get<FeaturesReference>(reference_named(features)).path == features);

  const std::string statistics = (folder / "s.npz").string();
  io::write_npz(statistics, {{"mu", at::zeros({2}, at::kDouble)}, {"sigma", at::eye(2, at::kDouble)}});
  CHECK(as<FeaturesSubject>(subject_named(statistics, "s")).path == statistics);

  const std::string arrays = (folder / "i.npz").string();
  io::write_npz(arrays, {{"arr_0", at::zeros({3, 4, 4, 3}, at::kByte)}});
  CHECK(images<ImageFilesConfig>(as<DatasetSubject>(subject_named(arrays, "i")).data).path == arrays);

  const std::string pictures = (folder / "pictures").string();
  std::filesystem::create_directory(pictures);
  CHECK(images<ImageFilesConfig>(as<DatasetSubject>(subject_named(pictures, "p")).data).path == pictures);
  CHECK(images<FashionMnistConfig>(std::get<DatasetReference>(reference_named("fashion_mnist/test")).data)
            .split == "test");

  // idx files: the labels beside are found, and may be missing.
  const std::string idx = (folder / "t10k-images-idx3-ubyte").string();
  write_bytes(idx, "");
  CHECK(images<IdxConfig>(as<DatasetSubject>(subject_named(idx, "x")).data).labels.empty());
  write_bytes(folder / "t10k-labels-idx1-ubyte", "");
  CHECK(images<IdxConfig>(as<DatasetSubject>(subject_named(idx, "x")).data).labels ==
        (folder / "t10k-labels-idx1-ubyte").string());
}

TEST_CASE("what is no source is refused by name") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(subject_named((folder / "none.png").string(), "n"), Catch::Contains("none.png"));
  write_bytes(folder / "text.txt", "hello");
  CHECK_THROWS_WITH(subject_named((folder / "text.txt").string(), "n"),
                    Catch::Contains("text.txt: is none of"));
  io::write_npz(folder / "odd.npz", {{"arr_7", at::zeros({3})}});
  CHECK_THROWS_WITH(reference_named((folder / "odd.npz").string()),
                    Catch::Contains("odd.npz: holds arrays arr_7; images are read from arr_0"));
  CHECK_THROWS_AS(reference_named(toy_generator(folder).string()), io::FileError);
}

TEST_CASE("features are named by kind and file, or by a file whose kind shows") {
  const TemporaryFolder folder;
  const std::string classifier = toy_classifier(folder).string();
  CHECK(std::get<ClassifierFeatures>(features_named("classifier:" + classifier)).model == classifier);
  CHECK(std::get<ClassifierFeatures>(features_named(classifier)).model == classifier);
  CHECK(std::get<InceptionFeatures>(features_named("inception:w.safetensors")).model == "w.safetensors");
  CHECK(std::get<TorchScriptFeatures>(features_named("net.pt")).model == "net.pt");
  CHECK(std::holds_alternative<PixelFeatures>(features_named("pixels")));
  CHECK_THROWS_AS(features_named("inceptoin:w.safetensors"), config::ConfigError);
  CHECK_THROWS_AS(features_named("vgg"), config::ConfigError);
}

}  // namespace
}  // namespace onestep
