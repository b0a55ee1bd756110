// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <map>
#include <string>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <c10/util/StringUtil.h>

#include "data/loader.h"
#include "io/log.h"
#include "kernels/cuda_graph.h"
#include "parallel/packed.h"

namespace onestep {

/// The work of shards on a device, by kinds: what is met often enough is recorded as a graph
/// (kernels/cuda_graph.h) and replayed from then on, with the same bits. Where nothing makes graphs, work is
/// just done. For one thread. R is a report (parallel/packed.h).
template <class R>
class StepGraphs {
 public:
  using Work = std::function<R(const Batch&)>;

  explicit StepGraphs(kernels::GraphMaker maker = {}) : maker_(std::move(maker)) {}

  /// work(shard), packed. `shard` is on the device; `kind` is all numbers of the host that work depends on,
  /// beside the shapes of its images and what is constant in a run: of those that are in `shard`, a
  /// recording has whatever they were. What work changes lies in tensors that stay. A first failure to record
  /// costs a warning, and the run goes on without graphs.
  PackedReport<R> operator()(const std::string& kind, const Batch& shard, const Work& work) {
    if (maker_) {
      Kind& known = find(c10::str(kind, " of ", shard.images.sizes()));
      if (!known.replay && known.runs == kRehearsals && recorded_ < kMostGraphs) record(known, shard, work);
      if (known.replay) return replayed(known, shard);
      if (maker_ && known.runs < kRehearsals) return rehearsed(known, shard, work);
    }
    return pack(work(shard));
  }

 private:
  static constexpr int64_t kRehearsals = 3, kMostGraphs = 16;
  static constexpr size_t kMostKinds = 256;

  struct Kind {
    int64_t runs = 0;        ///< before it was recorded
    Batch input;             ///< that a recording reads
    PackedReport<R> output;  ///< and that it fills
    kernels::Work replay;
  };

  Kind& find(const std::string& kind) {
    // A term's weight that rises makes a new kind of every step: few are remembered of those that are not
    // recorded.
    if (kinds_.size() >= kMostKinds)
      std::erase_if(kinds_, [](const auto& each) { return !each.second.replay; });
    return kinds_[kind];
  }

  PackedReport<R> rehearsed(Kind& kind, const Batch& shard, const Work& work) {
    ++kind.runs;
    PackedReport<R> report;
    maker_.rehearse([&] { report = pack(work(shard)); });
    return report;
  }

  void record(Kind& kind, const Batch& shard, const Work& work) {
    kind.input = shard;
    kind.input.nimg = -1;  // of no image: it would stay that of the recording
    for_each_tensor(kind.input, shard,
                    [](at::Tensor& mine, const at::Tensor&) { mine = at::empty_like(mine); });
    try {
      kind.replay = maker_.capture([&kind, work] { kind.output = pack(work(kind.input)); });
      ++recorded_;
    } catch (const c10::Error& error) {
      io::log_warning(
          std::string("run.graph: a step can't be recorded, and the run goes on without graphs: ") +
          error.what_without_backtrace());
      maker_ = {};
    }
  }

  PackedReport<R> replayed(Kind& kind, const Batch& shard) {
    for_each_tensor(kind.input, shard, [](at::Tensor& mine, const at::Tensor& now) { mine.copy_(now); });
    kind.replay();
    return {kind.output.form, kind.output.numbers.clone()};
  }

  template <class Visit>
  static void for_each_tensor(Batch& mine, const Batch& now, const Visit& visit) {
    visit(mine.images, now.images);
    visit(mine.condition.classes, now.condition.classes);
    visit(mine.indices, now.indices);
  }

  kernels::GraphMaker maker_;
  std::map<std::string, Kind> kinds_;
  int64_t recorded_ = 0;
};

}  // namespace onestep
