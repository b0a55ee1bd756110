// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <filesystem>

#include <ATen/ops/arange.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "closeness.h"
#include "kernels/philox.h"
#include "learning.h"
#include "networks/cost.h"
#include "networks/head.h"
#include "noise/preconditioning.h"

using namespace onestep;
using test::relative_error;

namespace {

at::Tensor noise(at::IntArrayRef shape, int64_t n, uint64_t seed = 1) {
  return kernels::philox_normal(seed, 0, at::arange(n), shape, at::kCPU);
}

/// A network whose last layer has weights to be seen; a fresh one's are nearly 0.
Denoiser awake(const MlpConfig& config, uint64_t seed) {
  Denoiser d = make_denoiser({.preconditioning = {.sigma_data = 0.6}, .network = config}, seed);
  std::get<Mlp>(std::get<PreconditionedNetwork>(d.form).network).output.weight.mul_(1e5);
  return d;
}

/// Two points of which one blurs, in one dimension; standard deviation 0.93.
struct Toy {
  at::Tensor weights = at::tensor({0.3, 0.7}, at::kDouble);
  at::Tensor means = at::tensor({-1.0, 1.0}, at::kDouble).reshape({2, 1, 1, 1});
  at::Tensor stds = at::tensor({0.1, 0.3}, at::kDouble).reshape({2, 1, 1, 1});

  at::Tensor draw(int64_t n, uint64_t seed) const {
    const at::Tensor second =
        (kernels::philox_uniform(seed, 1, at::arange(n), {1, 1, 1}, at::kCPU) >= 0.3).to(at::kFloat);
    return (2 * second - 1) + (0.1 + 0.2 * second) * noise({1, 1, 1}, n, seed);
  }
};

at::Tensor level(int64_t n, uint64_t seed) {  // ln σ normal, about the scale where the modes part
  return (kernels::philox_normal(seed, 2, at::arange(n), {}, at::kCPU) * 1.2 - 0.5).exp();
}

/// Adam with constant rates, without the correction of the first steps.
struct Optimiser {
  FlatParameters flat;
  at::Tensor mean = at::zeros_like(flat.values), square = at::zeros_like(flat.values);
  void step(double rate) {
    mean.mul_(0.9).add_(flat.gradients, 0.1);
    square.mul_(0.99).addcmul_(flat.gradients, flat.gradients, 0.01);
    flat.values.addcdiv_(mean, square.sqrt() + 1e-8, -rate);
    flat.gradients.zero_();
  }
};

}  // namespace

TEST_CASE("A fresh mlp denoises to c_skip x, in every dtype of its weights") {
  const Denoiser fresh = make_denoiser({.network = MlpConfig{.dim = 3, .label_dim = 2}}, 1);
  CHECK(image_shape(fresh) == ImageShape{3, 1, 1});
  CHECK(label_dim(fresh) == 2);
  for (const auto dtype : {at::kFloat, at::kDouble}) {
    const at::Tensor x = noise({3, 1, 1}, 4).to(dtype);
    const at::Tensor sigma = at::tensor({0.002, 0.5, 3.0, 80.0}).to(dtype);
    const at::Tensor denoised = denoise(clone(fresh, at::kCPU, dtype), x, sigma, Condition());
    CHECK(denoised.scalar_type() == dtype);
    CHECK(relative_error(denoised,
                         coefficients(make_preconditioning({.sigma_data = 0.5}), sigma).c_skip * x) < 1e-3);
  }
}

TEST_CASE("An mlp looks at the point, the noise level and the label, each row by itself") {
  const Denoiser d = awake({.dim = 2, .label_dim = 3, .width = 16, .depth = 2}, 2);
  const at::Tensor x = noise({2, 1, 1}, 3), labels = at::eye(3);
  const at::Tensor sigma = at::tensor({0.1f, 1.0f, 5.0f});
  const at::Tensor whole = denoise(d, x, sigma, Condition{labels});
  CHECK(whole.sizes() == x.sizes());
  for (int64_t i = 0; i < 3; ++i) {
    CHECK(relative_error(denoise(d, x.slice(0, i, i + 1), sigma[i], Condition{labels.slice(0, i, i + 1)}),
                         whole.slice(0, i, i + 1)) < 1e-5);
  }
  CHECK(relative_error(denoise(d, x, sigma, Condition{labels.flip(0)}), whole) > 1e-3);
  const at::Tensor unlabelled = denoise(d, x, sigma, Condition());
  CHECK(relative_error(unlabelled, denoise(d, x, sigma, Condition{at::zeros({3, 3})})) < 1e-6);
  CHECK(relative_error(unlabelled, whole) > 1e-3);
  // The raw network at one scaled point, so that only c_noise differs.
  const auto raw = [&](double c_noise) {
    const Mlp& m = std::get<Mlp>(std::get<PreconditionedNetwork>(d.form).network);
    return forward(m, x, {.noise_labels = at::full({3}, c_noise), .condition = {}, .augment_labels = {}})
        .output;
  };
  CHECK(relative_error(raw(-1.5), raw(1.1)) > 1e-2);
  CHECK(relative_error(raw(0.1), raw(0.2)) > 1e-3);
}

TEST_CASE("An mlp's last hidden layer is its one feature tap") {
  const Denoiser d = awake({.dim = 2, .width = 16, .depth = 2}, 3);
  REQUIRE(feature_taps(d).size() == 1);
  CHECK(feature_taps(d)[0].name == "hidden");
  CHECK(feature_taps(d)[0].channels == 16);
  const at::Tensor x = noise({2, 1, 1}, 5), sigma = at::full({5}, 0.7);
  const DenoiserOutput seen = forward(d, x, sigma, {}, {.taps = {"hidden"}});
  CHECK(seen.denoised.equal(denoise(d, x, sigma, Condition())));
  REQUIRE(seen.features.size() == 1);
  CHECK(seen.features[0].sizes() == at::IntArrayRef{5, 16, 1, 1});
  CHECK_FALSE(forward(d, x, sigma, {}, {.taps = {"hidden"}, .output = false}).denoised.defined());
  CHECK_THROWS_WITH(forward(d, x, sigma, {}, {.taps = {"4x4"}}),
                    Catch::Contains("no feature tap '4x4'") && Catch::Contains("hidden"));
  // The output is one linear map of it.
  const Mlp& m = std::get<Mlp>(std::get<PreconditionedNetwork>(d.form).network);
  const auto at_sigma = coefficients(make_preconditioning({.sigma_data = 0.6}), sigma);
  const at::Tensor by_hand = forward(m.output, seen.features[0].flatten(1)).reshape({5, 2, 1, 1});
  CHECK(relative_error(at_sigma.c_skip * x + at_sigma.c_out * by_hand, seen.denoised) < 1e-6);

  const Heads heads = make_heads(feature_taps(d), 4);
  CHECK(heads.heads[0].second.hidden.has_value());
  CHECK(forward(heads, seen.features).sizes() == at::IntArrayRef{5, 1});
}

TEST_CASE("A network's encoder tells which feature maps it has before it runs") {
  const Denoiser unet = make_denoiser({.network = SongUNetConfig{.img_resolution = 8,
                                                                 .img_channels = 1,
                                                                 .model_channels = 8,
                                                                 .channel_mult = {1, 2},
                                                                 .num_blocks = 1,
                                                                 .attn_resolutions = {}}},
                                      1);
  const std::vector<FeatureTap> taps = feature_taps(unet);
  REQUIRE(taps.size() == 2);
  CHECK(taps[0].name == "8x8");
  CHECK(taps[1].name == "4x4");
  const DenoiserOutput seen =
      forward(unet, noise({1, 8, 8}, 2), at::full({2}, 1.0f), {}, {.taps = {"8x8", "4x4"}});
  CHECK(seen.features[0].size(1) == taps[0].channels);
  CHECK(seen.features[1].size(1) == taps[1].channels);
}

TEST_CASE("An mlp's file rebuilds it bit for bit") {
  const Denoiser d = awake({.dim = 2, .label_dim = 3, .width = 8, .depth = 2, .label_dropout = 0.1}, 5);
  const auto path = std::filesystem::temp_directory_path() / "onestep_test_mlp.safetensors";
  save_denoiser(path, d);
  const Denoiser again = load_denoiser(path, at::kCPU);
  const at::Tensor x = noise({2, 1, 1}, 3), sigma = at::tensor({0.1f, 1.0f, 5.0f});
  CHECK(denoise(again, x, sigma, Condition{at::eye(3)}).equal(denoise(d, x, sigma, Condition{at::eye(3)})));
  CHECK(network_of(again)->preconditioning.config.sigma_data == 0.6);
  CHECK(label_dropout_rate(config_of(network_of(again)->network)) == 0.1);
  CHECK(dropout_rate(config_of(network_of(again)->network)) == 0);
  CHECK(parameter_count(again) == 10 * 8 + 8 + 2 * 8 + 8 + 3 * 8 + 2 * (64 + 8) + 8 * 2 + 2);
  CHECK(pass_cost(again).macs == 10 * 8 + 2 * 8 + 3 * 8 + 2 * 64 + 8 * 2);
}

TEST_CASE("space_to_depth is for images") {
  DenoiserConfig config{.preconditioning = {.space_to_depth = true}, .network = MlpConfig{}};
  CHECK_THAT(config.problem(), Catch::Contains("space_to_depth"));
  CHECK_THROWS_WITH(make_denoiser(config, 0), Catch::Contains("space_to_depth"));
}

TEST_CASE("A trained mlp comes near the exact denoiser", "[learning]") {
  const Toy toy;
  const int64_t seed = learning_seed(), first = 1'000'000 * seed;
  Denoiser d = make_denoiser(
      {.preconditioning = {.sigma_data = 0.93}, .network = MlpConfig{.dim = 1, .width = 48, .depth = 2}},
      1 + seed);
  Optimiser optimiser{.flat = flatten(d)};
  constexpr int64_t kSteps = 1500, kBatch = 256;
  for (int64_t step = 0; step < kSteps; ++step) {
    const at::Tensor y = toy.draw(kBatch, first + step), sigma = level(kBatch, first + step);
    const at::Tensor x = y + sigma.reshape({-1, 1, 1, 1}) * noise({1, 1, 1}, kBatch, first + kSteps + step);
    const at::Tensor c_out = coefficients(make_preconditioning({.sigma_data = 0.93}), sigma).c_out;
    ((denoise(d, x, sigma, Condition()) - y) / c_out).square().mean().backward();
    optimiser.step(4e-3 * (1 - static_cast<double>(step) / kSteps));
  }
  // Of what a denoiser has to add to c_skip x, the share that it got wrong, in mean squares over noised data.
  const Denoiser exact = exact_denoiser(toy.weights, toy.means, toy.stds);
  const at::Tensor y = toy.draw(4000, 99'991);
  for (const double sigma : {0.1, 0.3, 0.6, 1.0, 2.0}) {
    const at::Tensor sigmas = at::full({4000}, static_cast<float>(sigma));
    const at::Tensor x = y + sigma * noise({1, 1, 1}, 4000, 99'992);
    const auto at_sigma = coefficients(make_preconditioning({.sigma_data = 0.93}), sigmas);
    const at::Tensor truth = denoise(exact, x, sigmas, Condition());
    CHECK(truth.scalar_type() == at::kFloat);
    const double wrong = (denoise(d, x, sigmas, Condition()) - truth).square().mean().item<double>();
    const double all = (at_sigma.c_skip * x - truth).square().mean().item<double>();
    INFO("sigma " << sigma);
    CHECK(wrong / all < 0.02);
  }
}
