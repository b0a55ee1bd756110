// SPDX-License-Identifier: Apache-2.0
#include "data/encoded.h"

#include <algorithm>
#include <mutex>
#include <utility>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/stack.h>
#include <c10/util/StringUtil.h>
#include <nlohmann/json.hpp>

#include "data/content_hash.h"
#include "data/dataset.h"
#include "data/packed_arrays.h"
#include "io/file_error.h"
#include "io/log.h"
#include "io/memory.h"

namespace onestep {
namespace {

using io::NamedArrays;

constexpr int kVersion = 1;                  // raised when the same pictures would be encoded otherwise
constexpr int64_t kPiece = 4096;             // pictures that an interruption costs at most
constexpr const char* kMoments = "moments";  // [2, N, c, h, w]: means and standard deviations; [1, …]: means

/// An encoding on its way.
struct Encoding {
  const Dataset& pictures;
  const Encoder& encoder;
  const EncodingContext& context;
  int64_t count, all;  ///< pictures of the set; rows of the result, which may have their mirrored ones behind
  std::mutex watching = {};
  int64_t done = 0;
};

/// Pictures of rows first … first + size − 1 as networks see them.
at::Tensor rows_of(const Encoding& e, int64_t first, int64_t size) {
  std::vector<at::Tensor> parts;
  for (int64_t at = first; at < first + size;) {
    const bool mirrored = at >= e.count;
    const int64_t from = at % e.count, rows = std::min(first + size - at, e.count - from);
    const at::Tensor pictures = to_float(e.pictures.images.narrow(0, from, rows));
    parts.push_back(mirrored ? pictures.flip(3) : pictures);
    at += rows;
  }
  return at::cat(parts);
}

/// Rows first … first + size − 1, [2 or 1, size, c, h, w].
at::Tensor encode_piece(Encoding& e, int64_t first, int64_t size) {
  const int64_t most = autoencoder_pass(e.pictures.images.size(2), e.pictures.images.size(3));
  std::vector<at::Tensor> passes((size + most - 1) / most);
  e.context.workers.for_each(static_cast<int64_t>(passes.size()), [&](int64_t pass, int64_t) {
    const int64_t begin = pass * most, rows = std::min(most, size - begin);
    const auto [mean, std] = e.encoder.moments(rows_of(e, first + begin, rows));
    passes[pass] = std.defined() ? at::stack({mean, std}) : mean.unsqueeze(0);
    const std::lock_guard lock(e.watching);
    e.done += rows;
    if (e.context.watch) e.context.watch(e.done, e.all);
  });
  return at::cat(passes, 1);
}

/// Whether a cache's arrays are such rows.
bool are_moments(const NamedArrays& arrays, int64_t size) {
  const auto found = arrays.find(kMoments);
  return found != arrays.end() && found->second.scalar_type() == at::kFloat && found->second.dim() == 5 &&
         found->second.size(0) <= 2 && found->second.size(1) == size;
}

/// All rows, by way of pieces in the cache.
at::Tensor encode(Encoding& e, const io::Cache& cache, const nlohmann::ordered_json& description) {
  at::Tensor all;
  for (int64_t first = 0; first < e.all; first += kPiece) {
    const int64_t size = std::min(kPiece, e.all - first);
    nlohmann::ordered_json piece = description;
    piece["first"] = first;
    piece["size"] = size;
    const io::Cached rows = io::cached(
        cache, piece.dump(), [&](const NamedArrays& arrays) { return are_moments(arrays, size); },
        [&] {
          return NamedArrays{{kMoments, encode_piece(e, first, size)}};
        },
        io::log_warning);
    if (rows.hit) e.done += size;
    const at::Tensor& moments = rows.arrays.at(kMoments);
    if (!all.defined()) {
      std::vector<int64_t> shape = moments.sizes().vec();
      shape[1] = e.all;
      const double numbers = static_cast<double>(moments.numel()) / static_cast<double>(size);
      io::require_memory(c10::str("a set of ", e.all, " latents"), 4.0 * numbers * static_cast<double>(e.all),
                         "limit takes fewer pictures");
      all = at::empty(shape, at::kFloat);
    }
    all.narrow(1, first, size).copy_(moments);
  }
  return all;
}

void forget_pieces(const Encoding& e, const io::Cache& cache, const nlohmann::ordered_json& description) {
  for (int64_t first = 0; first < e.all; first += kPiece) {
    nlohmann::ordered_json piece = description;
    piece["first"] = first;
    piece["size"] = std::min(kPiece, e.all - first);
    io::forget(cache, piece.dump());
  }
}

void require_finite(const at::Tensor& moments, const std::string& autoencoder) {
  if (at::isfinite(moments.sum(at::kDouble)).item<bool>()) return;
  const at::Tensor bad = at::isfinite(moments.flatten(2).sum(2, /*keepdim=*/false, at::kDouble)).all(0);
  throw io::FileError(autoencoder, c10::str("gives NaN or infinity for picture ",
                                            bad.to(at::kInt).argmin().item<int64_t>(), ", counted from 0"));
}

}  // namespace

Dataset encoded(const Dataset& pictures, const Encoder& encoder, const EncodedConfig& config,
                const io::Cache& cache, const EncodingContext& context) {
  const int64_t count = pictures.images.size(0), all = config.mirrored ? 2 * count : count;
  Encoding encoding{pictures, encoder, context, count, all};
  const nlohmann::ordered_json description{{"what", "latents"},
                                           {"version", kVersion},
                                           {"pictures", content_sha256(pictures)},
                                           {"autoencoder", encoder.sha256},
                                           {"mirrored", config.mirrored}};
  const NamedArrays packed = packed_arrays(cache, description.dump(), kMoments, {}, [&] {
    at::Tensor moments = encode(encoding, cache, description);
    require_finite(moments, config.autoencoder);
    return NamedArrays{{kMoments, std::move(moments)}};
  });
  forget_pieces(encoding, cache, description);
  const at::Tensor& moments = packed.at(kMoments);
  Dataset data = pictures;
  data.name += ", encoded";
  data.images = moments[0];
  if (config.sampled && moments.size(0) == 2) data.spread = moments[1];
  if (config.mirrored) data.labels = at::cat({pictures.labels, pictures.labels});
  data.content.reset();
  return data;
}

}  // namespace onestep
