// SPDX-License-Identifier: Apache-2.0
#include "distillation/student.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/StringUtil.h>

#include "config/node.h"
#include "kernels/philox.h"

namespace onestep {
namespace {

struct Make {
  const std::optional<Denoiser>& network;
  const Dataset& data;
  uint64_t seed;

  Student operator()(const OneStepConfig& c) const { return stepped({c.sigma_init}); }
  Student operator()(const MultiStepConfig& c) const { return stepped(c.sigmas); }

  Student stepped(const std::vector<double>& sigmas) const {
    if (!network) {
      throw config::ConfigError(
          "task.network: the teacher is no network that a student could copy; say which one");
    }
    require_known("task.student.generator", {sigmas.back(), sigmas.front()}, valid_range(*network),
                  "its network");
    return {SteppedStudent{sigmas, clone(*network)}};
  }

  Student operator()(const ParticlesConfig& c) const {
    const auto classes = static_cast<int64_t>(data.class_names.size());
    if (c.count > data.images.size(0)) {
      throw config::ConfigError(c10::str("task.student.generator.count: ", c.count,
                                         " particles, but the data has ", data.images.size(0), " images"));
    }
    if (c.target_class && *c.target_class >= classes) {
      throw config::ConfigError(c10::str("task.student.generator.target_class: ", *c.target_class,
                                         " is no class; the data has ", classes));
    }
    const auto hot = [&](const at::Tensor& index) {  // of width 0 where the data has no classes
      return classes > 0 ? at::one_hot(index, classes).to(at::kFloat) : at::zeros({index.size(0), 0});
    };
    Particles m{.reference = to_float(data.images.narrow(0, 0, c.count)),
                .reference_labels = hot(data.labels.narrow(0, 0, c.count))};
    m.labels = c.target_class ? hot(at::full({c.count}, *c.target_class, at::kLong)) : m.reference_labels;
    m.images = c.start == "data" ? m.reference.clone()
                                 : c.noise_std * kernels::philox_normal(
                                                     seed, word(Purpose::particle_start), at::arange(c.count),
                                                     m.reference.sizes().slice(1), at::kCPU);
    return {std::move(m)};
  }

  Student operator()(const GaussianStudentConfig& c) const {
    return {make_gaussian_student(c.mean, c.std, data.images.sizes().slice(1))};
  }
};

}  // namespace

std::string MultiStepConfig::problem() const {
  if (sigmas.empty()) return "sigmas: at least one noise level is needed";
  for (size_t i = 1; i < sigmas.size(); ++i) {
    if (sigmas[i] >= sigmas[i - 1]) return "sigmas must decrease strictly";
  }
  return "";
}

Student make_student(const GeneratorConfig& config, const std::optional<Denoiser>& network,
                     const Dataset& data, uint64_t seed, at::Device device) {
  return clone(std::visit(Make{network, data, seed}, config), device);
}

int64_t student_rows(const Student& student) {
  const auto* particles = std::get_if<Particles>(&student.form);
  return particles == nullptr ? 1 : particles->images.size(0);
}

std::vector<int64_t> rows_met(const Student& student, int64_t nimg, int64_t size) {
  const auto* particles = std::get_if<Particles>(&student.form);
  return particles == nullptr ? std::vector<int64_t>{0} : particles_met(*particles, nimg, size);
}

Condition student_condition(const Student& student, const Shard& shard) {
  const auto* particles = std::get_if<Particles>(&student.form);
  return particles == nullptr ? shard.real_condition : Condition{particle_rows(particles->labels, shard)};
}

at::Tensor student_images(const Student& student, const Shard& shard) {
  return std::visit([&](const auto& form) { return student_images(form, shard); }, student.form);
}

std::optional<GaussianMixture> exact_density(const Student& student) {
  const c10::NoGradGuard no_grad;
  if (const auto* gaussian = std::get_if<GaussianStudent>(&student.form)) {
    return GaussianMixture{at::ones({1}, gaussian->mean.options().requires_grad(false)),
                           gaussian->mean.detach(), gaussian->log_std.detach().exp()};
  }
  if (const auto* particles = std::get_if<Particles>(&student.form)) {
    const at::Tensor images = particles->images.detach();
    const auto count = static_cast<double>(images.size(0));
    return GaussianMixture{at::full({images.size(0)}, 1 / count, images.options()), images,
                           at::zeros_like(images)};
  }
  return {};
}

Denoiser as_denoiser(const Student& student) {
  if (const auto* stepped = std::get_if<SteppedStudent>(&student.form)) return stepped->network;
  return {*exact_density(student)};
}

SamplerConfig own_sampler(const Student& student) {
  const auto* stepped = std::get_if<SteppedStudent>(&student.form);
  if (stepped == nullptr) return {.solver = "heun"};
  if (stepped->sigmas.size() == 1) return {.solver = "one_step", .sigma_max = stepped->sigmas[0]};
  SamplerConfig sampler{.solver = "renoise", .sigmas = stepped->sigmas};
  sampler.sigmas.push_back(0);
  return sampler;
}

}  // namespace onestep
