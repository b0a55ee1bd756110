// SPDX-License-Identifier: Apache-2.0
// A teacher can be trained in every preconditioning: on points whose exact denoiser is known, it becomes
// that.
#include <map>

#include <ATen/ops/full.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "closeness.h"
#include "config/config.h"
#include "learning.h"
#include "tasks/toy_runs.h"
#include "temporary_folder.h"

using namespace onestep;

namespace {

const std::string kData =
    "data: {kind: gaussian_mixture, weights: [1, 1], means: [[-0.7, 0.2], [0.6, -0.4]], stds: [[0.25], "
    "[0.15]], "
    "count: 20000}\n";

/// The law of noise levels that such teachers are trained with.
const std::map<std::string, std::string> kLaws{
    {"edm", "{kind: lognormal, mean: -0.7, std: 0.9}"},
    {"trig", "{kind: lognormal, mean: -0.7, std: 0.9}"},
    {"epsilon", "{kind: timestep, from: 100, to: 800}"},
    {"v", "{kind: timestep, from: 100, to: 800}"},
    {"image", "{kind: timestep, from: 100, to: 800}"},
    {"flow", "{kind: lognormal, mean: -0.7, std: 0.9}"},  // logit-normal time
    {"flow_to_data", "{kind: flow_time, from: 0.05, to: 0.9}"},
    {"gvp", "{kind: lognormal, mean: -0.7, std: 0.9}"},
    {"vp", "{kind: vp_time, from: 0.05}"},
    {"ve", "{kind: log_uniform, sigma_min: 0.05, sigma_max: 10}"},
    {"iddpm", "{kind: timestep, schedule: cosine, from: 50, to: 900}"},
};

std::string config_of(const std::filesystem::path& dir, const std::string& rule) {
  return "run: {dir: " + dir.string() + ", seed: " + std::to_string(learning_seed()) +
         ", images: 24000, batch: 64, checkpoint_images: 24000}\n" + kData +
         "task: {kind: denoise, preconditioning: {rule: " + rule +
         ", sigma_data: 0.6}, sigma: " + kLaws.at(rule) +
         ", weighting: native, network: {kind: song_unet, img_resolution: 1, img_channels: 2, "
         "model_channels: 32, "
         "channel_mult: [1], num_blocks: 1, attn_resolutions: [], dropout: 0}, "
         "optimizer: {learning_rate: {peak: 4.0e-3, decay: linear}, beta2: 0.99}, ema: {half_life_kimg: "
         "2}}\n";
}

}  // namespace

TEST_CASE("A teacher of every preconditioning becomes the exact denoiser", "[learning]") {
  const TemporaryFolder folder;
  std::vector<std::string> rules;
  for (const std::string& rule : preconditioning_names()) {
    INFO(rule);
    rules.push_back(rule);
    const auto config = config::read<TrainConfig>(config::parse(config_of(folder / rule, rule), "test"));
    const Dataset data = load_dataset(config.data);
    const TaskContext context{.run = config.run, .device = at::kCPU, .data = data, .provenance = {}};
    Task task = make_task(config.task, context);
    REQUIRE(toys::train(config, task, data) == RunEnd::finished);
    const Denoiser teacher = load_denoiser(folder / rule / "model.safetensors", at::kCPU);
    CHECK(std::get<PreconditionedNetwork>(teacher.form).preconditioning.config.rule == rule);
    const Denoiser exact = exact_denoiser(data.density->weights, data.density->means, data.density->stds);
    const at::Tensor y = data.images.slice(0, 0, 2000);
    const at::Tensor epsilon = kernels::philox_normal(1, 0, at::arange(2000), {2, 1, 1}, at::kCPU);
    for (const double sigma : {0.2, 0.4, 0.8}) {
      const at::Tensor x = y + sigma * epsilon, level = at::full({}, sigma);
      const at::Tensor truth = denoise(exact, x, level), error = denoise(teacher, x, level) - truth;
      const double relative = (error.square().mean() / y.var(0).mean()).sqrt().item<double>();
      INFO("at " << sigma << ": " << relative);
      CHECK(relative < 0.4);
    }
  }
  CHECK(rules.size() == kLaws.size());
}

TEST_CASE("Noise levels that a teacher's preconditioning does not know are refused, with both ranges") {
  const TemporaryFolder folder;
  const auto attempt = [&](const std::string& rule, const std::string& law) {
    std::string text = config_of(folder / "run", rule);
    const std::string old = kLaws.at(rule);
    text.replace(text.find(old), old.size(), law);
    return config::read<TrainConfig>(config::parse(text, "test"));
  };
  CHECK_THROWS_WITH(attempt("epsilon", "{kind: lognormal, mean: -1.2, std: 1.2}"),
                    Catch::Contains("sigma: noise levels 0.00823 to 11.02") &&
                        Catch::Contains("0.02917 to 14.61, which preconditioning epsilon knows"));
  CHECK_THROWS_WITH(attempt("ve", "{kind: karras}"), Catch::Contains("0.02 to 100"));
  CHECK_NOTHROW(attempt("flow", "{kind: karras}"));
  CHECK_FALSE(std::filesystem::exists(folder / "run"));
}

TEST_CASE("Every method distils a DiT that predicts a flow, and an ADM that predicts noise") {
  const TemporaryFolder folder;
  const DenoiserConfig flow{.preconditioning = {.rule = "flow_to_data", .sigma_data = 1},
                            .network = DitConfig{.input_size = 8,
                                                 .patch_size = 2,
                                                 .in_channels = 1,
                                                 .hidden_size = 16,
                                                 .depth = 2,
                                                 .num_heads = 2,
                                                 .num_classes = 2}};
  const DenoiserConfig noise{.preconditioning = {.rule = "vp"},
                             .network = DhariwalUNetConfig{.img_resolution = 8,
                                                           .img_channels = 1,
                                                           .out_channels = 2,
                                                           .label_dim = 2,
                                                           .model_channels = 8,
                                                           .channel_mult = {1, 2},
                                                           .num_blocks = 1,
                                                           .attn_resolutions = {}}};
  for (const auto& [name, config] : {std::pair{"flow", flow}, {"noise", noise}}) {
    const Denoiser teacher = make_denoiser(config, 1);
    for (auto& [key, tensor] : named_tensors(teacher))  // fresh ones predict nothing
      tensor.add_(0.05 * kernels::philox_normal(2, 0, at::arange(1), tensor.sizes(), at::kCPU)[0]);
    const std::filesystem::path file = folder / (std::string(name) + ".safetensors");
    save_denoiser(file, teacher);
    for (const auto& [method, task] : toys::every_task(file)) {
      if (task.find("kind: distil") == std::string::npos) continue;
      INFO(name << ", " << method);
      std::string text = task;
      const auto change = [&](const std::string& old, const std::string& now) {
        if (text.find(old) != std::string::npos) text = toys::with(text, old, now);
      };
      change("taps: [4x4, 2x2]", "taps: all");
      if (!has_dropout(config.network)) change(", dropout: 0.2", "");
      const toys::Finished run = toys::run(folder / (name + ("_" + method)), text, "images: 64, batch: 16");
      bool finite = true;
      for (const auto& [key, tensor] : run.model.tensors)
        finite = finite && tensor.isfinite().all().item<bool>();
      CHECK(finite);
      if (method == "vsd") continue;  // images, not a network
      const Denoiser student = denoiser_of(run.model, at::kCPU);
      CHECK(network_of(student)->preconditioning.config.rule == config.preconditioning.rule);
      bool moved = false;
      const NamedTensors before = named_tensors(teacher), after = named_tensors(student);
      for (size_t i = 0; i < before.size(); ++i) moved = moved || !before[i].second.equal(after[i].second);
      CHECK(moved);
    }
  }
}
