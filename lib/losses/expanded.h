// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "config/check.h"
#include "losses/sample_scale.h"

/// The expanded branch (SIM, SiD, Uni-Instruct; README.md §3b). D_f(p_0‖q_0) = ∫ σ J(σ) dσ with
/// J(σ) = E_q[h(r) ‖Δ‖²], Δ = (D_p − D_q)/σ²: the student descends J at one noise level at a time.
namespace onestep {

struct ExpandedConfig {
  static constexpr const char* kind = "expanded";
  std::string form = "exact";
  double alpha = 0.5;
  std::string distance = "squared";
  double huber_c = 0.03;
  std::optional<double> surrogate_clip = 3.0;
  std::string normalisation = "sid";
  bool normalise_weight = false;
  double weight = 1;

  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit(
        "form", c.form,
        "exact: the gradient of the divergence; frozen_ratio: the ratio held constant (the same for reverse "
        "KL); paper: Uni-Instruct's two terms",
        config::one_of({"exact", "frozen_ratio", "paper"}));
    visit("alpha", c.alpha,
          "SiD's alpha: 0.5 is the exact gradient, SIM and SiDA have 1, SiD 1.2; form paper does not look at "
          "it",
          config::between(-1, 2));
    visit("distance", c.distance,
          "of the scores: squared, or SIM's pseudo_huber sqrt(|D_p - D_q|^2 + c^2) - c for reverse_kl",
          config::one_of({"squared", "pseudo_huber"}));
    visit("huber_c", c.huber_c, "c of pseudo_huber: 0.00054 sqrt(3072) is that of 3x32x32 images",
          config::positive);
    visit("surrogate_clip", c.surrogate_clip,
          "bound, in units of sigma h(r), of the weight by which the ratio's own motion pushes a sample; "
          "null: none",
          config::positive);
    visit("normalisation", c.normalisation,
          "scale of a sample's loss: none 1, score 1/sigma^4, dmd 1/(mean|y - D_p| + 1e-6), "
          "sid 1/max(mean|y - D_p|, 1e-5)",
          config::one_of(normalisations()));
    visit("normalise_weight", c.normalise_weight,
          "divide h(r), and its derivatives alike, by the mean of h over the batch");
    visit("weight", c.weight,
          "weight of the score difference, a sum over an image's pixels and channels: SiD has 100",
          config::positive);
  }

  std::string problem() const {
    if (distance == "pseudo_huber" && form != "exact")
      return "distance pseudo_huber has h = 1, where there is no ratio to freeze: form must be exact";
    return "";
  }
};

/// The expanded branch's per-sample losses [N], with autograd.
///
/// y = G_θ(z) the student's images, x = y + σε, teacher = D_p(x; σ) and fake = D_q(x; σ), each [N, …]; sigma
/// [N]; weights [N] at the density ratio r(x). With g = D_p − D_q, e = D_q − y and s the sample's scale:
///
///   exact         s · [h g·e + (1−α)(h − r h′)‖g‖² + sg[κ g]·x],  κ = (r h′ g·e − ½ r² h″ ‖g‖²)/σ²
///   frozen_ratio  without κ
///   paper         s · [h g·e + sg[κ g]·x],  κ = −½ r² h″ ‖g‖²/σ²
///   pseudo_huber  s · ½[d′(g)·e + 2(1−α) d(g)],  d(g) = √(‖g‖² + c²) − c,  d′(g) = g/√(‖g‖² + c²), h = 1
///
/// The expected gradient of `exact` is ½σ⁴ ∇_θ J(σ) times s at α = ½. For reverse KL it is SiD's loss
/// g·((D_p − y) − α g). sg[κ g]·x stands for the motion of r under the student, no backward pass through the
/// network that measures r. |κ| ≤ surrogate_clip · σ h keeps it at the order in σ that the truth has, which a
/// learnt network does not (README.md §3b). It is written as sg[κ g]·(x − sg[x]), so that
/// it shows in the gradient and not in the value.
///
/// **Path gradient.** Gradient flows through y, x, teacher and fake, where they carry it: D_p and D_q must be
/// evaluated with a graph to x (SiD's gradient goes through both networks' input), while their parameters
/// stay frozen: the caller asks for the gradient of y alone. s and the weights are constants. Computed in
/// float32, or float64 where y is; a sample holding NaN leaves the others alone. Throws c10::Error on shapes
/// that differ or an unknown form.
at::Tensor expanded_loss(const ExpandedConfig& config, const at::Tensor& y, const at::Tensor& x,
                         const at::Tensor& teacher, const at::Tensor& fake, const at::Tensor& sigma,
                         const DivergenceWeights& weights);

}  // namespace onestep
