// SPDX-License-Identifier: Apache-2.0
// Which parts of a distillation go together: found out before any work starts.
#include "tasks/distil.h"

namespace onestep {
namespace {

/// Whether the student's own density is known.
bool is_analytic(const GeneratorConfig& generator) {
  return std::holds_alternative<ParticlesConfig>(generator) ||
         std::holds_alternative<GaussianStudentConfig>(generator);
}

std::string ratio_problem(const DistilConfig& c) {
  const bool needed = c.divergence.name != "reverse_kl";
  if (c.ratio.source == "exact" && (c.teacher || !is_analytic(c.student.generator))) {
    return "ratio.source: exact needs densities that are known: analytic data as teacher (teacher: null), "
           "and a gaussian or particles as student";
  }
  if (needed && c.ratio.source == "discriminator" && !c.discriminator) {
    return "divergence " + c.divergence.name +
           " needs the density ratio, and there is no discriminator to measure it; only reverse_kl does "
           "without (ratio.source: exact or one are the others)";
  }
  if (needed && c.ratio.source == "discriminator" && c.discriminator->loss == "hinge") {
    return "discriminator.loss: a hinge loss's logit is no density ratio, which divergence " +
           c.divergence.name + " needs";
  }
  return "";
}

std::string branch_problem(const DistilConfig& c) {
  const auto* expanded = std::get_if<ExpandedConfig>(&c.loss);
  if (expanded == nullptr) return "";
  if (!is_posterior_mean(c.fake)) {
    return "loss: the expanded branch needs a fake score, that is fake.kind network or exact";
  }
  if (expanded->distance == "pseudo_huber" && c.divergence.name != "reverse_kl") {
    return "loss.distance: pseudo_huber belongs to reverse_kl, where h = 1; divergence is " +
           c.divergence.name;
  }
  return "";
}

std::string fake_problem(const DistilConfig& c) {
  const auto* particles = std::get_if<ParticlesConfig>(&c.student.generator);
  if (std::holds_alternative<ReferenceFakeConfig>(c.fake) &&
      (particles == nullptr || particles->start != "data")) {
    return "fake: reference needs student.generator particles that start from data";
  }
  if (std::holds_alternative<ExactFakeConfig>(c.fake) && !is_analytic(c.student.generator)) {
    return "fake: exact needs a student whose density is known: gaussian or particles";
  }
  return "";
}

std::string discriminator_problem(const DistilConfig& c) {
  if (!c.discriminator) return c.adversarial ? "adversarial needs a discriminator" : "";
  if (c.discriminator->features == "teacher" && !c.teacher) {
    return "discriminator.features: an analytic teacher has no encoder; choose fake or own";
  }
  if (c.discriminator->features == "fake" && !std::holds_alternative<FakeNetworkConfig>(c.fake)) {
    return "discriminator.features: fake needs fake.kind network";
  }
  return "";
}

std::string term_problem(const DistilConfig& c) {
  if (c.regression && !std::holds_alternative<OneStepConfig>(c.student.generator)) {
    return "regression needs student.generator one_step, whose latents the teacher can start from";
  }
  if (c.fidelity && !std::holds_alternative<ParticlesConfig>(c.student.generator)) {
    return "fidelity needs student.generator particles: a measurement belongs to one image";
  }
  const bool steps = std::holds_alternative<OneStepConfig>(c.student.generator) ||
                     std::holds_alternative<MultiStepConfig>(c.student.generator);
  if (c.student.from && !steps) return "student.from: only a one_step or multi_step generator is a network";
  if (c.teacher && c.network)
    return "network: the student copies the teacher; leave it out, or set teacher: null";
  return "";
}

}  // namespace

std::string DistilConfig::problem() const {
  for (const auto check :
       {ratio_problem, branch_problem, fake_problem, discriminator_problem, term_problem}) {
    if (const std::string problem = check(*this); !problem.empty()) return problem;
  }
  return "";
}

}  // namespace onestep
