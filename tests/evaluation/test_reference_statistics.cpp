// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <ATen/TensorOperators.h>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "evaluation/evaluate.h"
#include "evaluation/reference_statistics.h"
#include "evaluation/toys.h"

namespace onestep {
namespace {

TEST_CASE("a reference known by its statistics gives the FID of its images") {
  const TemporaryFolder folder;
  EvaluateConfig config = config::read<EvaluateConfig>(config::parse(toy_config(folder), "test"));
  const Evaluation with_images = evaluate(config);

  const DatasetConfig data = std::get<DatasetReference>(config.reference).data;
  const StatisticsFile statistics =
      reference_statistics(DatasetSubject{.name = "data", .data = data}, config, {});
  CHECK(statistics.n == 90);  // all of them, whatever `images` says
  for (const std::string name : {"reference.npz", "reference.safetensors"}) {
    CAPTURE(name);
    const std::string path = (folder / name).string();
    write_statistics(path, statistics);
    config.reference = FeaturesReference{.path = path};
    config.metrics = {"all"};
    const Evaluation with_statistics = evaluate(config);
    for (size_t i = 0; i < with_images.subjects.size(); ++i) {
      const FidScore &a = with_images.subjects[i].score, &b = with_statistics.subjects[i].score;
      CHECK(b.fid.value == Approx(a.fid.value).epsilon(1e-9));
      CHECK(*b.se == Approx(*a.se).epsilon(1e-9));
    }
    // Metrics that need the reference's samples have none, and say why.
    for (const MetricValue& metric : with_statistics.subjects[0].measured.values) {
      CAPTURE(metric.key);
      if (metric.key == "is" || metric.key == "fid_infinity") continue;  // those need the subject's alone
      CHECK_FALSE(metric.value.has_value());
      CHECK_FALSE(metric.reason.empty());
    }
  }
}

TEST_CASE("a model's statistics are those of the images asked for") {
  const TemporaryFolder folder;
  EvaluateConfig config = config::read<EvaluateConfig>(config::parse(toy_config(folder), "test"));
  config.images = 30;
  const ModelSubject model{.name = "m", .path = toy_generator(folder).string()};
  const StatisticsFile first = reference_statistics(model, config, {});
  CHECK(first.n == 30);
  CHECK_FALSE(first.spatial.has_value());
  config.first_seed = 30;
  const StatisticsFile next = reference_statistics(model, config, {});
  CHECK((first.features.mean - next.features.mean).abs().max().item<double>() > 1e-6);
}

TEST_CASE("a subject known by its statistics has a FID and nothing else") {
  const TemporaryFolder folder;
  EvaluateConfig config = config::read<EvaluateConfig>(config::parse(toy_config(folder), "test"));
  const Evaluation with_samples = evaluate(config);
  const ModelSubject model{.name = "m", .path = toy_generator(folder).string()};
  write_statistics(folder / "m.npz", reference_statistics(model, config, {}));
  config.subjects = {FeaturesSubject{.name = "statistics", .path = (folder / "m.npz").string()}};
  config.baseline.clear();
  config.metrics = {"all"};
  const Evaluation bare = evaluate(config);
  const Subject& subject = bare.subjects[0];
  CHECK(subject.score.fid.value == Approx(with_samples.subjects[0].score.fid.value).epsilon(1e-9));
  CHECK_FALSE(subject.score.se.has_value());
  CHECK(subject.score.se_reason == "only statistics are known, no samples");
  CHECK(subject.set.size() == 50);
  CHECK_FALSE(subject.validity.duplicates.has_value());
  for (const MetricValue& metric : subject.measured.values) CHECK_FALSE(metric.value.has_value());
}

}  // namespace
}  // namespace onestep
