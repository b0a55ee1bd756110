// SPDX-License-Identifier: Apache-2.0
#include "evaluation/reference_statistics.h"

#include <optional>

#include "evaluation/inputs.h"
#include "evaluation/moments.h"
#include "evaluation/sources.h"
#include "parallel/together.h"

namespace onestep {
namespace {

Statistics statistics_of(const at::Tensor& features) {
  const Moments moments = moments_of(features);
  return {.mean = moments.mean, .covariance = covariance(moments)};
}

}  // namespace

StatisticsFile reference_statistics(const SubjectConfig& source, const EvaluateConfig& config,
                                    const EvaluationContext& context) {
  std::optional<Collector> opened;
  together(context.ranks, [&] {
    opened.emplace(make_collector(config, context));
    opened->parts = {.spatial = true};
    check_input(source, *opened);
  });
  const Collector& collector = *opened;
  const auto* data = std::get_if<DatasetSubject>(&source);
  const FeatureSet set = data != nullptr ? collect(DatasetReference{.data = data->data}, collector)
                                         : collect(source, config.first_seed, collector);
  if (context.ranks.rank != 0) return {};
  if (!set.has_samples()) return *set.statistics;
  StatisticsFile file{.features = statistics_of(set.features), .n = set.size()};
  if (set.spatial.defined()) file.spatial = statistics_of(set.spatial);
  return file;
}

}  // namespace onestep
