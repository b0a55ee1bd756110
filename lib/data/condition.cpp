// SPDX-License-Identifier: Apache-2.0
#include "data/condition.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

namespace onestep {

Condition cat(const Condition& first, const Condition& second) {
  return map_rows(first, [&](const at::Tensor& rows) { return at::cat({rows, second.classes}); });
}

Condition null_like(const Condition& c) {
  return map_rows(c, [](const at::Tensor& rows) { return at::zeros_like(rows); });
}

Condition where(const at::Tensor& chosen, const Condition& other, const Condition& c) {
  return map_rows(
      c, [&](const at::Tensor& rows) { return at::where(chosen.unsqueeze(1), other.classes, rows); });
}

}  // namespace onestep
