// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "config/config.h"
#include "io/numerical_error.h"
#include "on_devices.h"
#include "samplers/integrate.h"
#include "samplers/model_data.h"
#include "samplers/sample.h"
#include "samplers/seeds.h"
#include "samplers/toys.h"
#include "temporary_folder.h"

using namespace onestep;
using Catch::Matchers::Contains;

namespace {

/// Rows of 15 numbers.
Denoiser toy(at::ScalarType dtype = at::kDouble) {
  const at::Tensor means = latents_from_seeds({1000, 1001}, {3, 1, 5}).to(at::kDouble);
  Denoiser denoiser{GaussianMixture{at::tensor({0.4, 0.6}, at::kDouble), means, 0.2 + 0.1 * means.abs()}};
  return clone(denoiser, at::kCPU, dtype);
}

/// The network of edm_network_heun: a conditional float32 UNet.
Denoiser reference_network(const io::TensorFile& file) {
  SongUNetConfig c;
  c.img_resolution = 8;
  c.label_dim = 3;
  c.model_channels = 8;
  c.channel_mult = {1, 2};
  c.num_blocks = 1;
  c.attn_resolutions = {4};
  c.dropout = 0;
  Denoiser denoiser = make_denoiser({{}, c}, 0);
  for_each_tensor(denoiser, [&](const std::string& path, at::Tensor& tensor, bool is_buffer) {
    if (!is_buffer || file.has("weights/" + path))
      tensor = tensor_of(file, "weights/" + path, tensor.sizes());
  });
  return clone(denoiser, file.at("latents").device());
}

std::vector<int64_t> classes_of(const io::TensorFile& file) {
  const at::Tensor classes = file.at("class_labels").argmax(1).cpu();
  return {classes.data_ptr<int64_t>(), classes.data_ptr<int64_t>() + classes.numel()};
}

}  // namespace

TEST_CASE("network evaluations are counted for each sample") {
  const auto [solver, nfe] =
      GENERATE(table<std::string, int64_t>({{"one_step", 1}, {"euler", 9}, {"heun", 17}, {"unipc2", 9}}));
  INFO(solver);
  SamplerConfig config;
  config.solver = solver;
  config.steps = 9;
  std::vector<int64_t> done;
  const SampleResult result =
      generate(toy(), config, consecutive_seeds(0, 5), {}, 2, [&](int64_t n) { done.push_back(n); });
  CHECK(result.nfe == nfe);
  CHECK(result.samples.sizes() == at::IntArrayRef{5, 3, 1, 5});
  CHECK(static_cast<int64_t>(done.size()) == 3 * (nfe + 1));
  CHECK(done.front() == 0);
  CHECK(done.back() == 5);
  CHECK(std::is_sorted(done.begin(), done.end()));
}

TEST_CASE("a sample depends on its seed alone") {
  const at::ScalarType dtype = GENERATE(at::kDouble, at::kFloat);
  SamplerConfig config{.solver = GENERATE("heun", "renoise", "euler_ancestral", "dpmpp2m_sde", "dpmpp_sde",
                                          "ghvb3.8", "unipc2", "heun with churn")};
  INFO(config.solver);
  if (config.solver == "heun with churn") config = {.solver = "heun", .churn = 10};
  config.steps = 6;
  const Denoiser denoiser = toy(dtype);
  const auto draw = [&](const std::vector<int64_t>& seeds, int64_t batch) {
    return generate(denoiser, config, seeds, {}, batch).samples;
  };
  const at::Tensor whole = draw(consecutive_seeds(0, 70), 70);
  CHECK(whole.scalar_type() == dtype);
  for (const int64_t batch : {1, 7, 64}) CHECK(at::equal(draw(consecutive_seeds(0, 70), batch), whole));
  const at::Tensor some = draw({13, 4}, 64);
  CHECK(at::equal(some[0], whole[13]));
  CHECK(at::equal(some[1], whole[4]));
}

TEST_CASE("a convolutional network's images are the same bits in every batch") {
  const Denoiser denoiser = reference_network(toys::golden("edm_network_heun"));
  SamplerConfig config{.solver = GENERATE("heun", "dpmpp2m_sde", "ghvb3.8")};
  config.steps = 2;
  config.guidance = GENERATE(1.0, 4.0);
  INFO(config.solver << ", guidance " << config.guidance);
  const auto draw = [&](int64_t count, int64_t batch) {
    return generate(denoiser, config, consecutive_seeds(0, count), {}, batch).samples;
  };
  const at::Tensor whole = draw(64, 64);
  CHECK(at::equal(draw(64, 7), whole));
  CHECK(at::equal(draw(5, 1), whole.slice(0, 0, 5)));
}

TEST_CASE("latents stand in for seeds") {
  const Denoiser denoiser = toy();
  const std::vector<int64_t> seeds{3, 9, 11};
  const at::Tensor latents = latents_from_seeds(seeds, {3, 1, 5});
  const at::Tensor by_seed = generate(denoiser, {}, seeds, {}, 2).samples;
  CHECK(at::equal(generate(denoiser, {}, {.seeds = {0, 1, 2}, .classes = {}, .latents = latents}, 2).samples,
                  by_seed));
  CHECK_THROWS_WITH(generate(denoiser, {}, {.seeds = {0, 1}, .classes = {}, .latents = latents}, 2).samples,
                    Contains("latents of shape [3, 3, 1, 5] for 2 samples of shape [3, 1, 5]"));
}

TEST_CASE("renoise starts every step anew from the seed's own noise") {
  const Denoiser denoiser = toy();
  const std::vector<int64_t> seeds{5, 2};
  const SamplerConfig config{.solver = "renoise", .sigmas = {8, 2, 0.5, 0}};
  const auto d = [&](const at::Tensor& x, double sigma) {
    return denoise(denoiser, x, at::tensor(sigma, at::kDouble), Condition());
  };
  const auto noise = [&](int64_t step) {
    return noise_from_seeds(seeds, step, 0, {3, 1, 5}).to(at::kDouble);
  };
  const at::Tensor first = d(8 * latents_from_seeds(seeds, {3, 1, 5}).to(at::kDouble), 8);
  const at::Tensor second = d(first + 2 * noise(1), 2);
  const SampleResult result = generate(denoiser, config, seeds, {}, 2);
  CHECK(at::equal(result.samples, d(second + 0.5 * noise(2), 0.5)));
  CHECK(result.nfe == 3);
  CHECK_FALSE(at::equal(noise(1), noise(2)));
}

TEST_CASE("noise is a function of seed, step and draw") {
  const auto noise = [](int64_t seed, int64_t step, int64_t draw) {
    return noise_from_seeds({seed}, step, draw, {3, 1, 5});
  };
  CHECK(at::equal(noise(7, 2, 1), noise(7, 2, 1)));
  for (const at::Tensor& other : {noise(8, 2, 1), noise(7, 3, 1), noise(7, 2, 0), noise(7, 1, 2)})
    CHECK_FALSE(at::equal(noise(7, 2, 1), other));
  CHECK_FALSE(at::equal(noise(7, 0, 0), latents_from_seeds({7}, {3, 1, 5})));
}

TEST_CASE("a trajectory is the denoised image of every step") {
  const Denoiser denoiser = toy();
  SampleRequest request{.seeds = {3, 4, 5}, .trajectory = true};
  const std::vector<double> sigmas{8, 2, 0.5, 0};
  const SampleResult result = generate(denoiser, {.solver = "euler", .sigmas = sigmas}, request, 2);
  REQUIRE(result.trajectory.sizes() == at::IntArrayRef{3, 3, 3, 1, 5});
  CHECK(at::equal(result.trajectory.select(1, 2), result.samples));
  at::Tensor x = 8 * latents_from_seeds(request.seeds, {3, 1, 5}).to(at::kDouble);
  for (int64_t i = 0; i < 3; ++i) {
    const at::Tensor d = denoise(denoiser, x, at::tensor(sigmas[i], at::kDouble), Condition());
    CHECK(at::equal(result.trajectory.select(1, i), d));
    x = x + (sigmas[i + 1] - sigmas[i]) * ((x - d) / sigmas[i]);
  }
  // Of Heun's two calls the first.
  const SampleResult heun = generate(denoiser, {.solver = "heun", .sigmas = sigmas}, request, 2);
  CHECK(at::equal(heun.trajectory.select(1, 0), result.trajectory.select(1, 0)));
  CHECK(heun.trajectory.size(1) == 3);
  request.trajectory = false;
  CHECK_FALSE(generate(denoiser, {}, request, 2).trajectory.defined());
}

TEST_CASE("a run that is cut and continued from its state is the whole run") {
  const Denoiser denoiser = toy();
  SamplerConfig config{.solver = GENERATE("euler", "heun", "dpm2", "dpmpp2s", "euler_ancestral",
                                          "dpm2_ancestral", "dpmpp_sde", "renoise", "heun with churn")};
  INFO(config.solver);
  if (config.solver == "heun with churn") config = {.solver = "heun", .churn = 2};
  config.steps = 12;
  config.start = GENERATE("scaled", "vp");
  const SampleRequest whole{.seeds = {3, 4, 5}};
  SampleRequest cut = whole;
  cut.stop_after = 5;
  const SampleResult halfway = generate(denoiser, config, cut, 2);
  CHECK(halfway.samples.scalar_type() == at::kDouble);

  SamplerConfig rest = config;
  rest.sigmas = sigmas_of(config);
  rest.sigmas.erase(rest.sigmas.begin(), rest.sigmas.begin() + 5);
  SampleRequest continued = whole;
  continued.latents = halfway.samples;
  continued.steps_done = 5;
  const SampleResult end = generate(denoiser, rest, continued, 2),
                     expected = generate(denoiser, config, whole, 2);
  CHECK(toys::relative_error(end.samples, expected.samples) < 1e-12);
  CHECK(halfway.nfe + end.nfe == expected.nfe);
  CHECK(toys::relative_error(generate(denoiser, rest, whole, 2).samples, expected.samples) > 1e-3);
}

TEST_CASE("where a run starts, and in what units it ends above 0") {
  const Denoiser denoiser = toy();
  const at::Tensor z = latents_from_seeds({3, 4}, {3, 1, 5}).to(at::kDouble);
  const auto [start, first, last] = GENERATE(table<std::string, double, double>(
      {{"scaled", 3.0, 1.0}, {"vp", std::sqrt(10.0), std::sqrt(1.25)}, {"flow", 4.0, 1.5}}));
  const SamplerConfig config{.solver = "euler", .last = "first_timestep", .sigmas = {3, 0.5}, .start = start};
  const at::Tensor x = first * z;
  const at::Tensor d = denoise(denoiser, x, at::full({}, 3.0, at::kDouble));
  const at::Tensor expected = (x + (0.5 - 3) * ((x - d) / 3)) / last;
  CHECK(toys::relative_error(generate(denoiser, config, {.seeds = {3, 4}}, 2).samples, expected) < 1e-14);
  // In 0 there is but one.
  const SamplerConfig to_zero{.solver = "euler", .sigmas = {3, 0}, .start = start};
  CHECK(toys::relative_error(generate(denoiser, to_zero, {.seeds = {3, 4}}, 2).samples, d) < 1e-14);
}

TEST_CASE("a run that is cut nowhere is a whole run") {
  const Denoiser denoiser = toy();
  SampleRequest request{.seeds = {3}};
  const at::Tensor whole = generate(denoiser, {.steps = 4}, request, 1).samples;
  for (const int64_t steps : {4, 5}) {
    request.stop_after = steps;
    CHECK(at::equal(generate(denoiser, {.steps = 4}, request, 1).samples, whole));
  }
}

TEST_CASE("the state of a float32 run that is cut is float64") {
  SampleRequest request{.seeds = {3, 4}, .stop_after = 2};
  CHECK(generate(toy(at::kFloat), {}, request, 2).samples.scalar_type() == at::kDouble);
}

TEST_CASE("latents are standard normal, and apart from seed to seed") {
  const at::Tensor z = latents_from_seeds(consecutive_seeds(0, 4000), {1, 2, 2}).to(at::kDouble);
  CHECK(z.mean().item<double>() == Approx(0).margin(0.03));
  CHECK(z.square().mean().item<double>() == Approx(1).margin(0.04));
  CHECK_FALSE(at::equal(z[0], z[1]));
}

TEST_CASE("classes from seeds are even, and a function of the seed alone") {
  const std::vector<int64_t> ten{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const std::vector<int64_t> classes = classes_from_seeds(consecutive_seeds(0, 10'000), ten);
  std::vector<int> count(10);
  for (const int64_t c : classes) ++count.at(c);
  for (const int n : count) CHECK(n == Approx(1000).margin(150));
  CHECK(classes_from_seeds({77}, ten)[0] == classes[77]);
}

TEST_CASE("the samples of a mixture are its own") {
  // Means, component by component, of what comes out of two narrow, distant components.
  const at::Tensor means = at::tensor({-3.0, 3.0}, at::kDouble).reshape({2, 1, 1, 1});
  const Denoiser denoiser{GaussianMixture{at::tensor({0.25, 0.75}, at::kDouble), means, 0.1 + 0 * means}};
  const at::Tensor x = generate(denoiser, {}, consecutive_seeds(0, 2000), {}, 500).samples;
  CHECK((x > 0).to(at::kDouble).mean().item<double>() == Approx(0.75).margin(0.04));
  CHECK(x.abs().mean().item<double>() == Approx(3).margin(0.02));
}

DEVICE_TEST_CASE("a conditional network sampled end to end is the EDM reference", "[samplers]") {
  const io::TensorFile file = toys::golden("edm_network_heun", device);
  const Denoiser denoiser = reference_network(file);
  const SampleRequest request{.seeds = {0, 1, 2}, .classes = classes_of(file), .latents = file.at("latents")};
  SamplerConfig config;
  config.steps = 6;
  const SampleResult heun = generate(denoiser, config, request, 2);
  CHECK(heun.nfe == 11);
  CHECK(heun.samples.scalar_type() == at::kFloat);
  CHECK(toys::relative_error(heun.samples, file.at("final")) < 1e-4);
  config.solver = "one_step";
  for (const std::string sigma : {"80", "2.5"}) {
    config.sigma_max = std::stod(sigma);
    const at::Tensor x = generate(denoiser, config, request, 64).samples;
    CHECK(toys::relative_error(x, file.at("one_step_" + sigma)) < 1e-4);
  }
}

TEST_CASE("classes reach the network, from the seed or as asked") {
  const io::TensorFile file = toys::golden("edm_network_heun");
  const Denoiser denoiser = reference_network(file);
  SamplerConfig config;
  config.solver = "one_step";
  const SampleResult by_seed = generate(denoiser, config, consecutive_seeds(0, 8), {}, 8);
  CHECK(by_seed.classes == classes_from_seeds(consecutive_seeds(0, 8), {0, 1, 2}));
  const SampleResult twos = generate(denoiser, config, consecutive_seeds(0, 8), 2, 8);
  CHECK(twos.classes == std::vector<int64_t>(8, 2));
  for (int64_t i = 0; i < 8; ++i)
    CHECK((toys::relative_error(twos.samples[i], by_seed.samples[i]) < 1e-5) == (by_seed.classes[i] == 2));
  CHECK_THROWS_WITH(generate(denoiser, config, {0}, 3, 1), "class 3: the model has classes 0 to 2");
  CHECK_THROWS_AS(generate(denoiser, config, {0}, -1, 1), config::ConfigError);
  CHECK_THROWS_WITH(generate(toy(), config, {0}, 0, 1), "class 0: the model is unconditional");
}

TEST_CASE("classes of which the training had no image are drawn only where they are asked for") {
  const Denoiser denoiser = reference_network(toys::golden("edm_network_heun"));
  std::vector<int64_t> counts{5, 0, 2};
  CHECK(trained_classes(denoiser) == std::vector<int64_t>{0, 1, 2});
  CHECK(trained_classes(denoiser, counts) == std::vector<int64_t>{0, 2});
  const SampleRequest request{.seeds = consecutive_seeds(0, 50), .among = trained_classes(denoiser, counts)};
  const std::vector<int64_t> drawn = generate(denoiser, {.solver = "one_step"}, request, 50).classes;
  CHECK(drawn == classes_from_seeds(request.seeds, {0, 2}));
  for (const int64_t c : drawn) CHECK(c != 1);
  CHECK(generate(denoiser, {.solver = "one_step"}, {0}, 1, 1).classes == std::vector<int64_t>{1});
  counts = {1, 0};  // of other classes than the model's: not known
  CHECK(trained_classes(denoiser, counts).size() == 3);
  CHECK(trained_classes(toy(), counts).empty());
}

TEST_CASE("guidance leads away from the image without class") {
  const Denoiser denoiser = reference_network(toys::golden("edm_network_heun"));
  SamplerConfig config{.solver = "one_step", .guidance = 3};
  const SampleRequest request{.seeds = {0, 1, 2}, .classes = {0, 1, 2}};
  const SampleResult guided = generate(denoiser, config, request, 3);
  CHECK(guided.nfe == 1);  // both sides in one call
  const auto one = [&](const at::Tensor& labels) {
    const at::Tensor x = 80 * latents_from_seeds(request.seeds, guided.samples.sizes().slice(1));
    return denoise(denoiser, x, at::tensor(80.0f), Condition{labels});
  };
  const at::Tensor with = one(at::eye(3)), without = one(at::zeros({3, 3}));
  CHECK(toys::relative_error(guided.samples, without + 3 * (with - without)) < 1e-4);
  CHECK(toys::relative_error(guided.samples, with) > 1e-2);

  config.guidance_min = 100;
  CHECK(toys::relative_error(generate(denoiser, config, request, 3).samples, with) < 1e-5);
  config = {.solver = "one_step", .guidance = 3, .guidance_max = 79};
  CHECK(toys::relative_error(generate(denoiser, config, request, 3).samples, with) < 1e-5);
}

TEST_CASE("a guide model stands for what guidance leads away from") {
  const at::Tensor one = at::ones({1, 1, 1, 1}, at::kDouble);
  const auto gaussian = [&](double s) {
    return Denoiser{GaussianMixture{at::ones({1}, at::kDouble), 0 * one, s * one}};
  };
  SampleRequest request{.seeds = {0, 1, 2}, .guide = gaussian(0.5)};
  SamplerConfig config{.solver = "one_step", .sigma_max = 0.7, .guidance = 15};
  const SampleResult guided = generate(gaussian(0.2), config, request, 2);
  CHECK(guided.nfe == 1);
  // Shared design samplers §5, T5: the weights of D add up.
  const auto shrink = [](double s) { return s * s / (s * s + 0.49); };
  const at::Tensor x = 0.7 * latents_from_seeds(request.seeds, {1, 1, 1}).to(at::kDouble);
  CHECK(toys::relative_error(guided.samples, x * (15 * shrink(0.2) - 14 * shrink(0.5))) < 1e-12);
}

TEST_CASE("guidance that can't be is refused") {
  const Denoiser conditional = reference_network(toys::golden("edm_network_heun"));
  const auto draw = [](const Denoiser& denoiser, double guidance, const std::optional<Denoiser>& guide) {
    generate(denoiser, {.solver = "one_step", .guidance = guidance}, {.seeds = {0}, .guide = guide}, 1);
  };
  CHECK_THROWS_WITH(draw(toy(), 2, {}), "guidance needs a class-conditional model, or a guide model");
  CHECK_THROWS_WITH(draw(toy(), 1, toy()), "a guide model is of no use with guidance 1");
  CHECK_THROWS_WITH(draw(conditional, 2, toy()),
                    "the guide model must have the model's image shape and classes");
  CHECK_THROWS_AS(draw(conditional, 2, toy()), config::ConfigError);
  CHECK_NOTHROW(draw(toy(), 2, toy()));
  CHECK_NOTHROW(draw(conditional, 2, conditional));
}

TEST_CASE("thresholds act on what the solver sees") {
  const Denoiser wide{GaussianMixture{at::ones({1}, at::kDouble), at::full({1, 1, 1, 2}, 3.0, at::kDouble),
                                      at::full({1, 1, 1, 2}, 0.01, at::kDouble)}};
  const auto draw = [&](const std::string& threshold) {
    return generate(wide, {.threshold = threshold}, consecutive_seeds(0, 3), {}, 2).samples;
  };
  CHECK((draw("none") > 2.9).all().item<bool>());
  CHECK((draw("static") == 1).all().item<bool>());
  CHECK((draw("dynamic") <= 1).all().item<bool>());
  CHECK((draw("dynamic") > 0.95).all().item<bool>());
}

TEST_CASE("a network that gives NaN ends the run") {
  Denoiser denoiser = toy();
  std::get<GaussianMixture>(denoiser.form).means.fill_(std::nan(""));
  CHECK_THROWS_AS(generate(denoiser, {}, {0}, {}, 1), NumericalError);
  CHECK_THROWS_WITH(generate(denoiser, {}, {0}, {}, 1), Contains("step 1 of 18, sigma 80"));
  const SampleRequest later{.seeds = {0}, .steps_done = 6};
  CHECK_THROWS_WITH(generate(denoiser, {.sigmas = {3, 1, 0}}, later, 1), Contains("step 7 of 8, sigma 3"));
}

TEST_CASE("requests that make no sense are refused") {
  CHECK_THROWS_WITH(generate(toy(), {}, {0}, {}, 0), Contains("batch must be at least 1, got 0"));
  CHECK_THROWS_AS(generate(toy(), {.solver = "eular"}, {0}, {}, 1), config::ConfigError);
  CHECK_THROWS_WITH(generate(toy(), {.steps = 0}, {0}, {}, 1), Contains("steps must be 1 to"));
  const Denoiser conditional = reference_network(toys::golden("edm_network_heun"));
  CHECK_THROWS_WITH(generate(conditional, {}, {.seeds = {0, 1}, .classes = {1}}, 1),
                    Contains("1 classes for 2 samples"));
  CHECK(generate(toy(), {}, std::vector<int64_t>{}, {}, 1).samples.sizes() == at::IntArrayRef{0, 3, 1, 5});
}

TEST_CASE("what the watch throws ends the run") {
  int64_t calls = 0;
  CHECK_THROWS_WITH(generate(toy(), {}, {0}, {}, 1,
                             [&](int64_t) {
                               if (++calls == 3) throw std::runtime_error("enough");
                             }),
                    "enough");
  CHECK(calls == 3);
}

TEST_CASE("a model file brings its sampler along") {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / "onestep_test_sampler.safetensors";
  save_denoiser(path, toy(), {{kSamplingKey, R"({"solver": "one_step", "sigma_max": 2.5})"}});
  CHECK(sampler_of_model(path).solver == "one_step");
  CHECK(sampler_of_model(path).sigma_max == 2.5);
  save_denoiser(path, toy(), {});
  CHECK(sampler_of_model(path).solver == "heun");
  save_denoiser(path, toy(), {{kSamplingKey, R"({"solver": "eular"})"}});
  CHECK_THROWS_WITH(sampler_of_model(path), Contains(path.string()) && Contains("did you mean 'euler'"));
}
