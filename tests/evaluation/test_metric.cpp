// SPDX-License-Identifier: Apache-2.0
// The table of metrics, and its way into an evaluation and its reports.
#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>

#include <ATen/TensorOperators.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "evaluation/inception_score.h"
#include "evaluation/influence.h"
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
  CHECK(wanted_metrics({"all"}) == std::vector<std::string>{"kid", "is", "precision", "recall", "density",
                                                            "coverage", "sfid", "fid_infinity", "mind",
                                                            "authpct"});
  CHECK(wanted_metrics({"kid", "all"}).size() == metric_table().size());
  for (const MetricInfo& metric : metric_table()) {
    INFO(metric.key);
    CHECK_FALSE(metric.title.empty());
    CHECK_FALSE(metric.definition.empty());
    CHECK(metric_info(metric.key).title == metric.title);
  }
}

/// Everything that a metric can ask for: features, their spatial part, logits.
FeatureSet full_set(uint64_t seed, int64_t n, double shift) {
  return {.features = normal_features(seed, n, 6) + shift,
          .spatial = (normal_features(seed + 10, n, 4) + shift).to(at::kFloat),
          .logits = (normal_features(seed + 20, n, 5) * 2.0).to(at::kFloat),
          .source = "toy"};
}

const MetricValue& value_of(const Measurements& measured, const std::string& key) {
  const auto found = std::ranges::find(measured.values, key, &MetricValue::key);
  REQUIRE(found != measured.values.end());
  return *found;
}

double extra_of(const MetricValue& value, const std::string& name) {
  for (const auto& [key, number] : value.extra)
    if (key == name) return number;
  FAIL(value.key << " has no " << name);
  return 0;
}

TEST_CASE("a metric's value is that of its function, one asked for or all") {
  const FeatureSet generated = full_set(1, 300, 0.4), reference = full_set(2, 400, 0.0);
  const Gaussian law = fit(reference);
  MetricReference against{.set = reference, .law = law};
  const Measurements all = measure_metrics(wanted_metrics({"all"}), generated, against, 0, "toy");
  REQUIRE(all.values.size() == metric_table().size());
  for (size_t i = 0; i < all.values.size(); ++i) {
    const MetricValue& value = all.values[i];
    INFO(value.key << ": " << value.reason);
    CHECK(value.key == metric_table()[i].key);
    REQUIRE(value.value.has_value());
    MetricReference fresh{.set = reference, .law = law};
    const Measurements alone = measure_metrics({value.key}, generated, fresh, 0, "toy");
    REQUIRE(alone.values.size() == 1);
    CHECK(*alone.values[0].value == *value.value);
    CHECK(alone.values[0].se == value.se);
    CHECK(alone.values[0].extra == value.extra);
  }
  CHECK(*value_of(all, "kid").value == kernel_distance(generated.features, reference.features).value);
  const Manifold shape = manifold(neighbourhood(generated.features, reference.features));
  CHECK(*value_of(all, "coverage").value == shape.coverage.value);
  CHECK(*value_of(all, "recall").value == shape.recall.value);
  CHECK(*value_of(all, "authpct").value ==
        authentic_share(nearest_reference(generated.features, reference.features)).value);
  const Gaussian spatial = fit_gaussian(generated.spatial), spatial_law = fit_gaussian(reference.spatial);
  CHECK(*value_of(all, "sfid").value == frechet_distance(spatial, spatial_law).value);
  CHECK(value_of(all, "sfid").se ==
        influence_standard_error(influence(generated.spatial, spatial, spatial_law), 4));
}

TEST_CASE("what stands beside a metric's value") {
  const FeatureSet generated = full_set(1, 300, 0.4), reference = full_set(2, 400, 0.0);
  const Gaussian law = fit(reference);
  MetricReference against{.set = reference, .law = law};
  const Measurements all = measure_metrics(wanted_metrics({"all"}), generated, against, 7, "toy");
  const MetricValue& kid = value_of(all, "kid");
  CHECK(extra_of(kid, "subset_size") == 300);
  CHECK(extra_of(kid, "subsets") == 100);
  // The subset route is unbiased: its mean is the value to the spread of the subsets of the larger set.
  CHECK(extra_of(kid, "subsets_mean") == Approx(*kid.value).margin(4.0 * extra_of(kid, "subsets_sd") / 10.0));
  CHECK(extra_of(kid, "subsets_sd") > 0.0);
  CHECK(extra_of(kid, "subsets_sd") < *kid.se);  // only the reference's subsets differ
  const MetricValue& is = value_of(all, "is");
  CHECK(extra_of(is, "splits") == 10);
  CHECK(extra_of(is, "sd") == Approx(*is.se * 3.0));
  CHECK(extra_of(value_of(all, "precision"), "k") == 3);
  CHECK(extra_of(value_of(all, "recall"), "k") == 3);
  CHECK(extra_of(value_of(all, "density"), "k") == 5);
  CHECK(extra_of(value_of(all, "coverage"), "k") == 5);
  CHECK(extra_of(value_of(all, "fid_infinity"), "slope") == all.fid_infinity->slope);
  CHECK(extra_of(value_of(all, "mind"), "projections") == 1000);
  CHECK(extra_of(value_of(all, "sfid"), "d") == 4);
}

TEST_CASE("what metrics were read off is kept, and the reference's share of it for the next subject") {
  const FeatureSet generated = full_set(1, 200, 0.4), reference = full_set(2, 250, 0.0);
  const Gaussian law = fit(reference);
  MetricReference against{.set = reference, .law = law};
  const Measurements none = measure_metrics({"kid"}, generated, against, 0, "toy");
  CHECK_FALSE((none.fid_infinity || none.neighbourhood || none.nearest));
  CHECK_FALSE((against.radii.defined() || against.spatial_law.has_value()));
  const Measurements all = measure_metrics(wanted_metrics({"all"}), generated, against, 0, "toy");
  REQUIRE((all.fid_infinity && all.neighbourhood && all.nearest));
  CHECK(all.fid_infinity->fids.size() == 15);
  CHECK(all.neighbourhood->contained.size(0) == 250);
  CHECK(at::equal(all.nearest->gap, nearest_reference(generated.features, reference.features).gap));
  REQUIRE((against.radii.defined() && against.spatial_law.has_value()));
  const at::Tensor radii = against.radii;
  measure_metrics({"precision", "sfid"}, generated, against, 0, "again");
  CHECK(against.radii.is_same(radii));
}

TEST_CASE("classes in order do not spoil the Inception Score") {
  const FeatureSet mixed = full_set(3, 400, 0.0);
  FeatureSet sorted = mixed;
  sorted.logits = mixed.logits.index_select(0, mixed.logits.argmax(1).argsort());
  const Gaussian law = fit(mixed);
  MetricReference against{.set = mixed, .law = law};
  const MetricValue is = measure_metrics({"is"}, sorted, against, 0, "toy").values[0];
  CHECK(*is.value > 1.8);
  CHECK(*is.value == Approx(inception_score(mixed.logits).score.value).margin(3.0 * *is.se));
  CHECK(inception_score(sorted.logits).score.value < 1.7);  // what there is to spoil
}

TEST_CASE("a watch hears every long metric to its end, counted in samples, and may stop any") {
  const FeatureSet generated = full_set(1, 300, 0.4), reference = full_set(2, 1100, 0.0);
  const Gaussian law = fit(reference);
  std::map<std::string, int64_t> calls, last;
  const StageWatch watch = [&](const std::string& stage, int64_t done, int64_t total) {
    INFO(stage << " " << done);
    REQUIRE(total == 300);
    REQUIRE(done >= last[stage]);  // never back
    REQUIRE(done <= total);
    last[stage] = done;
    ++calls[stage];
  };
  MetricReference against{.set = reference, .law = law};
  measure_metrics(wanted_metrics({"all"}), generated, against, 0, "toy", watch);
  const std::map<std::string, std::string> metric_of{{"toy: KID", "kid"},   {"toy: neighbours", "recall"},
                                                     {"toy: sFID", "sfid"}, {"toy: FID∞", "fid_infinity"},
                                                     {"toy: MIND", "mind"}, {"toy: nearest", "authpct"}};
  for (const auto& [stage, key] : metric_of) {
    INFO(stage);
    CHECK(last[stage] == 300);
    CHECK(calls[stage] >= 3);
    for (const int64_t at : {int64_t{1}, calls[stage] / 2}) {
      const StageWatch stop = [at, call = int64_t{0}](const std::string&, int64_t, int64_t) mutable {
        if (++call == at) throw std::runtime_error("stopped");
      };
      MetricReference fresh{.set = reference, .law = law};
      CHECK_THROWS_WITH(measure_metrics({key}, generated, fresh, 0, "toy", stop), "stopped");
    }
  }
}

TEST_CASE("a set too small for a metric has a reason instead of a value") {
  const FeatureSet small = set_of(normal_features(1, 3, 6)), reference = set_of(normal_features(2, 90, 6));
  const Gaussian law = fit(reference);
  for (const char* key : {"fid_infinity", "recall"}) {
    MetricReference against{.set = reference, .law = law};
    const Measurements measured = measure_metrics({key}, small, against, 0, "toy");
    REQUIRE(measured.values.size() == 1);
    INFO(key);
    CHECK_FALSE(measured.values[0].value.has_value());
    CHECK_FALSE(measured.values[0].reason.empty());
    CHECK_FALSE((measured.fid_infinity || measured.neighbourhood));
  }
}

TEST_CASE("features without logits or a spatial part have reasons for it") {
  const FeatureSet bare = set_of(normal_features(1, 90, 6)), full = full_set(2, 90, 0.0);
  const Gaussian law = fit(full);
  MetricReference against{.set = full, .law = law};
  const Measurements measured = measure_metrics({"is", "sfid"}, bare, against, 0, "toy");
  CHECK(value_of(measured, "is").reason == "these features have no logits");
  CHECK(value_of(measured, "sfid").reason == "these features have no spatial part");
  MetricReference plain{.set = bare, .law = law};
  const Measurements other = measure_metrics({"is", "sfid"}, full, plain, 0, "toy");
  CHECK(value_of(other, "is").value.has_value());
  CHECK(value_of(other, "sfid").reason == "the reference has no spatial part");
  plain.spatial_law = fit_gaussian(full.spatial);  // statistics of a file
  CHECK(std::abs(*value_of(measure_metrics({"sfid"}, full, plain, 0, "toy"), "sfid").value) < 1e-12);
}

TEST_CASE("of statistics without samples only what needs no samples is measured") {
  const FeatureSet full = full_set(1, 300, 0.2), statistics{.source = "statistics"};
  const Gaussian law = fit(full);
  MetricReference samples_known{.set = full, .law = law};
  for (const MetricValue& value :
       measure_metrics(wanted_metrics({"all"}), statistics, samples_known, 0, "toy").values) {
    INFO(value.key);
    CHECK_FALSE(value.value.has_value());
    CHECK(value.reason == "only statistics are known, no samples");
  }
  MetricReference statistics_only{.set = statistics, .law = law};
  for (const MetricValue& value :
       measure_metrics(wanted_metrics({"all"}), full, statistics_only, 0, "toy").values) {
    INFO(value.key << ": " << value.reason);
    if (value.key == "is" || value.key == "fid_infinity")
      CHECK(value.value.has_value());
    else if (value.key == "sfid")
      CHECK(value.reason == "the reference has no spatial part");
    else
      CHECK(value.reason == "only statistics of the reference are known, no samples");
  }
}

TEST_CASE("metrics stand in both reports, and a missing one with its reason") {
  const TemporaryFolder folder;
  const Provenance provenance{.command = "onestep-evaluate"};
  const std::string yaml = toy_config(folder) + "metrics: [kid, fid_infinity, precision]\n";
  Evaluation evaluation = evaluate(config::read<EvaluateConfig>(config::parse(yaml, "test")));
  evaluation.subjects[1].measured.values[2] = {"fid_infinity", {}, {}, "too <few>"};
  const Json json = report_json(evaluation, provenance);
  const Json& metrics = json["subjects"][0]["metrics"];
  REQUIRE(metrics.size() == 4);
  CHECK(metrics["kid"]["value"] == *evaluation.subjects[0].measured.values[0].value);
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
