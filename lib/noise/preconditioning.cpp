// SPDX-License-Identifier: Apache-2.0
#include "noise/preconditioning.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/log.h>
#include <ATen/ops/rsqrt.h>

namespace onestep {

Preconditioning edm_preconditioning(const at::Tensor& sigma, double sigma_data) {
  const at::Tensor column = sigma.reshape({-1, 1, 1, 1});
  const at::Tensor total = column * column + sigma_data * sigma_data;
  const at::Tensor c_in = total.rsqrt();
  return {.c_skip = (sigma_data * sigma_data) / total,
          .c_out = column * sigma_data * c_in,
          .c_in = c_in,
          .c_noise = sigma.reshape({-1}).log() / 4};
}

}  // namespace onestep
