// SPDX-License-Identifier: Apache-2.0
#include "parallel/workers.h"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ThreadLocalState.h>
#include <c10/util/Exception.h>

namespace onestep {
namespace {

/// Whose worker this thread is: an item may call for_each again.
thread_local const void* own_pool = nullptr;
thread_local int64_t own_number = 0;

/// The work of one call: items are taken in order, and the lowest failure is kept.
struct Job {
  const std::function<void(int64_t, int64_t)>& work;
  const int64_t items;
  const at::ThreadLocalState caller;  // grad mode and the like
  std::vector<int64_t> free;          // numbers that no running item has
  int64_t next = 0, running = 0;
  int64_t failed = std::numeric_limits<int64_t>::max();
  std::exception_ptr failure;
};

}  // namespace

class Workers::Pool {
 public:
  Pool(int64_t count, int64_t intra_op) : intra_op_(intra_op) {
    for (int64_t i = 0; i < count; ++i) {
      threads_.emplace_back([this, intra_op](const std::stop_token& stop) {
        own_pool = this;
        at::set_num_threads(static_cast<int>(intra_op));
        serve(stop);
      });
    }
  }

  int64_t count() const { return static_cast<int64_t>(threads_.size()); }
  int64_t intra_op() const { return intra_op_; }

  void run(int64_t items, const std::function<void(int64_t, int64_t)>& work) {
    const std::lock_guard one_at_a_time(callers_);
    Job job{.work = work, .items = items, .caller = {}, .free = {}};
    for (int64_t number = std::min(items, count()); number-- > 0;) job.free.push_back(number);
    std::unique_lock lock(mutex_);
    job_ = &job;
    wake_.notify_all();
    done_.wait(lock, [&] { return job.next == job.items && job.running == 0; });
    job_ = nullptr;
    if (job.failure) std::rethrow_exception(job.failure);
  }

 private:
  void serve(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (wake_.wait(lock, stop, [this] { return job_ != nullptr && job_->next < job_->items; })) {
      Job& job = *job_;
      const int64_t item = job.next++;
      own_number = job.free.back();  // there is one: fewer items are running than it began with
      job.free.pop_back();
      ++job.running;
      lock.unlock();
      std::exception_ptr failure;
      try {
        const at::ThreadLocalStateGuard as_the_caller(job.caller);
        job.work(item, own_number);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      if (failure && item < job.failed) {
        job.failed = item;
        job.failure = failure;
        job.next = job.items;
      }
      failure = nullptr;
      job.free.push_back(own_number);
      if (--job.running == 0 && job.next == job.items) done_.notify_one();
    }
  }

  const int64_t intra_op_;
  std::mutex callers_, mutex_;
  std::condition_variable_any wake_;
  std::condition_variable done_;
  Job* job_ = nullptr;
  std::vector<std::jthread> threads_;  // last: stopped and joined before anything that they use goes
};

Workers::Workers(int64_t count, int64_t intra_op) {
  TORCH_CHECK(count >= 1 && intra_op >= 1, "Workers: at least 1 of at least 1 thread, got ", count, " of ",
              intra_op);
  pool_ = std::make_shared<Pool>(count, intra_op);
}

int64_t Workers::count() const {
  return pool_ ? pool_->count() : 1;
}

int64_t Workers::intra_op() const {
  return pool_ ? pool_->intra_op() : at::get_num_threads();
}

void Workers::for_each(int64_t items, const std::function<void(int64_t, int64_t)>& work) const {
  if (items == 0) return;
  if (pool_ && own_pool != pool_.get()) return pool_->run(items, work);
  for (int64_t item = 0; item < items; ++item) work(item, pool_ ? own_number : 0);
}

}  // namespace onestep
