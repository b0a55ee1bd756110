// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

#include "distillation/discriminator_config.h"
#include "distillation/fake_config.h"
#include "distillation/ratio.h"
#include "distillation/student_config.h"
#include "distillation/terms/term.h"
#include "divergences/divergence.h"
#include "noise/sigma_law.h"

namespace onestep {

/// Distils a teacher into a student: every method of the family is a choice of these parts.
struct DistilConfig {
  static constexpr const char* kind = "distil";
  std::optional<std::string> teacher;
  double teacher_guidance = 1;
  int64_t teacher_guidance_channels = 0;
  std::optional<DenoiserConfig> network;
  DivergenceConfig divergence;
  BranchConfig loss;
  SigmaLaw sigma = KarrasLaw{};
  RatioSourceConfig ratio;
  StudentConfig student;
  FakeConfig fake;
  std::optional<DiscriminatorConfig> discriminator;
  std::optional<AdversarialConfig> adversarial;
  std::optional<RegressionConfig> regression;
  std::optional<RewardConfig> reward;
  std::optional<FidelityConfig> fidelity;
  std::string recompute = "none";
  int64_t compare_every = 200;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("teacher", c.teacher, "the teacher's model.safetensors; null: the exact denoiser of analytic data",
          config::path, config::Role::place);
    visit("teacher_guidance", c.teacher_guidance, "classifier-free guidance of the teacher; 1 is none",
          config::magnitude);
    visit("teacher_guidance_channels", c.teacher_guidance_channels,
          "guide the first so many channels alone: DiT's and SiT's own sampling has 3 of 4; 0 is all",
          config::non_negative);
    visit("network", c.network, "network of student and fake score where the teacher is none to be copied");
    visit("divergence", c.divergence, "what is minimised between the noised teacher and student");
    visit("loss", c.loss, "how it is descended: the integral or the expanded branch");
    visit("sigma", c.sigma, "distribution of the noise level at which teacher and student are compared");
    visit("ratio", c.ratio, "the density ratio of teacher over student");
    visit("student", c.student, "what is trained");
    visit("fake", c.fake, "what stands for the student's score");
    visit("discriminator", c.discriminator, "tells data from student images; null does without");
    visit("adversarial", c.adversarial, "extra term: to be taken for data by the discriminator");
    visit("regression", c.regression, "extra term: to equal the teacher's images of the same latents");
    visit("reward", c.reward, "extra term: a classifier's log-probability of the class");
    visit("fidelity", c.fidelity, "extra term: to agree with a measurement");
    visit("recompute", c.recompute,
          "of the teacher and the networks that are copied from it, as network.recompute: none, or blocks, "
          "which takes less memory for a quarter more time, and gives the same bits",
          config::one_of({"none", "blocks"}), config::Role::free);
    visit("compare_every", c.compare_every,
          "in one of so many of the student's steps the angle between the two branches' gradients is looked "
          "at, on one shard; 0 never looks",
          config::non_negative, config::Role::free);
  }
  std::string problem() const;
};

}  // namespace onestep
