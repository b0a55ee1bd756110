// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "networks/inception.h"

namespace onestep::test {

/// The Inception network with weights that a rule gives, so that no file of 95 MB is needed. For flat index i
/// of the k-th tensor in the order of `Inception::parameters`:
///   u = 2⁻²³ (splitmix64(seed · 2⁴⁸ + k · 2³² + i) >> 40) − 1,
///   conv.weight u √(6/fan_in), bn.weight 1 + 0.2u, bn.bias and bn.running_mean 0.1u, bn.running_var 1 +
///   0.5u, fc.weight u √(6/2048), fc.bias 0.1u; in double, rounded to float32.
Inception rule_inception(uint64_t seed);

}  // namespace onestep::test
