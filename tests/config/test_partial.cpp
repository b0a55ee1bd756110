// SPDX-License-Identifier: Apache-2.0
// Some keys of a struct, read now and laid over the whole of it later.
#include <catch2/catch.hpp>

#include "config/config.h"

using namespace onestep;
using Catch::Matchers::Contains;

namespace {

struct Inner {
  int64_t steps = 18;
  std::string name = "heun";
  std::optional<double> rho;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("steps", c.steps, "how many", config::at_least(1));
    visit("name", c.name, "which", config::non_empty);
    visit("rho", c.rho, "how", config::positive);
  }
  std::string problem() const { return name == "one" && steps != 1 ? "one makes one step" : ""; }
};

struct Outer {
  config::Partial<Inner> sampler;
  template <class Self, class Visit>
  static void fields(Self& c, Visit&& visit) {
    visit("sampler", c.sampler, "changes");
  }
};

Outer outer(const std::string& text) {
  return config::read<Outer>(config::parse(text, "x.yaml"));
}

}  // namespace

TEST_CASE("a partial struct changes what it says and nothing else") {
  const Inner own{.steps = 4, .name = "euler", .rho = 3};
  const Outer changes = outer("sampler: {steps: 7}");
  CHECK(changes.sampler.says("steps"));
  CHECK_FALSE(changes.sampler.says("name"));
  const Inner result = config::overlaid(own, changes.sampler);
  CHECK(result.steps == 7);
  CHECK(result.name == "euler");
  CHECK(result.rho == 3);
  CHECK_FALSE(config::overlaid(own, outer("sampler: {rho: null}").sampler).rho.has_value());
  CHECK(config::overlaid(own, outer("{}").sampler).steps == 4);
}

TEST_CASE("a partial struct checks keys and values where they stand, and the whole once it is known") {
  CHECK_THROWS_WITH(outer("sampler: {stepz: 7}"), Contains("x.yaml:1: sampler.stepz") && Contains("'steps'"));
  CHECK_THROWS_WITH(outer("sampler:\n  steps: 0"), Contains("x.yaml:2: sampler.steps") && Contains(">= 1"));
  CHECK_THROWS_WITH(outer("sampler: 3"), Contains("expected a map"));
  const Outer one = outer("sampler: {name: one}");  // sound as far as it goes
  CHECK(config::overlaid({.steps = 1}, one.sampler).name == "one");
  CHECK_THROWS_WITH(config::overlaid({.steps = 2}, one.sampler), Contains("one makes one step"));
}

TEST_CASE("a partial struct goes to text and back, and into the help") {
  const Outer changes = outer("sampler: {name: euler, steps: 7}");
  const Outer back = outer(config::to_yaml(changes));
  CHECK(config::overlaid({}, back.sampler).name == "euler");
  CHECK(config::overlaid({}, back.sampler).steps == 7);
  CHECK(config::to_yaml(back) == config::to_yaml(changes));
  CHECK_THAT(config::help<Outer>(), Contains("sampler.steps") && Contains("unchanged"));
}
