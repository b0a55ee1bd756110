// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <nlohmann/json.hpp>

#include "config/config.h"
#include "evaluation/report.h"

namespace onestep {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json optional(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json fid_json(const Subject& subject, const Reference& reference) {
  const FidScore& score = subject.score;
  Json fid = {{"value", score.fid.value}, {"se", optional(score.se)}};
  if (!score.se) fid["se_reason"] = "N <= d: the covariance is singular";
  fid["n"] = subject.set.size();
  fid["d"] = subject.set.width();
  fid["reference_n"] = reference.set.size();
  fid["method"] = "float64, nuclear norm of covariance roots (" + score.method + ", reference " +
                  reference.law.method + ")";
  fid["mean_term"] = score.fid.mean_term;
  fid["covariance_term"] = score.fid.covariance_term;
  fid["bias_at_equality"] = score.equality_bias;
  return fid;
}

/// Every metric under its key.
Json metrics_json(const Subject& subject, const Reference& reference) {
  Json metrics;
  metrics["fid"] = fid_json(subject, reference);
  for (const MetricValue& metric : subject.metrics) {
    Json& json = metrics[metric.key] = {{"value", optional(metric.value)}, {"se", optional(metric.se)}};
    if (!metric.reason.empty()) json["reason"] = metric.reason;
    json["n"] = subject.set.size();
    json["d"] = subject.set.width();
    json["reference_n"] = reference.set.size();
    json["method"] = metric_info(metric.key).definition;
  }
  return metrics;
}

Json validity_json(const FeatureSet& set, const Validity& validity, int64_t rank) {
  return {{"n", set.size()},
          {"d", set.width()},
          {"rank", rank},
          {"duplicates", validity.duplicates},
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
    verdict = {{"baseline", evaluation.config.baseline},
               {"outcome", outcome_name(evaluation.verdict->outcome)},
               {"gap", evaluation.verdict->gap},
               {"se", optional(evaluation.verdict->se)},
               {"sentence", verdict_sentence(evaluation)}};
  Json features = {{"kind", evaluation.classifier.empty() ? "file" : "classifier"},
                   {"d", reference.set.width()},
                   {"comparable_with_inception_fid", false}};
  if (!evaluation.classifier.empty()) {
    features["path"] = evaluation.classifier;
    features["sha256"] = evaluation.classifier_sha256;
  }
  return {{"schema", kReportSchema},
          {"title", evaluation.config.title},
          {"metrics", metrics_json(evaluation.subjects.front(), reference)},
          {"verdict", verdict},
          {"subjects", subjects},
          {"reference",
           {{"source", reference.set.source},
            {"sha256", reference.set.sha256},
            {"validity", validity_json(reference.set, reference.validity, reference.law.rank)}}},
          {"features", features},
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
