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
          {"teacher", config::to_json(keeping.config)},
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

/// What the teacher makes of `count` latents from pair `begin` on.
SampleResult draw(const RegressionConfig& config, const Denoiser& teacher, const TeacherPairs& pairs,
                  const std::vector<int64_t>& shape, int64_t begin, int64_t count, const Workers& workers,
                  const SampleWatch& watch) {
  SampleRequest request{.seeds = consecutive_seeds(begin, count)};
  request.latents = latents_of(pairs, at::arange(begin, begin + count), shape, at::kCPU);
  if (!pairs.classes.empty())
    for (int64_t i = begin; i < begin + count; ++i) request.classes.push_back(class_of(pairs, i));
  return generate(teacher, config.sampler, request, kPass, watch, workers);
}

}  // namespace

std::optional<TeacherPairs> teacher_pairs(const RegressionConfig& config, const Denoiser& teacher,
                                          const std::vector<int64_t>& classes, uint64_t seed,
                                          const std::filesystem::path& folder,
                                          const std::function<bool()>& stop, const Workers& workers,
                                          const Communicator& ranks) {
  const auto [channels, height, width] = image_shape(teacher);
  const std::vector<int64_t> shape{channels, height, width};
  TeacherPairs pairs{
      .count = config.pairs, .seed = seed, .classes = classes, .label_dim = label_dim(teacher)};
  nlohmann::ordered_json what = identity(config, teacher, pairs);
  const bool first = ranks.rank == 0;  // who writes
  together(ranks, [&] {
    if (first) io::make_folders(folder);
  });
  std::optional<io::Progress> progress;  // of those that are made
  for (int64_t begin = 0; begin < pairs.count; begin += kPairsInShard) {
    const int64_t end = std::min(begin + kPairsInShard, pairs.count);
    const std::filesystem::path file = folder / (std::to_string(begin) + ".safetensors");
    what["pairs"] = {begin, end};
    at::Tensor images = kept_shard(file, what.dump(), {end - begin, channels, height, width});
    if (broadcast(ranks, images.defined()) == 0) {
      if (first && !progress) progress.emplace("teacher's pairs", pairs.count, begin);
      // Smaller passes than a rank alone would make: an image does not depend on the others in its pass.
      const auto [own, count] = share_of_passes(end - begin, kPass, ranks.rank, ranks.size);
      SampleResult made;
      bool stopped = false;
      together(ranks, [&] {
        try {
          made = draw(config, teacher, pairs, shape, begin + own, count, workers, [&](int64_t done) {
            if (progress) progress->update(begin + std::min(done * ranks.size, end - begin));
            if (stop()) throw Stopped();
          });
        } catch (const Stopped&) {
          stopped = true;
        }
      });
      if (any(ranks, stopped)) return std::nullopt;
      std::vector<int64_t> rows;
      for (int rank = 0; rank < ranks.size; ++rank)
        rows.push_back(share_of_passes(end - begin, kPass, rank, ranks.size).count);
      images = gather_on_first(ranks, made.samples.to(at::kFloat), rows);
      together(ranks, [&] {
        if (!first) return;
        io::write_safetensors(file, {{"images", images}}, {{kPairsKey, what.dump()}});
        // The file's pages instead of memory; it was written just now, and is not read through for its
        // checksum.
        images = io::read_safetensors(file, io::Checksum::left_to_caller).at("images");
      });
      if (!first) images = kept_shard(file, what.dump(), {end - begin, channels, height, width});
    }
    if (any(ranks, !images.defined())) {  // a folder of rank 0's machine alone
      if (!images.defined()) images = at::empty({end - begin, channels, height, width});
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
    rows.labels = to_device(at::one_hot(at::tensor(labels), pairs.label_dim).to(at::kFloat), device);
  return rows;
}

}  // namespace onestep
