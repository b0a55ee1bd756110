// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <ATen/core/Tensor.h>

#include "data/condition.h"
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
  at::Tensor images;    ///< [B, C, H, W] as the set holds them: uint8, or float32; to_float makes them that
  Condition condition;  ///< classes float32 [B, K]; K = 0 where the set has none
  at::Tensor indices;   ///< int64 [B], nimg of each image: the key of every random draw for it
  int64_t nimg = 0;     ///< of its first image
};

/// A tensor of the host on `device`, sent from pinned memory so that the host does not wait for it; the
/// tensor itself where it is there. A batch likewise.
at::Tensor to_device(const at::Tensor& tensor, at::Device device);
Batch to_device(const Batch& batch, at::Device device);

/// The images first_nimg ... first_nimg + size - 1 of the run. Image nimg is number
/// shuffled_index(seed, nimg / N, nimg % N, N) of the set, mirrored left to right for half of all nimg where
/// `flip` is set, and drawn anew about its mean where the set has a spread: a function of (seed, nimg) alone,
/// however the run is cut into batches. A batch may span epochs. Starts no threads. `pinned`: in memory that
/// a GPU reads by itself (to_device). Throws c10::Error for an empty set, a negative first_nimg, a size below
/// 1, or latents to be mirrored, which no autoencoder makes of mirrored pictures.
Batch read_batch(const Dataset& data, uint64_t seed, int64_t first_nimg, int64_t size, bool flip,
                 bool pinned = false);

/// Reads shards ahead in one thread of its own: those that are waiting are few, and not a step's.
class Loader {
 public:
  /// read() makes the shard that comes next, in the order in which steps want them, and none after the last.
  /// It runs in the loader's thread, and must not start threads of its own.
  explicit Loader(std::function<std::optional<Batch>()> read);
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The shard whose first image is nimg, for one taker; waits for it if need be. From any thread, and out of
  /// order as far as workers are. What `read` threw is thrown here, after the shards before it.
  Batch take(int64_t nimg);

 private:
  void prefetch(const std::stop_token& stop);

  std::function<std::optional<Batch>()> read_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<int64_t, Batch> ready_;  // by their first images
  std::exception_ptr failure_;
  std::jthread thread_;  // last: stopped and joined before anything that it uses goes
};

}  // namespace onestep
