// SPDX-License-Identifier: Apache-2.0
#include "distillation/observation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/ones_like.h>

#include "distillation/distil_config.h"
#include "networks/guidance.h"

namespace onestep {
namespace {

/// ln r at x, where something measures it.
at::Tensor log_ratio_of(const Ratio& ratio, const Networks& networks, const Observation& seen,
                        const Shard& shard) {
  if (ratio.source == RatioSource::exact)
    return exact_log_ratio(*mixture_of(networks.teacher), *exact_density(networks.student), seen.x.detach(),
                           shard.sigma);
  return seen.logits.defined() ? sample_logits(seen.logits) : at::Tensor();
}

}  // namespace

Observation observe(const DistilConfig& config, const Ratio& ratio, const Networks& networks,
                    const Shard& shard, const GradientPaths& paths, bool believed) {
  const auto& [teacher, student, fake, discriminator] = networks;
  const auto taps = [&](EncoderOwner encoder) {
    return discriminator && discriminator->encoder == encoder ? discriminator->taps
                                                              : std::vector<std::string>();
  };
  const auto with_graph = [&](EncoderOwner encoder) {
    return paths.denoisers || (paths.discriminator && discriminator->encoder == encoder);
  };
  Observation seen;
  seen.y = shard.y.detach().clone().set_requires_grad(paths.denoisers || paths.discriminator);
  seen.x = noised(seen.y, shard.sigma, shard.epsilon);
  DenoiserOutput p, q;
  {
    const c10::AutoGradMode mode(with_graph(EncoderOwner::teacher));
    p = forward_guided(teacher, seen.x, shard.sigma, {.condition = shard.condition},
                       {config.teacher_guidance, config.teacher_guidance_channels},
                       taps(EncoderOwner::teacher));
  }
  {
    const c10::AutoGradMode mode(with_graph(EncoderOwner::fake));
    q = fake_forward(fake, student, teacher, seen.x, shard, taps(EncoderOwner::fake));
  }
  seen.teacher = p.denoised;
  seen.fake = q.denoised;
  if (discriminator) {
    const c10::AutoGradMode mode(paths.discriminator);
    if (discriminator->encoder == EncoderOwner::discriminator) {
      seen.logits = logits_of(*discriminator, teacher, fake, seen.x, shard.sigma, shard.condition);
    } else {
      const auto& features = discriminator->encoder == EncoderOwner::teacher ? p.features : q.features;
      seen.logits = logits(*discriminator, features);
      for (const at::Tensor& feature : features) seen.features.push_back(feature.detach());
    }
  }
  seen.log_ratio = log_ratio_of(ratio, networks, seen, shard);
  const bool known = believed && seen.log_ratio.defined();
  const at::Tensor r = known ? ratio_of(ratio, seen.log_ratio, shard.sigma) : at::ones_like(shard.sigma);
  seen.weights = divergence_weights(config.divergence, r);
  return seen;
}

}  // namespace onestep
