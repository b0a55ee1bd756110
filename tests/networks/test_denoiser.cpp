// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <filesystem>
#include <limits>
#include <numbers>
#include <sys/resource.h>

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <catch2/catch.hpp>

#include "closeness.h"
#include "config/node.h"
#include "kernels/philox.h"
#include "networks/classifier.h"
#include "networks/cost.h"
#include "networks/space_to_depth.h"
#include "temporary_folder.h"

using namespace onestep;
using test::relative_error;

namespace {

DenoiserConfig small(bool patches) {
  return {.preconditioning = {.sigma_data = 0.6, .space_to_depth = patches},
          .network = SongUNetConfig{.img_resolution = 4,
                                    .img_channels = 4,
                                    .label_dim = 3,
                                    .model_channels = 8,
                                    .channel_mult = {1, 2},
                                    .num_blocks = 1,
                                    .attn_resolutions = {}}};
}

at::Tensor noise(at::IntArrayRef shape, int64_t n, uint64_t seed = 1) {
  return kernels::philox_normal(seed, 0, at::arange(n), shape, at::kCPU);
}

std::filesystem::path scratch(const std::string& name) {
  return std::filesystem::temp_directory_path() / ("onestep_test_networks_" + name);
}

GaussianMixture mixture() {
  return {.weights = at::tensor({0.3, 0.7}, at::kDouble),
          .means = at::tensor({-1.0, 0.5, 1.0, 2.0}, at::kDouble).reshape({2, 1, 1, 2}),
          .stds = at::tensor({0.2, 0.4, 0.5, 0.1}, at::kDouble).reshape({2, 1, 1, 2})};
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("space_to_depth is a permutation with 2x2 patches as channels") {
  const at::Tensor x = at::arange(2 * 4 * 6, at::kFloat).reshape({1, 2, 4, 6});
  const at::Tensor packed = space_to_depth(x);
  REQUIRE(packed.sizes() == at::IntArrayRef{1, 8, 2, 3});
  CHECK(packed[0][4 * 1 + 2 * 1 + 0][1][2].item<float>() == x[0][1][2 * 1 + 1][2 * 2 + 0].item<float>());
  CHECK(depth_to_space(packed).equal(x));
}

TEST_CASE("A network with zero output leaves c_skip x, at any sigma and layout") {
  for (const bool patches : {false, true}) {
    Denoiser d = make_denoiser(small(patches), 1);
    std::get<SongUNet>(std::get<PreconditionedNetwork>(d.form).network)
        .unet.decoder.back()
        .readout->conv.weight.zero_();
    const ImageShape shape = image_shape(d);
    CHECK(shape == (patches ? ImageShape{1, 8, 8} : ImageShape{4, 4, 4}));
    const at::Tensor x = noise({shape.channels, shape.height, shape.width}, 3);
    const at::Tensor sigma = at::tensor({0.01f, 0.6f, 50.0f});
    const at::Tensor expected = x * (0.36 / (sigma.square() + 0.36)).reshape({-1, 1, 1, 1});
    CHECK(relative_error(denoise(d, x, sigma, Condition()), expected) < 1e-6);
    CHECK(relative_error(denoise(d, x, sigma[1], Condition())[0], x[0] / 2) < 1e-6);  // 0-d sigma
  }
}

TEST_CASE("A sample's denoised image does not depend on its batch") {
  const Denoiser d = make_denoiser(small(true), 2);
  const at::Tensor x = noise({1, 8, 8}, 4);
  const at::Tensor sigma = at::tensor({0.1f, 1.0f, 5.0f, 20.0f});
  const at::Tensor labels =
      at::tensor({1.f, 0.f, 0.f, 0.f, 1.f, 0.f, 0.f, 0.f, 1.f, 1.f, 0.f, 0.f}).reshape({4, 3});
  const at::Tensor whole = denoise(d, x, sigma, Condition{labels});
  CHECK(relative_error(denoise(d, x.slice(0, 2), sigma.slice(0, 2), Condition{labels.slice(0, 2)}),
                       whole.slice(0, 2)) < 1e-6);
  const DenoiserOutput seen = forward(d, x, sigma, {.condition = {labels}}, {.taps = {"4x4", "2x2"}});
  CHECK(relative_error(seen.denoised, whole) < 1e-6);
  REQUIRE(seen.features.size() == 2);
  CHECK(seen.features[0].sizes() == at::IntArrayRef{4, 8, 4, 4});
  CHECK(seen.features[1].sizes() == at::IntArrayRef{4, 16, 2, 2});
  CHECK_FALSE(
      forward(d, x, sigma, {.condition = {labels}}, {.taps = {"2x2"}, .output = false}).denoised.defined());
  CHECK_THROWS_AS(forward(d, x, sigma, {.condition = {labels}}, {.taps = {"3x3"}}), c10::Error);
}

TEST_CASE("Model files rebuild the denoiser bit for bit") {
  const Denoiser d = make_denoiser(small(true), 3);
  const auto path = scratch("model.safetensors");
  save_denoiser(path, d, {{"note", "kept"}});
  const Denoiser again = load_denoiser(path, at::kCPU);
  const at::Tensor x = noise({1, 8, 8}, 2);
  const at::Tensor sigma = at::tensor({0.3f, 3.0f});
  CHECK(denoise(again, x, sigma, Condition()).equal(denoise(d, x, sigma, Condition())));
  CHECK(label_dim(again) == 3);
  CHECK(io::read_safetensors_metadata(path).at("note") == "kept");
}

TEST_CASE("A Gaussian mixture's file rebuilds it, in the precision asked for") {
  const auto path = scratch("mixture.safetensors");
  const Denoiser d{mixture()};
  save_denoiser(path, d);
  const Denoiser again = load_denoiser(path, at::kCPU, at::kDouble);
  CHECK(image_shape(again) == ImageShape{1, 1, 2});
  CHECK(label_dim(again) == 0);
  const at::Tensor x = noise({1, 1, 2}, 3).to(at::kDouble);
  const at::Tensor sigma = at::full({}, 0.7, at::kDouble);
  CHECK(relative_error(denoise(again, x, sigma, Condition()), denoise(mixture(), x, sigma)) < 1e-15);
}

TEST_CASE("Files that are no model say so, by name") {
  const auto path = scratch("bad.safetensors");
  const auto write = [&](const NamedTensors& tensors, const std::map<std::string, std::string>& metadata) {
    io::write_safetensors(path, tensors, metadata);
    return message_of([&] { load_denoiser(path, at::kCPU); });
  };
  CHECK_THAT(write({{"a", at::zeros({1})}}, {}),
             Catch::Contains("bad.safetensors") && Catch::Contains("onestep.network"));
  CHECK_THAT(write({}, {{"onestep.network", "{\"kind\": \"song_unet\", \"img_resolutoin\": 8}"}}),
             Catch::Contains("bad.safetensors") && Catch::Contains("img_resolution"));
  CHECK_THAT(write({}, {{"onestep.network", "{\"kind\": \"gaussian_mixture\"}"}}),
             Catch::Contains("weights"));
  CHECK_THAT(
      write({{"weights", at::ones({2})}, {"means", at::ones({3, 1, 1, 1})}, {"stds", at::ones({3, 1, 1, 1})}},
            {{"onestep.network", "{\"kind\": \"gaussian_mixture\"}"}}),
      Catch::Contains("do not agree"));
  CHECK_THAT(write({{"weights", at::full({1}, NAN)},
                    {"means", at::ones({1, 1, 1, 1})},
                    {"stds", at::ones({1, 1, 1, 1})}},
                   {{"onestep.network", "{\"kind\": \"gaussian_mixture\"}"}}),
             Catch::Contains("weights") && Catch::Contains("finite"));

  Denoiser wrong = make_denoiser(small(false), 1);
  save_denoiser(path, wrong);
  io::TensorFile file = io::read_safetensors(path);
  for (auto& [name, tensor] : file.tensors) {
    if (name == "model.map_layer0.weight") tensor = at::zeros({2, 2});
  }
  CHECK_THAT(write(file.tensors, file.metadata),
             Catch::Contains("model.map_layer0.weight") && Catch::Contains("[2, 2]"));

  save_denoiser(path, wrong);
  file = io::read_safetensors(path);
  for (const char* name : {"model.a", "model.b", "model.c", "model.d"})
    file.tensors.emplace_back(name, at::zeros({1}));
  CHECK_THAT(write(file.tensors, file.metadata),
             Catch::Contains("lacks a place for 'model.a', 'model.b', 'model.c' and 1 more"));
}

TEST_CASE("Gaussian mixture: one component is the linear denoiser") {
  const GaussianMixture m{.weights = at::ones({1}, at::kDouble),
                          .means = at::full({1, 1, 1, 3}, 0.7, at::kDouble),
                          .stds = at::full({1, 1, 1, 3}, 0.3, at::kDouble)};
  const at::Tensor x = at::linspace(-2, 2, 12, at::kDouble).reshape({4, 1, 1, 3});
  const at::Tensor sigma = at::tensor({0.0, 0.1, 1.0, 80.0}, at::kDouble);
  const at::Tensor gain = (0.09 / (0.09 + sigma.square())).reshape({-1, 1, 1, 1});
  CHECK(relative_error(denoise(m, x, sigma), 0.7 + gain * (x - 0.7)) < 1e-14);
}

TEST_CASE("Gaussian mixture: components without spread are a cloud of points") {
  const Denoiser d = exact_denoiser(at::tensor({2.0, 6.0}), at::tensor({-1.0, 1.0}).reshape({2, 1, 1, 1}),
                                    at::zeros({2, 1, 1, 1}));
  const GaussianMixture& cloud = std::get<GaussianMixture>(d.form);
  CHECK(cloud.weights[1].item<double>() == 0.75);
  const at::Tensor x = at::linspace(-3, 3, 7, at::kDouble).reshape({-1, 1, 1, 1});
  const at::Tensor sigma = at::full({}, 0.8, at::kDouble);
  // Bayes: the odds of the right point are 3 e^(2x/σ²), and the mean is tanh of half their logarithm.
  const at::Tensor expected = (x / 0.64 + 0.5 * std::log(3.0)).tanh();
  CHECK(relative_error(denoise(d, x, sigma, Condition()), expected) < 1e-14);
  const at::Tensor density =
      (0.25 * (-(x + 1).square() / 1.28).exp() + 0.75 * (-(x - 1).square() / 1.28).exp()) /
      (0.8 * std::sqrt(2 * std::numbers::pi));
  CHECK(relative_error(log_density(cloud, x, sigma), density.log().flatten()) < 1e-14);
  // Far below the distance of the points, the nearest one is certain, and nothing overflows.
  const at::Tensor sure = denoise(d, x, at::full({}, 1e-4, at::kDouble), Condition());
  CHECK(sure.flatten().slice(0, 4).equal(at::ones({3}, at::kDouble)));
  CHECK(log_density(cloud, x, at::full({}, 1e-4, at::kDouble)).isfinite().all().item<bool>());
}

TEST_CASE("Gaussian mixture: float32 points are denoised in float64 and come back as float32") {
  const GaussianMixture m = mixture();
  const Denoiser d = exact_denoiser(m.weights, m.means, m.stds);
  const at::Tensor x = noise({1, 1, 2}, 5), sigma = at::full({5}, 0.01f);
  const at::Tensor narrow = denoise(d, x, sigma, Condition());
  CHECK(narrow.scalar_type() == at::kFloat);
  CHECK(narrow.equal(denoise(m, x.to(at::kDouble), sigma.to(at::kDouble)).to(at::kFloat)));
  CHECK(log_density(m, x, sigma).scalar_type() == at::kDouble);
  CHECK(forward(d, x, sigma, {}, {}).denoised.equal(narrow));
  CHECK(feature_taps(d).empty());
  CHECK_THROWS_WITH(forward(d, x, sigma, {}, {.taps = {"1x1"}}), Catch::Contains("no features"));
}

TEST_CASE("Gaussian mixture: tensors that make none are refused by name") {
  const GaussianMixture m = mixture();
  CHECK_THROWS_WITH(make_gaussian_mixture(-m.weights, m.means, m.stds),
                    Catch::Contains("weights must be positive"));
  CHECK_THROWS_WITH(make_gaussian_mixture(m.weights, m.means, -m.stds), Catch::Contains("stds must not be"));
  CHECK_THROWS_WITH(make_gaussian_mixture(m.weights, m.means * NAN, m.stds), Catch::Contains("'means'"));
  CHECK_THROWS_WITH(make_gaussian_mixture(m.weights, m.means.flatten(1), m.stds), Catch::Contains("'means'"));
  CHECK_THROWS_WITH(make_gaussian_mixture(m.weights, m.means, m.stds.slice(0, 0, 1)),
                    Catch::Contains("do not agree"));
}

TEST_CASE("Gaussian mixture: the score is the gradient of the log density (Tweedie)") {
  const GaussianMixture m = mixture();
  const at::Tensor sigma = at::tensor({0.05, 0.4, 1.5, 10.0}, at::kDouble);
  at::Tensor x = at::linspace(-1.5, 2.5, 8, at::kDouble).reshape({4, 1, 1, 2}).set_requires_grad(true);
  log_density(m, x, sigma).sum().backward();
  const at::Tensor score =
      (denoise(m, x.detach(), sigma) - x.detach()) / sigma.square().reshape({-1, 1, 1, 1});
  CHECK(relative_error(score, x.grad()) < 1e-10);
}

TEST_CASE("Gaussian mixture: the noised density is a density") {
  const GaussianMixture m{.weights = at::tensor({0.3, 0.7}, at::kDouble),
                          .means = at::tensor({-1.0, 1.0}, at::kDouble).reshape({2, 1, 1, 1}),
                          .stds = at::tensor({0.2, 0.5}, at::kDouble).reshape({2, 1, 1, 1})};
  const at::Tensor x = at::linspace(-12, 12, 4801, at::kDouble).reshape({-1, 1, 1, 1});
  const at::Tensor density = log_density(m, x, at::full({}, 0.8, at::kDouble)).exp();
  CHECK(density.sum().item<double>() * 0.005 == Approx(1).epsilon(1e-9));
}

TEST_CASE("A network without storage has the shapes of one with weights, and can be of any size") {
  for (const bool patches : {false, true}) {
    const Denoiser shapes = make_denoiser(small(patches), 0, at::kMeta),
                   weights = make_denoiser(small(patches), 0);
    const NamedTensors a = named_tensors(shapes), b = named_tensors(weights);
    REQUIRE(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      CAPTURE(a[i].first);
      CHECK(a[i].first == b[i].first);
      CHECK(a[i].second.is_meta());
      CHECK(a[i].second.sizes() == b[i].second.sizes());
      CHECK(a[i].second.scalar_type() == b[i].second.scalar_type());
    }
    CHECK(parameter_count(shapes) == parameter_count(weights));
  }
  SongUNetConfig huge;
  huge.model_channels = 4096;
  huge.channel_mult = {16, 16};
  CHECK(parameter_count(make_denoiser({.network = huge}, 0, at::kMeta)) > 1'000'000'000'000);
  const MlpConfig mlp{.dim = 65536, .width = 65536, .depth = 1024};
  CHECK(parameter_count(make_denoiser({.network = mlp}, 0, at::kMeta)) > 4'000'000'000'000);
  SongUNetConfig ncsnpp;
  ncsnpp.embedding_type = "fourier", ncsnpp.encoder_type = "residual", ncsnpp.resample_filter = {1, 3, 3, 1};
  for (const auto& [name, tensor] : named_tensors(make_denoiser({.network = ncsnpp}, 0, at::kMeta))) {
    CAPTURE(name);
    CHECK(tensor.is_meta());
  }
}

TEST_CASE("A small file that asks for a large network is refused before memory is taken") {
  const TemporaryFolder folder;
  const auto highest = [] {
    struct rusage usage {};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;  // MiB
  };
  const auto refuse = [&](const std::string& key, const std::string& json, auto load) {
    io::write_safetensors(folder / "bomb", {}, {{key, json}});
    const int64_t before = highest();
    std::string message;
    try {
      load(folder / "bomb");
    } catch (const io::FileError& error) {
      message = error.what();
    }
    CHECK(highest() - before < 64);
    return message;
  };
  const auto denoiser = [](const std::filesystem::path& path) { load_denoiser(path, at::kCPU); };
  const auto classifier = [](const std::filesystem::path& path) { load_classifier(path, at::kCPU); };
  CHECK_THAT(
      refuse("onestep.network",
             R"({"kind": "song_unet", "model_channels": 256, "channel_mult": [8, 8], "num_blocks": 8})",
             denoiser),
      Catch::Contains("bomb: has no tensor 'model.map_layer0.weight'"));
  CHECK_THAT(refuse("onestep.network", R"({"kind": "mlp", "width": 65536, "depth": 1024})", denoiser),
             Catch::Contains("bomb: has no tensor 'model."));
  CHECK_THAT(
      refuse("onestep.classifier", R"({"channels": [4096, 4096, 4096], "feature_dim": 65536})", classifier),
      Catch::Contains("bomb: has no tensor 'convs.0.weight'"));
  CHECK_THAT(refuse("onestep.network", R"({"kind": "song_unet", "model_channels": -3})", denoiser),
             Catch::Contains("bomb: onestep.network") && Catch::Contains("model_channels"));
}

TEST_CASE("Configurations that make no network are refused") {
  SongUNetConfig c;
  CHECK(c.problem().empty());
  c.img_resolution = 14;
  CHECK_THAT(c.problem(), Catch::Contains("can't be halved"));
  c = {};
  c.channel_mult = {};
  CHECK_FALSE(c.problem().empty());
  DenoiserConfig patches = small(true);
  std::get<SongUNetConfig>(patches.network).img_channels = 3;
  CHECK_THROWS_AS(make_denoiser(patches, 0), c10::Error);
}

TEST_CASE("The cost of a convolution is counted at its own resolution") {
  const Denoiser d = make_denoiser(small(false), 1);
  int64_t macs = 0;
  const auto conv = [&](int64_t in, int64_t out, int64_t kernel, int64_t pixels) {
    macs += in * out * kernel * kernel * pixels;
  };
  conv(4, 8, 3, 16), conv(8, 8, 3, 16), conv(8, 8, 3, 16);                         // encoder, 4x4
  conv(8, 8, 3, 4), conv(8, 8, 3, 4), conv(8, 8, 1, 4);                            // down
  conv(8, 16, 3, 4), conv(16, 16, 3, 4), conv(8, 16, 1, 4);                        // block, 2x2
  conv(16, 16, 3, 4), conv(16, 16, 3, 4), conv(16, 48, 1, 4), conv(16, 16, 1, 4);  // in0 with attention
  macs += 2 * 16 * 16;
  conv(16, 16, 3, 4), conv(16, 16, 3, 4);                      // in1
  conv(32, 16, 3, 4), conv(16, 16, 3, 4), conv(32, 16, 1, 4);  // two decoder blocks, 2x2
  conv(24, 16, 3, 4), conv(16, 16, 3, 4), conv(24, 16, 1, 4);
  conv(16, 16, 3, 16), conv(16, 16, 3, 16), conv(16, 16, 1, 16);  // up
  conv(24, 8, 3, 16), conv(8, 8, 3, 16), conv(24, 8, 1, 16);      // two decoder blocks, 4x4
  conv(16, 8, 3, 16), conv(8, 8, 3, 16), conv(16, 8, 1, 16);
  conv(8, 4, 3, 16);
  macs += 8 * 32 + 32 * 32 + 3 * 8;            // embedding: noise, its second layer, labels
  macs += 32 * (8 + 8 + 16 + 5 * 16 + 2 * 8);  // and what each block is told of it
  CHECK(pass_cost(d).macs == macs);
}
