// SPDX-License-Identifier: Apache-2.0
#include "losses/adversarial.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/softplus.h>
#include <c10/core/ScalarType.h>

#include "config/suggest.h"

namespace onestep {
namespace {

using Logits = const at::Tensor&;

/// A row: what each logit costs.
struct Pair {
  const char* name;
  at::Tensor (*real)(Logits);     // the discriminator, for a logit of a real sample
  at::Tensor (*fake)(Logits);     // the discriminator, for a logit of a generated one
  at::Tensor (*student)(Logits);  // the student, for a logit of a generated one
};

constexpr Pair kPairs[] = {
    {"logistic", [](Logits l) { return at::softplus(-l); }, [](Logits l) { return at::softplus(l); },
     [](Logits l) { return at::softplus(-l); }},
    {"hinge", [](Logits l) { return at::relu(1 - l); }, [](Logits l) { return at::relu(1 + l); },
     [](Logits l) { return -l; }},
};

const Pair& find_pair(const std::string& name) {
  for (const Pair& pair : kPairs) {
    if (pair.name == name) return pair;
  }
  TORCH_CHECK(false, "unknown adversarial loss '", name, "'",
              config::suggestion(name, adversarial_losses(), "known"));
}

at::Tensor wide(Logits logits) {
  TORCH_CHECK(logits.dim() >= 1 && logits.is_floating_point(),
              "adversarial loss: logits must be floating [N, ...], got ", logits.scalar_type(),
              logits.sizes());
  return logits.to(c10::promoteTypes(logits.scalar_type(), at::kFloat));
}

/// A sample's mean over its logits.
at::Tensor sample_mean(const at::Tensor& losses) {
  return losses.dim() == 1 ? losses : losses.flatten(1).mean(1);
}

}  // namespace

std::vector<std::string> adversarial_losses() {
  std::vector<std::string> names;
  for (const Pair& pair : kPairs) names.emplace_back(pair.name);
  return names;
}

at::Tensor discriminator_loss(const std::string& name, const at::Tensor& real_logits,
                              const at::Tensor& fake_logits) {
  const Pair& pair = find_pair(name);
  const at::Tensor real = sample_mean(pair.real(wide(real_logits)));
  const at::Tensor fake = sample_mean(pair.fake(wide(fake_logits)));
  TORCH_CHECK(real.sizes() == fake.sizes(), "discriminator loss: ", real.size(0), " real but ", fake.size(0),
              " generated samples");
  return real + fake;
}

at::Tensor shared_discriminator_loss(const std::string& name, const at::Tensor& real_logits,
                                     const at::Tensor& fake_logits, const at::Tensor& weight) {
  const at::Tensor losses = discriminator_loss(name, real_logits, fake_logits);
  TORCH_CHECK(weight.sizes() == losses.sizes(), "discriminator loss: weights must be ", losses.sizes(),
              ", got ", weight.sizes());
  return 0.5 * weight.detach().to(losses.scalar_type()) * losses;
}

at::Tensor generator_loss(const std::string& name, const at::Tensor& fake_logits) {
  return sample_mean(find_pair(name).student(wide(fake_logits)));
}

at::Tensor r1_penalty(const at::Tensor& logits, const at::Tensor& perturbed_logits, double step) {
  TORCH_CHECK(logits.sizes() == perturbed_logits.sizes(), "r1: logits are ", logits.sizes(), " and ",
              perturbed_logits.sizes());
  return sample_mean(0.5 * ((wide(perturbed_logits) - wide(logits)) / step).square());
}

}  // namespace onestep
