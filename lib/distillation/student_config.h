// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/check.h"
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
  std::optional<std::string> from;
  double start_kimg = 0;
  AdamConfig optimizer;
  EmaConfigs ema;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("generator", c.generator, "a network of one or several steps, images, or a Gaussian");
    visit("from", c.from,
          "another student's model.safetensors that it starts as (SiD²A); null: a copy of the teacher",
          config::path, config::Role::place);
    visit("start_kimg", c.start_kimg, "thousands of the run's images before it starts to learn",
          config::non_negative);
    visit("optimizer", c.optimizer,
          "Adam of the student; its rates count images of steps in which it learns");
    visit("ema", c.ema,
          "moving average of the student, which is what the run gives; it counts images of steps in which it "
          "learns; of a list the first, and files of the others in the run's folder ema");
  }
};

}  // namespace onestep
