// SPDX-License-Identifier: Apache-2.0
#include "evaluation/evaluate_config.h"

#include <algorithm>
#include <set>

#include "evaluation/metric.h"

namespace onestep {

const std::string& subject_name(const SubjectConfig& subject) {
  return std::visit([](const auto& one) -> const std::string& { return one.name; }, subject);
}

std::vector<std::string> metric_keys() {
  std::vector<std::string> keys{"all", "fid"};
  for (const MetricInfo& metric : metric_table()) keys.push_back(metric.key);
  return keys;
}

int64_t images_to_draw(const EvaluateConfig& config) {
  return config.draw_images.value_or(config.images.value_or(2000));
}

std::string EvaluateConfig::problem() const {
  if (subjects.empty()) return "subjects: at least one is needed";
  for (const SubjectConfig& subject : subjects)
    if (const auto* set = std::get_if<DatasetSubject>(&subject); set != nullptr && !is_pictures(set->data))
      return "subjects: '" + set->name + "' holds points or latents; only images can be scored";
  if (const auto* set = std::get_if<DatasetReference>(&reference); set != nullptr && !is_pictures(set->data))
    return "reference: holds points or latents; only images can be compared with";
  std::set<std::string> names;
  for (const SubjectConfig& subject : subjects)
    if (!names.insert(subject_name(subject)).second)
      return "subjects: two are called '" + subject_name(subject) + "'";
  if (!baseline.empty() && !names.contains(baseline))
    return "baseline: no subject is called '" + baseline + "'";
  if (baseline == subject_name(subjects[0]))
    return "baseline: '" + baseline + "' is the headline itself (the first subject)";
  const bool images_somewhere =
      std::holds_alternative<DatasetReference>(reference) || !trend.empty() ||
      std::any_of(subjects.begin(), subjects.end(), [](const SubjectConfig& subject) {
        return !std::holds_alternative<FeaturesSubject>(subject);
      });
  if (images_somewhere && !has_network(features))
    return "features.model: images need a network to turn them into features: a classifier, or features.kind "
           "= inception, torchscript or pixels";
  return "";
}

}  // namespace onestep
