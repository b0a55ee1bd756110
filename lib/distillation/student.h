// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <variant>

#include "config/check.h"
#include "data/dataset.h"
#include "distillation/gaussian_student.h"
#include "distillation/particles.h"
#include "distillation/stepped_student.h"
#include "samplers/sampler_config.h"
#include "training/adam.h"
#include "training/ema.h"

namespace onestep {

struct OneStepConfig {
  static constexpr const char* kind = "one_step";
  double sigma_init = 2.5;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("sigma_init", c.sigma_init, "noise level that the network is called at", config::scale);
  }
};

struct MultiStepConfig {
  static constexpr const char* kind = "multi_step";
  std::vector<double> sigmas;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("sigmas", c.sigmas, "noise levels that the network is called at, highest first", config::scale);
  }
  std::string problem() const;
};

struct ParticlesConfig {
  static constexpr const char* kind = "particles";
  int64_t count = 64;
  std::string start = "noise";
  double noise_std = 1;
  std::optional<int64_t> target_class;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("count", c.count, "how many images", config::at_least(1));
    visit("start", c.start, "what they are at first: noise, or the first images of the data",
          config::one_of({"noise", "data"}));
    visit("noise_std", c.noise_std, "standard deviation of the noise at first (start: noise)",
          config::magnitude);
    visit("target_class", c.target_class,
          "the class that all shall become; null: that of the data's first images", config::non_negative);
  }
};

struct GaussianStudentConfig {
  static constexpr const char* kind = "gaussian";
  double mean = 0;
  double std = 1;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("mean", c.mean, "every coordinate's mean at first");
    visit("std", c.std, "every coordinate's standard deviation at first", config::scale);
  }
};

using GeneratorConfig = std::variant<OneStepConfig, MultiStepConfig, ParticlesConfig, GaussianStudentConfig>;

/// What is trained: usually a one-step generator that starts as a copy of the teacher.
struct StudentConfig {
  GeneratorConfig generator;
  double start_kimg = 0;
  AdamConfig optimizer;
  EmaConfig ema;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("generator", c.generator, "a network of one or several steps, images, or a Gaussian");
    visit("start_kimg", c.start_kimg, "thousands of the run's images before it starts to learn",
          config::non_negative);
    visit("optimizer", c.optimizer,
          "Adam of the student; its rates count images of steps in which it learns");
    visit("ema", c.ema,
          "moving average of the student, which is what the run gives; it counts images of steps in which it "
          "learns");
  }
};

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

/// The classes of a part's student images, one-hot [n, K]: those of the batch, or the particles' own.
at::Tensor student_labels(const Student& student, const Part& part);

/// The student's images [n, C, H, W] for a part whose labels are set; gradient reaches the parameters.
at::Tensor student_images(const Student& student, const Part& part);

/// The denoiser of the student's own density, where that is known in closed form: a Gaussian's, and a cloud
/// of particles'. Without gradient.
std::optional<GaussianMixture> exact_density(const Student& student);

/// What sample and evaluate take: the network itself, or the closed form.
Denoiser as_denoiser(const Student& student);
SamplerConfig own_sampler(const Student& student);

}  // namespace onestep
