// SPDX-License-Identifier: Apache-2.0
// Single steps: who learns when, what counts the student's images, what terms weigh, and what a NaN costs.
#include <cmath>

#include <ATen/ops/full.h>
#include <catch2/catch.hpp>

#include "closeness.h"
#include "noise/sigma_law.h"
#include "tasks/distil_networks.h"
#include "tasks/toy_runs.h"

using namespace onestep;
using namespace onestep::toys;
using test::relative_error;

namespace {

/// A task that is taken step by step.
struct Steps {
  TemporaryFolder folder;
  TrainConfig config;
  Dataset data;
  Task task;

  Steps(const std::string& yaml, Dataset images, const std::string& run = "images: 160, batch: 16")
      : config(config_of(folder.path(), yaml, run)),
        data(std::move(images)),
        task(ready_task(config.task,
                        {.run = config.run, .device = at::kCPU, .data = data, .provenance = {}})) {}

  StepStats step(int64_t nimg) {
    return task.step(
        step_of(read_batch(data, config.run.seed, nimg, config.run.batch, false), shard_size(config.run)));
  }
  at::Tensor operator[](const std::string& name) const {
    for (const auto& [key, tensor] : task.state)
      if (key == name) return tensor;
    FAIL("no tensor " << name);
    return {};
  }
  at::Tensor copy(const std::string& name) const { return (*this)[name].clone(); }
  /// The gradient of a first step.
  at::Tensor gradient(const std::string& network) const { return (*this)[network + ".exp_avg"] / 0.1; }
};

/// `halves` as floating numbers, of which an image may be spoilt.
Dataset float_halves() {
  Dataset data = halves();
  data.images = to_float(data.images);
  return data;
}

bool all_finite(const Task& task) {
  for (const auto& [name, tensor] : task.state)
    if (!tensor.isfinite().all().item<bool>()) return false;
  return true;
}

double count_of(const StepStats& stats, const std::string& name) {
  for (const StepStats::Value& value : stats.values)
    if (value.name == name) return value.count.item<double>();
  FAIL("no value " << name);
  return NAN;
}

std::string particles(const std::filesystem::path& teacher, const std::string& more) {
  return "task: {kind: distil, teacher: " + teacher.string() +
         ", divergence: {name: reverse_kl}, compare_every: 0, student: {generator: {kind: particles, count: "
         "16, "
         "start: data}}, " +
         more + "}";
}

}  // namespace

TEST_CASE("Every task: one image that is not finite costs that image, and no update") {
  const TemporaryFolder folder;
  Dataset spoilt = float_halves();
  // The image that is the third of the first batch.
  const Batch first = read_batch(spoilt, 5, 0, 16, false);
  for (int64_t i = 0; i < spoilt.images.size(0); ++i)
    if (spoilt.images[i].equal(first.images[2])) spoilt.images[i][0][3][3] = NAN;
  for (const Experiment& e : experiments(folder)) {
    if (e.data.images.size(2) == 1) continue;  // points
    INFO(e.name);
    // Particles that start from the data, or are measured on it, keep what they were given.
    const bool of_data = e.name == "dds" || e.name == "red_diff" || e.name == "deblur";
    if (of_data) continue;
    Steps steps(e.task, spoilt);
    Steps sound(e.task, float_halves());
    const StepStats stats = steps.step(0);
    CHECK(all_finite(steps.task));
    sound.step(0);
    for (const auto& [prefix, row] : stats.skipped) CHECK(row.item<double>() == 0);
    for (const StepStats::Value& value : stats.values)
      if (value.of_samples && value.name != "regression") CHECK(value.count.item<double>() == 15);
    for (const auto& [name, tensor] : sound.task.state) {
      if (!name.ends_with(".step")) continue;
      CHECK(steps[name].equal(tensor));  // the same updates were made
    }
  }
}

TEST_CASE("One particle that is not finite costs that particle: the others move, and the fake score learns") {
  const TemporaryFolder folder;
  const auto teacher = make_teacher(folder, 64);
  Dataset spoilt = float_halves();
  spoilt.images[4].fill_(INFINITY);
  const std::string task = particles(teacher, "loss: {kind: expanded, normalise_weight: true}");
  Steps steps(task, spoilt);
  const at::Tensor before = steps.copy("student.parameters").view({16, 64});
  const StepStats stats = steps.step(0);
  const at::Tensor after = steps["student.parameters"].view({16, 64}), moved = after - before;
  const Batch batch =
      read_batch(spoilt, 5, 0, 16, false);  // the discriminator's real images may hold it, too
  for (int64_t i = 0; i < 16; ++i) {
    INFO(i);
    if (i == 4 || !batch.images[i].isfinite().all().item<bool>()) {
      CHECK(after[i].equal(before[i]));
    } else {
      CHECK(moved[i].abs().max().item<double>() > 0);
    }
  }
  CHECK(count_of(stats, "loss") < 16);
  CHECK(count_of(stats, "fake") < 16);
  CHECK(steps["fake.parameters"].isfinite().all().item<bool>());
  CHECK(steps["fake.step"].item<double>() == 1);
}

TEST_CASE("The mean of h is of finite weights alone") {
  const TemporaryFolder folder;
  const auto teacher = make_teacher(folder, 64);
  const auto gradient = [&](bool spoilt, bool normalised) {
    Dataset data = float_halves();
    if (spoilt) data.images[4].fill_(NAN);
    Steps steps(
        particles(teacher, std::string("loss: {kind: integral, normalisation: none, normalise_weight: ") +
                               (normalised ? "true" : "false") + "}"),
        data);
    steps.step(0);
    return steps.gradient("student").view({16, 64}).clone();
  };
  // h = 1 everywhere: dividing by its mean over finite samples changes nothing.
  CHECK(relative_error(gradient(true, true), gradient(true, false)) < 1e-4);
  // Nothing else changes for the others.
  const at::Tensor with = gradient(true, true), without = gradient(false, true);
  int64_t same = 0;
  for (int64_t i = 0; i < 16; ++i) same += relative_error(with[i], without[i]) < 1e-4;
  CHECK(same >= 14);
}

TEST_CASE("A batch without a finite image is an update left out, and counted") {
  const TemporaryFolder folder;
  Dataset spoilt = float_halves();
  spoilt.images.fill_(NAN);
  for (const Experiment& e : experiments(folder)) {
    if (e.name != "teacher" && e.name != "classifier" && e.name != "f_distill" && e.name != "sida") continue;
    INFO(e.name);
    Steps steps(e.task, spoilt);
    for (int64_t i = 0; i < 3; ++i) {
      const StepStats stats = steps.step(16 * i);
      REQUIRE_FALSE(stats.skipped.empty());
      for (const auto& [prefix, row] : stats.skipped) CHECK(row.item<double>() == static_cast<double>(i + 1));
    }
    CHECK(all_finite(steps.task));
  }
}

TEST_CASE("f-distill's cycle: the student in one step of five, fake score and discriminator in the others") {
  const TemporaryFolder folder;
  const auto teacher = make_teacher(folder, 64);
  for (const bool both : {false, true}) {
    INFO("in the student's step, too: " << both);
    Steps steps(distil(teacher, std::string(", updates_per_student: 5, in_students_step: ") +
                                    (both ? "true" : "false") + kDiscriminator),
                halves(), "images: 320, batch: 16");
    for (int64_t i = 0; i < 11; ++i) {
      std::vector<at::Tensor> before;
      const std::vector<std::string> names{"student.parameters", "fake.parameters",
                                           "discriminator.parameters"};
      for (const std::string& name : names) before.push_back(steps.copy(name));
      steps.step(16 * i);
      const auto learnt = [&](size_t which) { return !steps[names[which]].equal(before[which]); };
      CHECK(learnt(0) == (i % 5 == 0));
      CHECK(learnt(1) == (both || i % 5 != 0));
      CHECK(learnt(2) == (both || i % 5 != 0));
    }
    // Both counters: eleven steps, of which three were the student's.
    CHECK(steps.task.diagnose().values.at("student_images") == 48);
  }
}

TEST_CASE("A student's warm-up and EMA begin with its own images") {
  const TemporaryFolder folder;
  const auto teacher = make_teacher(folder, 64);
  Steps steps(
      "task: {kind: distil, teacher: " + teacher.string() +
          ", divergence: {name: reverse_kl}, student: {start_kimg: 0.06, optimizer: {learning_rate: {peak: "
          "1.0e-3, warmup_kimg: 0.064}}, ema: {half_life_kimg: 100, ramp_up_ratio: 0.5}}, fake: "
          "{updates_per_student: 3}}",
      halves(), "images: 960, batch: 16");
  const auto rate = [&] { return steps["student.parameters"] - steps["student.ema"]; };
  CHECK(rate().abs().max().item<double>() == 0);
  for (int64_t i = 0; i < 6; ++i)
    steps.step(16 * i);  // image 60 comes in step 3, so step 6 is the student's first
  CHECK(rate().abs().max().item<double>() == 0);
  const at::Tensor before = steps.copy("student.parameters");
  steps.step(16 * 6);
  const at::Tensor moved = steps["student.parameters"] - before;
  // Adam's first step has the learning rate's size: an eighth of the peak, in the middle of 16 images of 64.
  CHECK(moved.abs().max().item<double>() == Approx(1e-3 * 8 / 64).epsilon(0.01));
  // Half-life half of the 16 images seen: a quarter of the old average is left after 16 images.
  CHECK(relative_error(steps["student.ema"] - before, 0.75 * moved) < 1e-3);
  CHECK(steps.task.diagnose().values.at("student_images") == 16);
}

TEST_CASE(
    "Terms stand beside a mean over pixels; a branch that sums over pixels multiplies them with their "
    "number") {
  const TemporaryFolder folder;
  const auto teacher = make_teacher(folder, 64);
  const auto gradient = [&](const std::string& loss, const std::string& terms) {
    Steps steps(particles(teacher, "loss: {" + loss + "}, " + terms), halves());
    steps.step(0);
    return steps.gradient("student").view({16, 1, 8, 8}).clone();
  };
  const auto fidelity = [](double weight) {
    return "fidelity: {weight: " + std::to_string(weight) +
           ", noise_std: 0.5, measurement: {kind: mask, shape: random, share: 0}}";
  };
  const std::string discriminator = ", discriminator: {features: teacher}, adversarial: {weight: ";
  const std::string integral = "kind: integral, normalisation: none",
                    expanded = "kind: expanded, normalisation: none";
  // y = ŷ and b = ŷ + ½ ε: ∂/∂y ½‖y − b‖²/s² = −ε/s, over 64 pixels and 16 images.
  const at::Tensor epsilon =
      kernels::philox_normal(5, word(Purpose::measurement), at::arange(16), {1, 8, 8}, at::kCPU);
  const at::Tensor measured = -3 * epsilon / 0.5 / 64 / 16;
  CHECK(relative_error(gradient(integral, fidelity(3)) - gradient(integral, fidelity(0)), measured) < 1e-3);
  CHECK(relative_error(gradient(expanded, fidelity(3)) - gradient(expanded, fidelity(0)), 64 * measured) <
        1e-3);
  // The adversarial term likewise; loss.weight is the score difference's own.
  const auto adversarial = [&](const std::string& loss) {
    return gradient(loss, "fake: {dropout: 0}" + discriminator + "2}") -
           gradient(loss, "fake: {dropout: 0}" + discriminator + "0}");
  };
  CHECK(relative_error(adversarial(expanded), 64 * adversarial(integral)) < 1e-3);
  CHECK(relative_error(adversarial(integral + ", weight: 7"), adversarial(integral)) < 1e-3);
  // A guided teacher, so that it differs from its copy, the fake score.
  const std::string none = "fake: {dropout: 0}, teacher_guidance: 2";
  CHECK(relative_error(gradient(integral + ", weight: 7", none), 7 * gradient(integral, none)) < 1e-5);
  CHECK(relative_error(gradient(expanded + ", weight: 100", none), 100 * gradient(expanded, none)) < 1e-5);
}

TEST_CASE("A scaled adversarial term has its branch's own power of sigma") {
  const TemporaryFolder folder;
  const auto teacher = make_teacher(folder, 64);
  const at::Tensor sigma =
      draw_sigma(KarrasLaw{.from = 0.3, .to = 0.6}, 5, Purpose::student_sigma, at::arange(16), at::kCPU);
  for (const auto& [kind, power] : {std::pair("integral", 2), {"expanded", 4}}) {
    INFO(kind);
    const auto gradient = [&](const char* scaled, const char* weight) {
      Steps steps(
          particles(teacher, std::string("sigma: {kind: karras, from: 0.3, to: 0.6}, loss: {kind: ") + kind +
                                 ", normalisation: score, weight: 1.0e-9}, discriminator: {features: "
                                 "teacher}, adversarial: {weight: " +
                                 weight + ", scaled: " + scaled + "}"),
          halves());
      steps.step(0);
      return steps.gradient("student").view({16, 64}).clone();
    };
    const at::Tensor rest = gradient("true", "0");
    const at::Tensor scaled = gradient("true", "1") - rest, plain = gradient("false", "1") - rest;
    CHECK(relative_error(scaled, plain * sigma.pow(-power).unsqueeze(1)) < 1e-2);
  }
}

TEST_CASE("Guidance that is seldom meant is warned of at the start") {
  const auto warnings = [](const std::string& more) {
    return guidance_warnings(std::get<DistilConfig>(
        config_of("nowhere", "task: {kind: distil, teacher: t, " + more + "}", kBudget).task));
  };
  using Catch::Matchers::Contains;
  const std::string discriminator = "discriminator: {features: teacher}";
  const auto ratio = warnings("teacher_guidance: 2, divergence: {name: forward_kl}, " + discriminator);
  REQUIRE(ratio.size() == 1);
  CHECK_THAT(ratio[0], Contains("teacher_guidance is 2") && Contains("density ratio"));
  CHECK(warnings("divergence: {name: forward_kl}, " + discriminator).empty());
  CHECK(warnings("teacher_guidance: 2, divergence: {name: reverse_kl}, " + discriminator).empty());
  const auto fake = warnings("divergence: {name: reverse_kl}, fake: {guidance: 1.5}");
  REQUIRE(fake.size() == 1);
  CHECK_THAT(fake[0], Contains("fake.guidance is 1.5") && Contains("training_guidance"));
  CHECK(warnings("divergence: {name: reverse_kl}, fake: {guidance: 1.5, training_guidance: 1.5}").empty());
  CHECK(warnings("divergence: {name: reverse_kl}, fake: {guidance: 1}").empty());
}

TEST_CASE("A student of an analytic teacher learns the classes that it is sampled with") {
  const Dataset plane = mixture({{-1, 0}, {1, 0.5}});
  for (const std::string kind : {"integral", "expanded"}) {
    Steps steps(
        "task: {kind: distil, network: {network: {kind: mlp, dim: 2, label_dim: 2, width: 16, depth: 2}}, "
        "divergence: {name: jensen_shannon}, loss: {kind: " +
            kind + "}, ratio: {min_count: 2}, discriminator: {features: own}}",
        plane);
    const at::Tensor before = steps.copy("student.parameters");
    for (int64_t i = 0; i < 4; ++i) steps.step(16 * i);
    for (const char* network : {"student", "fake", "discriminator"}) {
      INFO(network);
      // Every weight of student and fake score has had a gradient; the discriminator's decoder has none.
      const at::Tensor drawn = steps[std::string(network) + ".parameters"] != 0;  // not what lies between
      const at::Tensor untouched = steps[std::string(network) + ".exp_avg_sq"].masked_select(drawn) == 0;
      const double share = untouched.to(at::kFloat).mean().item<double>();
      CHECK(share < (std::string(network) == "discriminator" ? 0.1 : 1e-6));
    }
  }
}

TEST_CASE("A reward without classes is refused before any work") {
  const TemporaryFolder folder;
  run(folder / "judge", kClassifier, "images: 64, batch: 16");
  const std::string unconditional = with(kTeacher, "label_dim: 2, ", "");
  run(folder / "teacher", unconditional, "images: 16, batch: 16");
  const std::string reward = "}, divergence: {name: reverse_kl}, reward: {weight: 1, classifier: " +
                             (folder / "judge/model.safetensors").string() + "}}";
  const std::filesystem::path teacher = folder / "teacher/model.safetensors";
  CHECK_THROWS_WITH(Steps(distil(teacher, reward), halves()),
                    Catch::Contains("task.reward") && Catch::Contains("class-conditional teacher"));
  // Particles have classes of their own.
  Steps steps(
      with(distil(teacher, reward), "student: {", "student: {generator: {kind: particles, count: 12}, "),
      halves());
  CHECK_NOTHROW(steps.step(0));
}
