// SPDX-License-Identifier: Apache-2.0
#include "distillation/step.h"

#include <ios>
#include <sstream>

#include <ATen/TensorOperators.h>

#include "losses/finite.h"

namespace onestep {
namespace {

/// The student's images y = G(z), with its graph where it learns, and the noise at which they are compared.
Shard generate(const Distillation& d, const Networks& networks, const Batch& batch, bool with_graph) {
  Shard shard = begin_shard(batch, d.seed, d.device);
  shard.condition = student_condition(networks.student, shard);
  if (!d.labelled) shard.condition = shard.real_condition = {};
  const c10::AutoGradMode mode(with_graph);
  shard.y = student_images(networks.student, shard);
  shard.finite = shard.finite & finite_samples(shard.y);
  shard.y = kept(shard.y, shard.finite);
  shard.sigma = draw_sigma(d.sigma, d.seed, Purpose::student_sigma, shard.indices);
  shard.epsilon = unit_noise(shard, Purpose::student_noise);
  return shard;
}

GradientPaths paths_of(const Distillation& d, const StepPlan& plan, bool compares_branches) {
  GradientPaths paths{.denoisers = compares_branches};
  for (size_t i = 0; i < d.terms.size(); ++i)
    if (plan.weights[i] > 0) paths = paths | paths_of(d.terms[i]);
  return paths;
}

/// Whether the student learns from a term that is, or is not, divided by the mean of h.
bool has_terms(const Distillation& d, const StepPlan& plan, bool normalised) {
  for (size_t i = 0; i < plan.weights.size(); ++i)
    if (plan.weights[i] > 0 && is_normalised(d.terms[i]) == normalised) return true;
  return false;
}

/// The gradient of the branch that the method has, and of the other one, on images of the first shard alone.
void compare_branches(const Term& chosen, const TermInputs& in, const at::Tensor& gradient, int64_t shard,
                      Diagnostics& diagnostics) {
  const bool integral = std::holds_alternative<IntegralTerm>(chosen);
  const int64_t images = shard == 0 ? gradient.size(0) : 0;
  const at::Tensor mine = gradient.slice(0, 0, images);
  at::Tensor other = mine;
  if (images > 0) other = (integral ? pull(ExpandedTerm{}, in) : pull(IntegralTerm{}, in)).gradient;
  diagnostics.add_branches(integral ? mine : other, integral ? other : mine);
}

void add_to(at::Tensor& sum, const at::Tensor& value) {
  sum = sum.defined() ? sum + value : value;
}

/// Pulls the student's images along the terms' gradients, and the student's parameters with them.
void learn_student(const Distillation& d, const StepPlan& plan, const TermInputs& in, Shard& shard,
                   const ShardPlace& place, ShardReport& report) {
  const auto size = static_cast<double>(plan.size);
  at::Tensor normalised, plain;
  for (size_t i = 0; i < d.terms.size(); ++i) {
    const Term& term = d.terms[i];
    const double weight = plan.weights[i];
    if (weight == 0) continue;
    const Pull by = pull(term, in);
    if (by.images.defined()) {  // images of its own: no other term meets them
      const at::Tensor finite = finite_samples(by.losses);
      report.stats.add(name_of(term), by.losses, finite);
      by.images.backward(weight * kept(by.gradient, finite) / size);
      continue;
    }
    report.stats.add(name_of(term), by.losses, shard.finite);
    add_to(is_normalised(term) ? normalised : plain, weight * by.gradient);
    if (plan.compares_branches && i == 0)
      compare_branches(term, in, by.gradient, place.number, report.diagnostics);
  }
  for (const at::Tensor& gradient : {normalised, plain})
    if (gradient.defined()) shard.finite = shard.finite & finite_samples(gradient);
  report.diagnostics.add_gradient(shard.finite);
  report.pulled = shard.finite.sum();
  if (plain.defined())
    shard.y.backward(kept(plain, shard.finite) / size, /*retain_graph=*/normalised.defined());
  if (!normalised.defined()) return;
  if (has_plain_terms(d, plan))
    move_gradients(d.learners.student.replicas[place.worker], d.learners.plain[place.worker]);
  shard.y.backward(kept(normalised, shard.finite) / size);
}

/// The fake score's denoising loss on the student's images, and the discriminator's on real ones and them.
void learn_fake(const Distillation& d, const StepPlan& plan, const Networks& networks, const Shard& shard,
                const std::vector<at::Tensor>& features, ShardReport& report) {
  const auto& [teacher, student, fake, discriminator] = networks;
  const bool shared = discriminator && discriminator->shares_encoder;
  const auto size = static_cast<double>(plan.size);
  at::Tensor finite = shard.finite, total;
  const auto learn = [&](const char* name, const at::Tensor& losses) {
    report.stats.add(name, losses, finite);
    add_to(total, kept(losses, finite).sum() / size);
  };
  FakeLoss denoising;
  if (fake.network) {
    denoising = fake_losses(fake, shard, shared ? discriminator->taps : std::vector<std::string>());
    finite = finite & finite_samples(denoising.losses);
  }
  DiscriminatorLoss told;
  if (discriminator) {
    told = shared ? shared_encoder_losses(*discriminator, fake, shard, denoising)
                  : discriminator_losses(*discriminator, teacher, fake, shard, features);
    finite = finite & finite_samples(told.losses);
  }
  if (fake.network) learn("fake", denoising.losses);
  if (discriminator) learn("disc", told.losses);
  if (total.defined()) total.backward();
  if (!discriminator) return;
  report.diagnostics.add_real_logits(told.real_logits);
  const RatioConfig& measure = d.ratio.config.measure;
  const BinSums sums = bin_sums(density_ratio(told.student_logits, measure), told.sigma, measure);
  report.ratio = sums.ratio;
  report.counts = sums.count;
}

}  // namespace

std::string kind_of(const StepPlan& plan, const ShardPlace& place) {
  std::ostringstream text;
  text << plan.size << ' ' << plan.student_learns << plan.fake_learns << plan.believes_ratio;
  if (plan.compares_branches) text << (place.number == 0 ? " compared" : " beside the compared");
  for (const double weight : plan.weights) text << ' ' << std::hexfloat << weight;  // every bit of it
  return text.str();
}

bool has_normalised_terms(const Distillation& d, const StepPlan& plan) {
  return has_terms(d, plan, /*normalised=*/true);
}

bool has_plain_terms(const Distillation& d, const StepPlan& plan) {
  return has_terms(d, plan, /*normalised=*/false);
}

ShardReport distil_shard(const Distillation& d, const StepPlan& plan, const Batch& batch,
                         const ShardPlace& place) {
  const Networks& networks = d.networks[place.worker];
  const bool compares = plan.compares_branches && place.number == 0;
  ShardReport report{.diagnostics = {.ratio = d.ratio.config.measure}};
  Shard shard = generate(d, networks, batch, /*with_graph=*/plan.student_learns);
  std::vector<at::Tensor> features;
  if (plan.student_learns) {
    const Observation seen =
        observe(d.config, d.ratio, networks, shard, paths_of(d, plan, compares), plan.believes_ratio);
    // One mask for all losses of the step.
    for (const at::Tensor& numbers : {seen.teacher, seen.fake, seen.weights.h, seen.logits})
      if (numbers.defined()) shard.finite = shard.finite & finite_samples(numbers);
    report.h = kept(seen.weights.h, shard.finite).sum();
    report.h_count = shard.finite.sum();
    report.diagnostics.add_gap(seen.teacher, seen.fake, shard.sigma);
    if (seen.log_ratio.defined()) report.diagnostics.add_ratio(seen.log_ratio, shard.sigma, seen.weights.h);
    learn_student(d, plan, {networks, shard, seen}, shard, place, report);
    features = seen.features;
  }
  shard.y = shard.y.detach();
  report.finite = shard.finite.sum();
  if (plan.fake_learns) learn_fake(d, plan, networks, shard, features, report);
  return report;
}

void contribute(const Distillation& d, const StepPlan& plan, const ShardPlace& place) {
  const auto& [student, fake, discriminator, normalised, plain] = d.learners;
  const bool by_mean = has_normalised_terms(d, plan), as_it_is = has_plain_terms(d, plan);
  if (by_mean && as_it_is) student.sum->add(place.mine, plain[place.worker]);
  if (by_mean || as_it_is)
    contribute(student.replicas[place.worker], by_mean ? *normalised : *student.sum, place.mine);
  if (!plan.fake_learns) return;
  if (fake) contribute(fake->replicas[place.worker], *fake->sum, place.mine);
  if (discriminator) contribute(discriminator->replicas[place.worker], *discriminator->sum, place.mine);
}

std::string graph_problem(const Distillation& d) {
  const auto* stepped = std::get_if<SteppedStudent>(&d.learners.student.module.form);
  if (stepped != nullptr && stepped->sigmas.size() > 1)
    return "a student of several steps draws on the host where each image stops";
  if (d.config.regression) return "the pairs of the regression are chosen on the host";
  return "";
}

}  // namespace onestep
