// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include <ATen/TensorOperators.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "evaluation/remarks.h"
#include "evaluation/report.h"
#include "evaluation/report/citations.h"
#include "evaluation/report/facts.h"

namespace onestep {
namespace {

using Json = nlohmann::ordered_json;

/// A value, or null where there is none or it is no number that JSON has.
template <class T>
Json optional(const std::optional<T>& value) {
  return value && std::isfinite(static_cast<double>(*value)) ? Json(*value) : Json(nullptr);
}

/// Text that may be empty for nothing.
Json text_or_null(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

/// N, or null for statistics that don't tell it.
Json size_json(const FeatureSet& set) {
  return set.size() > 0 ? Json(set.size()) : Json(nullptr);
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
  fid["n"] = size_json(subject.set);
  fid["d"] = subject.set.width();
  fid["reference_n"] = size_json(reference.set);
  fid["method"] = "float64, nuclear norm of covariance roots (" + score.method + ", reference " +
                  reference.law.method + ")";
  fid["mean_term"] = score.fid.mean_term;
  fid["covariance_term"] = score.fid.covariance_term;
  fid["bias_at_equality"] = optional(score.equality_bias);
  if (!subject.seed_sets.empty()) fid["seed_sets"] = seed_sets_json(subject.seed_sets);
  return fid;
}

Json metric_json(const MetricValue& metric, const Subject& subject, const Reference& reference) {
  Json json = {{"value", optional(metric.value)}, {"se", optional(metric.se)}};
  if (!metric.reason.empty()) json["reason"] = metric.reason;
  json["n"] = size_json(subject.set);
  json["d"] = subject.set.width();
  json["reference_n"] = size_json(reference.set);
  json["method"] = metric_info(metric.key).definition;
  for (const auto& [name, value] : metric.extra) json[name] = optional(std::optional(value));
  return json;
}

/// Every metric under its key.
Json metrics_json(const Subject& subject, const Reference& reference) {
  Json metrics;
  metrics["fid"] = fid_json(subject, reference);
  for (const MetricValue& metric : subject.measured.values)
    metrics[metric.key] = metric_json(metric, subject, reference);
  if (subject.measured.fid_infinity && metrics.contains("fid_infinity")) {
    metrics["fid_infinity"]["sizes"] = subject.measured.fid_infinity->sizes;
    metrics["fid_infinity"]["fids"] = subject.measured.fid_infinity->fids;
  }
  return metrics;
}

Json image_shape_json(const FeatureSet& set) {
  return set.images.defined() ? Json(set.images.sizes().slice(1).vec()) : Json(nullptr);
}

Json validity_json(const FeatureSet& set, const Validity& validity, int64_t rank) {
  return {{"n", size_json(set)},
          {"d", set.width()},
          {"rank", rank},
          {"image_shape", image_shape_json(set)},
          {"duplicates", optional(validity.duplicates)},
          {"constant_images", optional(validity.constant_images)},
          {"class_accuracy", optional(validity.class_accuracy)},
          {"class_counts", validity.class_counts}};
}

Json neighbours_json(const Measurements& measured) {
  if (!measured.neighbourhood) return nullptr;
  const NeighbourFacts facts = neighbour_facts(*measured.neighbourhood);
  return {{"k", facts.k}, {"in_no_ball", facts.in_no_ball}, {"reference_uncovered", facts.uncovered}};
}

Json nearest_json(const Measurements& measured) {
  if (!measured.nearest) return nullptr;
  const at::Tensor ratio = nearest_ratio(*measured.nearest);
  return {{"smallest_ratio", optional(std::optional(ratio.min().item<double>()))},
          {"median_ratio", optional(std::optional(ratio.median().item<double>()))},
          {"copies", (ratio == 0).sum().item<int64_t>()}};
}

Json class_json(const Evaluation& evaluation, const ClassFacts& one) {
  Json json = {{"index", one.index},
               {"name", class_name(evaluation, one.index)},
               {"asked", optional(one.asked)},
               {"seen", optional(one.seen)},
               {"reference", optional(one.reference)},
               {"right", optional(one.right)},
               {"influence", nullptr},
               {"influence_se", nullptr}};
  if (one.influence) {
    json["influence"] = one.influence->value;
    json["influence_se"] = optional(one.influence->se);
  }
  return json;
}

Json classes_json(const Evaluation& evaluation, const Subject& subject) {
  Json classes = Json::array();
  for (const ClassFacts& one : class_facts(evaluation, subject))
    classes.push_back(class_json(evaluation, one));
  return classes;
}

Json subject_json(const Evaluation& evaluation, const Subject& subject) {
  const FeatureSet& set = subject.set;
  Json json = {
      {"name", subject.name}, {"kind", subject.kind}, {"source", set.source}, {"sha256", set.sha256}};
  json["sampler"] = text_or_null(set.sampler);
  json["nfe"] = optional(set.nfe);
  json["first_seed"] =
      subject.kind == ModelSubject::kind ? Json(evaluation.config.first_seed) : Json(nullptr);
  json["seconds"] = set.image_seconds;
  json["images_per_second"] = set.image_seconds > 0 && set.nfe
                                  ? Json(static_cast<double>(set.size()) / set.image_seconds)
                                  : Json(nullptr);
  json["feature_seconds"] = set.feature_seconds;
  json["reused"] = {{"images", set.images_reused}, {"features", set.features_reused}};
  json["metrics"] = metrics_json(subject, evaluation.reference);
  json["validity"] = validity_json(set, subject.validity, subject.score.rank);
  json["neighbours"] = neighbours_json(subject.measured);
  json["nearest"] = nearest_json(subject.measured);
  json["classes"] = classes_json(evaluation, subject);
  return json;
}

Json verdict_json(const Evaluation& evaluation) {
  if (!evaluation.verdict) return nullptr;
  const Verdict& verdict = *evaluation.verdict;
  return {{"baseline", evaluation.config.baseline},
          {"outcome", outcome_name(verdict.outcome)},
          {"gap", verdict.gap},
          {"se", optional(verdict.se)},
          {"paired", verdict.paired},
          {"independent_se", optional(independent_error(evaluation))},
          {"floor", verdict.floor},
          {"sentence", verdict_sentence(evaluation)}};
}

Json directions_json(const Evaluation& evaluation) {
  Json directions = Json::array();
  for (const Direction& direction : evaluation.directions) {
    const DirectionFacts facts = direction_facts(evaluation, direction);
    directions.push_back({{"fid", direction.fid},
                          {"share", optional(std::optional(facts.share))},
                          {"mean_shift", optional(facts.shift)},
                          {"spread_ratio", optional(facts.spread)}});
  }
  return directions;
}

Json reference_json(const Evaluation& evaluation) {
  const Reference& reference = evaluation.reference;
  return {{"source", reference.set.source},
          {"sha256", reference.set.sha256},
          {"feature_seconds", reference.set.feature_seconds},
          {"reused", {{"images", reference.set.images_reused}, {"features", reference.set.features_reused}}},
          {"validity", validity_json(reference.set, reference.validity, reference.law.rank)}};
}

Json features_json(const Evaluation& evaluation) {
  const std::string kind = features_kind(evaluation);
  return {{"kind", kind},
          {"path", text_or_null(evaluation.network.path)},
          {"sha256", text_or_null(evaluation.network.sha256)},
          {"origin", text_or_null(evaluation.network.origin)},
          {"d", evaluation.reference.set.width()},
          {"comparable_with_inception_fid", is_published_inception(evaluation)},
          {"comparability", comparability(evaluation)}};
}

Json trend_json(const Evaluation& evaluation) {
  Json trend = Json::array();
  for (const TrendPoint& point : evaluation.trend)
    trend.push_back({{"nimg", point.nimg}, {"value", point.fid}, {"se", optional(point.se)}});
  return trend;
}

Json provenance_json(const Evaluation& evaluation, const Provenance& provenance) {
  return {{"command", provenance.command},      {"date", provenance.date},
          {"onestep", provenance.onestep},      {"libtorch", provenance.libtorch},
          {"device", provenance.device},        {"threads", provenance.threads},
          {"seconds", provenance.seconds},      {"methods", methods_text(evaluation, provenance)},
          {"bibtex", bibliography(evaluation)}, {"config", config::to_json(evaluation.config)}};
}

}  // namespace

Json report_json(const Evaluation& evaluation, const Provenance& provenance) {
  Json subjects = Json::array();
  for (const Subject& subject : evaluation.subjects) subjects.push_back(subject_json(evaluation, subject));
  return {
      {"schema", kReportSchema},
      {"title", evaluation.config.title},
      {"metrics", metrics_json(evaluation.subjects.front(), evaluation.reference)},
      {"verdict", verdict_json(evaluation)},
      {"directions", directions_json(evaluation)},
      {"trend", trend_json(evaluation)},
      {"subjects", subjects},
      {"reference", reference_json(evaluation)},
      {"features", features_json(evaluation)},
      {"protocol", {{"name", evaluation.config.protocol}, {"departures_from_edm", evaluation.departures}}},
      {"class_names", evaluation.class_names},
      {"warnings", evaluation.warnings},
      {"notes", evaluation.notes},
      {"provenance", provenance_json(evaluation, provenance)}};
}

}  // namespace onestep
