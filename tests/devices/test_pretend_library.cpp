// SPDX-License-Identifier: Apache-2.0
// Networks, samplers and evaluation on the pretended device: the CPU's bits, and where they wait for it.
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/one_hot.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "config/config.h"
#include "devices/pretend_device.h"
#include "evaluation/evaluate.h"
#include "evaluation/toys.h"
#include "kernels/philox.h"
#include "networks/head.h"
#include "networks/inception.h"
#include "samplers/comparison.h"
#include "samplers/sample.h"
#include "samplers/seeds.h"
#include "samplers/sheet.h"
#include "tasks/classify.h"

using namespace onestep;
using namespace onestep::test;

namespace {

constexpr int64_t kRows = 16;

at::Tensor normal(at::IntArrayRef shape, uint64_t seed) {
  return kernels::philox_normal(seed, 0, at::arange(kRows), shape, at::kCPU);
}

Denoiser make(const NetworkConfig& network) {
  Denoiser denoiser = make_denoiser({.network = network}, 3);
  for (auto& [name, tensor] : named_tensors(denoiser))  // a fresh network's last layers are nearly 0
    if (name.ends_with("weight") && tensor.abs().max().item<double>() < 1e-3) tensor.mul_(1e5);
  return denoiser;
}

std::vector<std::pair<std::string, Denoiser>> denoisers() {
  const SongUNetConfig small{.img_resolution = 8,
                             .img_channels = 2,
                             .label_dim = 3,
                             .model_channels = 8,
                             .channel_mult = {1, 2},
                             .num_blocks = 1,
                             .attn_resolutions = {4},
                             .dropout = 0.2};
  SongUNetConfig ncsnpp = small;
  ncsnpp.embedding_type = "fourier";
  ncsnpp.channel_mult_noise = 2;
  ncsnpp.encoder_type = "residual";
  ncsnpp.resample_filter = {1, 3, 3, 1};
  const at::Tensor means = normal({2, 3, 3}, 8).slice(0, 0, 2).to(at::kDouble);
  return {{"ddpmpp", make(small)},
          {"ncsnpp", make(ncsnpp)},
          {"mlp", make(MlpConfig{.dim = 4, .label_dim = 3, .width = 16, .depth = 2})},
          {"mixture", clone(exact_denoiser(at::ones({2}), means, 0.2 + 0.1 * means.abs()), at::kCPU)}};
}

/// A loss of the denoised images and features with all its gradients, and what the host waited for.
struct Trained {
  at::Tensor denoised, gradients;
  std::vector<std::string> waits;
};

Trained trained(const Denoiser& original, at::Device device) {
  Denoiser d = clone(original, device);
  const FlatParameters flat = flatten(d);
  const auto [channels, height, width] = image_shape(d);
  const auto put = [&](const at::Tensor& t) { return t.to(device); };
  const at::Tensor x = put(normal({channels, height, width}, 1)).requires_grad_(),
                   sigma = put(normal({}, 2).exp()), indices = put(at::arange(kRows)),
                   labels = label_dim(d) > 0 ? put(at::one_hot(at::arange(kRows) % 3, 3).to(at::kFloat))
                                             : at::Tensor();
  reset_pretend_syncs();
  DropoutStream masks{.rate = network_of(d) ? dropout_rate(config_of(network_of(d)->network)) : 0,
                      .seed = 4,
                      .indices = indices};
  const at::Tensor denoised = denoise(d, x, sigma, {.condition = {labels}, .masks = &masks});
  at::Tensor loss = denoised.square().sum();
  std::vector<std::string> taps;
  for (const FeatureTap& tap : feature_taps(d)) taps.push_back(tap.name);
  const DenoiserOutput seen = forward(d, x, sigma, {.condition = {labels}}, {.taps = taps});
  for (const at::Tensor& feature : seen.features) loss = loss + feature.sin().sum();
  (loss + seen.denoised.abs().sum()).backward();
  const std::vector<std::string> waits = pretend_syncs();
  std::vector<at::Tensor> gradients{x.grad().flatten()};
  if (flat.gradients.defined()) gradients.push_back(flat.gradients);
  return {denoised.detach().cpu(), at::cat(gradients).cpu(), waits};
}

}  // namespace

TEST_CASE("every network on a device: forward and backward, without a wait") {
  for (const auto& [name, denoiser] : denoisers()) {
    INFO(name);
    const Trained here = trained(denoiser, at::kCPU), there = trained(denoiser, pretend_device());
    CHECK(there.denoised.equal(here.denoised));
    CHECK(there.gradients.equal(here.gradients));
    CHECK(here.gradients.isfinite().all().item<bool>());
    CHECK(there.waits == std::vector<std::string>{});
  }
}

TEST_CASE("heads of a discriminator on a device") {
  const Heads heads = make_heads({{"a", 8, 8, 8}, {"b", 16, 4, 4}, {"c", 16, 1, 1}}, 1);
  const auto logits = [&](at::Device device) {
    std::vector<at::Tensor> features;
    for (const auto& [channels, side] : {std::pair{8, 8}, {16, 4}, {16, 1}})
      features.push_back(normal({channels, side, side}, 5).to(device));
    return forward(clone(heads, device), features).cpu();
  };
  CHECK(logits(pretend_device()).equal(logits(at::kCPU)));
}

TEST_CASE("every sampler on a device") {
  const Denoiser denoiser = denoisers()[0].second, guide = make(config_of(network_of(denoiser)->network));
  const auto draw = [&](const SamplerConfig& config, at::Device device, bool guided) {
    SampleRequest request{.seeds = consecutive_seeds(0, 20), .trajectory = true};
    if (guided) request.guide = clone(guide, device);
    return generate(clone(denoiser, device), config, request, kRows);
  };
  const auto check = [&](const SamplerConfig& config, bool guided = false) {
    INFO(config.solver);
    const SampleResult here = draw(config, at::kCPU, guided), there = draw(config, pretend_device(), guided);
    CHECK(there.samples.is_cpu());
    // The last batch is of 4 rows, which are padded on the CPU alone.
    CHECK(there.samples.slice(0, 0, kRows).equal(here.samples.slice(0, 0, kRows)));
    CHECK(there.trajectory.slice(0, 0, kRows).equal(here.trajectory.slice(0, 0, kRows)));
  };
  for (const std::string solver :
       {"one_step", "renoise", "euler", "heun", "midpoint", "ralston", "dpm2", "dpmpp2s", "dpmpp_sde", "ab4",
        "lms3", "deis3", "dpmpp3m", "unip3", "unipc3", "hb3.8", "nt3.8", "ghvb3.8", "euler_ancestral"}) {
    check({.solver = solver, .steps = 5});
  }
  check({.solver = "heun", .churn = 2.0, .steps = 4});
  check({.solver = "euler", .steps = 3, .guidance = 2});
  check({.solver = "euler", .steps = 3, .guidance = 2}, /*guided=*/true);
  check({.solver = "euler", .steps = 3, .threshold = "static"});
  check({.solver = "euler", .steps = 3, .threshold = "dynamic"});
  CHECK(draw_sheet(clone(denoiser, pretend_device()), {.solver = "euler", .steps = 2})
            .equal(draw_sheet(denoiser, {.solver = "euler", .steps = 2})));
}

TEST_CASE("a sampler waits once a network call, to see that D is finite, and for images and noise") {
  const Denoiser denoiser = clone(denoisers()[0].second, pretend_device());
  const auto waits = [&](const std::string& solver, int64_t steps) {
    reset_pretend_syncs();
    generate(denoiser, {.solver = solver, .steps = steps}, consecutive_seeds(0, kRows), {}, kRows);
    return pretend_syncs().size();
  };
  CHECK(waits("euler", 9) - waits("euler", 5) == 4);
}

TEST_CASE("an evaluation on a device") {
  const TemporaryFolder folder;
  const auto config = config::read<EvaluateConfig>(config::parse(toy_config(folder), "test"));
  const Evaluation here = evaluate(config), there = evaluate(config, {.device = pretend_device()});
  REQUIRE(here.subjects.size() == there.subjects.size());
  for (size_t i = 0; i < here.subjects.size(); ++i) {
    INFO(here.subjects[i].name);
    CHECK(there.subjects[i].set.images.equal(here.subjects[i].set.images));
    CHECK(there.subjects[i].set.features.is_cpu());
    CHECK(there.subjects[i].score.fid.value == Approx(here.subjects[i].score.fid.value).epsilon(1e-5));
  }
  const Classifier classifier = load_classifier(folder / "classifier.safetensors", pretend_device());
  Dataset data{.name = "toy",
               .images = here.reference.set.images,
               .labels = at::arange(90).remainder(kToyClasses),
               .class_names = {"a", "b", "c"}};
  CHECK(accuracy(classifier, data, pretend_device()) ==
        accuracy(clone(classifier, at::kCPU), data, at::kCPU));
}

TEST_CASE("Inception on a device") {
  Inception network = make_inception();
  uint64_t seed = 0;
  for_each_tensor(network, [&](const std::string& name, at::Tensor& tensor, bool) {
    const double fan_in = static_cast<double>(tensor.numel() / tensor.size(0));
    tensor.copy_(kernels::philox_normal(++seed, 0, at::arange(1), tensor.sizes(), at::kCPU)[0] /
                 std::sqrt(fan_in));
    if (name.ends_with("running_var")) tensor.abs_().add_(1);
  });
  network = fold_batch_norm(network);
  const at::Tensor images = (normal({3, 12, 12}, 6).slice(0, 0, 2).abs() * 80).clamp_max(255).to(at::kByte);
  const InceptionOutput here = inception(network, images);
  const Inception moved = clone(network, pretend_device());
  const at::Tensor sent = images.to(pretend_device());
  reset_pretend_syncs();
  const InceptionOutput there = inception(moved, sent);
  CHECK(pretend_syncs() == std::vector<std::string>{});
  CHECK(there.pool.cpu().equal(here.pool));
  CHECK(there.spatial.cpu().equal(here.spatial));
  CHECK(there.logits.cpu().equal(here.logits));
}
