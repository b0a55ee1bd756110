// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <variant>

#include "distillation/student.h"
#include "noise/sigma_law.h"
#include "noise/weighting.h"
#include "training/trainee.h"

/// The fake score: what stands for D_q, the denoiser of the student's own images.
namespace onestep {

/// A network that learns it from the student's images, and starts as a copy of the teacher.
struct FakeNetworkConfig {
  static constexpr const char* kind = "network";
  SigmaLaw sigma = LogNormalLaw{};
  std::string weighting = "edm";
  int64_t updates_per_student = 1;
  double guidance = 1;
  double training_guidance = 1;
  AdamConfig optimizer;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("sigma", c.sigma, "distribution of the noise level of its denoising loss");
    visit("weighting", c.weighting, "weight of its loss over noise levels",
          config::one_of(loss_weight_names()));
    visit("updates_per_student", c.updates_per_student, "the student learns every so many steps",
          config::at_least(1));
    visit("guidance", c.guidance, "classifier-free guidance where it is compared with the teacher; 1 is none",
          config::magnitude);
    visit("training_guidance", c.training_guidance, "classifier-free guidance inside its own loss; 1 is none",
          config::magnitude);
    visit("optimizer", c.optimizer, "Adam of the fake-score network");
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

struct Fake {
  FakeConfig config;
  std::optional<Trainee<Denoiser>> network;
};

/// Throws config::ConfigError where a network is wanted and `network` is empty.
Fake make_fake(const FakeConfig& config, const std::optional<Denoiser>& network);

/// The student learns in every so many steps.
int64_t updates_per_student(const FakeConfig& config);

/// Whether E[D_q − y | x] = 0, as the expanded branch needs.
bool is_posterior_mean(const FakeConfig& config);

/// D_q(x; σ) for a part, and the features of its network's encoder at `resolutions`. Gradient flows through
/// x.
Perceived perceive(const Fake& fake, const Student& student, const Denoiser& teacher, const at::Tensor& x,
                   const Part& part, const std::vector<int64_t>& resolutions);

/// Losses [n] of the fake-score network on a part's images (sums over pixels, divided by their number), at
/// noise levels of its own; undefined where nothing is to be learnt. Gradient flows through the network's
/// parameters.
at::Tensor fake_losses(const Fake& fake, const Part& part, double sigma_data);

}  // namespace onestep
