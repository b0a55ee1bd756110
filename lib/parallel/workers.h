// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <memory>

namespace onestep {

/// Threads that share work whose items are independent: the shards of a step, batches of samples or of
/// features. Each has its own number of intra-op threads, as a rule one; they sleep while there is nothing to
/// do, and take the next item when they are done with one. A handle: copies share the threads.
class Workers {
 public:
  /// None: the calling thread does the work, as LibTorch's intra-op setting says. What a GPU wants.
  Workers() = default;
  /// So many threads of `intra_op` threads each, both at least 1. The caller waits meanwhile, so that an item
  /// is computed under the same setting whatever their number.
  explicit Workers(int64_t count, int64_t intra_op = 1);

  /// How many items may be computed at once, at least 1.
  int64_t count() const;
  /// Intra-op threads of an item.
  int64_t intra_op() const;

  /// work(item, worker) for every item in [0, items), in no order; returns when all are done. No two running
  /// items have the same worker in [0, min(items, count())). The workers have the caller's grad mode. What
  /// `work` throws is thrown here, that of the lowest item of several; items that have not begun by then are
  /// left out. Called from within `work`, it does all in that worker.
  void for_each(int64_t items, const std::function<void(int64_t item, int64_t worker)>& work) const;

 private:
  class Pool;
  std::shared_ptr<Pool> pool_;
};

}  // namespace onestep
