// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <vector>

#include "data/loader.h"
#include "parallel/packed.h"
#include "parallel/workers.h"

namespace onestep {

/// A shard's place in its step, and who computes it.
struct ShardPlace {
  int64_t number;
  int64_t worker;
};

/// A step as a map over its shards and a sum in a fixed order: report(shard, place) is a function of
/// parameters, seed and the shard's images, so that it has the same bits whoever computes it, and the reports
/// (parallel/packed.h) are summed as canonical_sum does.
template <class Report>
auto map_shards(const Workers& workers, const std::vector<Batch>& shards, const Report& report) {
  using R = decltype(report(shards.front(), ShardPlace{}));
  std::vector<at::Tensor> numbers(shards.size());
  std::optional<R> first;
  workers.for_each(static_cast<int64_t>(shards.size()), [&](int64_t number, int64_t worker) {
    R mine = report(shards[number], ShardPlace{number, worker});
    numbers[number] = packed(mine);
    if (number == 0) first = std::move(mine);
  });
  return unpacked(std::move(*first), canonical_sum(numbers));
}

}  // namespace onestep
