// SPDX-License-Identifier: Apache-2.0
#include "data/latents.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <c10/util/StringUtil.h>

#include "data/image_labels.h"
#include "io/memory.h"
#include "io/safetensors.h"

namespace onestep {
namespace {

constexpr const char* kLatents = "latents";
constexpr const char* kMean = "mean";
constexpr const char* kStd = "std";
constexpr const char* kLabels = "labels";

/// A file's tensors, mapped.
struct Shard {
  io::TensorFile file;
  const char* name = kLatents;         // of its latents: kLatents or kMean
  at::Tensor latents, spread, labels;  // the last two: undefined where there are none
  int64_t classes = 0;

  std::string encoded_by() const {
    const auto found = file.metadata.find(kAutoencoderKey);
    return found == file.metadata.end() ? "" : found->second;
  }
};

[[noreturn]] void refuse(const Shard& shard, const char* tensor, const std::string& what) {
  throw io::FileError(shard.file.path, c10::str("tensor '", tensor, "' ", what));
}

/// The shard's numbers of that name.
at::Tensor numbers_of(const Shard& shard, const char* name) {
  const at::Tensor& numbers = shard.file.at(name);
  const at::ScalarType dtype = numbers.scalar_type();
  const bool known = dtype == at::kHalf || dtype == at::kBFloat16 || dtype == at::kFloat;
  if (!known || numbers.dim() != 4 || numbers.numel() == 0)
    refuse(shard, name,
           c10::str("must be float16, bfloat16 or float32 [N, C, h, w], got ", dtype, " ", numbers.sizes()));
  return numbers;
}

Shard open_shard(const std::string& path, io::Checksum checksum) {
  Shard shard{.file = io::read_safetensors(path, checksum)};
  if (!shard.file.has(kLatents) && shard.file.has(kMean)) shard.name = kMean;
  shard.latents = numbers_of(shard, shard.name);
  if (shard.name == kMean) {
    shard.spread = numbers_of(shard, kStd);
    if (shard.spread.sizes() != shard.latents.sizes())
      refuse(shard, kStd, c10::str("is ", shard.spread.sizes(), ", but mean is ", shard.latents.sizes()));
  }
  if (!shard.file.has(kLabels)) return shard;
  if (shard.file.at(kLabels).scalar_type() != at::kLong)
    refuse(shard, kLabels, c10::str("must be int64, got ", shard.file.at(kLabels).scalar_type()));
  const ImageLabels labels =
      checked_labels(shard.file.at(kLabels), shard.latents.size(0), path, c10::str("tensor '", kLabels, "'"));
  shard.labels = labels.values;
  shard.classes = labels.classes;
  return shard;
}

/// The autoencoder of all shards that name one. Throws where two name two.
std::string encoded_by(const std::vector<Shard>& shards) {
  const Shard* named = nullptr;
  for (const Shard& shard : shards) {
    if (shard.encoded_by().empty()) continue;
    if (named == nullptr) named = &shard;
    if (shard.encoded_by() != named->encoded_by())
      refuse(shard, shard.name, "is of another autoencoder than that of " + named->file.path.string());
  }
  return named == nullptr ? "" : named->encoded_by();
}

/// Throws unless the shards are of one set: the same shape, all or none with labels.
void require_alike(const std::vector<Shard>& shards) {
  const Shard& first = shards.front();
  for (const Shard& shard : shards) {
    if (shard.spread.defined() != first.spread.defined())
      refuse(shard, shard.name,
             c10::str("is what it holds, and ", first.file.path.string(), " ", first.name));
    if (shard.latents.sizes().slice(1) != first.latents.sizes().slice(1))
      refuse(shard, shard.name,
             c10::str("is ", shard.latents.sizes(), ", but in the first file, ", first.file.path.string(),
                      ", ", first.latents.sizes()));
    if (shard.labels.defined() != first.labels.defined()) {
      const Shard& without = shard.labels.defined() ? first : shard;
      const Shard& with = shard.labels.defined() ? shard : first;
      refuse(without, kLabels, "is missing, and " + with.file.path.string() + " has one");
    }
  }
}

/// The first rows of a shard's numbers as float32, into `to`. A sum in double is finite just where all its
/// terms are.
void copy_rows(const Shard& shard, const char* name, const at::Tensor& numbers, const at::Tensor& to) {
  to.copy_(numbers.narrow(0, 0, to.size(0)));
  if (std::isfinite(to.sum(at::kDouble).item<double>())) return;
  for (int64_t i = 0; i < to.size(0); ++i)
    if (!std::isfinite(to[i].sum(at::kDouble).item<double>()))
      refuse(shard, name, c10::str("holds NaN or infinity in row ", i, ", counted from 0"));
}

void copy_rows(const Shard& shard, const Latents& all, int64_t at, int64_t rows) {
  copy_rows(shard, shard.name, shard.latents, all.values.narrow(0, at, rows));
  if (shard.labels.defined()) all.labels.narrow(0, at, rows).copy_(shard.labels.narrow(0, 0, rows));
  if (!shard.spread.defined()) return;
  const at::Tensor spread = all.spread.narrow(0, at, rows);
  copy_rows(shard, kStd, shard.spread, spread);
  if (spread.lt(0).any().item<bool>()) refuse(shard, kStd, "holds a number below 0");
}

}  // namespace

Latents read_latents(const LatentsConfig& config) {
  if (config.files.empty()) throw io::FileError("data.files", "names no file of latents");
  std::vector<Shard> shards;
  int64_t count = 0, classes = 0;
  // A plan takes one row, and is not to read gigabytes for it.
  const io::Checksum checksum = config.limit ? io::Checksum::left_to_caller : io::Checksum::verified;
  for (const std::string& path : config.files) {
    shards.push_back(open_shard(path, checksum));
    count += shards.back().latents.size(0);
    classes = std::max(classes, shards.back().classes);
  }
  require_alike(shards);
  if (config.classes) {
    for (const Shard& shard : shards)
      if (shard.classes > *config.classes)
        refuse(shard, kLabels,
               c10::str("holds label ", shard.classes - 1, "; there are only ", *config.classes, " classes"));
    if (shards.front().labels.defined()) classes = *config.classes;
  }
  count = std::min(count, config.limit.value_or(count));
  std::vector<int64_t> shape = shards.front().latents.sizes().vec();
  shape[0] = count;
  const bool drawn = shards.front().spread.defined();
  const double bytes =
      (drawn ? 8.0 : 4.0) * static_cast<double>(count) * static_cast<double>(shape[1] * shape[2] * shape[3]);
  io::require_memory("a set of " + std::to_string(count) + " latents in float32", bytes,
                     "limit takes fewer of them");
  Latents all{.values = at::empty(shape, at::kFloat),
              .spread = drawn ? at::empty(shape, at::kFloat) : at::Tensor(),
              .labels = at::zeros({count}, at::kLong),
              .classes = classes,
              .encoded_by = encoded_by(shards)};
  int64_t at = 0;
  for (const Shard& shard : shards) {
    const int64_t rows = std::min(shard.latents.size(0), count - at);
    if (rows == 0) break;
    copy_rows(shard, all, at, rows);
    at += rows;
  }
  return all;
}

}  // namespace onestep
