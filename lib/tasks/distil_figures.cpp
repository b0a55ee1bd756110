// SPDX-License-Identifier: Apache-2.0
#include "tasks/distil_figures.h"

#include <ATen/ops/arange.h>

#include "distillation/score_figures.h"
#include "io/log.h"
#include "samplers/sample.h"
#include "samplers/seeds.h"

namespace onestep {
namespace {

std::vector<Figure> figures(const DistilConfig& config, const RunConfig& run, const Denoiser& teacher,
                            const Student& now, const Fake& fake, const at::Tensor& images) {
  const auto* density = mixture_of(teacher);
  // A reference's score belongs to its image, so that there is no field to draw.
  if (density == nullptr || std::holds_alternative<ReferenceFakeConfig>(config.fake)) return {};
  constexpr int64_t kPoints = 2000;
  constexpr double kSigma = 0.5;
  const c10::NoGradGuard no_grad;
  Shard shard{.seed = static_cast<uint64_t>(run.seed),
              .indices = at::arange(kPoints),
              .real = images.slice(0, 0, kPoints).to(density->means.device())};
  shard.indices = shard.indices.slice(0, 0, shard.real.size(0));
  const auto* stepped = std::get_if<SteppedStudent>(&now.form);
  const at::Tensor points =
      stepped
          ? generate(stepped->network, own_sampler(now), consecutive_seeds(0, kPoints), {}, kPoints).samples
          : student_images(now, shard);
  const auto fake_at = [&](const at::Tensor& x, const at::Tensor& sigma) {
    return fake_forward(fake, now, teacher, x, {.y = x, .sigma = sigma}, {}).denoised;
  };
  const auto teacher_at = [&](const at::Tensor& x, const at::Tensor& sigma) {
    return denoise(*density, x, sigma);
  };
  return score_figures(
      {.teacher = *density,
       .data = shard.real,
       .student = points,
       .density = std::holds_alternative<GaussianStudent>(now.form) ? exact_density(now) : std::nullopt,
       .teacher_denoised = teacher_at,
       .fake_denoised = fake_at,
       .sigma = kSigma});
}

}  // namespace

std::vector<Figure> distil_figures(const DistilConfig& config, const RunConfig& run, const Denoiser& teacher,
                                   const Student& student, const Fake& fake, const at::Tensor& images) try {
  return figures(config, run, teacher, student, fake, images);
} catch (const std::exception& error) {
  io::log_warning(std::string("no figures: ") + error.what());
  return {};
}

}  // namespace onestep
