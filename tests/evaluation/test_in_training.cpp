// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <string>

#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "config/config.h"
#include "evaluation/evaluate.h"
#include "evaluation/in_training.h"
#include "evaluation/toys.h"

namespace onestep {
namespace {

const ImageShape kToyShape{1, kToySize, kToySize};

InTrainingConfig config_of(const TemporaryFolder& folder, const std::string& more = "") {
  return config::read<InTrainingConfig>(
      config::parse("every_images: 100\nimages: 50\nfeatures: {model: " + toy_classifier(folder).string() +
                        "}\nreference: {kind: dataset, data: " + toy_dataset(folder, 90) + "}\n" + more,
                    "test"));
}

TEST_CASE("FID in training is that of onestep-evaluate") {
  const TemporaryFolder folder;
  EvaluateConfig whole = config::read<EvaluateConfig>(config::parse(toy_config(folder), "test"));
  whole.subjects.resize(2);
  whole.baseline.clear();
  whole.batch = 100;
  const Evaluation expected = evaluate(whole);
  const ModelScorer scorer(config_of(folder), {}, kToyShape);
  for (int i = 0; i < 2; ++i) {  // again and again
    const Scored scored = scorer(io::read_safetensors(toy_generator(folder))).value();
    CHECK(scored.fid == Approx(expected.subjects[0].score.fid.value).epsilon(1e-12));
    CHECK(*scored.se == Approx(*expected.subjects[0].score.se).epsilon(1e-12));
  }
  const ModelScorer quick(config_of(folder, "sampler: {solver: one_step}\n"), {}, kToyShape);
  CHECK(quick(io::read_safetensors(toy_generator(folder)))->fid ==
        Approx(expected.subjects[1].score.fid.value).epsilon(1e-12));
}

TEST_CASE("what FID in training lacks shows before a run starts") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(config::read<InTrainingConfig>(config::parse("every_images: 5", "test")),
                    Catch::Contains("features.model"));
  InTrainingConfig config = config_of(folder);
  config.features = ClassifierFeatures{.model = (folder / "none.safetensors").string()};
  CHECK_THROWS_WITH(ModelScorer(config, {}, kToyShape), Catch::Contains("none.safetensors"));
}

TEST_CASE("what of FID in training does not fit the model shows before a run starts") {
  const TemporaryFolder folder;
  const auto problem = [](const InTrainingConfig& config, const ImageShape& shape) -> std::string {
    try {
      const ModelScorer scorer(config, {}, shape);
    } catch (const config::ConfigError& error) {
      return error.what();
    }
    return "";
  };
  InTrainingConfig config = config_of(folder);
  CHECK_THAT(problem(config, {3, 16, 16}), Catch::Contains("evaluation.reference: ") &&
                                               Catch::Contains("1x8x8") && Catch::Contains("3x16x16"));
  io::write_safetensors(folder / "few.safetensors", {{"features", normal_features(1, 20, kToyFeatures + 1)}});
  config.reference = FeaturesReference{.path = (folder / "few.safetensors").string()};
  CHECK_THAT(problem(config, kToyShape),
             Catch::Contains("evaluation.reference: ") && Catch::Contains("has 5 dimensions"));
  io::write_safetensors(folder / "few.safetensors", {{"features", normal_features(1, 20, kToyFeatures)}});
  CHECK(problem(config, kToyShape).empty());
  CHECK_THAT(problem(config, {3, 8, 8}),
             Catch::Contains("evaluation.features: the model makes 3x8x8 images"));
}

TEST_CASE("a watch stops FID in training") {
  const TemporaryFolder folder;
  struct Stop {};
  const EvaluationContext context{.watch = [](const std::string& stage, int64_t, int64_t) {
    if (stage == "evaluation: images") throw Stop{};
  }};
  const ModelScorer scorer(config_of(folder), context, kToyShape);
  CHECK_THROWS_AS(scorer(io::read_safetensors(toy_generator(folder))), Stop);
}

}  // namespace
}  // namespace onestep
