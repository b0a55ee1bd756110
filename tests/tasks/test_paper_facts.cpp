// SPDX-License-Identifier: Apache-2.0
// The presets against their papers. A preset that has something else says so in a line
// `# differs: KEY: reason`, and such a line is there for no other reason.
#include <fstream>

#include <c10/util/Logging.h>  // its CHECK must come before Catch's
#include <catch2/catch.hpp>

#include "config/config.h"
#include "paper_facts.h"
#include "tasks/train_config.h"
#include "temporary_folder.h"

using namespace onestep;
using test::Facts;
namespace fs = std::filesystem;

namespace {

const fs::path kPresets = fs::path(ONESTEP_SOURCE) / "configs/presets";

std::vector<std::string> faults(const fs::path& preset, const Facts& facts) {
  return test::faults(config::load(preset), test::excused(preset), facts);
}

}  // namespace

TEST_CASE("presets carry their papers' numbers, or say where they differ") {
  for (const auto& [name, facts] : test::facts_of_papers()) {
    INFO(name);
    CHECK(facts.size() > 20);
    CHECK(faults(kPresets / (name + ".yaml"), facts) == std::vector<std::string>{});
    // Every key of it is one, and none is out of its range.
    const std::vector<std::string> rest{"run.dir=somewhere", "data.kind=fashion_mnist", "task.teacher=t"};
    std::vector<std::string> overrides = rest;
    if (name == "di_plus_plus") overrides.emplace_back("task.reward.classifier=c");
    CHECK_NOTHROW(config::read<TrainConfig>(config::load(kPresets / (name + ".yaml"), overrides)));
  }
}

TEST_CASE("a number that is not the paper's is found, and a word that excuses nothing") {
  const TemporaryFolder folder;
  const Facts facts{{"task.a", "0.5"}, {"task.b", "x"}};
  const auto of = [&](const std::string& yaml) {
    std::ofstream(folder / "p.yaml") << yaml;
    return faults(folder / "p.yaml", facts);
  };
  using Catch::Matchers::Contains;
  CHECK(of("task: {a: 5.0e-1, b: x}\n").empty());
  CHECK(of("# differs: task.b: there is no x here.\ntask: {a: 0.5}\n").empty());
  CHECK(of("task: {a: 0.6, b: x}\n").size() == 1);
  CHECK(of("task: {a: 0.5}\n").size() == 1);
  CHECK(of("# differs: task.b: there is no x here.\ntask: {a: 0.5, b: x}\n").size() == 1);
  CHECK(of("# differs: task.c: there is no c here.\ntask: {a: 0.5, b: x}\n").size() == 1);
  CHECK(of("# differs: task.b\ntask: {a: 0.5}\n").size() == 2);
}
