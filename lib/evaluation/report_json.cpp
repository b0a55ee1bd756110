// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <nlohmann/json.hpp>

#include "config/config.h"
#include "evaluation/remarks.h"
#include "evaluation/report.h"

namespace onestep {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json optional(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

/// Every set, the smallest FID (what papers report) and the mean with the standard deviation of the sets.
Json seed_sets_json(const std::vector<SeedSet>& sets) {
  const SeedSetSummary summary = summary_of(sets);
  Json each = Json::array();
  for (const SeedSet& set : sets)
    each.push_back({{"first_seed", set.first_seed}, {"value", set.fid}, {"se", optional(set.se)}});
  return {{"min", summary.min}, {"mean", summary.mean}, {"sd", summary.sd}, {"sets", each}};
}

Json fid_json(const Subject& subject, const Reference& reference) {
  const FidScore& score = subject.score;
  Json fid = {{"value", score.fid.value}, {"se", optional(score.se)}};
  if (!score.se) fid["se_reason"] = score.se_reason;
  fid["n"] = subject.set.size();
  fid["d"] = subject.set.width();
  fid["reference_n"] = reference.set.size();
  fid["method"] = "float64, nuclear norm of covariance roots (" + score.method + ", reference " +
                  reference.law.method + ")";
  fid["mean_term"] = score.fid.mean_term;
  fid["covariance_term"] = score.fid.covariance_term;
  fid["bias_at_equality"] = optional(score.equality_bias);
  if (!subject.seed_sets.empty()) fid["seed_sets"] = seed_sets_json(subject.seed_sets);
  return fid;
}

/// Every metric under its key.
Json metrics_json(const Subject& subject, const Reference& reference) {
  Json metrics;
  metrics["fid"] = fid_json(subject, reference);
  for (const MetricValue& metric : subject.measured.values) {
    Json& json = metrics[metric.key] = {{"value", optional(metric.value)}, {"se", optional(metric.se)}};
    if (!metric.reason.empty()) json["reason"] = metric.reason;
    json["n"] = subject.set.size();
    json["d"] = subject.set.width();
    json["reference_n"] = reference.set.size();
    json["method"] = metric_info(metric.key).definition;
    for (const auto& [name, value] : metric.extra) json[name] = value;
  }
  return metrics;
}

Json validity_json(const FeatureSet& set, const Validity& validity, int64_t rank) {
  return {{"n", set.size()},
          {"d", set.width()},
          {"rank", rank},
          {"duplicates", optional(validity.duplicates)},
          {"constant_images", optional(validity.constant_images)},
          {"class_accuracy", optional(validity.class_accuracy)},
          {"class_counts", validity.class_counts}};
}

Json subject_json(const Subject& subject, const Reference& reference) {
  const FeatureSet& set = subject.set;
  Json json = {
      {"name", subject.name}, {"kind", subject.kind}, {"source", set.source}, {"sha256", set.sha256}};
  json["sampler"] = set.sampler.empty() ? Json(nullptr) : Json(set.sampler);
  json["nfe"] = optional(set.nfe);
  json["seconds"] = set.image_seconds;
  json["images_per_second"] = set.image_seconds > 0 && set.nfe
                                  ? Json(static_cast<double>(set.size()) / set.image_seconds)
                                  : Json(nullptr);
  json["feature_seconds"] = set.feature_seconds;
  json["reused"] = {{"images", set.images_reused}, {"features", set.features_reused}};
  json["metrics"] = metrics_json(subject, reference);
  json["validity"] = validity_json(set, subject.validity, subject.score.rank);
  return json;
}

}  // namespace

Json report_json(const Evaluation& evaluation, const Provenance& provenance) {
  const Reference& reference = evaluation.reference;
  Json subjects = Json::array();
  for (const Subject& subject : evaluation.subjects) subjects.push_back(subject_json(subject, reference));
  Json verdict = nullptr;
  if (evaluation.verdict)
    verdict = {
        {"baseline", evaluation.config.baseline}, {"outcome", outcome_name(evaluation.verdict->outcome)},
        {"gap", evaluation.verdict->gap},         {"se", optional(evaluation.verdict->se)},
        {"paired", evaluation.verdict->paired},   {"sentence", verdict_sentence(evaluation)}};
  Json features = {{"kind", features_kind(evaluation)},
                   {"d", reference.set.width()},
                   {"comparable_with_inception_fid", features_kind(evaluation) == InceptionFeatures::kind}};
  if (!evaluation.network.empty()) {
    features["path"] = evaluation.network;
    features["sha256"] = evaluation.network_sha256;
  }
  Json trend = Json::array();
  for (const TrendPoint& point : evaluation.trend)
    trend.push_back({{"nimg", point.nimg}, {"value", point.fid}, {"se", optional(point.se)}});
  return {
      {"schema", kReportSchema},
      {"title", evaluation.config.title},
      {"metrics", metrics_json(evaluation.subjects.front(), reference)},
      {"verdict", verdict},
      {"subjects", subjects},
      {"reference",
       {{"source", reference.set.source},
        {"sha256", reference.set.sha256},
        {"validity", validity_json(reference.set, reference.validity, reference.law.rank)}}},
      {"features", features},
      {"protocol", {{"name", evaluation.config.protocol}, {"departures_from_edm", evaluation.departures}}},
      {"trend", trend},
      {"class_names", evaluation.class_names},
      {"warnings", evaluation.warnings},
      {"notes", evaluation.notes},
      {"provenance",
       {{"command", provenance.command},
        {"date", provenance.date},
        {"onestep", provenance.onestep},
        {"libtorch", provenance.libtorch},
        {"device", provenance.device},
        {"threads", provenance.threads},
        {"seconds", provenance.seconds},
        {"config", config::to_json(evaluation.config)}}}};
}

}  // namespace onestep
