// SPDX-License-Identifier: Apache-2.0
// What can be known before the first feature is told before it.
#include <string>

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "evaluation/evaluate.h"
#include "evaluation/inputs.h"
#include "evaluation/remarks.h"
#include "evaluation/sources.h"
#include "evaluation/toys.h"
#include "io/image.h"
#include "io/memory.h"

namespace onestep {
namespace {

/// The folder's name, with PNG images of one colour each.
std::string image_folder(const TemporaryFolder& folder, const std::string& name, int64_t n, int64_t side,
                         int64_t channels = 1) {
  std::filesystem::create_directories(folder / name);
  for (int64_t i = 0; i < n; ++i)
    io::write_png((folder / name) / (std::to_string(100000 + i) + ".png"),
                  (normal_features(static_cast<uint64_t>(i), channels * side, side) * 40.0 + 128.0)
                      .clamp(0, 255)
                      .to(at::kByte)
                      .reshape({channels, side, side}));
  return (folder / name).string();
}

EvaluateConfig pixels_of(const std::string& generated, const std::string& reference) {
  EvaluateConfig config;
  config.features = PixelFeatures{};
  config.subjects = {DatasetSubject{.name = "mine", .data = ImageFilesConfig{.path = generated}}};
  config.reference = DatasetReference{.data = ImageFilesConfig{.path = reference}};
  return config;
}

/// Evaluates with a watch that fails the test: nothing may be computed.
Evaluation without_work(const EvaluateConfig& config) {
  return evaluate(
      config, {.watch = [](const std::string& stage, int64_t, int64_t) { FAIL_CHECK("reached " + stage); }});
}

TEST_CASE("images of another shape than the reference's are refused before any feature") {
  const TemporaryFolder folder;
  const std::string mine = image_folder(folder, "mine", 4, 6), real = image_folder(folder, "real", 4, 5, 3);
  CHECK_THAT(file_error([&] { without_work(pixels_of(mine, real)); }),
             Catch::Contains("mine: images are 1x6x6, those of the reference real 3x5x5"));
}

TEST_CASE("a reference that is not there or has other features is told before any feature") {
  const TemporaryFolder folder;
  const std::string mine = image_folder(folder, "mine", 4, 6);
  CHECK_THAT(file_error([&] { without_work(pixels_of(mine, (folder / "none").string())); }),
             Catch::Contains("none: "));
  io::write_safetensors(folder / "wide.safetensors", {{"features", normal_features(1, 50, 35)}});
  EvaluateConfig config = pixels_of(mine, mine);
  config.reference = FeaturesReference{.path = (folder / "wide.safetensors").string()};
  CHECK_THAT(file_error([&] { without_work(config); }),
             Catch::Contains("features have 36 dimensions, those of the reference") &&
                 Catch::EndsWith("wide.safetensors 35"));
}

TEST_CASE("a kept model that does not fit is told before any feature") {
  const TemporaryFolder folder;
  EvaluateConfig config = config::read<EvaluateConfig>(config::parse(toy_config(folder), "test"));
  config.trend = (folder / "run").string();
  std::filesystem::create_directories(folder / "run" / "models");
  std::filesystem::copy_file(toy_generator(folder, 4),
                             folder / "run" / "models" / "000000000500.safetensors");
  CHECK_THAT(file_error([&] { without_work(config); }),
             Catch::Contains("000000000500.safetensors: images are"));
}

TEST_CASE("an evaluation that does not fit into memory is refused before it starts, with the cure") {
  const TemporaryFolder folder;
  EvaluateConfig config = config::read<EvaluateConfig>(config::parse(toy_config(folder), "test"));
  config.images = int64_t{1} << 50;
  try {
    without_work(config);
    FAIL("nothing was thrown");
  } catch (const io::TooLittleMemory& error) {
    CHECK_THAT(error.what(), Catch::Contains(" needs about ") && Catch::Contains("draw fewer images"));
  }
  CHECK(bytes_of_fit(10, 1000000) < 1e9);  // thin
  CHECK(bytes_of_fit(2000000, 1000000) == Approx(48e12));
}

TEST_CASE("a folder of samples is checked against its samples.json") {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "o");
  const auto put = [&](const std::string& name) { write_bytes(folder / "o" / name, "x"); };
  const auto told = [&](const std::string& json) {
    write_bytes(folder / "o" / "samples.json", json);
    return file_error([&] { check_samples(folder / "o"); });
  };
  for (const char* name : {"000000.png", "000001.png", "grid.png"}) put(name);
  CHECK(file_error([&] { check_samples(folder / "o"); }).empty());  // a folder of no matter whom
  CHECK(told(R"({"seeds": [0, 1]})").empty());
  CHECK_THAT(told(R"({"seeds": [0, 1, 2]})"),
             Catch::Contains("samples.json tells of 3 samples, that of seed 2 is not there"));
  CHECK_THAT(told(R"({"seeds": [0]})"),
             Catch::Contains("samples.json tells of 1 samples, 000001.png is none of them"));
  CHECK_THAT(told("{}"), Catch::Contains("samples.json: has no list of seeds"));
  CHECK_THAT(told("]"), Catch::Contains("samples.json: has no list of seeds"));
  CHECK_THAT(told(R"({"seeds": [0, "1"]})"), Catch::Contains("no integer"));
  std::filesystem::create_directories(folder / "o" / "001000");
  put("001000/001003.png");
  CHECK(told(R"({"seeds": [0, 1003, 1]})").empty());
}

TEST_CASE("an evaluation refuses a folder with samples of two drawings") {
  const TemporaryFolder folder;
  const std::string mine = image_folder(folder, "mine", 4, 6), real = image_folder(folder, "real", 40, 6);
  write_bytes(folder / "mine" / "samples.json", R"({"seeds": [100000, 100001]})");
  CHECK_THAT(file_error([&] { without_work(pixels_of(mine, real)); }),
             Catch::Contains("100002.png is none of them; draw them again into an empty folder"));
  CHECK_THAT(file_error([&] { without_work(pixels_of(real, mine)); }), Catch::Contains("is none of them"));
}

TEST_CASE("few samples are warned of, of the subject and of the reference alike") {
  CHECK_THAT(few_samples("reference", 2, 16),
             Catch::StartsWith("reference: 2 samples in 16 dimensions. The covariance is singular"));
  CHECK_THAT(few_samples("a", 16, 16), Catch::Contains("singular"));
  CHECK_THAT(few_samples("a", 17, 16), Catch::Contains("17 samples in 16 dimensions are few"));
  CHECK_THAT(few_samples("a", 5, 1), Catch::Contains("5 samples in 1 dimension are few"));
  CHECK_THAT(few_samples("a", 3000, 2048), Catch::Contains("are few"));
  CHECK(few_samples("a", 60, 16).empty());
  CHECK(few_samples("a", 5000, 2048).empty());
  CHECK(few_samples("a", 0, 2048).empty());  // statistics that do not say
}

TEST_CASE("a model is asked for the classes that it was trained on, and for no other") {
  const TemporaryFolder folder;
  const Denoiser denoiser = make_denoiser({{},
                                           SongUNetConfig{.img_resolution = 8,
                                                          .img_channels = 1,
                                                          .label_dim = 3,
                                                          .model_channels = 8,
                                                          .channel_mult = {1},
                                                          .num_blocks = 1,
                                                          .attn_resolutions = {}}},
                                          1);
  EvaluateConfig config = pixels_of("none", "none");
  config.images = 40;
  const auto asked = [&](const std::string& counts, const std::string& how) {
    const auto path = folder / "model.safetensors";
    save_denoiser(path, denoiser,
                  {{"onestep.sampling", R"({"solver": "one_step", "sigma_max": 2.5})"},
                   {kDataKey, R"({"mean": [0.0], "std": [1.0], "class_counts": )" + counts + "}"}});
    config.classes = how;
    const FeatureSet set = collect(ModelSubject{.name = "m", .path = path.string(), .sampler = {}}, 0,
                                   make_collector(config, {}));
    return set.labels.bincount({}, 3);
  };
  CHECK(asked("[4, 4, 4]", "balanced").equal(at::tensor({14, 13, 13}, at::kLong)));
  CHECK(asked("[4, 0, 4]", "balanced").equal(at::tensor({20, 0, 20}, at::kLong)));
  const at::Tensor seeds = asked("[4, 0, 4]", "seeds");
  CHECK((seeds[1].item<int64_t>() == 0 && seeds[0].item<int64_t>() > 0 && seeds[2].item<int64_t>() > 0));
}

TEST_CASE("classes that were asked for and of which the reference has no image are warned of") {
  const auto labels = [](std::initializer_list<int64_t> values) {
    return at::tensor(std::vector<int64_t>(values));
  };
  const at::Tensor rows = normal_features(1, 6, 2);
  Evaluation evaluation;
  evaluation.subjects.push_back({.name = "student", .kind = ModelSubject::kind});
  FeatureSet& asked = evaluation.subjects.front().set;
  asked.features = rows;
  asked.labels = labels({0, 1, 2, 0, 1, 2});
  FeatureSet& real = evaluation.reference.set;
  real.features = rows;
  const auto told = [&](const at::Tensor& of_reference) {
    real.labels = of_reference;
    std::string all;
    for (const std::string& warning : warnings_on(evaluation)) all += warning + "\n";
    return all;
  };
  CHECK_THAT(told(labels({1, 1, 2, 2, 2, 2})),
             Catch::Contains("student: 2 of 6 images are of classes (0) of which the reference has none."));
  CHECK_THAT(told(labels({1, 1})), Catch::Contains("4 of 6 images are of classes (0, 2)"));
  for (const at::Tensor& enough : {labels({2, 1, 0, 3}), at::Tensor()})
    CHECK_THAT(told(enough), !Catch::Contains("of which the reference has none"));
}

}  // namespace
}  // namespace onestep
