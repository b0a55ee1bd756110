// SPDX-License-Identifier: Apache-2.0
// The table of metrics, and its way into an evaluation and its reports.
#include <ATen/TensorOperators.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "evaluation/kernel_distance.h"
#include "evaluation/neighbours.h"
#include "evaluation/report.h"
#include "evaluation/toys.h"

namespace onestep {
namespace {

using Catch::Matchers::Contains;
using Json = nlohmann::ordered_json;

FeatureSet set_of(const at::Tensor& features) {
  return {.features = features, .source = "toy"};
}

TEST_CASE("metrics are wanted by key, in the order of the table, whatever the order of the list") {
  CHECK(wanted_metrics({"fid"}).empty());
  CHECK(wanted_metrics({"recall", "fid", "kid"}) == std::vector<std::string>{"kid", "recall"});
  CHECK(wanted_metrics({"kid", "all"}).size() == metric_table().size());
  for (const MetricInfo& metric : metric_table()) {
    INFO(metric.key);
    CHECK_FALSE(metric.title.empty());
    CHECK_FALSE(metric.definition.empty());
    CHECK(metric_info(metric.key).title == metric.title);
  }
}

TEST_CASE("a metric's value is that of its function, one asked for or all") {
  const FeatureSet generated = set_of(normal_features(1, 300, 6) + 0.4),
                   reference = set_of(normal_features(2, 400, 6));
  const Gaussian law = fit(reference);
  const auto all = measure_metrics(wanted_metrics({"all"}), generated, reference, law, 0);
  REQUIRE(all.size() == metric_table().size());
  for (size_t i = 0; i < all.size(); ++i) {
    INFO(all[i].key << ": " << all[i].reason);
    CHECK(all[i].key == metric_table()[i].key);
    REQUIRE(all[i].value.has_value());
    const auto alone = measure_metrics({all[i].key}, generated, reference, law, 0);
    REQUIRE(alone.size() == 1);
    CHECK(*alone[0].value == *all[i].value);
  }
  CHECK(*all[0].value == kernel_distance(generated.features, reference.features).value);
  const Manifold shape = manifold(neighbourhood(generated.features, reference.features));
  CHECK(*measure_metrics({"coverage"}, generated, reference, law, 0)[0].value == shape.coverage.value);
  CHECK(*measure_metrics({"recall"}, generated, reference, law, 0)[0].value == shape.recall.value);
}

TEST_CASE("a set too small for a metric has a reason instead of a value") {
  const FeatureSet small = set_of(normal_features(1, 3, 6)), reference = set_of(normal_features(2, 90, 6));
  const Gaussian law = fit(reference);
  for (const char* key : {"fid_infinity", "recall"}) {
    const auto values = measure_metrics({key}, small, reference, law, 0);
    REQUIRE(values.size() == 1);
    INFO(key);
    CHECK_FALSE(values[0].value.has_value());
    CHECK_FALSE(values[0].reason.empty());
  }
}

TEST_CASE("metrics stand in both reports, and a missing one with its reason") {
  const TemporaryFolder folder;
  const Provenance provenance{.command = "onestep-evaluate"};
  const std::string yaml = toy_config(folder) + "metrics: [kid, fid_infinity, precision]\n";
  Evaluation evaluation = evaluate(config::read<EvaluateConfig>(config::parse(yaml, "test")));
  evaluation.subjects[1].metrics[1] = {"fid_infinity", {}, {}, "too <few>"};
  const Json json = report_json(evaluation, provenance);
  const Json& metrics = json["subjects"][0]["metrics"];
  REQUIRE(metrics.size() == 4);
  CHECK(metrics["kid"]["value"] == *evaluation.subjects[0].metrics[0].value);
  CHECK(metrics["kid"]["n"] == 50);
  CHECK(metrics["precision"]["method"].get<std::string>().find("3rd-neighbour") != std::string::npos);
  CHECK(json["subjects"][1]["metrics"]["fid_infinity"]["value"].is_null());
  CHECK(json["subjects"][1]["metrics"]["fid_infinity"]["reason"] == "too <few>");
  const std::string html = report_html(evaluation, provenance);
  CHECK_THAT(html, Contains("All metrics") && Contains("FID∞") && Contains("too &lt;few&gt;"));
  CHECK_THAT(html, !Contains("recall"));

  evaluation = evaluate(config::read<EvaluateConfig>(config::parse(toy_config(folder), "test")));
  CHECK(report_json(evaluation, provenance)["subjects"][0]["metrics"].size() == 1);  // FID, as before
  CHECK_THAT(report_html(evaluation, provenance), !Contains("All metrics"));
}

TEST_CASE("a metric that does not exist is refused with the nearest") {
  const TemporaryFolder folder;
  const std::string yaml = toy_config(folder) + "metrics: [kidd]\n";
  CHECK_THROWS_WITH(config::read<EvaluateConfig>(config::parse(yaml, "test")),
                    Contains("did you mean 'kid'?"));
}

}  // namespace
}  // namespace onestep
