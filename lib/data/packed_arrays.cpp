// SPDX-License-Identifier: Apache-2.0
#include "data/packed_arrays.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <c10/util/StringUtil.h>
#include <zlib.h>

#include "io/log.h"
#include "io/tensor_bytes.h"

namespace onestep {
namespace {

using io::bytes_of;
using io::NamedArrays;

constexpr const char* kBlockCrcs = "block_crcs";
constexpr const char* kSmallCrc = "small_crc";
constexpr size_t kBlock = size_t{1} << 20;
constexpr int64_t kBlocksRead = 128;

int64_t crc_of(std::string_view bytes) {
  return static_cast<int64_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

int64_t block_count(const at::Tensor& large) {
  return static_cast<int64_t>((large.nbytes() + kBlock - 1) / kBlock);
}

int64_t block_crc(const at::Tensor& large, int64_t block) {
  return crc_of(bytes_of(large).substr(static_cast<size_t>(block) * kBlock, kBlock));
}

/// CRC-32 of each MiB, int64.
at::Tensor block_crcs(const at::Tensor& large) {
  const at::Tensor crcs = at::empty({block_count(large)}, at::kLong);
  at::parallel_for(0, crcs.size(0), /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) crcs.mutable_data_ptr<int64_t>()[i] = block_crc(large, i);
  });
  return crcs;
}

/// CRC-32 over all that is small: names, shapes and values.
at::Tensor small_crc(const NamedArrays& arrays, const std::string& large) {
  std::string all;
  for (const auto& [name, array] : arrays) {
    if (name == kSmallCrc) continue;
    all.append(name).append(c10::str(array.scalar_type(), array.sizes()));
    if (name != large) all.append(bytes_of(array));
  }
  return at::full({1}, crc_of(all), at::kLong);
}

bool is_whole(const NamedArrays& arrays, const std::string& large, std::vector<std::string> names) {
  names.insert(names.end(), {large, kBlockCrcs, kSmallCrc});
  for (const std::string& name : names)
    if (!arrays.contains(name)) return false;
  const at::Tensor &values = arrays.at(large), &crcs = arrays.at(kBlockCrcs);
  if (!at::equal(arrays.at(kSmallCrc), small_crc(arrays, large)) || crcs.numel() != block_count(values))
    return false;
  const int64_t all = crcs.numel(), read = std::min(all, kBlocksRead);
  for (int64_t i = 0; i < read; ++i) {
    const int64_t block = read == 1 ? 0 : i * (all - 1) / (read - 1);  // the first and the last among them
    if (crcs.const_data_ptr<int64_t>()[block] != block_crc(values, block)) return false;
  }
  return true;
}

}  // namespace

at::Tensor array_of(const std::string& text) {
  const at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  if (!text.empty()) std::memcpy(bytes.mutable_data_ptr(), text.data(), text.size());
  return bytes;
}

std::string text_of(const at::Tensor& array) {
  return std::string(bytes_of(array));
}

NamedArrays packed_arrays(const io::Cache& cache, const std::string& description, const std::string& large,
                          const std::vector<std::string>& names,
                          const std::function<NamedArrays()>& compute) {
  if (cache.folder.empty()) return compute();
  const auto pack = [&] {
    NamedArrays arrays = compute();
    arrays[kBlockCrcs] = block_crcs(arrays.at(large));
    arrays[kSmallCrc] = small_crc(arrays, large);
    return arrays;
  };
  const auto fits = [&](const NamedArrays& arrays) { return is_whole(arrays, large, names); };
  return io::cached(cache, description, fits, pack, io::log_warning, io::Checksum::left_to_caller).arrays;
}

}  // namespace onestep
