// SPDX-License-Identifier: Apache-2.0
#include "evaluation/remarks.h"

#include <algorithm>
#include <map>

#include <ATen/TensorOperators.h>
#include <ATen/ops/bincount.h>

#include "io/progress.h"

namespace onestep {
namespace {

/// FID hides all of this: a generator that makes few images over and over can score well.
std::vector<std::string> warnings_on_set(const std::string& name, const FeatureSet& set,
                                         const Validity& validity) {
  constexpr double kShare = 0.01;
  std::vector<std::string> warnings;
  if (!set.passed_over.empty()) warnings.push_back(name + ": " + set.passed_over + ".");
  if (const std::string few = few_samples(name, set.size(), set.width()); !few.empty())
    warnings.push_back(few);
  const std::string all = io::format_count(set.size());
  const auto many = [&](int64_t count) {
    return static_cast<double>(count) > kShare * static_cast<double>(set.size());
  };
  if (many(validity.duplicates.value_or(0)))
    warnings.push_back(
        name + ": " + io::format_count(*validity.duplicates) + " of " + all +
        " samples repeat an earlier one. FID and its standard error take them for independent.");
  if (many(validity.constant_images.value_or(0)))
    warnings.push_back(name + ": " + io::format_count(*validity.constant_images) + " of " + all +
                       " images are of one colour.");
  return warnings;
}

/// A class that was asked for and of which the reference has no image.
std::string classes_without_reference(const Subject& subject, const Reference& reference) {
  const at::Tensor &asked = subject.set.labels, &real = reference.set.labels;
  if (subject.kind != ModelSubject::kind || !asked.defined() || !real.defined() || real.numel() == 0)
    return "";
  const int64_t classes = std::max(asked.max().item<int64_t>(), real.max().item<int64_t>()) + 1;
  const at::Tensor lost = at::bincount(asked, {}, classes) * (at::bincount(real, {}, classes) == 0);
  const int64_t images = lost.sum().item<int64_t>();
  if (images == 0) return "";
  std::string names;
  for (int64_t k = 0; k < classes; ++k)
    if (lost[k].item<int64_t>() > 0) names += (names.empty() ? "" : ", ") + std::to_string(k);
  return subject.name + ": " + io::format_count(images) + " of " + io::format_count(asked.size(0)) +
         " images are of classes (" + names + ") of which the reference has none.";
}

/// "28 × 28 grey"
std::string picture_text(const at::Tensor& images) {
  const int64_t channels = images.size(1);
  return std::to_string(images.size(3)) + " × " + std::to_string(images.size(2)) +
         (channels == 1   ? " grey"
          : channels == 3 ? " RGB"
                          : " of " + std::to_string(channels) + " channels");
}

/// A network that takes images of any size makes them alike before it compares them.
std::string other_images(const Subject& subject, const Reference& reference) {
  const at::Tensor &mine = subject.set.images, &real = reference.set.images;
  if (!mine.defined() || !real.defined() || mine.sizes().slice(1) == real.sizes().slice(1)) return "";
  return subject.name + ": images are " + picture_text(mine) + ", those of the reference " +
         picture_text(real) + ". FID then tells of the resizing, too.";
}

}  // namespace

std::string few_samples(const std::string& name, int64_t n, int64_t d) {
  constexpr int64_t kFew = 50;
  const std::string counts = name + ": " + io::format_count(n) + " samples in " + io::format_count(d) +
                             (d == 1 ? " dimension" : " dimensions");
  if (n == 0) return "";
  if (n <= d)
    return counts + ". The covariance is singular, FID is biased upwards, and no standard error covers that.";
  if (n < std::max(2 * d, kFew)) return counts + " are few: FID is biased upwards, and its error is rough.";
  return "";
}

std::string features_kind(const Evaluation& evaluation) {
  if (!has_network(evaluation.config.features)) return "file";
  return std::visit([](const auto& chosen) { return std::string(chosen.kind); }, evaluation.config.features);
}

bool is_published_inception(const Evaluation& evaluation) {
  return features_kind(evaluation) == InceptionFeatures::kind && !evaluation.network.origin.empty();
}

std::string comparability(const Evaluation& evaluation) {
  const std::map<std::string, std::string> sentences{
      {"file",
       "Features came from files. These FIDs can be compared with each other and with FIDs in the very same "
       "features, and with no others."},
      {"classifier",
       "These FIDs use the features of a classifier trained on this data. They are not comparable with "
       "Inception FID, the number that papers report, nor with FIDs under another classifier."},
      {"inception",
       is_published_inception(evaluation)
           ? "These FIDs use the Inception features of published FIDs. They can be compared with others of "
             "the same protocol, N and reference."
           : "These FIDs use Inception's features under weights whose file does not say where they are from. "
             "Only if they are those of 2015-12-05 can these FIDs be compared with published ones."},
      {"torchscript",
       "These FIDs use the features of a network of your own. They can be compared with FIDs in the very "
       "same features, and with no others."},
      {"pixels",
       "These FIDs compare pixels, not features: for tests and toys. They say little of how images look."}};
  return sentences.at(features_kind(evaluation));
}

std::vector<std::string> warnings_on(const Evaluation& evaluation) {
  std::vector<std::string> warnings;
  const auto add = [&](const std::string& name, const FeatureSet& set, const Validity& validity) {
    for (std::string& warning : warnings_on_set(name, set, validity)) warnings.push_back(std::move(warning));
  };
  for (const Subject& subject : evaluation.subjects) add(subject.name, subject.set, subject.validity);
  add("reference", evaluation.reference.set, evaluation.reference.validity);
  for (const Subject& subject : evaluation.subjects)
    for (const auto& look : {other_images, classes_without_reference})
      if (std::string warning = look(subject, evaluation.reference); !warning.empty())
        warnings.push_back(std::move(warning));
  return warnings;
}

std::vector<std::string> notes_on(const Evaluation& evaluation) {
  const EvaluateConfig& config = evaluation.config;
  std::vector<std::string> notes;
  if (evaluation.reference.set.size() == 0)
    notes.push_back("The reference is a mean and a covariance; of how many samples, its file does not say.");
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
    const int64_t n = subject.set.size();
    if (subject.kind == DatasetSubject::kind && n < config.images.value_or(n))
      notes.push_back(subject.name + ": only " + io::format_count(n) + " images exist; " +
                      io::format_count(*config.images) + " were asked for.");
    if (!subject.set.has_samples())
      notes.push_back(subject.name +
                      ": only a mean and a covariance are known. FID is all that can be told, without "
                      "a standard error.");
    if (subject.score.fid.value < 3.0 * subject.score.equality_bias.value_or(0.0))
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

}  // namespace onestep
