// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <cstdlib>

/// The seed of a test of learning, which has the tag [learning]: 0, or what ONESTEP_TEST_SEED says. Such
/// tests run under several seeds: what they show may hang neither on a lucky one nor on a processor's
/// rounding.
inline int64_t learning_seed() {
  const char* const wish = std::getenv("ONESTEP_TEST_SEED");
  return wish == nullptr ? 0 : std::atoll(wish);
}
