// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <ATen/TensorOperators.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "evaluation/report_toys.h"

namespace onestep {
namespace {

using Json = nlohmann::ordered_json;

void has_keys(const Json& json, const std::vector<std::string>& keys) {
  REQUIRE(json.is_object());
  for (const std::string& key : keys) {
    CAPTURE(key);
    CHECK(json.contains(key));
  }
}

/// No number in the tree is NaN or infinite: JSON would show it as null without a reason.
void all_finite(const Json& json) {
  if (json.is_number_float()) CHECK(std::isfinite(json.get<double>()));
  if (json.is_structured())
    for (const Json& child : json) all_finite(child);
}

TEST_CASE("report.json follows its schema") {
  const Evaluation evaluation = toy_evaluation();
  const Json json = Json::parse(report_json(evaluation, kProvenance).dump());
  all_finite(json);
  CHECK(json["schema"] == 1);
  has_keys(json, {"title", "metrics", "verdict", "subjects", "reference", "features", "class_names",
                  "warnings", "notes", "provenance"});
  has_keys(json["verdict"], {"baseline", "outcome", "gap", "se", "sentence"});
  has_keys(json["reference"], {"source", "sha256", "validity"});
  has_keys(json["features"], {"kind", "path", "sha256", "origin", "d", "comparable_with_inception_fid"});
  has_keys(json["provenance"],
           {"command", "date", "onestep", "libtorch", "device", "threads", "seconds", "config"});
  REQUIRE(json["subjects"].size() == 3);
  for (const Json& subject : json["subjects"]) {
    has_keys(subject, {"name", "kind", "source", "sha256", "sampler", "nfe", "seconds", "images_per_second",
                       "feature_seconds", "metrics", "validity"});
    has_keys(subject["validity"],
             {"n", "d", "rank", "duplicates", "constant_images", "class_accuracy", "class_counts"});
    has_keys(subject["metrics"]["fid"], {"value", "se", "n", "d", "reference_n", "method", "mean_term",
                                         "covariance_term", "bias_at_equality"});
  }
  CHECK(json["metrics"] == json["subjects"][0]["metrics"]);
  const Json& fid = json["metrics"]["fid"];
  CHECK(fid["value"].get<double>() == Approx(evaluation.subjects[0].score.fid.value));
  CHECK(fid["value"].get<double>() ==
        Approx(fid["mean_term"].get<double>() + fid["covariance_term"].get<double>()));
  CHECK(fid["n"] == 50);
  CHECK(fid["reference_n"] == 90);
  CHECK(json["subjects"][0]["nfe"] == 3);
  CHECK(json["subjects"][2]["nfe"].is_null());
  CHECK(json["subjects"][2]["images_per_second"].is_null());
}

TEST_CASE("a missing standard error is null with its reason") {
  const Json json = report_json(bare_evaluation(), kProvenance);
  CHECK(json["metrics"]["fid"]["se"].is_null());
  CHECK(json["metrics"]["fid"]["se_reason"].get<std::string>().find("N <= d") != std::string::npos);
  CHECK(json["verdict"].is_null());
  CHECK(json["subjects"][0]["validity"]["constant_images"].is_null());
}

TEST_CASE("report.html says what it must") {
  const Evaluation evaluation = toy_evaluation();
  const std::string html = report_html(evaluation, kProvenance);
  CHECK(count(html, "not comparable with Inception FID") == 1);
  CHECK(count(html, verdict_sentence(evaluation)) == 1);
  CHECK(count(html, "Toy &lt;1&gt;") >= 1);  // text from outside is escaped
  CHECK(count(html, "onestep-evaluate &lt;x&gt; &amp; y") == 1);
  for (const char* part : {"Comparison", "Samples of toy", "Most harmful to FID", "Validity", "Provenance",
                           "rank of Σ", "SHA-256", "<svg", "data:image/png"}) {
    CAPTURE(part);
    CHECK(count(html, part) >= 1);
  }
}

TEST_CASE("a report without images, classes, baseline and standard error") {
  const Evaluation evaluation = bare_evaluation();
  const std::string html = report_html(evaluation, kProvenance);
  CHECK(count(html, "<img") == 0);
  CHECK(count(html, "row of the file") == 1);
  CHECK(count(html, "(too few)") == 1);
  CHECK(count(html, "no standard error covers that") == 1);
  CHECK(count(html, "class=\"pill") == 1);  // not the EDM protocol; no verdict
  CHECK(verdict_sentence(evaluation).empty());
}

TEST_CASE("repeated samples are told above everything else") {
  const TemporaryFolder folder;
  at::Tensor few = normal_features(1, 20, 4).repeat({5, 1});
  io::write_safetensors(folder / "a.safetensors", {{"features", few}});
  io::write_safetensors(folder / "r.safetensors", {{"features", normal_features(2, 90, 4)}});
  EvaluateConfig config;
  config.out = "out";
  config.reference = FeaturesReference{.path = (folder / "r.safetensors").string()};
  config.subjects = {FeaturesSubject{.name = "a", .path = (folder / "a.safetensors").string()}};
  const Evaluation evaluation = evaluate(config);
  const std::string warning = "a: 80 of 100 samples repeat an earlier one.";
  REQUIRE(evaluation.warnings.size() == 1);
  CHECK_THAT(evaluation.warnings[0], Catch::StartsWith(warning));
  const std::string html = report_html(evaluation, kProvenance);
  CHECK(html.find(warning) < html.find("class=\"hero\""));
  CHECK(toy_evaluation().warnings.empty());
}

TEST_CASE("the verdict in words") {
  Evaluation evaluation = toy_evaluation();
  const auto sentence = [&](double first, double second, std::optional<double> se) {
    evaluation.subjects[0].score.fid.value = first;
    evaluation.subjects[0].score.se = se;
    evaluation.subjects[2].score.fid.value = second;
    evaluation.subjects[2].score.se = se;
    evaluation.subjects[2].set.nfe = 105;
    evaluation.verdict = judge({first, se}, {second, se});
    return verdict_sentence(evaluation);
  };
  CHECK(sentence(7.0, 5.0, 0.1) ==
        "FID is 2.00 ± 0.14 higher than that of real (5.00 ± 0.10), with 3 network evaluations an image "
        "instead of 105.");
  CHECK(sentence(4.0, 5.0, 0.1) ==
        "FID is 1.00 ± 0.14 lower than that of real (5.00 ± 0.10), with 3 network evaluations an image "
        "instead of 105.");
  CHECK(sentence(5.1, 5.0, 0.1) ==
        "A gap of 0.10 ± 0.14 to real (5.00 ± 0.10) is inconclusive: it is below 2 standard errors.");
  CHECK(
      sentence(5.01, 5.0, 0.001) ==
      "A gap of 0.0100 ± 0.0014 to real (5.0000 ± 0.0010) is inconclusive: it is below 1.3 % of FID, what a "
      "training seed alone is worth.");
}

TEST_CASE("the printed table is aligned") {
  const std::string table = summary_table(toy_evaluation());
  CHECK(count(table, "\n") == 4);
  CHECK(table.find("NFE") != std::string::npos);
  CHECK(table.find("toy in one step    1") != std::string::npos);
  CHECK(count(table, "±") == 3);
}

TEST_CASE("metrics that were asked for are printed, too") {
  Evaluation evaluation = toy_evaluation();
  for (Subject& subject : evaluation.subjects)
    subject.measured.values = {{.key = "kid", .value = 0.25, .se = 0.01, .reason = ""},
                               {.key = "sfid", .reason = "no spatial part"}};
  const std::string table = summary_table(evaluation), bare = summary_table(toy_evaluation());
  REQUIRE(table.starts_with(bare));
  const std::string metrics = table.substr(bare.size());
  CHECK(count(metrics, "\n") == 3);
  CHECK(metrics.find("KID") != std::string::npos);
  CHECK(count(metrics, "0.250 ± 0.010") == evaluation.subjects.size());
  CHECK(count(metrics, "- (no spatial part)") == evaluation.subjects.size());
}

}  // namespace
}  // namespace onestep
