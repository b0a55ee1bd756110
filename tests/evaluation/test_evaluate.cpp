// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "data/dataset.h"
#include "evaluation/evaluate.h"
#include "evaluation/influence.h"
#include "evaluation/toys.h"
#include "io/numerical_error.h"
#include "io/safetensors.h"

namespace onestep {
namespace {

EvaluateConfig read_config(const std::string& yaml) {
  return config::read<EvaluateConfig>(config::parse(yaml, "test"));
}

TEST_CASE("an evaluation collects, scores and judges") {
  const TemporaryFolder folder;
  const EvaluateConfig config = read_config(toy_config(folder));
  std::vector<std::string> stages;
  const Evaluation evaluation =
      evaluate(config, {.watch = [&](const std::string& stage, int64_t done, int64_t total) {
                 CHECK(done <= total);
                 if (stages.empty() || stages.back() != stage) stages.push_back(stage);
               }});
  CHECK(stages == std::vector<std::string>{"reference: features", "toy: images", "toy: features",
                                           "toy in one step: images", "toy in one step: features",
                                           "real: features"});
  REQUIRE(evaluation.subjects.size() == 3);
  const Subject &toy = evaluation.subjects[0], &quick = evaluation.subjects[1],
                &real = evaluation.subjects[2];

  CHECK(*toy.set.nfe == 3);
  CHECK(*quick.set.nfe == 1);
  CHECK_FALSE(real.set.nfe.has_value());
  CHECK(toy.set.size() == 50);
  CHECK(toy.set.images.scalar_type() == at::kByte);
  CHECK_FALSE(toy.set.labels.defined());  // an unconditional model is asked for no class
  CHECK(real.set.labels.defined());
  CHECK(real.set.source == "set60-images, 50 of 60 images");
  CHECK(evaluation.class_names == std::vector<std::string>{"0", "1", "2"});
  CHECK(evaluation.verdict.has_value());

  // The score is that of the features, whatever the way they came.
  const Gaussian law = fit_gaussian(toy.set.features),
                 reference = fit_gaussian(evaluation.reference.set.features);
  CHECK(toy.score.fid.value == Approx(frechet_distance(law, reference).value).epsilon(1e-12));
  CHECK(*toy.score.se ==
        Approx(*influence_standard_error(influence(toy.set.features, law, reference), kToyFeatures))
            .epsilon(1e-12));
  // And the features are those of the quantised images.
  const Classifier network = load_classifier(std::get<ClassifierFeatures>(config.features).model, at::kCPU);
  const Classified seen = classify(network, to_float(toy.set.images));
  CHECK((seen.features - toy.set.features).abs().max().item<double>() < 1e-5);
}

TEST_CASE("a set of images that is not there ends an evaluation before its first network pass") {
  const TemporaryFolder folder;
  EvaluateConfig config = read_config(toy_config(folder));
  std::get<DatasetSubject>(config.subjects[2]).data = ImageFilesConfig{.path = (folder / "none").string()};
  const EvaluationContext context{
      .watch = [](const std::string& stage, int64_t, int64_t) { FAIL("reached " + stage); }};
  CHECK_THROWS_AS(evaluate(config, context), io::FileError);
}

TEST_CASE("a set of images is taken whole and in its order unless fewer are asked for") {
  const TemporaryFolder folder;
  EvaluateConfig config = read_config(toy_config(folder));
  const DatasetSubject real = std::get<DatasetSubject>(config.subjects[2]);
  config.subjects = {real};
  config.baseline.clear();
  const at::Tensor images = load_dataset(real.data).images;
  config.images = 50;
  const at::Tensor some = evaluate(config).subjects[0].set.images;
  CHECK(some.size(0) == 50);
  CHECK_FALSE(at::equal(some, images.narrow(0, 0, 50)));  // not the first ones: sets may be sorted
  for (const std::optional<int64_t> asked : {std::optional<int64_t>(), std::optional<int64_t>(1000)}) {
    config.images = asked;
    const Evaluation whole = evaluate(config);
    CHECK(at::equal(whole.subjects[0].set.images, images));
    const bool told = std::ranges::any_of(whole.notes, [](const std::string& note) {
      return note.find("only 60 images exist; 1,000 were asked for") != std::string::npos;
    });
    CHECK(told == asked.has_value());
  }
}

TEST_CASE("images do not depend on the batch") {
  const TemporaryFolder folder;
  EvaluateConfig config = read_config(toy_config(folder));
  config.subjects.resize(1);
  config.baseline.clear();
  const Evaluation first = evaluate(config);
  config.batch = 50;
  const Evaluation again = evaluate(config);
  CHECK(at::equal(first.subjects[0].set.images, again.subjects[0].set.images));
  // Features are float32 products, whose rounding may depend on their number.
  CHECK(first.subjects[0].score.fid.value == Approx(again.subjects[0].score.fid.value).epsilon(1e-6));
}

TEST_CASE("fewer samples than dimensions are scored without a standard error") {
  FeatureSet few{.features = normal_features(1, 10, 20)}, real{.features = normal_features(2, 100, 20)};
  const FidScore scored = score(few, fit(few), real, fit(real));
  CHECK(scored.method == "thin");
  CHECK(scored.rank == 9);
  CHECK(scored.fid.value > 1.0);
  CHECK_FALSE(scored.se.has_value());
}

TEST_CASE("what cannot be scored names its file") {
  FeatureSet a{.features = normal_features(1, 10, 3), .source = "a.npz"};
  FeatureSet b{.features = normal_features(1, 10, 4), .source = "b.npz"};
  CHECK_THROWS_AS(score(a, fit(a), b, fit(b)), io::FileError);
  CHECK_THROWS_WITH(score(a, fit(a), b, fit(b)),
                    "a.npz: features have 3 dimensions, those of the reference b.npz 4");
  FeatureSet huge{.features = normal_features(1, 10, 3) * 1e200, .source = "huge.npz"};
  CHECK_THROWS_AS(fit(huge), NumericalError);
  CHECK_THROWS_WITH(fit(huge), Catch::StartsWith("huge.npz: features are too large"));

  const TemporaryFolder folder;
  EvaluateConfig config = read_config(toy_config(folder));
  std::get<ModelSubject>(config.subjects[0]).path = toy_generator(folder, 4).string();
  CHECK_THROWS_AS(evaluate(config), io::FileError);
  CHECK_THROWS_WITH(evaluate(config),
                    Catch::Contains("generator4.safetensors: images are 1x4x4, but the classifier") &&
                        Catch::Contains("takes 1x8x8"));
}

TEST_CASE("inputs are opened before any work is done") {
  const TemporaryFolder folder;
  EvaluateConfig config = read_config(toy_config(folder));
  std::get<ModelSubject>(config.subjects[1]).path = (folder / "none.safetensors").string();
  bool worked = false;
  CHECK_THROWS_WITH(evaluate(config, {.watch = [&](const std::string&, int64_t, int64_t) { worked = true; }}),
                    Catch::Contains("none.safetensors"));
  CHECK_FALSE(worked);
}

TEST_CASE("a watch that throws stops the evaluation") {
  const TemporaryFolder folder;
  const EvaluateConfig config = read_config(toy_config(folder));
  struct Stop {};
  CHECK_THROWS_AS(evaluate(config, {.watch =
                                        [](const std::string& stage, int64_t, int64_t) {
                                          if (stage == "toy: images") throw Stop{};
                                        }}),
                  Stop);
}

TEST_CASE("a configuration that makes no sense says why") {
  const std::string head = "out: x\nsubjects:\n";
  const auto refused = [](const std::string& yaml, const std::string& why) {
    CAPTURE(yaml);
    CHECK_THROWS_AS(read_config(yaml), config::ConfigError);
    CHECK_THROWS_WITH(read_config(yaml), Catch::Contains(why));
  };
  const std::string one = "  - {kind: features, name: a, path: a.npz}\n",
                    two = "  - {kind: features, name: b, path: b.npz}\n";
  const std::string reference = "reference: {kind: features, path: r.npz}\n";
  CHECK(read_config(reference + head + one + two + "baseline: b\n").baseline == "b");
  refused(reference + "out: x\n", "at least one");
  refused(reference + head + one + one, "two are called 'a'");
  refused(reference + head + one + "baseline: c\n", "no subject is called 'c'");
  refused(reference + head + one + two + "baseline: a\n", "headline itself");
  refused(head + one, "features.model");
  const std::string points = "data: {kind: gaussian_mixture, weights: [1], means: [[0]], stds: [[1]]}}\n";
  refused(reference + head + "  - {kind: dataset, name: p, " + points, "'p' holds points");
  refused("reference: {kind: dataset, " + points + head + one, "reference: holds points");
  refused(reference + head + "  - {kind: model, name: m, path: m.safetensors}\n", "features.model");
  refused(reference + "subjects: []\n", "out");
  refused(reference + head + one + "images: 1\n", "images");
  refused(reference + head + one + "classes: even\n", "balanced");
  refused(reference + head + "  - {kind: feature, name: a, path: a.npz}\n", "features");
}

}  // namespace
}  // namespace onestep
