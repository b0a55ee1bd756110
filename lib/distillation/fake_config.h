// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <variant>

#include "config/check.h"
#include "noise/sigma_law.h"
#include "noise/weighting.h"
#include "training/adam.h"

/// The fake score: what stands for D_q, the denoiser of the student's own images.
namespace onestep {

/// A network that learns it from the student's images, and starts as a copy of the teacher.
struct FakeNetworkConfig {
  static constexpr const char* kind = "network";
  SigmaLaw sigma = LogNormalLaw{};
  std::string weighting = "native";
  std::string reduction = "sum";
  int64_t updates_per_student = 1;
  bool in_students_step = true;
  double guidance = 1;
  double training_guidance = 1;
  double dropout = 0;
  double augmentation = 0;
  AdamConfig optimizer;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("sigma", c.sigma, "distribution of the noise level of its denoising loss");
    visit("weighting", c.weighting,
          "weight of its loss over noise levels; native: the plain error of what the network predicts",
          config::one_of(loss_weight_names()));
    visit(
        "reduction", c.reduction,
        "over an image's pixels and channels: sum (EDM, SiD) or mean (DMD2, f-distill); it matters where the "
        "gradient is clipped",
        config::one_of({"sum", "mean"}));
    visit("updates_per_student", c.updates_per_student, "the student learns in one of so many steps",
          config::at_least(1));
    visit("in_students_step", c.in_students_step,
          "whether it and the discriminator learn in that step, too (DMD2), or in the others alone "
          "(f-distill)");
    visit("guidance", c.guidance, "classifier-free guidance where it is compared with the teacher; 1 is none",
          config::magnitude);
    visit("training_guidance", c.training_guidance, "classifier-free guidance inside its own loss; 1 is none",
          config::magnitude);
    visit("dropout", c.dropout, "dropout rate in its own loss; the teacher's own rate is not looked at",
          config::between(0, 0.99));
    visit("augmentation", c.augmentation,
          "share of the images, real ones too, that its own loss sees changed by each geometric augmentation "
          "(EDM); takes a network with augment_dim: 9",
          config::between(0, 1));
    visit("optimizer", c.optimizer, "Adam of the fake-score network");
  }
  std::string problem() const {
    if (!in_students_step && updates_per_student == 1)
      return "in_students_step: false and updates_per_student: 1 leave no step in which the fake score "
             "learns";
    return "";
  }
};

/// D_q = y: every image is a distribution of its own (SDS, RED-diff).
struct PointFakeConfig {
  static constexpr const char* kind = "point";
  template <class Self, class Visit>
  static void fields(Self&, Visit&&) {}
};

/// D_q = y + D_p(ŷ + σε; ĉ) − ŷ with the particle's reference image ŷ of class ĉ: what the teacher says of an
/// image that is as it should be is taken off (DDS, Hertz et al. 2023, eq. 3). It is D_p(x; c) itself where y
/// is ŷ and c is ĉ, as long as both are guided alike.
struct ReferenceFakeConfig {
  static constexpr const char* kind = "reference";
  double guidance = 1;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("guidance", c.guidance,
          "classifier-free guidance of what is taken off, as a rule teacher_guidance; 1 is none",
          config::magnitude);
  }
};

/// The student's own closed form.
struct ExactFakeConfig {
  static constexpr const char* kind = "exact";
  template <class Self, class Visit>
  static void fields(Self&, Visit&&) {}
};

using FakeConfig = std::variant<FakeNetworkConfig, PointFakeConfig, ReferenceFakeConfig, ExactFakeConfig>;

/// The student learns in one of so many steps; whether the fake score and the discriminator do so there, too.
int64_t updates_per_student(const FakeConfig& config);
bool learns_in_students_step(const FakeConfig& config);

/// Whether E[D_q − y | x] = 0, as the expanded branch needs.
bool is_posterior_mean(const FakeConfig& config);

}  // namespace onestep
