// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <ATen/core/Tensor.h>

#include "data/dataset.h"
#include "noise/purpose.h"

namespace onestep {

/// Which image comes at `place` in [0, n) of epoch `epoch`: a keyed bijection of [0, n), so that the order of
/// a whole run is a pure function of the seed and no shuffle has to be stored, resumed or shared between
/// ranks. A Feistel network over the next power of four, walked until it lands in [0, n) (Black and Rogaway
/// 2002). `what` is shuffled: each has an order of its own. Throws c10::Error unless 0 <= place < n <= 2^48
/// and epoch >= 0.
int64_t shuffled_index(uint64_t seed, int64_t epoch, int64_t place, int64_t n,
                       Purpose what = Purpose::data_order);

/// Consecutive images of a run, whose images are numbered nimg = 0, 1, 2, ... through all epochs: those of a
/// step, or a shard of them.
struct Batch {
  at::Tensor images;      ///< float32 [B, C, H, W], by to_float
  at::Tensor labels;      ///< float32 [B, K], one-hot; K = 0 where the set has no classes
  at::Tensor indices;     ///< int64 [B], nimg of each image: the key of every random draw for it
  int64_t nimg = 0;       ///< of its first image
  int64_t step_nimg = 0;  ///< of the step's first image
  int64_t step_size = 0;  ///< images of the whole step
};

/// A step's batch cut into shards of `size` consecutive images, of which the last may be shorter. They share
/// its storage.
std::vector<Batch> shards_of(const Batch& step, int64_t size);

/// A tensor of the host on `device`, sent from pinned memory so that the host does not wait for it; on the
/// CPU the tensor itself. A batch likewise.
at::Tensor to_device(const at::Tensor& tensor, at::Device device);
Batch to_device(const Batch& batch, at::Device device);

/// The images first_nimg ... first_nimg + size - 1 of the run. Image nimg is number
/// shuffled_index(seed, nimg / N, nimg % N, N) of the set, mirrored left to right for half of all nimg where
/// `flip` is set: a function of (seed, nimg) alone, however the run is cut into batches. A batch may span
/// epochs. Starts no threads. Throws c10::Error for an empty set, a negative first_nimg or a size below 1.
Batch read_batch(const Dataset& data, uint64_t seed, int64_t first_nimg, int64_t size, bool flip);

/// Reads batches ahead in one thread of its own and hands them out in order.
class Loader {
 public:
  /// read(nimg) makes the batch that starts at nimg; asked for nimg = first_nimg, first_nimg + step, ... It
  /// runs in the loader's thread, and must not start threads of its own.
  Loader(std::function<Batch(int64_t nimg)> read, int64_t first_nimg, int64_t step);

  /// Batches of `size` images by read_batch, from first_nimg on without end.
  Loader(Dataset data, uint64_t seed, int64_t first_nimg, int64_t size, bool flip);

  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The next batch; waits for it if need be. What `read` threw is thrown here, after the batches before it.
  Batch next();

 private:
  void prefetch(const std::stop_token& stop, int64_t nimg);

  std::function<Batch(int64_t)> read_;
  int64_t step_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Batch> ready_;
  std::exception_ptr failure_;
  std::jthread thread_;  // last: stopped and joined before anything that it uses goes
};

}  // namespace onestep
