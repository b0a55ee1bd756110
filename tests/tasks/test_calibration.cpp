// SPDX-License-Identifier: Apache-2.0
// The measured density ratio against the true one: a discriminator learns to tell a mixture from a Gaussian
// student that stands still, over all noise levels at once.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <catch2/catch.hpp>

#include "config/config.h"
#include "distillation/discriminator.h"
#include "distillation/ratio.h"
#include "kernels/philox.h"
#include "learning.h"
#include "noise/sigma_law.h"
#include "training/trainee.h"

using namespace onestep;

namespace {

constexpr const char* kMixture =
    "{kind: gaussian_mixture, weights: [0.6, 0.4], means: [[-0.8], [0.9]], stds: [[0.4], [0.5]], count: "
    "20000}";

struct Holder {
  DatasetConfig data;
  DenoiserConfig network;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("data", c.data, "");
    visit("network", c.network, "");
  }
};

/// A discriminator after `images` images, and the two densities.
struct Experiment {
  Dataset data;
  GaussianMixture teacher;
  Student student;
  Fake fake{PointFakeConfig{}, {}};
  Discriminator discriminator;
  SigmaLaw law = LogNormalLaw{.mean = -0.5, .std = 1.2};

  uint64_t seed = 1 + static_cast<uint64_t>(learning_seed());

  explicit Experiment(int64_t images) {
    const auto holder =
        config::read<Holder>(config::parse(std::string("{data: ") + kMixture +
                                               ", network: {preconditioning: {sigma_data: 1}, network: "
                                               "{kind: mlp, dim: 1, width: 48, depth: 2}}}",
                                           "test"));
    data = load_dataset(holder.data);
    teacher = make_gaussian_mixture(data.density->weights, data.density->means, data.density->stds);
    student = make_student(GaussianStudentConfig{.mean = 0.2, .std = 0.9}, {}, data, 1, at::kCPU);
    const AdamConfig adam{.learning_rate = {.peak = 5e-3, .decay = "linear"}, .beta2 = 0.99};
    discriminator = make_discriminator({.features = "own", .optimizer = adam},
                                       make_denoiser(holder.network, 2 + seed), 2 + seed, at::kCPU);
    auto networks = make_trainee(*discriminator.networks, adam);
    discriminator.networks = networks.module;
    constexpr int64_t kBatch = 256;
    const Denoiser unused;
    for (int64_t nimg = 0; nimg < images; nimg += kBatch) {
      const Shard shard = draw(read_batch(data, seed, nimg, kBatch, false));
      discriminator_losses(discriminator, unused, fake, shard, {}).losses.mean().backward();
      update(networks, /*averages=*/{}, nimg, kBatch, images);
    }
  }

  Shard draw(const Batch& batch) const {
    const c10::NoGradGuard no_grad;
    Shard shard = begin_shard(batch, seed, at::kCPU);
    shard.real_condition = {};
    shard.y = student_images(student, shard);
    shard.sigma = draw_sigma(law, seed, Purpose::student_sigma, shard.indices, at::kCPU);
    shard.epsilon = unit_noise(shard, Purpose::student_noise);
    return shard;
  }
};

}  // namespace

TEST_CASE("the ratio that a discriminator measures is the true one, at every noise level", "[learning]") {
  const Experiment trained(120'000), fresh(256);
  // Points that it has not seen.
  const int64_t count = 40'000;
  const Shard shard = trained.draw(read_batch(trained.data, trained.seed, 10'000'000, count, false));
  const c10::NoGradGuard no_grad;
  const at::Tensor truth =
      exact_log_ratio(trained.teacher, *exact_density(trained.student), shard.x(), shard.sigma);
  const Denoiser unused;
  const at::Tensor measured =
      sample_logits(logits_of(trained.discriminator, unused, trained.fake, shard.x(), shard.sigma, {}));

  const RatioConfig config{
      .logit_clamp = 80, .minimum = 1e-30, .maximum = 1e30, .bins = 6, .sigma_min = 0.05, .sigma_max = 8};
  const BinSums measured_bins = bin_sums(density_ratio(measured, config), shard.sigma, config);
  const BinSums true_bins = bin_sums(density_ratio(truth, config), shard.sigma, config);
  const BinSums error = bin_sums((measured - truth).square(), shard.sigma, config);
  const BinSums size = bin_sums(truth.square(), shard.sigma, config);
  for (int64_t bin = 0; bin < config.bins; ++bin) {
    const double samples = error.count[bin].item<double>();
    REQUIRE(samples > 400);
    const double rms = std::sqrt(error.ratio[bin].item<double>() / samples);
    INFO("bin " << bin << ": rms error of the logit " << rms << ", rms logit "
                << std::sqrt(size.ratio[bin].item<double>() / samples) << ", mean of r "
                << measured_bins.ratio[bin].item<double>() / samples << ", of the true r "
                << true_bins.ratio[bin].item<double>() / samples);
    CHECK(rms < 0.2 + 0.35 * std::sqrt(size.ratio[bin].item<double>() / samples));
    CHECK(measured_bins.ratio[bin].item<double>() / samples == Approx(1).margin(0.1));
    CHECK(true_bins.ratio[bin].item<double>() / samples == Approx(1).margin(0.1));  // E_q[r] = 1
  }
  // Without training there is nothing to be right by chance.
  const at::Tensor untrained =
      sample_logits(logits_of(fresh.discriminator, unused, trained.fake, shard.x(), shard.sigma, {}));
  CHECK((untrained - truth).square().mean().item<double>() >
        5 * (measured - truth).square().mean().item<double>());
}
