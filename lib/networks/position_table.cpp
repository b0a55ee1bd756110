// SPDX-License-Identifier: Apache-2.0
#include "networks/position_table.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/sin.h>

namespace onestep {

at::Tensor position_table(int64_t side, int64_t channels, at::Device device) {
  TORCH_CHECK(channels % 4 == 0, "position_table: channels must be divisible by 4, got ", channels);
  if (device.is_meta()) return at::empty({1, side * side, channels}, device);
  const int64_t quarter = channels / 4;
  const at::Tensor exponent = at::arange(quarter, at::kDouble) / static_cast<double>(quarter);
  const at::Tensor angles = at::arange(side, at::kDouble).outer(at::pow(1.0 / 10000, exponent));
  const at::Tensor along = at::cat({angles.sin(), angles.cos()}, 1);  // [side, channels / 2]
  const auto over_grid = [&](int64_t new_axis) {
    return along.unsqueeze(new_axis).expand({side, side, channels / 2});
  };
  const at::Tensor of_column = over_grid(0), of_row = over_grid(1);  // of [row, column]
  return at::cat({of_column, of_row}, 2).view({1, side * side, channels}).to(device, at::kFloat);
}

}  // namespace onestep
