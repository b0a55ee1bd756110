// SPDX-License-Identifier: Apache-2.0
#include "distillation/terms.h"

#include <algorithm>

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/tensor.h>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "io/folder.h"
#include "io/log.h"
#include "io/safetensors.h"
#include "kernels/philox.h"
#include "samplers/sample.h"
#include "samplers/seeds.h"

namespace onestep {
namespace {

constexpr const char* kPairsKey = "onestep.pairs";

/// What the pairs are a function of, beside the code: another teacher has other numbers.
std::string identity(const RegressionConfig& config, const Denoiser& teacher, uint64_t seed) {
  double checksum = 0;
  for (const auto& [name, tensor] : named_tensors(teacher))
    checksum += tensor.to(at::kDouble).abs().sum().item<double>();
  return nlohmann::ordered_json{{"seed", seed},
                                {"pairs", config.pairs},
                                {"sampler", config::to_json(config.sampler)},
                                {"teacher", config::to_json(teacher.config)},
                                {"checksum", checksum}}
      .dump();
}

/// The cached images, or an undefined tensor. A damaged file costs no more than making it anew.
at::Tensor cached(const std::filesystem::path& cache, const std::string& wanted, at::IntArrayRef shape) try {
  if (!io::path_exists(cache)) return {};
  const io::TensorFile file = io::read_safetensors(cache);
  const auto found = file.metadata.find(kPairsKey);
  if (found == file.metadata.end() || found->second != wanted) return {};
  const at::Tensor images = file.at("images");
  const bool fits = images.sizes() == shape && images.scalar_type() == at::kFloat &&
                    at::isfinite(images).all().item<bool>();
  return fits ? images : at::Tensor();
} catch (const io::FileError& error) {
  io::log_warning(std::string(error.what()) + "; the teacher's pairs are made anew");
  return {};
}

}  // namespace

double weight_at(const TermWeight& term, int64_t nimg) {
  const double kimg = static_cast<double>(nimg) / 1000 - term.start_kimg;
  if (kimg < 0) return 0;
  return term.weight * (term.ramp_kimg > 0 ? std::min(1.0, kimg / term.ramp_kimg) : 1.0);
}

TeacherPairs teacher_pairs(const RegressionConfig& config, const Denoiser& teacher, uint64_t seed,
                           at::Device device, const std::filesystem::path& cache) {
  const auto [channels, height, width] = image_shape(teacher);
  const int64_t classes = label_dim(teacher);
  TeacherPairs pairs{.latents =
                         kernels::philox_normal(seed, word(Purpose::pair_latent), at::arange(config.pairs),
                                                {channels, height, width}, device)};
  SampleRequest request{.seeds = consecutive_seeds(0, config.pairs), .latents = pairs.latents};
  if (classes > 0) {
    for (int64_t i = 0; i < config.pairs; ++i) request.classes.push_back(i % classes);
    pairs.labels = at::one_hot(at::tensor(request.classes), classes).to(device, at::kFloat);
  }
  const std::string wanted = identity(config, teacher, seed);
  at::Tensor images = cached(cache, wanted, pairs.latents.sizes());
  if (!images.defined()) {
    io::log_info("the teacher makes " + std::to_string(config.pairs) + " pairs for the regression term");
    images = generate(teacher, config.sampler, request, /*batch=*/64).samples.to(at::kFloat);
    io::write_safetensors(cache, {{"images", images}}, {{kPairsKey, wanted}});
  }
  pairs.images = images.to(device);
  return pairs;
}

at::Tensor measurements(const FidelityConfig& config, const Particles& particles, uint64_t seed) {
  const c10::NoGradGuard no_grad;
  const at::Tensor clean = measure(config.measurement, particles.reference);
  return clean + config.noise_std * kernels::philox_normal(seed, word(Purpose::measurement),
                                                           at::arange(clean.size(0)), clean.sizes().slice(1),
                                                           clean.device());
}

}  // namespace onestep
