// SPDX-License-Identifier: Apache-2.0
#include "distillation/teacher_pairs.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "io/folder.h"
#include "io/log.h"
#include "io/progress.h"
#include "io/safetensors.h"
#include "kernels/philox.h"
#include "parallel/deal.h"
#include "parallel/together.h"
#include "samplers/sample.h"
#include "samplers/seeds.h"

namespace onestep {
namespace {

constexpr const char* kPairsKey = "onestep.pairs";
constexpr int64_t kPass = 64;  // images that are drawn at once

struct Stopped {};

/// What the pairs are a function of, beside the code: another teacher has other numbers.
nlohmann::ordered_json identity(const RegressionConfig& config, const Denoiser& teacher,
                                const TeacherPairs& pairs) {
  double checksum = 0;
  for (const auto& [name, tensor] : named_tensors(teacher))
    checksum += tensor.to(at::kDouble).abs().sum().item<double>();
  Denoiser keeping = teacher;  // what is recomputed changes no number
  set_recompute(keeping, "none");
  return {{"seed", pairs.seed},
          {"classes", pairs.classes},
          {"sampler", config::to_json(config.sampler)},
          {"teacher", model_file(keeping).metadata},
          {"checksum", checksum}};
}

/// The images of a shard, or an undefined tensor. A damaged file costs no more than making it anew.
at::Tensor kept_shard(const std::filesystem::path& file, const std::string& wanted,
                      at::IntArrayRef shape) try {
  if (!io::path_exists(file)) return {};
  const io::TensorFile shard = io::read_safetensors(file);
  const auto found = shard.metadata.find(kPairsKey);
  if (found == shard.metadata.end() || found->second != wanted) return {};
  const at::Tensor& images = shard.at("images");
  const bool fits = images.sizes() == shape && images.scalar_type() == at::kFloat &&
                    at::isfinite(images).all().item<bool>();
  return fits ? images : at::Tensor();
} catch (const io::FileError& error) {
  io::log_warning(std::string(error.what()) + "; these pairs of the teacher are made anew");
  return {};
}

at::Tensor latents_of(const TeacherPairs& pairs, const at::Tensor& indices, at::IntArrayRef shape,
                      at::Device device) {
  return kernels::philox_normal(pairs.seed, word(Purpose::pair_latent), indices, shape, device);
}

int64_t class_of(const TeacherPairs& pairs, int64_t pair) {
  return pairs.classes[static_cast<size_t>(pair) % pairs.classes.size()];
}

/// What the teacher makes of a shard's latents, the passes shared by ranks: all images on rank 0, undefined
/// on the others. No value where a rank was asked to stop.
std::optional<at::Tensor> make_images(const RegressionConfig& config, const Denoiser& teacher,
                                      const TeacherPairs& pairs, int64_t begin, int64_t count,
                                      const SampleWatch& watch, const Workers& workers,
                                      const Communicator& ranks) {
  const auto [channels, height, width] = image_shape(teacher);
  const std::vector<int64_t> shape{channels, height, width};
  const Share mine = share_of_passes(count, kPass, ranks.rank, ranks.size);
  const int64_t first = begin + mine.first;
  SampleRequest request{.seeds = consecutive_seeds(first, mine.count)};
  request.latents = latents_of(pairs, at::arange(first, first + mine.count), shape, at::kCPU);
  if (!pairs.classes.empty())
    for (int64_t i = first; i < first + mine.count; ++i) request.classes.push_back(class_of(pairs, i));
  SampleResult made;
  bool stopped = false;
  together(ranks, [&] {
    try {
      made = generate(teacher, config.sampler, request, kPass, watch, workers);
    } catch (const Stopped&) {
      stopped = true;
    }
  });
  if (any(ranks, stopped)) return std::nullopt;
  std::vector<int64_t> rows;
  for (int rank = 0; rank < ranks.size; ++rank)
    rows.push_back(share_of_passes(count, kPass, rank, ranks.size).count);
  return gather_on_first(ranks, made.samples.to(at::kFloat), rows);
}

/// Rank 0's images in a file, and mapped from there: the file's pages instead of memory. It was written just
/// now, and is not read through for its checksum.
at::Tensor kept_by_first(const at::Tensor& images, const std::filesystem::path& file, const std::string& what,
                         const Communicator& ranks) {
  at::Tensor mapped;
  together(ranks, [&] {
    if (ranks.rank != 0) return;
    io::write_safetensors(file, {{"images", images}}, {{kPairsKey, what}});
    mapped = io::read_safetensors(file, io::Checksum::left_to_caller).at("images");
  });
  return mapped;
}

}  // namespace

std::optional<TeacherPairs> teacher_pairs(const RegressionConfig& config, const Denoiser& teacher,
                                          const std::vector<int64_t>& classes, uint64_t seed,
                                          const std::filesystem::path& folder,
                                          const std::function<bool()>& stop, const Workers& workers,
                                          const Communicator& ranks) {
  const auto [channels, height, width] = image_shape(teacher);
  TeacherPairs pairs{
      .count = config.pairs, .seed = seed, .classes = classes, .label_dim = label_dim(teacher)};
  nlohmann::ordered_json what = identity(config, teacher, pairs);
  together(ranks, [&] {
    if (ranks.rank == 0) io::make_folders(folder);
  });
  std::optional<io::Progress> progress;  // of those that are made
  for (int64_t begin = 0; begin < pairs.count; begin += kPairsInShard) {
    const int64_t end = std::min(begin + kPairsInShard, pairs.count), count = end - begin;
    const std::filesystem::path file = folder / (std::to_string(begin) + ".safetensors");
    const std::vector<int64_t> shape{count, channels, height, width};
    what["pairs"] = {begin, end};
    at::Tensor images = kept_shard(file, what.dump(), shape);
    if (broadcast(ranks, images.defined()) == 0) {
      if (!progress) progress.emplace("teacher's pairs", pairs.count, begin);
      const SampleWatch watch = [&](int64_t done) {
        progress->update(begin + std::min(done * ranks.size, count));
        if (stop()) throw Stopped();
      };
      const auto made = make_images(config, teacher, pairs, begin, count, watch, workers, ranks);
      if (!made) return std::nullopt;
      images = kept_by_first(*made, file, what.dump(), ranks);
      if (ranks.rank != 0) images = kept_shard(file, what.dump(), shape);
    }
    if (any(ranks, !images.defined())) {  // the folder is rank 0's machine's alone
      if (!images.defined()) images = at::empty(shape);
      broadcast(ranks, images);
    }
    pairs.shards.push_back(images);
    if (progress) progress->update(end);
  }
  return pairs;
}

PairRows pairs_of(const TeacherPairs& pairs, const Shard& shard) {
  TORCH_CHECK(pairs.count > 0, "the teacher's pairs have not been made");
  const at::Device device = shard.real.device();
  std::vector<int64_t> chosen, labels;
  std::vector<at::Tensor> images;
  for (int64_t nimg = shard.nimg; nimg < shard.nimg + shard.real.size(0); ++nimg) {
    const int64_t pair =
        shuffled_index(pairs.seed, nimg / pairs.count, nimg % pairs.count, pairs.count, Purpose::pair_order);
    chosen.push_back(pair);
    images.push_back(pairs.shards[pair / kPairsInShard][pair % kPairsInShard]);
    if (!pairs.classes.empty()) labels.push_back(class_of(pairs, pair));
  }
  const at::Tensor indices = to_device(at::tensor(chosen), device);
  PairRows rows{.latents = latents_of(pairs, indices, images.front().sizes(), device),
                .images = to_device(at::stack(images), device)};
  if (!labels.empty())
    rows.condition.classes =
        to_device(at::one_hot(at::tensor(labels), pairs.label_dim).to(at::kFloat), device);
  return rows;
}

}  // namespace onestep
