// SPDX-License-Identifier: Apache-2.0
#include "training/writer.h"

#include <utility>

namespace onestep {

Writer::Writer() : thread_([this](const std::stop_token& stop) { work(stop); }) {}

Writer::~Writer() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !job_; });
}

void Writer::submit(std::function<void()> job) {
  wait();
  const std::lock_guard lock(mutex_);
  job_ = std::move(job);
  changed_.notify_all();
}

void Writer::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !job_; });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void Writer::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return static_cast<bool>(job_); })) {
    lock.unlock();
    std::exception_ptr failure;
    try {
      job_();
    } catch (...) {
      failure = std::current_exception();
    }
    lock.lock();
    job_ = nullptr;  // and with it what it owned
    failure_ = failure;
    changed_.notify_all();
  }
}

}  // namespace onestep
