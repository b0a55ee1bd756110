// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace onestep {

/// Writes files beside the training, in one thread of its own and one job at a time: a job must own what it
/// writes (copies, not the weights that go on changing) and must start no threads.
class Writer {
 public:
  Writer();
  /// Waits for the job that runs. What it throws now is lost: call wait() first where it counts.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Waits for the job before it, and throws what that threw; then hands `job` over and returns.
  void submit(std::function<void()> job);
  /// Waits for the job that runs, and throws what it threw.
  void wait();

 private:
  void work(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::function<void()> job_;  // empty where there is nothing to do
  std::exception_ptr failure_;
  std::jthread thread_;  // last: stopped and joined before anything that it uses goes
};

}  // namespace onestep
