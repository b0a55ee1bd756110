// SPDX-License-Identifier: Apache-2.0
#include "data/loader.h"

#include <algorithm>
#include <bit>
#include <utility>

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>

#include "kernels/philox.h"

namespace onestep {
namespace {

constexpr size_t kAhead = 2;
constexpr uint32_t kRounds = 8;  // four make a good cipher; small sets want more, and they cost nothing here

uint64_t draw(uint64_t seed, Purpose purpose, int64_t index, uint32_t block) {
  return kernels::philox_bits(seed, word(purpose), index, block);
}

/// One pass of the Feistel network: a bijection of [0, 4^half_bits) for each (seed, purpose, epoch).
uint64_t encrypt(uint64_t seed, Purpose what, int64_t epoch, uint64_t value, int half_bits) {
  const uint64_t mask = (uint64_t{1} << half_bits) - 1;
  uint64_t left = value >> half_bits, right = value & mask;
  for (uint32_t round = 0; round < kRounds; ++round) {
    const uint32_t block = round << 24 | static_cast<uint32_t>(right);
    left ^= draw(seed, what, epoch, block) & mask;
    std::swap(left, right);
  }
  return left << half_bits | right;
}

/// Images of T, each mirrored left to right where that is said. Plain loops, not tensor operations: those
/// would start a second team of OpenMP threads from the loader's thread.
template <class T>
void copy_images(const at::Tensor& all, const std::vector<int64_t>& chosen, const std::vector<bool>& mirrored,
                 const at::Tensor& out) {
  const int64_t pixels = all[0].numel(), width = all.size(3);
  const T* const from = all.const_data_ptr<T>();
  T* image = out.mutable_data_ptr<T>();
  for (size_t i = 0; i < chosen.size(); ++i, image += pixels) {
    std::copy_n(from + chosen[i] * pixels, pixels, image);
    if (!mirrored[i]) continue;
    for (T* row = image; row != image + pixels; row += width) std::reverse(row, row + width);
  }
}

/// Latents drawn about their means: mean + spread · noise, the noise a function of (seed, nimg). Row by row,
/// so that no draw starts threads.
void draw_latents(const Dataset& data, uint64_t seed, const std::vector<int64_t>& chosen,
                  const Batch& batch) {
  const at::IntArrayRef shape = data.images.sizes().slice(1);
  const int64_t numbers = data.images[0].numel();
  const float *const means = data.images.const_data_ptr<float>(), *const spreads =
                                                                      data.spread.const_data_ptr<float>();
  float* out = batch.images.mutable_data_ptr<float>();
  for (size_t i = 0; i < chosen.size(); ++i, out += numbers) {
    const at::Tensor noise = kernels::philox_normal(
        seed, word(Purpose::encoding), batch.indices.narrow(0, static_cast<int64_t>(i), 1), shape, at::kCPU);
    const float *const z = noise.const_data_ptr<float>(), *const mean = means + chosen[i] * numbers,
                       *const spread = spreads + chosen[i] * numbers;
    for (int64_t k = 0; k < numbers; ++k) out[k] = mean[k] + spread[k] * z[k];
  }
}

}  // namespace

int64_t shuffled_index(uint64_t seed, int64_t epoch, int64_t place, int64_t n, Purpose what) {
  TORCH_CHECK(n >= 1 && n <= (int64_t{1} << 48), "shuffled_index: n must be in [1, 2^48], got ", n);
  TORCH_CHECK(place >= 0 && place < n, "shuffled_index: place must be in [0, ", n, "), got ", place);
  TORCH_CHECK(epoch >= 0, "shuffled_index: epoch must not be negative, got ", epoch);
  const auto count = static_cast<uint64_t>(n);
  const int half_bits = (std::bit_width(count - 1) + 1) / 2;
  auto value = static_cast<uint64_t>(place);
  // The walk ends: it follows one cycle of a bijection, and that cycle holds `place` itself.
  do {
    value = encrypt(seed, what, epoch, value, half_bits);
  } while (value >= count);
  return static_cast<int64_t>(value);
}

at::Tensor to_device(const at::Tensor& tensor, at::Device device) {
  if (device.is_cpu() || !tensor.is_cpu()) return tensor.to(device);
  if (tensor.numel() == 0) return tensor.to(device);  // there is no pinned memory of no bytes
  return tensor.pin_memory().to(device, tensor.scalar_type(), /*non_blocking=*/true);
}

Batch to_device(const Batch& batch, at::Device device) {
  Batch there = batch;
  for (at::Tensor* tensor : {&there.images, &there.indices}) *tensor = to_device(*tensor, device);
  there.condition =
      map_rows(there.condition, [&](const at::Tensor& rows) { return to_device(rows, device); });
  return there;
}

Batch read_batch(const Dataset& data, uint64_t seed, int64_t first_nimg, int64_t size, bool flip,
                 bool pinned) {
  TORCH_CHECK(data.images.dim() == 4 && data.images.size(0) > 0, "read_batch: the data set is empty");
  TORCH_CHECK(first_nimg >= 0, "read_batch: first_nimg must not be negative, got ", first_nimg);
  TORCH_CHECK(size >= 1, "read_batch: size must be at least 1, got ", size);
  const int64_t n = data.images.size(0);
  const auto classes = static_cast<int64_t>(data.class_names.size());
  const auto options = [&](at::ScalarType type) {
    return at::TensorOptions().dtype(type).pinned_memory(pinned);
  };
  std::vector<int64_t> shape = data.images.sizes().vec();
  shape[0] = size;
  Batch batch{at::empty(shape, options(data.images.scalar_type())),
              {classes > 0 ? at::empty({size, classes}, options(at::kFloat)) : at::empty({size, 0})},
              at::empty({size}, options(at::kLong)),
              first_nimg};
  const int64_t* label = data.labels.const_data_ptr<int64_t>();
  auto* one_hot = batch.condition.classes.mutable_data_ptr<float>();
  auto* index = batch.indices.mutable_data_ptr<int64_t>();
  std::fill_n(one_hot, size * classes, 0.0f);
  std::vector<int64_t> chosen;
  std::vector<bool> mirrored;
  for (int64_t i = 0; i < size; ++i, one_hot += classes) {
    const int64_t nimg = first_nimg + i;
    chosen.push_back(shuffled_index(seed, nimg / n, nimg % n, n));
    mirrored.push_back(flip && (draw(seed, Purpose::flip, nimg, 0) & 1));
    index[i] = nimg;
    if (classes > 0) one_hot[label[chosen.back()]] = 1;
  }
  TORCH_CHECK(!data.spread.defined() || !flip, "read_batch: latents are not mirrored");
  if (data.spread.defined())
    draw_latents(data, seed, chosen, batch);
  else if (data.images.scalar_type() == at::kFloat)
    copy_images<float>(data.images, chosen, mirrored, batch.images);
  else
    copy_images<uint8_t>(data.images, chosen, mirrored, batch.images);
  return batch;
}

Loader::Loader(std::function<std::optional<Batch>()> read)
    : read_(std::move(read)), thread_([this](const std::stop_token& stop) { prefetch(stop); }) {}

void Loader::prefetch(const std::stop_token& stop) {
  try {
    while (!stop.stop_requested()) {
      std::optional<Batch> shard = read_();
      if (!shard) return;
      std::unique_lock lock(mutex_);
      if (!changed_.wait(lock, stop, [this] { return ready_.size() < kAhead; })) return;
      ready_.emplace(shard->nimg, std::move(*shard));
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
    changed_.notify_all();
  }
}

Batch Loader::take(int64_t nimg) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return ready_.contains(nimg) || failure_; });
  const auto found = ready_.find(nimg);
  if (found == ready_.end()) std::rethrow_exception(failure_);
  Batch shard = std::move(found->second);
  ready_.erase(found);
  changed_.notify_all();
  return shard;
}

}  // namespace onestep
