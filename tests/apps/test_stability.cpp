// SPDX-License-Identifier: Apache-2.0
// onestep-sample stability, as a user meets it.
#include <catch2/catch.hpp>

#include "command.h"
#include "pages/xml.h"

using namespace onestep;
using Catch::Matchers::Contains;
using test::run_command;
using test::Said;

TEST_CASE("onestep-sample stability: a picture of a solver and its base, and one line") {
  const TemporaryFolder folder;
  const std::string file = (folder / "s.svg").string();
  const auto [arguments, line, names] = GENERATE(table<std::string, std::string, std::vector<std::string>>(
      {{"--sampler ghvb3.8",
        "ghvb3.8: stable for -0.3529 <= z <= 0 on the real axis; ab4: -0.3\n",
        {"ghvb3.8", "ab4"}},
       {"--solver hb --order 1 --beta 0.5",
        "hb0.5: stable for -6 <= z <= 0 on the real axis; ab1: -2\n",
        {"hb0.5", "ab1"}},
       {"--sampler heun", "heun: stable for -2 <= z <= 0 on the real axis; euler: -2\n", {"heun", "euler"}},
       {"--sampler euler", "euler: stable for -2 <= z <= 0 on the real axis\n", {"euler"}},
       {"--sampler ab2,ab3",
        "ab2: stable for -1 <= z <= 0 on the real axis; euler: -2\n"
        "ab3: stable for -0.5455 <= z <= 0 on the real axis; euler: -2\n",
        {"ab2", "ab3", "euler"}}}));
  const Said said = run_command("onestep-sample stability " + arguments + " --out " + file);
  INFO(said.err);
  CHECK(said.code == 0);
  CHECK(said.out == line + file + "\n");
  CHECK(said.err.empty());
  const std::string svg = read_bytes(file);
  CHECK(xml_problem(svg) == "");
  for (const std::string& name : names) CHECK_THAT(svg, Contains(">" + name + ": on the real axis"));
}

TEST_CASE("onestep-sample stability: bad input is one clear line, its exit code, and no file") {
  const TemporaryFolder folder;
  const std::string out = " --out " + (folder / "s.svg").string();
  struct Case {
    std::string arguments;
    int code;
    std::string message;
  };
  const std::vector<Case> cases{
      {"stability" + out, 2, "--sampler is required"},
      {"stability --sampler ghbv3.8" + out, 2, "did you mean 'ghvb3.8'?"},
      {"stability --sampler hb --beta 1.5" + out, 2, "beta must be in (0, 1], got 1.5"},
      {"stability --sampler euler_ancestral" + out, 2,
       "'euler_ancestral' has no stability region: it puts noise in"},
      {"stability --sampler one_step" + out, 2, "'one_step' has no stability region"},
      {"stability --sampler ab1,ab2,ab3,ab4,ab5,heun" + out, 2, "up to 5 solvers, not 6"},
      {"stability --sampler heun --steps 4" + out, 2, "--steps"},
      {"stability --sampler heun" + out + " model.safetensors", 2, "model.safetensors"},
      {"model.safetensors stability --sampler heun" + out, 2, "model excludes stability"},
      {"stability --sampler heun --out " + (folder / "none/s.svg").string(), 3,
       "none/s.svg: cannot be written"},
      {"stability --sampler heun --out " + folder.path().string(), 3, "not a regular file"},
      {"stability --sampler hb --beta 1e-25" + out, 2, "beta is below 1e-6"}};
  for (const auto& [arguments, code, message] : cases) {
    INFO(arguments);
    const Said said = run_command("onestep-sample " + arguments);
    CHECK(said.code == code);
    CHECK_THAT(said.err, Contains("onestep-sample: ") && Contains(message));
    CHECK(said.out.empty());
    CHECK(test::lines_of(said.err) == 1);
    CHECK(std::filesystem::is_empty(folder.path()));
  }
}
