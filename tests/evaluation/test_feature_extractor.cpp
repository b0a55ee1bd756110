// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>
#include <torch/csrc/jit/api/module.h>

#include "data/dataset.h"
#include "evaluation/feature_extractor.h"
#include "evaluation/toys.h"
#include "io/file_error.h"
#include "io/numerical_error.h"
#include "io/safetensors.h"
#include "networks/classifier.h"
#include "networks/inception.h"
#include "on_devices.h"

namespace onestep {
namespace {

at::Tensor noise_images(int64_t n, int64_t channels = 1) {
  return (normal_features(4, n, channels * kToySize * kToySize) * 40.0 + 128.0)
      .clamp(0, 255)
      .to(at::kByte)
      .reshape({n, channels, kToySize, kToySize});
}

FeatureSet extracted(const FeaturesConfig& config, const at::Tensor& images, FeatureParts parts = {},
                     int64_t batch = 7, at::Device device = at::kCPU) {
  FeatureSet set{.images = images, .source = "the images"};
  extract_features(set, open_extractor(config, device), parts, batch, "features");
  return set;
}

/// A TorchScript file with this forward.
std::string script(const TemporaryFolder& folder, const std::string& forward) {
  torch::jit::Module module("Features");
  module.define(forward);
  const std::string path = (folder / "features.pt").string();
  module.save(path);
  return path;
}

TEST_CASE("pixels are features of 0 to 1") {
  at::Tensor images = noise_images(10);
  const FeatureSet set = extracted(PixelFeatures{}, images);
  CHECK(set.features.sizes() == at::IntArrayRef({10, kToySize * kToySize}));
  CHECK(set.features.scalar_type() == at::kFloat);
  CHECK(set.features[3][5].item<float>() == Approx(images[3][0][0][5].item<float>() / 255));
  CHECK_FALSE(set.logits.defined());
  CHECK_FALSE(set.predicted.defined());
}

DEVICE_TEST_CASE("a classifier gives features, what it sees, and logits where they are wanted",
                 "[evaluation]") {
  const TemporaryFolder folder;
  const at::Tensor images = noise_images(10);
  const ClassifierFeatures config{.model = toy_classifier(folder).string()};
  const Classified seen = classify(load_classifier(config.model, at::kCPU), to_float(images));
  const FeatureSet bare = extracted(config, images, {}, 7, device),
                   whole = extracted(config, images, {.logits = true}, 10, device);
  const double tolerance = device.is_cpu() ? 1e-6 : 1e-5;
  CHECK((whole.features - seen.features).abs().max().item<double>() < tolerance);
  CHECK((whole.logits - seen.logits).abs().max().item<double>() < tolerance);
  CHECK((bare.features - whole.features).abs().max().item<double>() < tolerance);  // whatever the batch
  CHECK(at::equal(bare.predicted, seen.logits.argmax(1)));
  CHECK_FALSE(bare.logits.defined());
}

TEST_CASE(
    "Inception gives features, spatial ones and logits, and tells what its weights were converted from") {
  const TemporaryFolder folder;
  const std::string path = (folder / "inception.safetensors").string();
  Inception m = make_inception();
  for_each_tensor(m, [](const std::string& name, at::Tensor& tensor, bool) {
    tensor.fill_(name.ends_with("running_var") || name.ends_with("bn.weight") ? 1.0 : 0.001);
  });
  const auto opened = [&](const std::map<std::string, std::string>& metadata) {
    io::write_safetensors(path, named_tensors(m), metadata);
    return open_extractor(InceptionFeatures{.model = path}, at::kCPU);
  };
  CHECK(opened({{"source", "rule"}}).network.origin.empty());  // a name alone is no origin
  const FeatureExtractor extractor = opened({{"source", "inception.pt"}, {"source_sha256", "0123"}});
  CHECK(extractor.network.origin == "inception.pt");
  FeatureSet set{.images = noise_images(3), .source = "the images"};
  extract_features(set, extractor, {.spatial = true, .logits = true}, 2, "features");
  const InceptionOutput out = inception(load_inception(path, at::kCPU), set.images);
  REQUIRE(set.features.sizes() == at::IntArrayRef({3, 2048}));
  REQUIRE(set.spatial.sizes() == at::IntArrayRef({3, 2023}));
  REQUIRE(set.logits.sizes() == at::IntArrayRef({3, 1008}));
  const auto same = [](const at::Tensor& a, const at::Tensor& b) {
    return (a - b).abs().max().item<double>() < 1e-5 * b.abs().max().item<double>();
  };
  CHECK(same(set.features, out.pool));
  CHECK(same(set.spatial, out.spatial));
  CHECK(same(set.logits, out.logits));
  CHECK_FALSE(set.predicted.defined());  // its classes are not those of the data
}

TEST_CASE("a TorchScript file gets what its configuration says") {
  const TemporaryFolder folder;
  const at::Tensor images = noise_images(5);
  TorchScriptFeatures config{.model =
                                 script(folder, "def forward(self, x):\n  return x.float().mean([2, 3])\n")};
  const FeatureSet grey = extracted(config, images);
  REQUIRE(grey.features.sizes() == at::IntArrayRef({5, 3}));  // grey repeats to three channels
  const at::Tensor means = images.to(at::kFloat).mean({2, 3}).flatten();
  CHECK((grey.features - means.unsqueeze(1)).abs().max().item<double>() < 1e-4);
  config.channels = 0;
  config.input = "float";
  const FeatureSet as_is = extracted(config, images);
  REQUIRE(as_is.features.sizes() == at::IntArrayRef({5, 1}));
  CHECK((as_is.features.flatten() - (means / 127.5 - 1)).abs().max().item<double>() < 1e-6);

  // [B, d, 1, 1] and tuples count as well, and return_features reaches the network.
  config = {.model = script(folder,
                            "def forward(self, x, return_features: bool = False):\n"
                            "  y = x.float().mean([2, 3], True)\n"
                            "  return (y * (2.0 if return_features else 1.0), y)\n")};
  CHECK((extracted(config, images).features - means.unsqueeze(1)).abs().max().item<double>() < 1e-4);
  config.return_features = true;
  CHECK((extracted(config, images).features - 2 * means.unsqueeze(1)).abs().max().item<double>() < 1e-4);
}

TEST_CASE("a TorchScript file that is none, or returns no features, is named") {
  const TemporaryFolder folder;
  const at::Tensor images = noise_images(4);
  const auto refused = [&](const std::string& path, const std::string& why) {
    CAPTURE(why);
    CHECK_THROWS_AS(extracted(TorchScriptFeatures{.model = path}, images), io::FileError);
    CHECK_THROWS_WITH(extracted(TorchScriptFeatures{.model = path}, images),
                      Catch::Contains(path + ": " + why));
  };
  refused((folder / "none.pt").string(), "");
  write_bytes(folder / "text.pt", "no network");
  refused((folder / "text.pt").string(), "is not a TorchScript file");
  refused(script(folder, "def forward(self, x):\n  return x\n"), "returns Byte [4, 3, 8, 8] for 4 images");
  refused(script(folder, "def forward(self, x):\n  return 'features'\n"), "returns no tensor");
  refused(script(folder, "def forward(self, x):\n  return x.float().reshape(2, -1)\n"), "returns Float");
  refused(script(folder, "def forward(self, x, y):\n  return x\n"), "fails");
  const std::string torn = script(folder, "def forward(self, x):\n  return x\n");
  write_bytes(torn, read_bytes(torn).substr(0, 300));
  refused(torn, "is not a TorchScript file");
}

TEST_CASE("images that a network can't take are refused by name") {
  const TemporaryFolder folder;
  const ClassifierFeatures config{.model = toy_classifier(folder).string()};
  CHECK_THROWS_WITH(extracted(config, noise_images(4, 3)),
                    Catch::Contains("the images: images are 3x8x8") && Catch::Contains("takes 1x8x8"));
  const TorchScriptFeatures nan{
      .model = script(folder, "def forward(self, x):\n  return x.float().mean([2, 3]) / 0.0\n")};
  CHECK_THROWS_AS(extracted(nan, noise_images(4)), NumericalError);
  CHECK_THROWS_WITH(extracted(nan, noise_images(4)), Catch::Contains("not finite"));
}

}  // namespace
}  // namespace onestep
