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
  const ModelScorer scorer(config_of(folder), {});
  for (int i = 0; i < 2; ++i) {  // again and again
    const Scored scored = scorer(toy_generator(folder));
    CHECK(scored.fid == Approx(expected.subjects[0].score.fid.value).epsilon(1e-12));
    CHECK(*scored.se == Approx(*expected.subjects[0].score.se).epsilon(1e-12));
  }
  const ModelScorer quick(config_of(folder, "sampler: {solver: one_step}\n"), {});
  CHECK(quick(toy_generator(folder)).fid == Approx(expected.subjects[1].score.fid.value).epsilon(1e-12));
}

TEST_CASE("what FID in training lacks shows before a run starts") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(config::read<InTrainingConfig>(config::parse("every_images: 5", "test")),
                    Catch::Contains("features.model"));
  InTrainingConfig config = config_of(folder);
  config.features = ClassifierFeatures{.model = (folder / "none.safetensors").string()};
  CHECK_THROWS_WITH(ModelScorer(config, {}), Catch::Contains("none.safetensors"));
}

TEST_CASE("a watch stops FID in training") {
  const TemporaryFolder folder;
  struct Stop {};
  const EvaluationContext context{.watch = [](const std::string& stage, int64_t, int64_t) {
    if (stage == "evaluation: images") throw Stop{};
  }};
  const ModelScorer scorer(config_of(folder), context);
  CHECK_THROWS_AS(scorer(toy_generator(folder)), Stop);
}

}  // namespace
}  // namespace onestep
