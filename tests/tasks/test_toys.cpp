// SPDX-License-Identifier: Apache-2.0
// The toys's experiments as they are shipped: what they end in is known in closed form.
#include <fstream>

#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "config/config.h"
#include "learning.h"
#include "tasks/toy_runs.h"
#include "temporary_folder.h"

using namespace onestep;
namespace fs = std::filesystem;

namespace {

struct Finished {
  TemporaryFolder folder;
  GaussianMixture student;

  Finished(const std::string& experiment, std::vector<std::string> overrides) {
    overrides.push_back("run.dir=" + (folder / "run").string());
    overrides.push_back("run.seed=" + std::to_string(learning_seed()));
    const auto config = config::read<TrainConfig>(
        config::load(fs::path(ONESTEP_SOURCE) / "configs/toy" / (experiment + ".yaml"), overrides));
    const Dataset data = load_dataset(config.data);
    Task task =
        make_task(config.task, {.run = config.run, .device = at::kCPU, .data = data, .provenance = {}});
    CHECK(toys::train(config, task, data) == RunEnd::finished);
    const Denoiser model = load_denoiser(folder / "run/model.safetensors", at::kCPU);
    if (const auto* mixture = mixture_of(model)) student = *mixture;
  }
  std::string report() const { return read_bytes(folder / "run/report.html"); }
};

}  // namespace

TEST_CASE(
    "a student with one mode before data with two: reverse KL takes a mode, forward KL matches the moments",
    "[learning]") {
  const Finished seeking("mode_seeking", {}), covering("mode_covering", {});
  CHECK(seeking.student.means.item<double>() == Approx(1.5).margin(0.1));
  CHECK(seeking.student.stds.item<double>() == Approx(0.5).margin(0.1));
  // KL(p‖q) over Gaussians q is least where mean and variance are p's: 0.6 and 0.4 of N(-1.5, 0.4²), N(1.5,
  // 0.5²).
  CHECK(covering.student.means.item<double>() == Approx(-0.3).margin(0.08));
  CHECK(covering.student.stds.item<double>() == Approx(1.535).margin(0.08));
  for (const Finished* run : {&seeking, &covering}) {
    CHECK_THAT(run->report(), Catch::Contains("<svg") && Catch::Contains("student q"));
    CHECK(fs::exists(run->folder / "run/densities.svg"));
    CHECK(fs::exists(run->folder / "run/scores.svg"));
  }
}

TEST_CASE("the expanded branch finds data that its student can be", "[learning]") {
  // One mode alone: both branches, every divergence that is asked, end in p itself.
  for (const char* divergence : {"reverse_kl", "forward_kl", "jensen_shannon"}) {
    INFO(divergence);
    const Finished run("mode_covering_expanded",
                       {"run.images=128000", std::string("task.divergence.name=") + divergence,
                        "data.weights=[1]", "data.means=[[0.8]]", "data.stds=[[0.6]]"});
    CHECK(run.student.means.item<double>() == Approx(0.8).margin(0.05));
    CHECK(run.student.stds.item<double>() == Approx(0.6).margin(0.05));
  }
}

TEST_CASE(
    "learnt score and ratio on a ring: the report has its picture, and the log the ratio's calibration") {
  const Finished run("ring", {"run.images=16384", "run.tick_images=4096", "task.student.start_kimg=4",
                              "task.ratio.start_kimg=8", "task.compare_every=16"});
  CHECK_THAT(run.report(), Catch::Contains("score gap") && Catch::Contains("ratio/mean"));
  CHECK(fs::exists(run.folder / "run/plane.svg"));
  const std::string log = read_bytes(run.folder / "run/log.jsonl");
  for (const char* key :
       {"ratio/bin_mean", "ratio/effective_sample_size", "ratio/clip_rate", "ratio/student_logit",
        "ratio/real_logit", "gap/bin_norm", "gap/branch_cosine", "gradient/not_finite"}) {
    INFO(key);
    CHECK_THAT(log, Catch::Contains(key));
  }
}
