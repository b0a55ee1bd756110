// SPDX-License-Identifier: Apache-2.0
// Every YAML file that the repository ships is read as it will be; every preset has an experiment that uses
// it.
#include <set>

#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "config/config.h"
#include "tasks/train_config.h"
#include "temporary_folder.h"

using namespace onestep;
namespace fs = std::filesystem;

namespace {

const fs::path kConfigs = fs::path(ONESTEP_SOURCE) / "configs";

std::vector<fs::path> yaml_files(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kConfigs / folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// Parts of experiments, and what another command reads.
bool is_experiment(const fs::path& file) {
  static const std::set<std::string> others{"student",  "integral",      "discriminator", "particles",
                                            "evaluate", "inception_fid", "two_modes"};
  return !others.contains(file.stem().string()) || file.parent_path().filename() == "toy";
}

DistilConfig distil_of(const fs::path& file, const std::vector<std::string>& overrides = {}) {
  return std::get<DistilConfig>(config::read<TrainConfig>(config::load(file, overrides)).task);
}

}  // namespace

TEST_CASE("an evaluation on the way is refused where there are no images to score") {
  const auto refusal = [](const char* file) -> std::string {
    try {
      const std::vector<std::string> changes{"run.dir=somewhere", "evaluation.every_images=100",
                                             "evaluation.features.model=c.safetensors"};
      config::read<TrainConfig>(config::load(kConfigs / file, changes));
    } catch (const config::ConfigError& error) {
      return error.what();
    }
    return "";
  };
  CHECK(refusal("fashion_mnist/teacher.yaml").empty());
  CHECK_THAT(refusal("fashion_mnist/classifier.yaml"), Catch::Contains("a classifier makes no images"));
  CHECK_THAT(refusal("toy/mode_seeking.yaml"), Catch::Contains("not points or latents"));
}

TEST_CASE("every experiment that is shipped reads without an error") {
  int64_t experiments = 0;
  for (const char* folder : {"fashion_mnist", "emoji", "toy"}) {
    for (const fs::path& file : yaml_files(folder)) {
      if (!is_experiment(file)) continue;
      INFO(file);
      const std::vector<std::string> dir{"run.dir=somewhere"};  // the shared part of the toys names none
      CHECK_NOTHROW(config::read<TrainConfig>(config::load(file, dir)));
      ++experiments;
    }
  }
  CHECK(experiments > 25);
}

TEST_CASE("every preset has an experiment on Fashion-MNIST of the same name, and its values are in it") {
  const std::vector<fs::path> presets = yaml_files("presets");
  CHECK(presets.size() == 18);
  for (const fs::path& preset : presets) {
    INFO(preset);
    const config::Node alone = config::load(preset);
    const config::Node whole = config::load(kConfigs / "fashion_mnist" / preset.filename());
    for (const config::Node& section : find(alone, "task")->children) {
      if (section.kind != config::Node::Kind::scalar) continue;
      INFO(section.key);
      CHECK(find(*find(whole, "task"), section.key)->text == section.text);
    }
    CHECK_NOTHROW(config::read<TrainConfig>(config::load(kConfigs / "fashion_mnist" / preset.filename())));
  }
}

TEST_CASE("presets are what their papers say") {
  const auto preset = [](const std::string& name) {
    return distil_of(kConfigs / "fashion_mnist" / (name + ".yaml"));
  };
  const auto expanded = [&](const std::string& name) { return std::get<ExpandedConfig>(preset(name).loss); };
  for (const char* name : {"diff_instruct", "dmd", "dmd2", "f_distill", "swiftbrush", "vsd", "sds", "dds",
                           "red_diff", "di_plus_plus"}) {
    INFO(name);
    CHECK(std::holds_alternative<IntegralConfig>(preset(name).loss));
    CHECK((preset(name).divergence.name == "reverse_kl") == (std::string(name) != "f_distill"));
  }
  CHECK(expanded("sid").alpha == 1.2);
  CHECK(expanded("sida").alpha == 1);
  CHECK(expanded("sim").distance == "pseudo_huber");
  CHECK(expanded("uni_instruct").form == "exact");
  CHECK(expanded("uni_instruct").alpha == 0.5);
  CHECK(expanded("uni_instruct_frozen").form == "frozen_ratio");
  CHECK(expanded("uni_instruct_paper").form == "paper");
  CHECK(preset("dmd").regression.has_value());
  CHECK(preset("di_plus_plus").reward.has_value());
  CHECK(preset("di_star").reward.has_value());
  CHECK(preset("red_diff").fidelity.has_value());
  CHECK(std::holds_alternative<PointFakeConfig>(preset("sds").fake));
  CHECK(std::holds_alternative<ReferenceFakeConfig>(preset("dds").fake));
  CHECK(preset("sida").adversarial->scaled);
  CHECK(preset("sida").discriminator->head == "pixel_mean");
  CHECK_FALSE(preset("uni_instruct").adversarial.has_value());  // the ratio alone
  const DistilConfig lsg = preset("sid_lsg");
  CHECK(lsg.teacher_guidance == std::get<FakeNetworkConfig>(lsg.fake).guidance);
  CHECK(lsg.teacher_guidance == std::get<FakeNetworkConfig>(lsg.fake).training_guidance);
}

TEST_CASE("parts that don't go together are refused before any work starts") {
  const auto refused = [](const std::string& experiment, const std::vector<std::string>& overrides,
                          const std::string& words) {
    INFO(experiment << " " << overrides.front());
    CHECK_THROWS_WITH(distil_of(kConfigs / (experiment + ".yaml"), overrides), Catch::Contains(words));
  };
  refused("fashion_mnist/sid", {"task.divergence.name=jensen_shanon"}, "did you mean 'jensen_shannon'?");
  refused("fashion_mnist/sid", {"task.divergence.name=forward_kl"}, "no discriminator to measure it");
  refused("fashion_mnist/sid", {"task.divergence.name=alpha", "task.divergence.alpha=1"}, "forward_kl");
  refused("fashion_mnist/sid", {"task.divergence.name=alpha", "task.divergence.alpha=0"}, "reverse_kl");
  refused("fashion_mnist/sid", {"task.loss.alpha=7"}, "[-1, 2]");
  refused("fashion_mnist/sid", {"task.loss.form=exakt"}, "did you mean 'exact'?");
  refused("fashion_mnist/sid", {"task.loss.kind=expand"}, "did you mean 'expanded'?");
  refused("fashion_mnist/f_distill", {"task.ratio.source=exact"}, "densities that are known");
  refused("fashion_mnist/f_distill", {"task.ratio.source=discriminatr"}, "did you mean 'discriminator'?");
  refused("fashion_mnist/f_distill", {"task.discriminator=null"}, "no discriminator to measure it");
  refused("fashion_mnist/f_distill", {"task.discriminator.loss=hinge"}, "no density ratio");
  refused("fashion_mnist/f_distill", {"task.adversarial.weight=-1"},
          "task.adversarial.weight: expected a number in [0, 1e+09]");
  refused("fashion_mnist/f_distill", {"task.discriminator.weight=-1"}, "in [0, 1e+09]");
  refused("fashion_mnist/f_distill", {"task.discriminator.head=pixel_mean"}, "nothing to learn");
  refused("fashion_mnist/di_star", {"task.reward.weight=-0.5"}, "in [0, 1e+09]");
  refused("fashion_mnist/sim", {"task.divergence.name=forward_kl", "task.ratio.source=one"}, "pseudo_huber");
  refused("fashion_mnist/sds", {"task.loss={kind: expanded}"}, "needs a fake score");
  refused("fashion_mnist/dds", {"task.student.generator.start=noise"}, "start from data");
  refused("fashion_mnist/sid", {"task.fake={kind: exact}"}, "gaussian or particles");
  refused("fashion_mnist/sid", {"task.adversarial={weight: 1}"}, "adversarial needs a discriminator");
  refused("fashion_mnist/dmd", {"task.student.generator={kind: multi_step, sigmas: [80, 2]}"}, "one_step");
  refused("fashion_mnist/sid", {"task.student.generator={kind: multi_step, sigmas: [2, 80]}"},
          "decrease strictly");
  refused("fashion_mnist/sid", {"task.fidelity={measurement: {kind: blur}}"}, "particles");
  refused("fashion_mnist/sid", {"task.network={network: {kind: mlp, dim: 2}}"}, "copies the teacher");
  refused("toy/ring", {"task.discriminator.features=teacher"}, "no encoder");
  refused("toy/mode_covering", {"task.discriminator={features: fake}"}, "fake.kind network");
}
