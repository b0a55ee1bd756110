// SPDX-License-Identifier: Apache-2.0
#include <ATen/ops/tensor.h>
#include <catch2/catch.hpp>

#include "kernels/philox.h"
#include "kernels/philox_core.h"

using namespace onestep::kernels;

TEST_CASE("Philox4x32-10 gives Random123's known answers", "[philox]") {
  const auto check = [](PhiloxBlock counter, uint64_t key, PhiloxBlock expected) {
    const PhiloxBlock got = philox4x32_10(counter, key);
    for (int i = 0; i < 4; ++i) CHECK(got.word[i] == expected.word[i]);
  };
  check({{0, 0, 0, 0}}, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
  check({{~0u, ~0u, ~0u, ~0u}}, ~uint64_t{0}, {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
  check({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0x299f31d0a4093822,
        {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});
}
