// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "config/config.h"
#include "config/example.h"

using namespace onestep;
using example::Experiment;

TEST_CASE("round trip") {
  Experiment c;
  c.sets = {{"a", 1}, {"b: c", 2}};
  c.clip = 1e-30;
  CHECK(config::read<Experiment>(config::parse(config::to_yaml(c), "x")) == c);
  CHECK(config::read<Experiment>(config::parse(config::to_json(c).dump(), "x")) == c);
}
