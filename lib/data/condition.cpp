// SPDX-License-Identifier: Apache-2.0
#include "data/condition.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros_like.h>

namespace onestep {

Condition cat(const Condition& first, const Condition& second) {
  return map_rows(first, [&](const at::Tensor& rows) { return at::cat({rows, second.classes}); });
}

Condition null_like(const Condition& c) {
  return map_rows(c, [](const at::Tensor& rows) { return at::zeros_like(rows); });
}

Condition without(const Condition& c, const at::Tensor& hidden) {
  return map_rows(c, [&](const at::Tensor& rows) {
    return rows * hidden.logical_not().unsqueeze(1).to(rows.scalar_type());
  });
}

}  // namespace onestep
