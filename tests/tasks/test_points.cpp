// SPDX-License-Identifier: Apache-2.0
// A teacher of points instead of images, as a whole run.
#include <ATen/ops/full.h>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "learning.h"
#include "tasks/toy_runs.h"
#include "temporary_folder.h"

using namespace onestep;

namespace {

/// Two components on the left and on the right, far apart.
const std::string kData =
    "data: {kind: gaussian_mixture, weights: [1, 3], means: [[-2, 0], [2, 1]], stds: [[0.1], [0.2]], count: "
    "500}\n";

void run(const std::filesystem::path& dir, const std::string& task) {
  const std::string yaml =
      "run: {dir: " + dir.string() + ", seed: " + std::to_string(learning_seed()) +
      ", images: 38400, batch: 64, snapshot_images: 12800, checkpoint_images: 12800}\n" + kData +
      "task: {kind: denoise, sigma: {kind: lognormal, mean: 1}, ema: {half_life_kimg: 0.5}, "
      "optimizer: {learning_rate: {peak: 1.0e-2, decay: linear}}, " +
      task + "}\n";
  const auto config = config::read<TrainConfig>(config::parse(yaml, "test"));
  const Dataset data = load_dataset(config.data);
  const TaskContext context{.run = config.run, .device = at::kCPU, .data = data, .provenance = {}};
  Task task_of = make_task(config.task, context);
  CHECK(toys::train(config, task_of, data) == RunEnd::finished);
}

}  // namespace

TEST_CASE("A teacher of points learns its components by name, and draws no sheets", "[learning]") {
  const TemporaryFolder folder;
  run(folder / "run",
      "preconditioning: {sigma_data: 2}, network: {kind: mlp, dim: 2, label_dim: 2, width: 32, "
      "label_dropout: 0.1}");
  const Denoiser teacher = load_denoiser(folder / "run/model.safetensors", at::kCPU);
  CHECK(image_shape(teacher) == ImageShape{2, 1, 1});
  // Far above the spread of the data, all that is left to know is the mean: of a class, or of the whole.
  const at::Tensor x = at::full({1, 2, 1, 1}, 0.0f), sigma = at::full({1}, 6.0f);
  const auto mean = [&](const at::Tensor& labels) {
    return denoise(teacher, x, sigma, Condition{labels})[0][0].item<double>();
  };
  const at::Tensor left = at::full({1, 2}, 0.0f), right = at::full({1, 2}, 0.0f);
  left[0][0].fill_(1);
  right[0][1].fill_(1);
  INFO("means " << mean(left) << ", " << mean(right) << ", " << mean({}));
  CHECK(mean(left) == Approx(-2).margin(0.3));
  CHECK(mean(right) == Approx(2).margin(0.3));
  CHECK(mean({}) == Approx(1).margin(0.5));  // seen a tenth as often
  CHECK(std::filesystem::is_empty(folder / "run/samples"));
}

TEST_CASE("Teachers that points can't have are refused before any work") {
  const TemporaryFolder folder;
  const auto attempt = [&](const std::string& task) { run(folder / "run", task); };
  CHECK_THROWS_WITH(attempt("network: {kind: mlp, dim: 3}"),
                    Catch::Contains("3x1x1") && Catch::Contains("2x1x1"));
  CHECK_THROWS_WITH(attempt("network: {kind: mlp, dim: 2, label_dim: 5}"), Catch::Contains("5 classes"));
  CHECK_THROWS_WITH(attempt("network: {kind: gaussian_mixture}"), Catch::Contains("gaussian_mixture"));
  CHECK_THROWS_WITH(attempt("network: {kind: mlp}, preconditioning: {space_to_depth: true}"),
                    Catch::Contains("space_to_depth is for images"));
  CHECK_FALSE(std::filesystem::exists(folder / "run"));
}
