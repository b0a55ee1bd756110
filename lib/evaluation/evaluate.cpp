// SPDX-License-Identifier: Apache-2.0
#include "evaluation/evaluate.h"

#include <algorithm>
#include <cmath>

#include "evaluation/influence.h"
#include "io/file_error.h"
#include "io/numerical_error.h"
#include "io/progress.h"

namespace onestep {
namespace {

const Subject& find_subject(const Evaluation& evaluation, const std::string& name) {
  return *std::find_if(evaluation.subjects.begin(), evaluation.subjects.end(),
                       [&](const Subject& subject) { return subject.name == name; });
}

/// FID hides all of this: a generator that makes few images over and over can score well.
std::vector<std::string> warnings_on(const std::string& name, const FeatureSet& set,
                                     const Validity& validity) {
  constexpr double kShare = 0.01;
  std::vector<std::string> warnings;
  const std::string all = io::format_count(set.size());
  const auto many = [&](int64_t count) {
    return static_cast<double>(count) > kShare * static_cast<double>(set.size());
  };
  if (many(validity.duplicates))
    warnings.push_back(
        name + ": " + io::format_count(validity.duplicates) + " of " + all +
        " samples repeat an earlier one. FID and its standard error take them for independent.");
  if (many(validity.constant_images.value_or(0)))
    warnings.push_back(name + ": " + io::format_count(*validity.constant_images) + " of " + all +
                       " images are of one colour.");
  return warnings;
}

/// What cannot be read off the numbers themselves.
std::vector<std::string> notes_on(const Evaluation& evaluation) {
  const EvaluateConfig& config = evaluation.config;
  const FeatureSet& reference = evaluation.reference.set;
  std::vector<std::string> notes;
  if (!evaluation.classifier.empty())
    notes.push_back(
        "Features come from a classifier trained on this data (" + std::to_string(reference.width()) +
        " of them). This FID cannot be compared with Inception FID, nor with that of another classifier.");
  else
    notes.push_back(
        "Features were read from files. This FID can be compared only with one in the same features.");
  notes.push_back("Standard errors are those of the subject's sample; the reference is taken as it is.");
  const auto conditional = [](const Subject& subject) {
    return subject.kind == ModelSubject::kind && subject.set.labels.defined();
  };
  if (std::any_of(evaluation.subjects.begin(), evaluation.subjects.end(), conditional))
    notes.push_back(
        config.classes == "balanced"
            ? "Classes asked of conditional models are balanced: seed modulo the number of classes."
            : "Classes asked of conditional models are drawn from the seeds.");
  for (const Subject& subject : evaluation.subjects) {
    const int64_t n = subject.set.size(), d = subject.set.width();
    if (n <= d)
      notes.push_back(
          subject.name + ": " + io::format_count(n) + " samples in " + io::format_count(d) +
          " dimensions. The covariance is singular, FID is biased upwards, and no standard error exists.");
    if (subject.kind == DatasetSubject::kind && n < config.images)
      notes.push_back(subject.name + ": only " + io::format_count(n) + " images exist; " +
                      io::format_count(config.images) + " were asked for.");
    if (subject.score.fid.value < 3.0 * subject.score.equality_bias)
      notes.push_back(subject.name +
                      ": FID is near what equal laws show at this N (under Validity); its "
                      "standard error is then only a lower bound.");
  }
  const int64_t first = evaluation.subjects.front().set.size();
  if (std::any_of(evaluation.subjects.begin(), evaluation.subjects.end(),
                  [&](const Subject& subject) { return subject.set.size() != first; }))
    notes.push_back("Subjects differ in N, and FID falls as N grows: compare them with care.");
  return notes;
}

}  // namespace

Gaussian fit(const FeatureSet& set) {
  // A finite float64 can still overflow when it is squared.
  if (!std::isfinite(set.features.to(at::kDouble).norm().item<double>()))
    throw NumericalError(set.source + ": features are too large, their covariance overflows");
  return fit_gaussian(set.features);
}

FidScore score(const FeatureSet& set, const FeatureSet& reference, const Gaussian& reference_law) {
  if (set.width() != reference.width())
    throw io::FileError(set.source, "features have " + std::to_string(set.width()) +
                                        " dimensions, those of the reference " + reference.source + " " +
                                        std::to_string(reference.width()));
  const Gaussian law = fit(set);
  FidScore score{.fid = frechet_distance(law, reference_law), .rank = law.rank, .method = law.method};
  score.influence = influence(set.features, law, reference_law);
  score.se = influence_standard_error(score.influence, set.width());
  score.equality_bias = bias_at_equality(reference_law, set.size(), reference.size());
  if (!std::isfinite(score.fid.value))
    throw NumericalError(set.source + ": features are too large, FID overflows");
  return score;
}

Evaluation evaluate(const EvaluateConfig& config, at::Device device, const StageWatch& watch) {
  check_inputs(config);
  Evaluation evaluation{.config = config};
  std::optional<FeatureNetwork> network;
  if (!config.features.model.empty()) {
    network = load_feature_network(config.features.model, device);
    evaluation.classifier = network->path;
    evaluation.classifier_sha256 = network->sha256;
  }
  Reference& reference = evaluation.reference;
  reference.set = collect(config.reference, config, network, watch);
  reference.law = fit(reference.set);
  reference.validity = check_validity(reference.set);
  evaluation.class_names = reference.set.class_names;
  const std::vector<std::string> wanted = wanted_metrics(config.metrics);
  MetricReference measured_against{.set = reference.set, .law = reference.law};
  for (const SubjectConfig& chosen : config.subjects) {
    const std::string kind = std::visit([](const auto& one) { return std::string(one.kind); }, chosen);
    Subject subject{
        .name = subject_name(chosen), .kind = kind, .set = collect(chosen, config, network, watch)};
    subject.score = score(subject.set, reference.set, reference.law);
    subject.metrics =
        measure_metrics(wanted, subject.set, measured_against, config.seed, subject.name, watch).values;
    subject.validity = check_validity(subject.set);
    if (evaluation.class_names.empty()) evaluation.class_names = subject.set.class_names;
    evaluation.subjects.push_back(std::move(subject));
  }
  if (!config.baseline.empty()) {
    const auto scored = [](const Subject& subject) {
      return Scored{subject.score.fid.value, subject.score.se};
    };
    evaluation.verdict =
        judge(scored(evaluation.subjects.front()), scored(find_subject(evaluation, config.baseline)));
  }
  const auto warn = [&](const std::string& name, const FeatureSet& set, const Validity& validity) {
    for (std::string& warning : warnings_on(name, set, validity))
      evaluation.warnings.push_back(std::move(warning));
  };
  for (const Subject& subject : evaluation.subjects) warn(subject.name, subject.set, subject.validity);
  warn("reference", reference.set, reference.validity);
  evaluation.notes = notes_on(evaluation);
  return evaluation;
}

}  // namespace onestep
