// SPDX-License-Identifier: Apache-2.0
#include "networks/inception_rule.h"

#include <cmath>

namespace onestep::test {
namespace {

uint64_t splitmix64(uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

/// Values are centre + spread · u.
struct Law {
  double centre, spread;
};

Law law(const std::string& name, const at::Tensor& tensor) {
  if (name.ends_with(".running_var")) return {1, 0.5};
  if (name.ends_with(".bn.weight")) return {1, 0.2};
  if (name.ends_with(".weight")) {
    return {0, std::sqrt(6.0 / static_cast<double>(tensor.numel() / tensor.size(0)))};
  }
  return {0, 0.1};
}

}  // namespace

Inception rule_inception(uint64_t seed) {
  Inception m = make_inception();
  uint64_t k = 0;
  for_each_tensor(m, [&](const std::string& name, at::Tensor& tensor, bool) {
    const Law values = law(name, tensor);
    const uint64_t start = (seed << 48) + (k++ << 32);
    auto* const data = tensor.mutable_data_ptr<float>();
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      const double u = std::ldexp(static_cast<double>(splitmix64(start + i) >> 40), -23) - 1;
      data[i] = static_cast<float>(values.centre + values.spread * u);
    }
  });
  return m;
}

}  // namespace onestep::test
