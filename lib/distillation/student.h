// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <variant>

#include "data/dataset.h"
#include "distillation/gaussian_student.h"
#include "distillation/particles.h"
#include "distillation/stepped_student.h"
#include "distillation/student_config.h"
#include "samplers/sampler_config.h"

namespace onestep {

struct Student {
  std::variant<SteppedStudent, Particles, GaussianStudent> form;
  template <class Self, class Visit>
  static void parameters(Self& m, Visit&& visit) {
    visit("form", m.form);
  }
};

/// A student for the images of `data`. `network` is what a stepped student is copied from; labels are K wide.
/// Throws config::ConfigError when there are fewer images than particles, or no such class.
Student make_student(const GeneratorConfig& config, const std::optional<Denoiser>& network,
                     const Dataset& data, uint64_t seed, at::Device device);

/// How many rows the student's optimiser has (training/adam.h), and those that a batch of `size` images from
/// nimg on moves: a particle each, or a network as a whole.
int64_t student_rows(const Student& student);
std::vector<int64_t> rows_met(const Student& student, int64_t nimg, int64_t size);

/// The condition of a shard's student images: the batch's, or the particles' own.
Condition student_condition(const Student& student, const Shard& shard);

/// The student's images [n, C, H, W] for a shard whose condition is set; gradient reaches the parameters.
at::Tensor student_images(const Student& student, const Shard& shard);

/// The denoiser of the student's own density, where that is known in closed form: a Gaussian's, and a cloud
/// of particles'. Without gradient.
std::optional<GaussianMixture> exact_density(const Student& student);

/// What sample and evaluate take: the network itself, or the closed form.
Denoiser as_denoiser(const Student& student);
SamplerConfig own_sampler(const Student& student);

}  // namespace onestep
