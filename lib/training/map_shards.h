// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <vector>

#include <ATen/ops/stack.h>

#include "parallel/packed.h"
#include "parallel/workers.h"
#include "training/step.h"

namespace onestep {

/// A shard's place in its step, and who computes it.
struct ShardPlace {
  int64_t number;  ///< in the step
  int64_t mine;    ///< among this rank's
  int64_t worker;
};

/// A step as a map over its shards and a sum in a fixed order: report(shard, place), packed, is a function of
/// parameters, seed and the shard's images, so that it has the same bits whoever computes it. All ranks'
/// reports (parallel/packed.h) are summed as canonical_sum does: each rank has the whole step's.
template <class Report>
auto map_shards(const Workers& workers, const Step& step, const Report& report) {
  using R = decltype(report(Batch{}, ShardPlace{}).form);
  std::vector<at::Tensor> numbers(step.mine.count);
  std::optional<R> first;
  workers.for_each(step.mine.count, [&](int64_t mine, int64_t worker) {
    const int64_t number = step.mine.first + mine;
    auto one = report(step.read(number), ShardPlace{number, mine, worker});
    numbers[mine] = one.numbers;
    if (mine == 0) first = std::move(one.form);
  });
  std::vector<int64_t> rows;
  for (int rank = 0; rank < step.ranks.size; ++rank)
    rows.push_back(share_of_step(step.shards, rank, step.ranks.size).count);
  const at::Tensor all = gather(step.ranks, at::stack(numbers), rows);
  return unpacked(std::move(*first), add_rows(all));
}

}  // namespace onestep
