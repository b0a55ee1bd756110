// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>

#include "kernels/cuda_graph.h"

namespace onestep::test {

struct GraphCounts {
  int64_t recorded = 0, replayed = 0;
};

/// Graphs of another maker, counted.
inline kernels::GraphMaker counted(const kernels::GraphMaker& maker,
                                   const std::shared_ptr<GraphCounts>& counts) {
  return {.rehearse = maker.rehearse, .capture = [=](const kernels::Work& work) -> kernels::Work {
            const kernels::Work replay = maker.capture(work);
            ++counts->recorded;
            return [counts, replay] {
              ++counts->replayed;
              replay();
            };
          }};
}

/// Graphs without a GPU: a recording keeps the work, and a replay does it again with the numbers of the host
/// that it was handed then, as a graph's kernels have them.
inline kernels::GraphMaker stand_in_graphs(const std::shared_ptr<GraphCounts>& counts) {
  return counted({.rehearse = [](const kernels::Work& work) { work(); },
                  .capture = [](const kernels::Work& work) { return work; }},
                 counts);
}

}  // namespace onestep::test
