// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/arange.h>
#include <catch2/catch.hpp>

#include "io/safetensors.h"
TEST_CASE("x") {
  using namespace onestep::io;
  write_safetensors("/tmp/io_x.safetensors", {{"a", at::arange(3)}});
  REQUIRE(read_safetensors("/tmp/io_x.safetensors").at("a").equal(at::arange(3)));
}
