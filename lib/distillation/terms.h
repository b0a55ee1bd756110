// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "config/check.h"
#include "distillation/student.h"
#include "losses/data_fidelity.h"
#include "networks/classifier.h"

/// What a student may learn beside the score difference. Each term has a weight that may set in late and
/// rise.
///
/// Weights do not depend on an image's size: each term is a number of one pixel's order for each image, and
/// its weight stands beside that of the score difference as a mean over pixels. A branch that sums over
/// pixels (expanded) has all its terms times their number: 0.01 beside SiD's 100 is SiDA's 0.01 · CHW beside
/// a sum of weight 100.
namespace onestep {

struct TermWeight {
  double weight = 1;
  double start_kimg = 0;
  double ramp_kimg = 0;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("weight", c.weight,
          "weight beside loss.weight of the score difference as a mean over pixels, whatever the image's "
          "size; the expanded branch sums over pixels, and this term is multiplied with their number there",
          config::magnitude);
    visit("start_kimg", c.start_kimg, "thousands of the run's images before it sets in",
          config::non_negative);
    visit("ramp_kimg", c.ramp_kimg, "thousands of images over which it then rises to its weight",
          config::non_negative);
  }
};

/// The weight at image nimg: 0 before the start, then a linear rise.
double weight_at(const TermWeight& term, int64_t nimg);

/// The discriminator is to take the student's images for data (non-saturating): a mean over logits.
struct AdversarialConfig {
  TermWeight term;
  bool scaled = false;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    TermWeight::fields(c.term, visit);
    visit("scaled", c.scaled, "scale it sample by sample as the score difference is (SiDA)");
  }
};

/// G(z) is to equal what the teacher's solver makes of the same latent (DMD, progressive distillation): half
/// the mean squared error.
struct RegressionConfig {
  TermWeight term;
  int64_t pairs = 512;
  SamplerConfig sampler;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    TermWeight::fields(c.term, visit);
    visit("pairs", c.pairs, "how many pairs of latent and image the teacher makes, once",
          config::at_least(1));
    visit("sampler", c.sampler, "how the teacher makes them");
  }
};

/// log p(c | y) of a classifier is to grow (Diff-Instruct++, Diff-Instruct*), one number for an image.
struct RewardConfig {
  TermWeight term;
  std::string classifier;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    TermWeight::fields(c.term, visit);
    visit("classifier", c.classifier, "the classifier's model.safetensors", config::path,
          config::Role::place);
  }
};

/// What a measurement saw of a particle's data image is to be seen of the particle too (RED-diff): ½‖A y −
/// b‖²/s² over the number of the image's pixels and channels.
struct FidelityConfig {
  TermWeight term;
  MeasurementConfig measurement;
  double noise_std = 0.1;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    TermWeight::fields(c.term, visit);
    visit("measurement", c.measurement, "what was measured");
    visit("noise_std", c.noise_std, "standard deviation of the measurement's noise", config::scale);
  }
};

/// b = A ŷ + noise for every particle, [M, …].
at::Tensor measurements(const FidelityConfig& config, const Particles& particles, uint64_t seed);

}  // namespace onestep
