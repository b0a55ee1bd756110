// SPDX-License-Identifier: Apache-2.0
#include "distillation/gaussian_student.h"

#include <cmath>

#include <ATen/TensorOperators.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full.h>

namespace onestep {

GaussianStudent make_gaussian_student(double mean, double std, at::IntArrayRef image_shape) {
  std::vector<int64_t> shape = image_shape.vec();
  shape.insert(shape.begin(), 1);
  return {at::full(shape, mean, at::kFloat), at::full(shape, std::log(std), at::kFloat)};
}

at::Tensor student_images(const GaussianStudent& m, const Shard& shard) {
  return m.mean + m.log_std.exp() * unit_noise(shard, Purpose::student_latent);
}

}  // namespace onestep
